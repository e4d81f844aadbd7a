"""Why a person's score changed between two instants, from the facts of each and what scored then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from worker.features.facts import INSTANT, Facts
from worker.rescoring.basis import Basis, judge, read
from worker.scoring.change import Change, aged, change
from worker.scoring.verdict import Verdict
from worker.store.facts import At


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, or became known, since: `count` acts of a kind (`what`), or an attribute's new value."""

    what: str
    count: int
    last_at: datetime
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of score, and what happened in between, newest first."""

    change: Change
    events: tuple[Event, ...]


def changed(
    arrow: adbc.Connection, person: int, then: datetime, before: Basis, now: datetime, after: Basis
) -> Changed | None:
    """`before` scored at `then`, `after` at `now`. None for a person whom one of them does not score at all."""
    old = read(arrow, At(then, [person]), before.features)
    old_now = read(arrow, At(then, [person]), after.features)
    new = read(arrow, At(now, [person]), after.features)
    found = [
        _verdict(old, before, person),
        _verdict(old_now, after, person),
        _verdict(aged(old_now, then, now), after, person),
        _verdict(new, after, person),
    ]
    if None in found:
        return None
    return Changed(change(*(verdict for verdict in found if verdict is not None)), events(new, then, now))


def _verdict(facts: Facts, basis: Basis, person: int) -> Verdict | None:
    return judge(facts, basis).people.get(person)


def events(facts: Facts, then: datetime, now: datetime) -> tuple[Event, ...]:
    """Acts and values that came to be visible after `then` and by `now`."""
    seen = pl.max_horizontal("occurred_at", "known_at")
    since = (seen > pl.lit(then, INSTANT)) & (seen <= pl.lit(now, INSTANT))
    acts = facts.activities.filter(since).group_by(pl.col("kind").cast(pl.String))
    values = facts.attributes.filter(since).sort("occurred_at").group_by(pl.col("name").cast(pl.String))
    found = [
        Event(kind, count, last) for kind, count, last in acts.agg(pl.len(), pl.col("occurred_at").max()).iter_rows()
    ]
    found += [
        Event(name, 1, at, value if value is not None else "")
        for name, at, value in values.agg(pl.col("occurred_at").last(), pl.col("value").last()).iter_rows()
    ]
    return tuple(sorted(found, key=lambda event: (event.last_at, event.what), reverse=True))
