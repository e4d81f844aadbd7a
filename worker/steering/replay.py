"""What a draft would have done in the last days, beside what is in force: a policy, a rule file, or a model.

A draft of thresholds is replayed over the scores that were recorded. What changes scores themselves (rules, a model,
the policy's scale and hand-over) is replayed over scores told again from the facts, by both sides alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import polars as pl

from worker.features.facts import INSTANT
from worker.lifecycle import replay as replays
from worker.lifecycle import rewrites
from worker.lifecycle.happenings import Happening
from worker.lifecycle.machine import Stage
from worker.lifecycle.materiality import BATCHES
from worker.lifecycle.paths import NONE, Ints, Paths, micros
from worker.lifecycle.policy import Policy
from worker.lifecycle.replay import Difference, Recorded, Share
from worker.lifecycle.rewrites import Account, Load
from worker.rescoring.basis import Basis
from worker.rescoring.past import first_instant, known_of_four, retell
from worker.store import happenings, journeys, live
from worker.store.arrow import another
from worker.training.goal import Customers, Goal

BY = ("owner", "lead_source")
RESCORING = ("scale", "hybrid")
"""Parts of a policy that change scores themselves."""
_UNKNOWN = "(none)"

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Side:
    """What is in force, or a draft. `basis`: what scores by it, where scores are told again."""

    policy: Policy
    basis: Basis


@dataclass(frozen=True, slots=True)
class Replayed:
    """A draft beside what is in force, over some days of `people`.

    `groups`: for each attribute asked for, by its value, how many become and cease to be marketing qualified. `loads`:
    by account, under each side. `retold`: at how many instants of people scores were told again, 0 where the recorded
    ones were taken. `limits`: what could not be replayed, in sentences.
    """

    since: datetime
    until: datetime
    people: int
    difference: Difference
    groups: Mapping[str, Mapping[str, tuple[int, int]]]
    loads: Mapping[str, tuple[Load, Load]]
    retold: int
    limits: Sequence[str]


def rescores(current: Side, draft: Side) -> bool:
    """Whether the draft changes scores, and not only what follows from them."""
    parts = any(getattr(current.policy, name) != getattr(draft.policy, name) for name in RESCORING)
    one, other = current.basis, draft.basis
    return parts or one.rules is not other.rules or {s: t.number for s, t in one.champions.items()} != {
        s: t.number for s, t in other.champions.items()}  # fmt: skip


def replay(
    arrow: adbc.Connection,
    name: str,
    goal: Goal,
    current: Side,
    draft: Side,
    until: datetime,
    days: int,
    kinds: Mapping[str, str],
    by: Sequence[str] = BY,
    progress: Progress = lambda share, what: None,
) -> Replayed:
    """Both sides over so many days. `name`: of the goal; `kinds`: by source its kind, for its calls."""
    since, sides = until - timedelta(days=days), (current, draft)
    policies = [side.policy for side in sides]
    attributes = {*by, *(its.segments.by for its in policies if its.segments.by)}
    with another(arrow) as other, ThreadPoolExecutor(1) as aside:  # PostgreSQL has more than one core
        beside = aside.submit(_beside, other, name, attributes, policies, since, until)
        changes = journeys.changes(arrow, name, since, until)
        standing, values, targets, moving = beside.result()
    rows = journeys.in_order(changes, standing)
    accounts = _accounts(targets, kinds)
    limits: list[str] = []
    paths, retold = [paths_of(rows)] * 2, 0
    if rescores(*sides):
        began = live.since(arrow) or until
        start = first_instant(since, began)
        people = rows.get_column("person_id").unique().sort().to_list()
        told = retell(
            arrow, people, [side.basis for side in sides], start, until,
            lambda share: progress(0.9 * share, "telling scores again"),
        )  # fmt: skip
        paths, retold = list(told.paths), told.instants
        if began > since:
            limits.append(f"nobody was scored before {began:%Y-%m-%d %H:%M} UTC: the replay begins then")
            since = start + timedelta(microseconds=1)
    elif isinstance(first := rows.get_column("at").min(), datetime) and first > since:
        limits.append(f"no score was recorded before {first:%Y-%m-%d %H:%M} UTC: the replay begins then")
    progress(0.9, "deciding stages")
    known = recorded(arrow, name, goal, rows, paths, values, moving, sides, since, until)
    runs = [replays.run(its, policy, shares) for (its, shares), policy in zip(known, policies, strict=True)]
    seen = [rewrites.shown(run, policy) for run, policy in zip(runs, policies, strict=True)]
    written = [
        rewrites.loads(rewrites.due(its, shown, policy), accounts)
        for (its, _), shown, policy in zip(known, seen, policies, strict=True)
    ]
    at_once = rewrites.at_once(seen[0], policies[0], seen[1], policies[1], accounts)
    difference = replays.compare(*runs)
    limits += _limits(arrow, name)
    return Replayed(
        since,
        until,
        len(np.unique(paths[0].person)),
        difference,
        {attribute: _grouped(values, attribute, difference) for attribute in by},
        {source: (written[0][source], replace(written[1][source], at_once=at_once[source])) for source in accounts},
        retold,
        limits,
    )


def _beside(
    arrow: adbc.Connection, name: str, attributes: Collection[str], policies: Sequence[Policy], since: datetime,
    until: datetime,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """What is needed beside the changes of scores: how everybody stood, attributes, records, and what moves stages."""
    standing, moving = journeys.standing(arrow, name, since), happenings.moving(arrow, name, policies, until)
    return standing, journeys.values(arrow, attributes), journeys.targets(arrow), moving


def recorded(
    arrow: adbc.Connection,
    name: str,
    goal: Goal,
    rows: pl.DataFrame,
    paths: Sequence[Paths],
    values: pl.DataFrame,
    moving: pl.DataFrame,
    sides: Sequence[Side],
    since: datetime,
    until: datetime,
) -> list[tuple[Recorded, Sequence[Share]]]:
    """All that each side decides by, and whom columns decide. `rows`: the recorded scores; `paths`: those of each side.
    What sales did (`moving`) is the same for both; own acts, attributes and BANT are read of those alone for whom they
    may matter."""
    policies = [side.policy for side in sides]
    known = happenings.by_person(moving)
    positions = happenings.positions(arrow, name, since)
    stood = _stood(rows.filter(pl.col("at") < since))
    found = [
        Recorded(
            path, _stages(path, stood), micros(since), micros(until), known, positions, _segments(values, its),
            goal.population.customers is not Customers.EXCLUDE,
        )
        for path, its in zip(paths, policies, strict=True)
    ]  # fmt: skip
    parted = [replays.split(its, policy) for its, policy in zip(found, policies, strict=True)]
    result = list(zip(found, parted, strict=True))
    walkers = [replays.walkers(its, shares) for its, shares in result]
    whom = np.unique(np.concatenate(walkers)).tolist()
    if not whom:
        return result
    required = policies[0].required | policies[1].required
    more = [happenings.by_person(happenings.supporting(arrow, whom, required, since, until))]
    if any(_asks_bant(policy) for policy in policies):
        more.append(_bant(arrow, whom, sides[1].basis, since, until))
    for others in more:
        for person, its in others.items():
            known[person] = sorted([*known.get(person, ()), *its], key=attrgetter("at", "said_at"))
    return result


def _asks_bant(policy: Policy) -> bool:
    return any(its.mql.bant or its.sales.bant for its in (policy, *map(policy.of, policy.segments.of)))


def _bant(
    arrow: adbc.Connection, people: Sequence[int], basis: Basis, since: datetime, until: datetime
) -> dict[int, list[Happening]]:
    """As scoring finds it, not before the first score."""
    start = first_instant(since, live.since(arrow) or until)
    found = known_of_four(arrow, people, basis, start, until)
    rows = found.select(
        "person_id", "at", what=pl.lit("bant"), subject=pl.lit(0, pl.Int64), name=pl.lit(None, pl.String),
        value=pl.col("known").cast(pl.String), said_at="at",
    )  # fmt: skip
    return happenings.by_person(rows)


def _limits(arrow: adbc.Connection, goal: str) -> list[str]:
    """What the store does not tell of the past."""
    if not happenings.held(arrow, goal):
        return []
    return [
        "a stage that somebody set in a CRM and cleared again without a move of the lead counts until the lead's next "
        "move: when it was cleared is not stored"
    ]


def _stood(rows: pl.DataFrame) -> dict[int, int]:
    """By person the stage before the time, a number into `STAGES`."""
    codes = {stage.value: number for number, stage in enumerate(replays.STAGES)}
    first = rows.group_by("person_id", maintain_order=True).agg(pl.col("stage").first())
    return {person: codes[stage] for person, stage in first.iter_rows() if stage in codes}


def _stages(path: Paths, stood: Mapping[int, int]) -> Ints:
    new = replays.STAGES.index(Stage.NEW)
    people, place = np.unique(path.person, return_inverse=True)
    found: Ints = np.array([stood.get(person, new) for person in people.tolist()], np.int64)[place]
    return found


def paths_of(rows: pl.DataFrame) -> Paths:
    return Paths(
        rows.get_column("person_id").cast(pl.Int64).to_numpy(),
        rows.get_column("at").cast(INSTANT).cast(pl.Int64).to_numpy(),
        rows.get_column("score").cast(pl.Int64).fill_null(NONE).to_numpy(),
    )


def _segments(values: pl.DataFrame, policy: Policy) -> dict[int, str]:
    by = policy.segments.by
    return dict(values.select("person_id", by).drop_nulls().iter_rows()) if by else {}


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
