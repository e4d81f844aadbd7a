"""`leadgauge backup` and `leadgauge restore`: the database as one file, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from worker.bootstrap import Process
from worker.cli.screen import note, out
from worker.embedded import programs
from worker.settings import load
from worker.store import dump, lineage


def add_to(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)


def backup(
    to: Annotated[Path, typer.Argument(help="A file that is not there yet, or a directory for one named by the time.")],
    keep: Annotated[
        int, typer.Option("--keep", min=0, help="In a directory, made if need be, all but so many are deleted.")
    ] = 0,
) -> None:
    """Write the whole database into one file, while everything goes on. Restore it with `leadgauge restore`.

    Not in it: leadgauge.yaml, and the keys of tokens and models. Keep them, elsewhere.
    """
    process = Process(load())
    process.check_schema()
    tools = dump.find(process.engine, _places())
    if keep:
        dump.folder(to)
    file = to / f"leadgauge-{process.now():%Y%m%dT%H%M%SZ}.dump" if to.is_dir() else to
    if file.exists():
        raise dump.DumpError(f"{file} is there already; nothing was written")
    dump.save(process.engine, tools, file)
    process.close()
    out.print(f"wrote {file}, {file.stat().st_size / 2**20:.1f} MiB", markup=False, soft_wrap=True)
    if keep:
        for gone in dump.prune(file.parent, keep):
            note(f"deleted {gone}")


def restore(
    file: Annotated[Path, typer.Argument(help="What `leadgauge backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Delete what the database holds first.")] = False,
) -> None:
    """Read a backup into the database, and bring it to this version. Stop everything else first.

    Then start the workers: everything is compared with the CRMs before anything is written to them, and who was erased
    since the backup is erased again.
    """
    process = Process(load())
    dump.load(process.engine, dump.find(process.engine, _places()), file, replace=replace)
    process.migrate()
    assert process.registered
    with process.engine.begin() as connection:
        lineage.declare_restored(connection, process.now())
    process.close()
    out.print("restored. Start the workers: everything is compared with the CRMs before anything is written to them")


def _places() -> Iterator[Path]:
    """Where pg_dump may be: on PATH, where Debian and the PostgreSQL packages put it, in the wheel."""
    yield from (Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place)
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    yield from sorted(Path("/usr").glob("pgsql-*/bin"))
    if own := programs.clients():
        yield own
