"""A replay on a screen: what a draft would have done in the last days, beside what is in force."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from sqlalchemy import Connection

from worker.cli.drafting import Desk
from worker.cli.screen import emit, err, note, out, table

if TYPE_CHECKING:
    from worker.rescoring.basis import Basis
    from worker.steering.replay import Replayed

NAMED = 50
"""So many people are named on each side."""

Days = Annotated[int, typer.Option("--days", min=1, max=730, help="How far back.")]


def show(desk: Desk, sides: tuple[Basis, Basis], days: int, name: str, *, as_json: bool) -> None:
    """Replay what is in force and the draft (called `name`), and tell the difference."""
    found = _replayed(desk, sides, days)
    both = (found.difference.becoming, found.difference.ceasing)
    with desk.engine.connect() as connection:
        people = [_named(connection, side[:NAMED]) for side in both]
    if as_json:
        emit({**asdict(found), "becoming": people[0], "ceasing": people[1]})
        return
    _show(found, days, name, people)
    for limit in found.limits:
        note(f"not replayed: {limit}")


def _replayed(desk: Desk, sides: tuple[Basis, Basis], days: int) -> Replayed:
    from worker.steering.replay import Side, replay

    process = desk.process
    kinds = {source.name: source.kind for source in process.settings.sources}
    _, aim = process.settings.goal_named(desk.goal)
    current, draft = (Side(basis.policy, basis) for basis in sides)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("reading", total=1.0)
        return replay(
            process.arrow, desk.goal, aim, current, draft, desk.now(), days, kinds,
            progress=lambda share, what: bar.update(task, completed=share, description=what),
        )  # fmt: skip


def _named(connection: Connection, people: Sequence[int]) -> list[dict[str, str | None]]:
    from worker.store import journeys

    known = journeys.named(connection, people)
    return [{"name": known[p].name, "record": known[p].record} for p in people if p in known]


def _show(found: Replayed, days: int, name: str, people: Sequence[Sequence[dict[str, str | None]]]) -> None:
    difference = found.difference
    by = f"scores told again at {found.retold:,} instants" if found.retold else "their recorded scores"
    out.print(f"The last {days} days of {found.people:,} people, by {by}")
    rows: list[tuple[object, ...]] = [(f"became MQL in {days} days", *difference.entered)]
    rows += [(f"at the end: {stage}", *counts) for stage, counts in difference.stages.items()]
    for source, (current, draft) in found.loads.items():
        rows.append((f"writes to {source}", current.writes, draft.writes))
        rows.append((f"API calls for them, {source}", current.calls, draft.calls))
        rows.append((f"writes at once on publishing, {source}", "", draft.at_once))
    table("", ("", "in force", name), rows, right=[1, 2])
    for title, side, numbers in (
        ("Would become MQL", people[0], difference.becoming),
        ("Would not", people[1], difference.ceasing),
    ):
        out.print(f"{title}: {len(numbers):,}")
        for person in side:
            out.print(f"  {person['name'] or '(no name)'}  {person['record']}", markup=False)
        if len(numbers) > len(side):
            out.print(f"  and {len(numbers) - len(side):,} more")
    for attribute, groups in found.groups.items():
        if groups:
            _show_groups(attribute, groups.items())


def _show_groups(attribute: str, groups: Iterable[tuple[str, tuple[int, int]]]) -> None:
    table(
        f"By {attribute.replace('_', ' ')}",
        (attribute, "become", "cease"),
        [(value, *counts) for value, counts in list(groups)[:20]],
        right=[1, 2],
    )
