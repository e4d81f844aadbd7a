"""Scores over time as columns, and the instants at which they come to a line and fall away from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
NONE = -1
"""The score of who has none."""
DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Paths:
    """One row each time a score changed: `person`, then `at` (microseconds of UTC) ascending, and the `score` (`NONE`
    where there was none). A person's first row may lie before the time that is looked at: it is where they start from.
    """

    person: Ints
    at: Ints
    score: Ints

    def __post_init__(self) -> None:
        same = self.person[1:] == self.person[:-1]
        if not (np.all(self.person[1:] >= self.person[:-1]) and np.all(self.at[1:][same] > self.at[:-1][same])):
            raise ValueError("rows must be in the order of person and time, no two alike")

    def __len__(self) -> int:
        return len(self.person)

    @property
    def first(self) -> Flags:
        """Each person's first row."""
        return np.concatenate(([True], self.person[1:] != self.person[:-1]))[: len(self)]

    def only(self, rows: Flags) -> Paths:
        return Paths(self.person[rows], self.at[rows], self.score[rows])


def micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(at))


@dataclass(frozen=True, slots=True)
class Crossings:
    """Rows at which somebody came to the line, and for each when they had last fallen away from it (-1: never)."""

    rows: Ints
    left_at: Ints


def above(paths: Paths, enter: int | Ints, leave: int | Ints, before: Flags | None = None) -> Flags:
    """Whether each row is above the line: from `enter` upwards, until below `leave` (of all, or of each row). `before`:
    who was above it already when they began."""
    if not len(paths):
        return np.zeros(0, np.bool_)
    said = np.where(paths.score >= enter, 1, np.where((paths.score < leave) | paths.first, -1, 0))
    if before is not None:
        said[before & paths.first & (paths.score >= leave)] = 1
    last = np.maximum.accumulate(np.where(said != 0, np.arange(len(said)), 0))
    up: Flags = said[last] == 1
    return up


def crossings(paths: Paths, enter: int, leave: int) -> Crossings:
    """Every time that a score comes to `enter` having been away from it."""
    up, first = above(paths, enter, leave), paths.first
    before = np.concatenate(([False], up[:-1]))[: len(up)] & ~first
    rows = np.flatnonzero(up & ~before)
    left = np.where(~up & before, np.arange(len(up)), -1)
    newest = np.maximum.accumulate(left)[rows] if len(rows) else rows
    began = np.flatnonzero(first)[np.cumsum(first) - 1][rows] if len(rows) else rows
    ever = (newest >= began) & (newest >= 0)
    return Crossings(rows, np.where(ever, paths.at[np.maximum(newest, 0)], -1))


def mondays(since: datetime, until: datetime, zone: str) -> Ints:
    """The beginnings of the weeks that lie whole in between, and the end of the last one, as microseconds of UTC."""
    local = ZoneInfo(zone)
    day = since.astimezone(local).date()
    if datetime.combine(day, time.min, local) < since:
        day += timedelta(days=1)
    day += timedelta(days=-day.weekday() % 7)
    edges = []
    while (edge := datetime.combine(day, time.min, local).astimezone(UTC)) <= until:
        edges.append(micros(edge))
        day += timedelta(days=7)
    return np.array(edges, np.int64)


def weekly(at: Ints, edges: Ints) -> Ints:
    """How many instants lie in each week."""
    if len(edges) < 2:
        return np.zeros(0, np.int64)
    return np.histogram(at, edges)[0].astype(np.int64) if len(at) else np.zeros(len(edges) - 1, np.int64)
