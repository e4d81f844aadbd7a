"""`leadgauge backfill`: read what the CRMs have to the end, and watch it being read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from worker.bootstrap import Process
from worker.cli.pause import known_sources
from worker.cli.run import prepare
from worker.cli.screen import Exit, clock, emit, err, error, note, out
from worker.settings import ConfigurationError, load
from worker.setup.backfill import Backfill, Key, begin

EVERY = 0.5
"""Seconds between two looks."""
LONGEST_REST = timedelta(seconds=30)


def add_to(app: typer.Typer) -> None:
    app.command()(backfill)


def backfill(
    source: Annotated[list[str] | None, typer.Option("--source", help="Only this CRM account.")] = None,
    stream: Annotated[list[str] | None, typer.Option("--stream", help="Only this stream, as in contacts.")] = None,
    again: Annotated[bool, typer.Option("--again", help="From the beginning, also what was read to its end.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait while the day's calls are spent; else end, and go on later.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Read the CRMs to the end: the first load, or with --again everything once more, as after mapping a new field.

    `leadgauge up` reads it, too; both may run at once. Ctrl-C ends it, and the next goes on from there.
    """
    process = Process(load())
    names = known_sources(process, source) or process.sources
    if not names:
        raise ConfigurationError("no CRM is configured: run `leadgauge init`, or add one under `sources`")
    prepare(process)
    work = begin(process, names, stream or (), again=again)
    for held in work.held:
        note(f"{'/'.join(held)} is being read by a worker just now; ask for it again in a minute")
    parked = False
    with _watched(work, shown=not as_json and err.is_terminal) as tick, ThreadPoolExecutor(1) as reader:
        while work.left:
            reading = reader.submit(work.step)
            while wait_for([reading], EVERY).not_done:
                tick()
            moved = reading.result()
            work.look()
            if not moved and work.left and not _rest(work, wait, tick):
                parked = True
                break
    _tell(work, parked, as_json)
    process.close()
    if work.problems:
        raise typer.Exit(Exit.UNAVAILABLE)
    if parked:
        raise typer.Exit(Exit.NOT_WELL)


def _rest(work: Backfill, wait: bool, tick: Tick) -> bool:
    """Let time pass until something may be due; False where that is long and nobody wants to wait."""
    due, now = work.next_due(), work.process.now()
    left = min(due - now, LONGEST_REST) if due else timedelta(seconds=1)
    if not wait and due and due - now > LONGEST_REST:
        return False
    until = time.monotonic() + max(EVERY, left.total_seconds())
    while time.monotonic() < until:
        tick()
        time.sleep(EVERY)
    return True


def _tell(work: Backfill, parked: bool, as_json: bool) -> None:
    facts = {f"{source}/{name}": seen for (source, name), seen in sorted(work.seen.items())}
    if as_json:
        left = [f"{source}/{name}" for source, name in sorted(work.left)]
        emit({"facts": facts, "left": left, "problems": {s: str(problem) for s, problem in work.problems.items()}})
        return
    for problem in work.problems.values():
        error(str(problem))
    if parked:
        due = work.next_due()
        when = f"; it can go on at {clock(due, work.process.now())}" if due else ""
        note(f"{len(work.left)} streams are not through{when}. `leadgauge up` goes on by itself, so does this command")
    out.print(f"read {sum(facts.values()):,} facts here" if facts else "all was read to its end before")
    if not work.left and not work.problems:
        out.print("every stream is read to its end")


class Tick:
    """Brings the bars up to date; called twice a second."""

    def __init__(self, work: Backfill, progress: Progress) -> None:
        self._work, self._progress = work, progress
        self._bars: dict[str, TaskID] = {}

    def __call__(self) -> None:
        loads, now, left = self._work.loads(), self._work.process.now(), set(self._work.left)
        for key in sorted(left | self._work.seen.keys()):
            load = loads.get(key)
            if key not in left:
                self._show(key, "through", 1, 1)
            elif load is None:
                self._show(key, f"{self._work.seen.get(key, 0):,} facts", 0, None)
            else:
                through = self._work.process.forecast(load)
                when = f", through at {clock(through, now)}" if through else ""
                self._show(key, f"{load.rows:,} rows{when}", load.rows, load.total)
        for source, calls, until in self._work.calls_left():
            rests = f", rests until {clock(until, now)}" if until else ""
            self._show((source, "calls"), f"{calls:,} left today for backfills{rests}", 0, None)

    def _show(self, key: Key, told: str, done: int, total: int | None) -> None:
        name = "/".join(key)
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=total, told=told)
        self._progress.update(self._bars[name], completed=done, total=total, told=told)


@contextmanager
def _watched(work: Backfill, *, shown: bool) -> Iterator[Tick]:
    columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=err, transient=True, disable=not shown) as progress:
        yield Tick(work, progress)
