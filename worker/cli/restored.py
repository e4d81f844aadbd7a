"""`leadgauge restored`: after a backup was read in."""

from __future__ import annotations

import typer

from worker.bootstrap import Process
from worker.cli.screen import out
from worker.settings import load
from worker.store import lineage


def add_to(app: typer.Typer) -> None:
    app.command()(restored)


def restored() -> None:
    """Say that the database was restored from a backup. Mostly it is noticed without; saying it twice does no harm."""
    process = Process(load())
    process.check_schema()
    assert process.registered
    with process.engine.begin() as connection:
        lineage.declare_restored(connection, process.now())
    process.close()
    out.print(
        "everything is compared with the CRMs before anything is written to them; who was erased meanwhile is erased "
        "again (`leadgauge status` tells how it goes)"
    )
