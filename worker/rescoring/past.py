"""Everybody's scores over days that are past, as other rules, models or scales would have given them.

The functions are those that score live, and see what they would have seen: each person as known at each instant. An
instant is wherever something about the person came to be known (the last such of a day), and where a week would go by
without one: time alone moves scores slowly. What others at an account did counts at the next of the person's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import polars as pl

from worker.features.bant import evidence
from worker.features.facts import INSTANT
from worker.features.matrix import matrix
from worker.lifecycle.paths import DAY, NONE, Ints, Paths, micros
from worker.rescoring.basis import Basis, points
from worker.scoring import bant
from worker.store import spans
from worker.store.spans import Spans

PEOPLE_AT_ONCE = 5_000
INSTANTS_AT_ONCE = 30_000
"""People whose facts are held in memory at a time, and people at instants who are scored together."""
STEP = 7 * DAY

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Retold:
    """By basis everybody's scores, with a row at the beginning for who was there, and one for each change. `instants`:
    how many each of them was scored at, people times instants."""

    paths: Sequence[Paths]
    instants: int


def retell(
    arrow: adbc.Connection,
    people: Sequence[int],
    bases: Sequence[Basis],
    since: datetime,
    until: datetime,
    progress: Progress = lambda _: None,
) -> Retold:
    """The scores of these people from `since` (not before the first score) to `until`, by each basis. All bases have
    the same features. Memory does not grow with the people but for the result."""
    found: list[list[tuple[Ints, Ints, Ints]]] = [[] for _ in bases]
    instants = 0
    for first in range(0, len(people), PEOPLE_AT_ONCE):
        some = people[first : first + PEOPLE_AT_ONCE]
        features = bases[0].features
        known = spans.read(arrow, some, since, until, colleagues=features is not None and features.need_colleagues)
        wanted = _instants(known, some)
        instants += wanted.height
        for rows, scores in _scored(known, wanted, bases):
            for place, score in enumerate(scores):
                found[place].append((rows["person_id"].to_numpy(), rows["as_of"].cast(pl.Int64).to_numpy(), score))
        progress(min(1.0, (first + PEOPLE_AT_ONCE) / len(people)))
    return Retold([_path(columns) for columns in found], instants)


def _scored(known: Spans, wanted: pl.DataFrame, bases: Sequence[Basis]) -> Iterator[tuple[pl.DataFrame, list[Ints]]]:
    """Rows of `wanted` at which the person was known, and their scores by each basis."""
    for first in range(0, wanted.height, INSTANTS_AT_ONCE):
        rows = wanted.slice(first, INSTANTS_AT_ONCE)
        facts = known.at(rows)
        features = bases[0].features
        built = None if features is None else matrix(facts, features)
        there = facts.people.select(key="person_id")
        scores = [
            there.join(points(facts, basis, built), left_on="key", right_on="person_id", maintain_order="left")
            .get_column("score").cast(pl.Int64).fill_null(NONE).to_numpy()
            for basis in bases
        ]  # fmt: skip
        yield there.join(rows, on="key", maintain_order="left"), scores


def _instants(known: Spans, people: Sequence[int]) -> pl.DataFrame:
    """key, person_id, as_of: by person and time, the beginning and the end of the span among them."""
    begins, ends = micros(known.since), micros(known.until)
    arrived = known.arrivals()
    person, at = arrived["person_id"].to_numpy(), arrived["at"].cast(INSTANT).cast(pl.Int64).to_numpy()
    day = (at - begins) // DAY
    last = np.concatenate(((person[1:] != person[:-1]) | (day[1:] != day[:-1]), [True]))[: len(at)]
    everybody = np.asarray(people, np.int64)
    person = np.concatenate((everybody, person[last], everybody))
    at = np.concatenate((np.full(len(everybody), begins), at[last], np.full(len(everybody), ends)))
    order = np.lexsort((at, person))
    person, at = person[order], at[order]
    new = np.concatenate(([True], (person[1:] != person[:-1]) | (at[1:] != at[:-1])))[: len(at)]
    person, at = person[new], at[new]
    following = np.concatenate((person[1:] == person[:-1], [False]))[: len(at)]
    gap = np.where(following, np.append(at[1:], 0) - at, 0)[: len(at)]
    each = np.maximum(0, (gap - 1) // STEP) + 1  # the row itself and those that fill the time until the next
    nth = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    person, at = np.repeat(person, each), np.repeat(at, each) + nth * STEP
    frame = pl.DataFrame({"key": np.arange(len(at), dtype=np.int64), "person_id": person, "as_of": at})
    return frame.with_columns(pl.col("as_of").cast(INSTANT))


def _path(columns: Sequence[tuple[Ints, Ints, Ints]]) -> Paths:
    """Only rows at which a score is another than before."""
    if not columns:
        return Paths(*(np.zeros(0, np.int64) for _ in range(3)))
    person, at, score = (np.concatenate(column) for column in zip(*columns, strict=True))
    moved = np.concatenate(([True], (person[1:] != person[:-1]) | (score[1:] != score[:-1])))[: len(at)]
    return Paths(person[moved], at[moved], score[moved])


def known_of_four(
    arrow: adbc.Connection, people: Sequence[int], basis: Basis, since: datetime, until: datetime
) -> pl.DataFrame:
    """person_id, at, known: how many of budget, authority, need and timeline were known, at the beginning and wherever
    that may have changed."""
    parts = []
    for first in range(0, len(people), PEOPLE_AT_ONCE):
        some = people[first : first + PEOPLE_AT_ONCE]
        spanned = spans.read(arrow, some, since, until, colleagues=False)
        wanted = _instants(spanned, some)
        for begin in range(0, wanted.height, INSTANTS_AT_ONCE):
            rows = wanted.slice(begin, INSTANTS_AT_ONCE)
            items = bant.known(evidence(spanned.at(rows), basis.rules.catalogue))
            counts = pl.Series("known", [len(items.get(key, ())) for key in rows["key"]], pl.Int64)
            parts.append(rows.select("person_id", at="as_of").with_columns(counts))
    if not parts:
        return pl.DataFrame(schema={"person_id": pl.Int64, "at": INSTANT, "known": pl.Int64})
    whole = pl.concat(parts)
    same = (pl.col("person_id") == pl.col("person_id").shift()) & (pl.col("known") == pl.col("known").shift())
    return whole.filter(~same.fill_null(False))


def first_instant(since: datetime, live: datetime) -> datetime:
    """From when on scores can be told again: just before `since`, and not before the first score."""
    return max(since - timedelta(microseconds=1), live)
