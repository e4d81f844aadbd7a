"""Which threshold sales can take, and what scores know beside what they do: asked of the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import polars as pl

from worker.features.facts import INSTANT
from worker.lifecycle.capacity import NEVER, Leads, Plan, plan
from worker.lifecycle.guard import Lift, lift, withheld
from worker.lifecycle.paths import NONE, Ints, Paths
from worker.lifecycle.policy import Policy
from worker.scoring.scale import PointScale, probability
from worker.store import journeys
from worker.training.goal import Goal
from worker.training.history import events

_UNKNOWN = "(none)"


def capacity(
    arrow: adbc.Connection, name: str, goal: Goal, policy: Policy, until: datetime, weeks: int, *, model: bool
) -> Plan:
    """By the recorded scores of so many weeks. `model`: scores come from one, so that they tell a probability."""
    leads = leads_of(arrow, name, goal, policy, until, weeks, model=model)
    own = {segment: (policy.of(segment).mql, policy.of(segment).capacity.leads) for segment in with_reps(policy)}
    return plan(leads, policy.mql, policy.capacity.leads, policy.capacity.zone, goal.horizon, own)


def with_reps(policy: Policy) -> list[str]:
    """The segments of a policy that have a capacity of their own."""
    return [name for name, its in policy.segments.of.items() if "capacity" in its]


def leads_of(
    arrow: adbc.Connection, name: str, goal: Goal, policy: Policy, until: datetime, weeks: int, *, model: bool
) -> Leads:
    """What happened in so many weeks: what the outlook of any threshold is made of.

    The first day of scoring does not count: everybody came to their lines on it.
    """
    first = journeys.began(arrow, name) or until
    since = min(until, max(until - timedelta(weeks=weeks), first + timedelta(days=1)))
    rows = journeys.scores(arrow, name, since, until)
    paths, people = _paths(rows), rows.get_column("person_id").unique().sort()
    converted = events(arrow, goal).group_by("person_id").agg(pl.col("at").min())
    frame = people.to_frame().join(converted, on="person_id", how="left", maintain_order="left")
    segments, codes = _segments(arrow, policy.segments.by or goal.segment, people)
    span = policy.scale
    chance = None
    if model and span.kind == "odds":
        scale = PointScale(span.pdo, span.reference_odds)
        odds = [(score - 50) / scale.per_unit + float(np.log(scale.reference_odds)) for score in range(101)]
        chance = np.array([probability(each) / 100 for each in odds])
    return Leads(
        paths, since, until, people.to_numpy(),
        frame.get_column("at").cast(INSTANT).cast(pl.Int64).fill_null(NEVER).to_numpy(), codes, segments, chance,
    )  # fmt: skip


def lifts(arrow: adbc.Connection, name: str, goal: Goal, policy: Policy, until: datetime) -> tuple[Lift, Lift]:
    """How much more often the top bucket converts, among those whose scores sales sees and among those whose scores it
    does not: of everybody scored long enough ago, who came to it or converted within the horizon of their first score.
    """
    first = journeys.began(arrow, name) or until
    rows = journeys.scores(arrow, name, first - timedelta(days=1), until).filter(pl.col("at") >= first)
    began = rows.group_by("person_id").agg(since=pl.col("at").min()).filter(pl.col("since") <= until - goal.horizon)
    within = pl.col("at").is_between("since", pl.col("since") + goal.horizon)
    top = rows.filter(pl.col("score") >= policy.buckets[0].at_least).join(began, on="person_id").filter(within)
    won = events(arrow, goal).join(began, on="person_id").filter(within & (pl.col("at") > pl.col("since")))
    people, hot, converted = (set(frame.get_column("person_id").to_list()) for frame in (began, top, won))
    unseen = {person for person in people if withheld(person, policy.guard)}
    seen, kept = ([(person in hot, person in converted) for person in group] for group in (people - unseen, unseen))
    return lift(seen), lift(kept)


def _paths(rows: pl.DataFrame) -> Paths:
    return Paths(
        rows.get_column("person_id").cast(pl.Int64).to_numpy(),
        rows.get_column("at").cast(INSTANT).cast(pl.Int64).to_numpy(),
        rows.get_column("score").cast(pl.Int64).fill_null(NONE).to_numpy(),
    )


def _segments(arrow: adbc.Connection, by: str | None, people: pl.Series) -> tuple[Sequence[str], Ints]:
    """The values of the attribute that tells segments apart, and which of them each person has."""
    if by is None:
        return ("",), np.zeros(len(people), np.int64)
    values = journeys.values(arrow, [by])
    own = people.to_frame().join(values, on="person_id", how="left", maintain_order="left").get_column(by)
    names = sorted(own.drop_nulls().unique().to_list())
    codes = {name: number for number, name in enumerate([*names, _UNKNOWN])}
    return tuple(codes), np.array([codes[value or _UNKNOWN] for value in own.to_list()], np.int64)
