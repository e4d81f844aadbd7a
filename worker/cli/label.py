"""`leadgauge label`: what a goal's labels look like, before anything is trained on them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from worker.bootstrap import Process
from worker.cli.screen import emit, local, note, out, table
from worker.settings import load
from worker.training.goal import DealStage, FieldReached, Goal

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from worker.training.preview import Preview

BAR = 16
"""Width of the longest bar."""


@dataclass(frozen=True, slots=True)
class Named:
    """A goal by its name, and whether it decides stages."""

    name: str
    goal: Goal
    primary: bool


def add_to(app: typer.Typer) -> None:
    app.command()(label)


def label(
    preview: Annotated[bool, typer.Option("--preview", help="Show what there is; nothing is changed.")] = True,
    goal: Annotated[str | None, typer.Option("--goal", help="One of `goals`; the primary one if left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Who converted, by month: base rate, the immature, the early, and whether a model can be trained."""
    from worker.store import labels
    from worker.training import history
    from worker.training.preview import preview as counted

    process = Process(load())
    process.check_schema()
    name, chosen = process.settings.goal_named(goal)
    chosen.check(name, process.vocabulary.catalogue.attributes)
    with process.engine.connect() as connection:
        until, behind = labels.known_until(connection, process.sources, process.now())
        found = counted(history.read(process.arrow, chosen, until), chosen)
        notes = _notes(connection, process, found, behind)
    process.close()
    if as_json:
        emit(_report(name, found, notes))
    else:
        _show(Named(name, chosen, name == process.settings.goal), found, process.now())
        for text in notes:
            note(text)


def _report(name: str, found: Preview, notes: list[str]) -> dict[str, Any]:
    from worker.training.preview import NEEDED

    body = asdict(found) | {"goal": {"name": name, **found.goal.model_dump(mode="json")}}
    months = [asdict(month) | {"rate": month.rate} for month in found.months]
    needed = {"conversions": NEEDED, "others": NEEDED}
    return body | {
        "months": months,
        "others": found.others,
        "early": found.early,
        "needed": needed,
        "ready": found.ready,
        "verdict": found.verdict,
        "notes": notes,
    }


def _notes(connection: Connection, process: Process, found: Preview, behind: str | None) -> list[str]:
    """What a person should know of the figures: what is not read yet, and what may be misspelt."""
    from worker.store import labels, streams

    notes = []
    if streams.loading(connection, process.sources):
        notes.append("the first read of the CRMs is not over: what is missing yet counts as not having happened")
    elif behind is not None and (process.now() - found.until).total_seconds() > 86_400:
        notes.append(f"{behind} was last read whole at {local(found.until)}: nothing after that is judged")
    begins = labels.first_activity(connection)
    if begins and found.months and not found.goal.population.since and begins.date() > _next_month(found):
        notes.append(
            f"activities are known since {begins:%Y-%m-%d}, but people were there before: set `population.since` of "
            "the goal to that day, or a model learns from times at which nothing was recorded"
        )
    if not found.converted and not found.early:
        notes += _misspelt(connection, found.goal)
    return notes


def _next_month(found: Preview) -> Any:
    first = found.months[0].month
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def _misspelt(connection: Connection, goal: Goal) -> list[str]:
    """Where nobody converted at all: what the CRMs do hold."""
    from worker.store import labels

    match goal.event:
        case DealStage():
            seen = labels.seen_stages(connection)
            return [f"no deal with people came into that stage; the stages seen are: {', '.join(seen) or 'none'}"]
        case FieldReached(values=tuple()):
            seen = labels.seen_values(connection, goal.event.name)
            return [f"{goal.event.name} never had such a value; frequent ones are: {', '.join(seen) or 'none'}"]
    return ["this never happened to anybody, as far as the CRMs tell"]


def _show(named: Named, found: Preview, now: datetime) -> None:
    from worker.training.preview import NEEDED

    goal = found.goal
    out.print(f"[bold]Goal {named.name}[/]{' (primary)' if named.primary else ''}: {goal}", markup=True)
    out.print()
    if not found.months:
        out.print("Nobody could be scored yet: run `leadgauge sync`, and see `leadgauge status`.")
        return
    most = max((month.rate or 0.0 for month in found.months), default=0.0)
    table(
        "By the month in which people could first be scored",
        ("month", "people", "early", "immature", "converted", "rate", ""),
        (
            (f"{m.month:%Y-%m}", f"{m.people:,}", f"{m.early:,}", f"{m.immature:,}", f"{m.converted:,}",
             _percent(m.rate), _bar(m.rate, most))
            for m in found.months
        ),
        right=(1, 2, 3, 4, 5),
    )  # fmt: skip
    out.print()
    lines = [("People", f"{found.eligible:,} could be scored, {found.trainable:,} long enough ago to be judged")]
    lines += [("" if i else "Not scored", f"{n:,} {why}") for i, (why, n) in enumerate(found.outside.items())]
    enough = f"[{'green' if found.ready else 'yellow'}]{found.verdict}[/]"
    lines += [
        ("Immature", f"{found.immature:,}: their {goal.horizon_days} days are not over; never counted as lost"),
        ("Base rate", f"{_percent(found.base_rate)} of instants at which people could have been scored"),
        ("Requirement", f"{found.converted:,} converted of {NEEDED} needed, {found.others:,} others of {NEEDED}"),
        ("", enough),
    ]
    facts = Table.grid(padding=(0, 2))
    for title, text in lines:
        facts.add_row(f"[bold]{title}[/]" if title else "", text)
    out.print(facts)
    if found.segments:
        _show_segments(found)


def _show_segments(found: Preview) -> None:
    goal = found.goal
    out.print()
    table(
        f"By {goal.segment}; own model from {goal.segment_minimum} converted",
        (goal.segment or "", "people", "converted", "rate", "model"),
        (
            ("unknown" if s.value is None else s.value, f"{s.people:,}", f"{s.converted:,}", _percent(s.rate),
             "own" if s.own_model else "of all")
            for s in found.segments[:20]
        ),
        right=(1, 2, 3),
        text=(0,),
    )  # fmt: skip
    if len(found.segments) > 20:
        out.print(f"... and {len(found.segments) - 20:,} more, each smaller")


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.1f} %"


def _bar(rate: float | None, most: float) -> str:
    return "" if not rate else "█" * max(1, round(BAR * rate / most))
