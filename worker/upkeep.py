"""What keeps a database fit: noticing that it was restored, and letting go of what is too old."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from worker.memory import Memory
from worker.store import exports, lineage, retention

if TYPE_CHECKING:
    from worker.bootstrap import Process


def beat(process: Process) -> bool:
    """Count a beat of the database, and remember it outside: in Redis, and in this machine's `home`. True where it is
    found to have been restored from a backup; then everything is compared before anything is written."""
    with process.engine.connect() as connection:
        held = lineage.read(connection)
    memory = Memory(process.redis, process.settings.home)
    with process.engine.begin() as connection:
        copy = lineage.beat(connection, memory.of(held.name) if held else 0, process.now())
    memory.keep(copy.name, copy.beat)
    return copy.found


def tidy(process: Process) -> None:
    """What is older than its limit goes, and from the files of snapshots on this machine whoever is a person no more.
    Safe to repeat."""
    with process.engine.begin() as connection:
        retention.sweep(connection, dict(process.settings.retention), process.now())
    host = socket.gethostname()
    with process.engine.begin() as connection:
        for path in map(Path, exports.of_host(connection, host)):
            if not path.exists():
                exports.forget(connection, host, str(path))
                continue
            from worker.training.pruning import prune  # it brings Arrow

            with suppress(OSError):  # the next night
                prune(path, lambda ids: exports.still_people(connection, ids))
