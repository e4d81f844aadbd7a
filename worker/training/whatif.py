"""What a policy would mean, asked of the store: which threshold sales can take, and what a draft would have done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import polars as pl

from worker.features.facts import INSTANT
from worker.lifecycle import replay as replays
from worker.lifecycle import rewrites
from worker.lifecycle.capacity import NEVER, Leads, Plan, plan
from worker.lifecycle.evidence import Evidence
from worker.lifecycle.guard import Lift, lift, withheld
from worker.lifecycle.machine import Stage
from worker.lifecycle.paths import NONE, Ints, Paths, micros
from worker.lifecycle.policy import Policy
from worker.lifecycle.replay import Difference, Recorded
from worker.lifecycle.rewrites import Account, Load
from worker.scoring.scale import PointScale, probability
from worker.store import journeys
from worker.training.goal import Goal
from worker.training.history import events

BANT = ("budget", "authority", "need", "timeline")
BATCHES: Mapping[str, int] = {"salesforce": 200, "hubspot": 100}
"""Records a call, by kind of source: sObject Collections, and batch update of contacts."""
_UNKNOWN = "(none)"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A draft beside the policy in force, over some days of `people`.

    `groups`: for each attribute asked for, by its value, how many become and cease to be marketing qualified. `loads`:
    by account, under each policy.
    """

    since: datetime
    until: datetime
    people: int
    difference: Difference
    groups: Mapping[str, Mapping[str, tuple[int, int]]]
    loads: Mapping[str, tuple[Load, Load]]


def capacity(
    arrow: adbc.Connection, name: str, goal: Goal, policy: Policy, until: datetime, weeks: int, *, model: bool
) -> Plan:
    """By the recorded scores of so many weeks. `model`: scores come from one, so that they tell a probability.

    The first day of scoring does not count: everybody came to their lines on it.
    """
    first = journeys.began(arrow, name) or until
    since = min(until, max(until - timedelta(weeks=weeks), first + timedelta(days=1)))
    rows = journeys.scores(arrow, name, since, until)
    paths, people = _paths(rows), rows.get_column("person_id").unique().sort()
    converted = events(arrow, goal).group_by("person_id").agg(pl.col("at").min())
    frame = people.to_frame().join(converted, on="person_id", how="left", maintain_order="left")
    segments, codes = _segments(arrow, goal, people)
    span = policy.scale
    chance = None
    if model and span.kind == "odds":
        scale = PointScale(span.pdo, span.reference_odds)
        odds = [(score - 50) / scale.per_unit + float(np.log(scale.reference_odds)) for score in range(101)]
        chance = np.array([probability(each) / 100 for each in odds])
    leads = Leads(
        paths, since, until, people.to_numpy(),
        frame.get_column("at").cast(INSTANT).cast(pl.Int64).fill_null(NEVER).to_numpy(), codes, segments, chance,
    )  # fmt: skip
    return plan(leads, policy.mql, policy.capacity.leads, policy.capacity.zone, goal.horizon)


def replay(
    arrow: adbc.Connection,
    name: str,
    current: Policy,
    draft: Policy,
    until: datetime,
    days: int,
    kinds: Mapping[str, str],
    by: Sequence[str] = ("owner", "lead_source"),
) -> Replayed:
    """Both policies over the recorded scores of so many days. `kinds`: by source its kind, for its calls."""
    since = days_before(until, days)
    rows = journeys.scores(arrow, name, since, until)
    segment = {policy.segments.by for policy in (current, draft)} - {None}
    asked = {*by, *BANT, *current.required, *draft.required, *(each for each in segment if each)}
    values = journeys.values(arrow, asked)
    accounts = _accounts(journeys.targets(arrow), kinds)
    records = {id(policy): _recorded(rows, values, policy, since, until) for policy in (current, draft)}
    runs = [replays.run(records[id(policy)], policy) for policy in (current, draft)]
    written = [
        rewrites.loads(rewrites.due(records[id(policy)], run, policy), accounts)
        for policy, run in zip((current, draft), runs, strict=True)
    ]
    at_once = rewrites.at_once(runs[0], current, runs[1], draft, accounts)
    difference = replays.compare(*runs)
    return Replayed(
        since,
        until,
        rows.get_column("person_id").n_unique(),
        difference,
        {attribute: _grouped(values, attribute, difference) for attribute in by},
        {
            source: (written[0][source], Load(written[1][source].writes, written[1][source].calls, at_once[source]))
            for source in accounts
        },
    )


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


def days_before(until: datetime, days: int) -> datetime:
    return until - timedelta(days=days)


def _paths(rows: pl.DataFrame) -> Paths:
    return Paths(
        rows.get_column("person_id").cast(pl.Int64).to_numpy(),
        rows.get_column("at").cast(INSTANT).cast(pl.Int64).to_numpy(),
        rows.get_column("score").cast(pl.Int64).fill_null(NONE).to_numpy(),
    )


def _recorded(rows: pl.DataFrame, values: pl.DataFrame, policy: Policy, since: datetime, until: datetime) -> Recorded:
    stages = pl.Enum([stage.value for stage in replays.STAGES])
    stage = rows.get_column("stage").fill_null(Stage.NEW.value).cast(stages).to_physical().cast(pl.Int64).to_numpy()
    by = policy.segments.by
    segment = dict(values.select("person_id", by).drop_nulls().iter_rows()) if by else {}
    return Recorded(_paths(rows), stage, micros(since), micros(until), _evidence(values, policy), segment)


def _evidence(values: pl.DataFrame, policy: Policy) -> dict[int, Evidence]:
    """What gates ask for; nothing where there are none."""
    required = sorted(policy.required)
    gated = any(its.mql.bant for its in (policy, *map(policy.of, policy.segments.of)))
    if not required and not gated:
        return {}
    known = values.select(
        "person_id",
        *(pl.col(name).is_not_null().alias(f"filled:{name}") for name in required),
        bant=pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int64) for name in BANT),
    )
    return {
        person: Evidence(bant=bant, filled=frozenset(n for n, its in zip(required, filled, strict=True) if its))
        for person, *filled, bant in known.iter_rows()
    }


def _accounts(targets: pl.DataFrame, kinds: Mapping[str, str]) -> dict[str, Account]:
    result = {}
    for source in sorted(kinds):
        own = targets.filter(pl.col("source") == source)
        batch = BATCHES.get(kinds[source], 1)
        result[source] = Account(own.get_column("person_id").to_numpy(), own.get_column("records").to_numpy(), batch)
    return result


def _grouped(values: pl.DataFrame, attribute: str, difference: Difference) -> dict[str, tuple[int, int]]:
    held = dict(values.select("person_id", attribute).iter_rows())
    counts = [
        Counter(held.get(person) or _UNKNOWN for person in people)
        for people in (difference.becoming, difference.ceasing)
    ]
    names = sorted({*counts[0], *counts[1]}, key=lambda name: (-counts[0][name] - counts[1][name], name))
    return {name: (counts[0][name], counts[1][name]) for name in names}


def _segments(arrow: adbc.Connection, goal: Goal, people: pl.Series) -> tuple[Sequence[str], Ints]:
    """The values of the goal's segment attribute, and which of them each person has."""
    if goal.segment is None:
        return ("",), np.zeros(len(people), np.int64)
    values = journeys.values(arrow, [goal.segment])
    own = people.to_frame().join(values, on="person_id", how="left", maintain_order="left").get_column(goal.segment)
    names = sorted(own.drop_nulls().unique().to_list())
    codes = {name: number for number, name in enumerate([*names, _UNKNOWN])}
    return tuple(codes), np.array([codes[value or _UNKNOWN] for value in own.to_list()], np.int64)
