"""A published change on its way through everybody's scores, on a screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from sqlalchemy import Engine

from worker.cli.screen import Exit, clock, err, error, out
from worker.lifecycle.rollout import Rollout
from worker.store import rollouts
from worker.store.people import Scale

PATIENCE = 60.0
"""Seconds without anybody scored after which nobody waits any longer."""
_LOOK_EVERY = 1.0


def follow(engine: Engine, scale: Scale, now: Callable[[], datetime], patience: float = PATIENCE) -> None:
    """Show how far it is until everybody is scored by these revisions. Exits with 1 when nothing moves."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[end]}"))
    with Progress(*columns, console=err, transient=True) as shown:
        bar = shown.add_task("scoring everybody anew", total=1.0, end="")
        left, moved = -1, time.monotonic()
        while True:
            with engine.connect() as connection:
                far = rollouts.rollout(connection, scale, now())
            if not far.left:
                break
            shown.update(bar, completed=far.share, end=said(far, now()))
            if far.left != left:
                left, moved = far.left, time.monotonic()
            elif time.monotonic() - moved > patience:
                error(
                    f"{far.left:,} of {far.people:,} people still have a score of before, and nobody was scored for "
                    f"{patience:.0f} s: is a worker running (`leadgauge up`)? `leadgauge status` shows how it goes on"
                )
                raise typer.Exit(Exit.NOT_WELL)
            time.sleep(_LOOK_EVERY)
    out.print(f"all {far.people:,} people are scored by it")


def said(far: Rollout, now: datetime) -> str:
    """How many are left, and until when."""
    at = far.done_at(now)
    return f"{far.left:,} of {far.people:,} left, " + ("no pace yet" if at is None else f"done about {clock(at, now)}")
