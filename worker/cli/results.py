"""`leadgauge results`: what became of people by the bucket that they were in, live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.drafting import AsJson, Desk, Goal
from worker.cli.screen import emit, local, note, out, table
from worker.settings import ConfigurationError

if TYPE_CHECKING:
    from worker.lifecycle.guard import Lift
    from worker.training.results import Outcome, Results


DAY = timedelta(days=1)
"""On the first day not everybody has a score yet."""


def add_to(app: typer.Typer) -> None:
    app.command()(results)


def results(
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=730, help="How long ago. Left out: the goal's horizon, or the second day."),
    ] = None,
    as_json: AsJson = False,
    goal: Goal = None,
) -> None:
    """Close rate, win rate, time and revenue by the bucket that people were in so many days ago."""
    from worker.store import journeys
    from worker.training import results as outcomes

    desk = Desk.open(goal)
    now = desk.now()
    with desk.engine.connect() as connection:
        policy = desk.process.goals.policy(connection, desk.goal)
    began = journeys.began(desk.process.arrow, desk.goal)
    if began is None or began + DAY >= now:
        raise ConfigurationError(f"nobody was scored for {desk.goal} a day ago: there is nothing to look back at yet")
    _, aim = desk.process.settings.goal_named(desk.goal)
    at = max(began + DAY, now - timedelta(days=days or aim.horizon_days))
    found = outcomes.results(desk.process.arrow, desk.goal, aim, policy, at, now)
    if as_json:
        emit(asdict(found))
        return
    _show(found)
    if now - at < aim.horizon:
        note(f"the goal gives people {aim.horizon_days} days, so more will convert")


def _show(found: Results) -> None:
    out.print(f"{found.everybody:,} people as they were on {local(found.at)}, counted to {local(found.until)}")
    columns = ("bucket then", "people", "converted", "close rate", "95 %", "win rate", "days", "revenue", "accepted")
    table("", columns, [_row(its) for its in found.outcomes], right=range(1, 9))
    out.print("days: median to the first conversion; revenue: of deals won, a lead; accepted: of MQLs, by sales")
    if found.before:
        out.print(f"{found.before:,} people had converted before and count nowhere")
    for who, its in zip(("seen", "kept from view"), found.lifts or (), strict=False):
        out.print(lifted(who, its))


def _row(its: Outcome) -> Sequence[str]:
    low, high = its.closed.interval or (None, None)
    return (
        its.bucket, f"{its.closed.of:,}", f"{its.closed.hits:,}", _percent(its.closed.share),
        f"{_percent(low)[:-2]} to {_percent(high)[:-2]}" if its.closed.of else "", _percent(its.won.share),
        "" if its.days is None else f"{its.days:.0f}", "" if its.revenue is None else f"{its.revenue:,.0f}",
        _percent(its.accepted.share),
    )  # fmt: skip


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def lifted(who: str, its: Lift) -> str:
    """What the score knows of a group, in a line."""
    ratio = "?" if its.ratio is None else f"{its.ratio:.1f} times"
    around = "" if its.interval is None else f" ({its.interval[0]:.1f} to {its.interval[1]:.1f})"
    return f"{who}: who came to the top bucket converts {ratio}{around} as often; {its.all.people:,} people"
