"""`leadgauge pause` and `resume`: no more writes to a CRM, at once, until a person says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from worker.bootstrap import Process
from worker.cli.revisions import author
from worker.cli.screen import local, note, out
from worker.settings import ConfigurationError, load
from worker.store import brakes

Source = Annotated[str | None, typer.Option("--source", help="One CRM account; all if left out.")]


def add_to(app: typer.Typer) -> None:
    app.command()(pause)
    app.command()(resume)


def pause(
    reason: Annotated[str, typer.Option("--reason", help="Why; `status` shows it until you resume.")],
    source: Source = None,
) -> None:
    """Stop writing at once, between two batches. Reading and scoring go on, and what is due waits in the ledger."""
    process = Process(load())
    process.check_schema()
    name = _one(process, source)
    if not reason.strip():
        raise ConfigurationError("--reason: say why; whoever comes next wants to know")
    with process.engine.begin() as connection:
        fresh = brakes.pause(connection, name, reason.strip(), author(), process.now())
        standing = brakes.pauses(connection)
    process.close()
    for each in standing:
        out.print(told(each), markup=False, soft_wrap=True)
    if not fresh:
        note("it was paused before, and that stands")


def resume(source: Source = None) -> None:
    """Write again: what is due goes out, of each record only the newest values."""
    process = Process(load())
    process.check_schema()
    name = _one(process, source)
    with process.engine.begin() as connection:
        ended, standing = brakes.resume(connection, name), brakes.pauses(connection)
    process.close()
    out.print("writing goes on" if ended else "writing was not paused there")
    for each in standing:
        note(told(each))


def told(pause: brakes.Pause) -> str:
    """A pause in a sentence."""
    whom = f"to {pause.source}" if pause.source else "to all CRMs"
    return f"writing {whom} is paused since {local(pause.at)} by {pause.author}: {pause.reason}"


def known_sources(process: Process, names: Sequence[str] | None) -> Sequence[str]:
    """The names that a person gave. Raises `ConfigurationError` for one that no source has."""
    for name in names or ():
        if name not in process.sources:
            raise ConfigurationError(f"no source is named {name!r}; there are: {', '.join(process.sources) or 'none'}")
    return names or ()


def _one(process: Process, source: str | None) -> str:
    return known_sources(process, [source])[0] if source else brakes.ALL
