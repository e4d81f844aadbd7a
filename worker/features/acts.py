"""What people did, by kind, as columns to count over."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from connectors.records import ActivityKind

DAY = timedelta(days=1)

_KINDS = {kind.value: kind for kind in ActivityKind}
_UNIT = 2.0**30
"""Weights are summed as whole numbers of 2**-30, so that the order of rows cannot change a sum."""
_NOTHING = pl.DataFrame(
    schema={
        "row": pl.Int32,
        "detail": pl.String,
        "second": pl.Int64,
        "age": pl.Float64,
        "duration": pl.Float64,
        "n": pl.UInt32,
    }
)


class Acts:
    """The acts of some people. Every method answers with one number a person, in the people's order.

    The frames in it have row i32 (the person's position), detail, second i64 (of the epoch), age f64 (seconds at the
    person's instant), duration f64 (seconds, or null) and n u32.
    """

    def __init__(self, by_kind: Mapping[ActivityKind, pl.DataFrame], people: int) -> None:
        self._by_kind, self._people = by_kind, people

    @classmethod
    def of(cls, rows: pl.DataFrame, people: pl.Series) -> Acts:
        """`rows` as `activities.distinct` gives them, `people` the ids, ascending; acts of others are left out."""
        position = _positions(rows.get_column("person_id"), people)
        placed = rows.drop("person_id").with_columns(row=position)
        if position.null_count():
            placed = placed.filter(pl.col("row").is_not_null())
        parts = placed.partition_by("kind", as_dict=True, include_key=False)
        kinds = {_KINDS[str(kind)]: part.select(_NOTHING.columns) for (kind,), part in parts.items()}
        return cls(kinds, len(people))

    def rows(self, *kinds: ActivityKind) -> pl.DataFrame:
        """The acts of these kinds, in any order."""
        found = [self._by_kind[kind] for kind in kinds if kind in self._by_kind]
        return pl.concat(found) if found else _NOTHING

    def without(self, left_out: Mapping[ActivityKind, NDArray[np.bool_]]) -> Acts:
        """These acts but for the marked rows of each kind."""
        kept = {kind: self._by_kind[kind].filter(~pl.Series(marks)) for kind, marks in left_out.items()}
        return Acts({**self._by_kind, **kept}, self._people)

    def only(self, kept: Mapping[ActivityKind, NDArray[np.bool_]]) -> Acts:
        """The marked rows of each kind."""
        return Acts({kind: self._by_kind[kind].filter(pl.Series(marks)) for kind, marks in kept.items()}, self._people)

    def count(self, *kinds: ActivityKind, within: timedelta | None = None) -> pl.Series:
        """How many acts there are, younger than `within`."""
        total = np.zeros(self._people)
        for kind in kinds:
            row, age, n = self._columns(kind)
            if within is not None:
                young = age < within.total_seconds()
                row, n = row[young], n[young]
            total += np.bincount(row, weights=n, minlength=self._people)
        return pl.Series(total)

    def weight(self, *kinds: ActivityKind, half_life: timedelta) -> pl.Series:
        """The sum of 2 ** (-age / half_life) over the acts."""
        total = np.zeros(self._people)
        decay = pl.col("age") * (-math.log(2) / half_life.total_seconds())
        for kind in kinds:
            if kind in self._by_kind:
                weighed = self._by_kind[kind].select("row", weight=(decay.exp() * _UNIT).round() * pl.col("n"))
                row, weight = (weighed.get_column(name).to_numpy() for name in ("row", "weight"))
                total += np.bincount(row, weights=weight, minlength=self._people)
        return pl.Series(total / _UNIT)

    def newest(self, *kinds: ActivityKind) -> pl.Series:
        """The days since the newest act; null where there is none."""
        youngest = np.full(self._people, np.inf)
        for kind in kinds:
            row, age, _ = self._columns(kind)
            np.minimum.at(youngest, row, age)
        return _days(youngest)

    def oldest(self, *kinds: ActivityKind, not_before: NDArray[np.float64]) -> pl.Series:
        """The days since the oldest act of those at most `not_before` seconds old; null where there is none."""
        eldest = np.full(self._people, -np.inf)
        for kind in kinds:
            row, age, _ = self._columns(kind)
            allowed = age <= not_before[row]
            np.maximum.at(eldest, row[allowed], age[allowed])
        return _days(eldest)

    def days(self, *kinds: ActivityKind, within: timedelta) -> pl.Series:
        """On how many days, counted back from the instant, there was an act."""
        active = np.zeros((self._people, within.days), dtype=np.bool_)
        for kind in kinds:
            row, age, _ = self._columns(kind)
            young = age < within.total_seconds()
            active[row[young], (age[young] / DAY.total_seconds()).astype(np.int64)] = True
        return pl.Series(active.sum(axis=1), dtype=pl.Float64)

    def distinct(self, *kinds: ActivityKind, within: timedelta) -> pl.Series:
        """How many different details the acts have."""
        young = (
            self.rows(*kinds).lazy().filter((pl.col("age") < within.total_seconds()) & pl.col("detail").is_not_null())
        )
        row = young.select("row", "detail").unique().select("row").collect().to_series().to_numpy()
        return pl.Series(np.bincount(row, minlength=self._people), dtype=pl.Float64)

    def extreme(self, *kinds: ActivityKind, newest: bool) -> pl.DataFrame:
        """kind and detail (text) of the newest act of these kinds, or the oldest; null where there is none. Of several
        at once the first by kind and detail."""
        found = [
            self._by_kind[kind].select("row", "second", pl.col("detail").cast(pl.String), kind=pl.lit(kind.value))
            for kind in kinds
            if kind in self._by_kind
        ]
        everybody = pl.DataFrame({"row": pl.int_range(self._people, dtype=pl.Int32, eager=True)})
        if not found:
            return everybody.with_columns(kind=pl.lit(None, pl.String), detail=pl.lit(None, pl.String)).drop("row")
        second = pl.col("second")
        end = (second.max() if newest else second.min()).over("row")
        ends = (
            pl.concat(found)
            .filter(second == end)
            .sort("kind", "detail")
            .unique("row", keep="first", maintain_order=True)
        )
        return everybody.join(ends, on="row", how="left", maintain_order="left").select("kind", "detail")

    def _columns(self, kind: ActivityKind) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.uint32]]:
        rows = self._by_kind.get(kind, _NOTHING)
        row, age, n = (rows.get_column(name).to_numpy() for name in ("row", "age", "n"))
        return row, age, n


def moments(rows: pl.DataFrame) -> NDArray[np.int64]:
    """A whole number for each of `rows` that orders by person and then by second. Numbers that differ by less than
    2**31 differ by as many seconds, and belong to one person."""
    second = np.clip(rows.get_column("second").to_numpy() + 2**32, 2**31, 2**33 - 2**31)
    moment: NDArray[np.int64] = (rows.get_column("row").to_numpy().astype(np.int64) << 33) + second
    return moment


def _positions(ids: pl.Series, people: pl.Series) -> pl.Series:
    """Where each of `ids` stands in `people` (ascending); null where it does not."""
    if people.is_empty():
        return pl.Series("row", [None] * len(ids), dtype=pl.Int32)
    first, last = people[0], people[-1]
    if last - first + 1 == len(people):
        position = (ids - first).cast(pl.Int32, strict=False)
        return pl.select(pl.when(position.is_between(0, len(people) - 1)).then(position)).to_series()
    sought = people.to_numpy()
    at = np.searchsorted(sought, ids.to_numpy()).clip(max=len(sought) - 1)
    place = pl.Series(at, dtype=pl.Int32)
    return pl.select(pl.when(pl.Series(sought[at] == ids.to_numpy())).then(place)).to_series()


def _days(seconds: NDArray[np.float64]) -> pl.Series:
    known = np.isfinite(seconds)
    return pl.select(pl.when(pl.Series(known)).then(pl.Series(seconds / DAY.total_seconds()))).to_series()
