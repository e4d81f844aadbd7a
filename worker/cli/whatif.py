"""`leadgauge policy capacity`, `replay` and `effect`: what a policy means before it is in force, and what it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import replaying
from worker.cli.drafting import AsJson, Desk, Goal, Name
from worker.cli.results import lifted
from worker.cli.screen import emit, note, out, table
from worker.lifecycle.materiality import BATCHES
from worker.lifecycle.policy import Policy, PolicyError, change, parse
from worker.steering import policies
from worker.store import models, stages, tallies

if TYPE_CHECKING:
    from worker.lifecycle.capacity import Outlook, Plan


def add_to(app: typer.Typer) -> None:
    app.command()(capacity)
    app.command()(replay)
    app.command()(effect)


def capacity(
    reps: Annotated[int | None, typer.Option("--reps", min=1, help="Left out: the policy's capacity.reps.")] = None,
    each: Annotated[
        float | None, typer.Option("--leads", min=0.1, help="A week, of each rep. Left out: capacity.leads_a_week.")
    ] = None,
    weeks: Annotated[int, typer.Option("--weeks", min=5, max=104, help="How far back to look.")] = 13,
    name: Annotated[
        str | None, typer.Option("--draft", help="Put the threshold and the capacity in this draft.")
    ] = None,
    as_json: AsJson = False,
    goal: Goal = None,
) -> None:
    """The threshold whose leads sales can take: MQLs a week, how many convert, and how many conversions are missed."""
    from worker.training import whatif

    desk = Desk.open(goal)
    with desk.engine.connect() as connection:
        policy = parse(policies.current(connection, desk.goal).body)
        model = bool(models.champions(connection, desk.goal)[1])
    given = [f"capacity.{key}={value}" for key, value in (("reps", reps), ("leads_a_week", each)) if value is not None]
    policy = change(policy, *given)
    if not policy.capacity.reps:
        raise PolicyError("how many reps are there? Say --reps 12, or set capacity.reps in the policy")
    _, aim = desk.process.settings.goal_named(desk.goal)
    plan = whatif.capacity(desk.process.arrow, desk.goal, aim, policy, desk.now(), weeks, model=model)
    if as_json:
        emit(asdict(plan))
    else:
        _show_plan(plan, policy.capacity.reps, aim.horizon_days)
    if name is not None and plan.chosen is not None:
        wanted = [*_lines("", policy, plan.chosen), *given]
        for segment in whatif.with_reps(policy):
            if (its := plan.segments.get(segment)) is not None:
                wanted += _lines(f"segments.of.{segment}.", policy.of(segment), its)
        with desk.engine.begin() as connection:
            policies.edit(connection, desk.goal, name, wanted, desk.author, desk.now())
        note(f"draft {name} has this threshold: `leadgauge policy replay --name {name}`")


def _lines(where: str, policy: Policy, its: Outlook) -> list[str]:
    """The settings of a threshold, at the distance that the policy's two lines have."""
    leave = max(0, its.threshold - (policy.mql.enter - policy.mql.leave))
    return [f"{where}mql.enter={its.threshold}", f"{where}mql.leave={leave}"]


def _show_plan(plan: Plan, reps: int, horizon: int) -> None:
    out.print(f"{reps} reps take {plan.capacity:g} leads a week.")
    if plan.chosen is None:
        out.print("No threshold is known to bring so few: fewer than four whole weeks of scores, or too many at 100.")
    else:
        out.print(f"From {plan.chosen.threshold} points on they get as many as they can take:")
    columns = ("threshold", "MQLs a week", "80 % of weeks", "convert", "95 %", "a week", "missed")
    own = [("all", plan.chosen)] if plan.chosen else []
    own += [(name, its) for name, its in plan.segments.items() if its.weekly and its.weekly.expected]
    if plan.segments:
        table("", ("segment", *columns), [(name, *_cells(its)) for name, its in own], right=range(1, 8))
    elif own:
        table("", columns, [_cells(its) for _, its in own], right=range(7))
    shown = [(its, _cells(its)) for its in plan.curve if its.weekly and its.weekly.expected >= 0.05]
    rows = [cells for (_, cells), after in pairwise([*shown, (None, ("",))]) if cells[1:] != after[1][1:]]
    if rows:
        table("All thresholds", columns, rows, right=range(7))
    out.print(f"convert: within {horizon} days; a week: conversions to be expected of a week's MQLs")
    out.print("missed: of those who converted, who had not reached the threshold before")


def _cells(its: Outlook) -> Sequence[str]:
    weekly, (low, high) = its.weekly, its.precision.interval or (None, None)
    return (
        str(its.threshold),
        f"{weekly.expected:.1f}" if weekly else "?",
        f"{weekly.low} to {weekly.high}" if weekly else "?",
        _percent(its.precision.share),
        f"{_percent(low)[:-2]} to {_percent(high)[:-2]}" if its.precision.of else "?",
        "?" if its.converting is None else f"{its.converting:.1f}",
        _percent(its.missed.share),
    )


def _percent(share: float | None) -> str:
    return "?  " if share is None else f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def replay(
    days: replaying.Days = 90,
    name: Name = "draft",
    as_json: AsJson = False,
    goal: Goal = None,
) -> None:
    """What a draft would have done in the last days, beside the policy in force: who becomes and who ceases to be
    marketing qualified, and the writes to the CRM."""
    desk = Desk.open(goal)
    with desk.engine.connect() as connection:
        draft = parse(policies.draft(connection, desk.goal, name).body)
    sides = desk.process.goals.drafted(desk.goal, policy=draft)
    replaying.show(desk, sides, days, name, as_json=as_json)


def effect(
    days: Annotated[int, typer.Option("--days", min=1, max=730, help="How far back.")] = 30,
    as_json: AsJson = False,
    goal: Goal = None,
) -> None:
    """What the policy in force does: writes that it saves, what sales gives back and why, and what the score knows of
    people whose score nobody sees."""
    from worker.training import whatif

    desk = Desk.open(goal)
    since = desk.now() - timedelta(days=days)
    batches = {its.name: BATCHES.get(its.kind, 1) for its in desk.process.settings.sources}
    with desk.engine.connect() as connection:
        policy = parse(policies.current(connection, desk.goal).body)
        writes = tallies.since(connection, since)
        given = stages.given_back(connection, desk.goal, since)
    _, aim = desk.process.settings.goal_named(desk.goal)
    lifts = whatif.lifts(desk.process.arrow, desk.goal, aim, policy, desk.now()) if policy.guard.share else None
    rows = [
        (source, its.moved, its.made, its.saved, its.calls_saved(batches.get(source, 1)))
        for source, its in writes.items()
    ]
    if as_json:
        saved = {name: dict(zip(("moved", "written", "saved", "calls_saved"), its, strict=True)) for name, *its in rows}
        back = [dict(row._mapping) for row in given]
        emit({"since": since, "writes": saved, "given_back": back, "lift": [asdict(its) for its in lifts or ()]})
        return
    columns = ("account", "scores that moved", "written", "saved", "calls saved at least")
    table(f"Writes of the last {days} days", columns, rows, right=range(1, 5))
    _show_given(given)
    for who, its in zip(("seen", "kept from view"), lifts or (), strict=False):
        out.print(lifted(who, its))


def _show_given(given: Sequence[Any]) -> None:
    if given:
        table(
            "Given back by sales",
            ("reason", "bucket", "leads", "mean score"),
            [(row.reason, row.bucket, row.leads, "" if row.score is None else f"{row.score:.0f}") for row in given],
            right=[2, 3],
            text=[0],
        )
