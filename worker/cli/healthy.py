"""`leadgauge healthy`: whether what runs on this machine goes on."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.screen import Exit, emit, error, out
from worker.observing import heartbeat
from worker.settings import load


def add_to(app: typer.Typer) -> None:
    app.command()(healthy)


def healthy(
    roles: Annotated[list[str] | None, typer.Argument(help="As in worker-compute, beat; all if left out.")] = None,
    older: Annotated[float, typer.Option(min=1, help="Seconds without a beat after which one is not.")] = heartbeat.ILL,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Look at the heartbeat files of the workers, beat and the trainer that began on this machine; ends with 1 if one
    stands still. The console tells by itself, at /healthz."""
    home = load().home
    wrong = heartbeat.ill(home, roles or (), older)
    if as_json:
        emit({"beats": dict(heartbeat.ages(home)), "problems": list(wrong)})
    else:
        for line in wrong:
            error(line)
        for role, age in heartbeat.ages(home).items():
            out.print(f"{role}  {age:.0f} s ago", markup=False)
    if wrong:
        raise typer.Exit(Exit.NOT_WELL)
