"""Visits of the website: views of pages with less than half an hour between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from connectors.records import ActivityKind
from worker.features.acts import Acts, moments

WEB = (
    ActivityKind.PAGE_VIEW,
    ActivityKind.PRICING_PAGE_VIEW,
    ActivityKind.CAREERS_PAGE_VIEW,
    ActivityKind.DEMO_VIDEO_VIEW,
)
GAP = timedelta(minutes=30)
"""A longer pause ends a visit, as in web analytics everywhere."""


@dataclass(frozen=True, slots=True)
class Visits:
    """One entry a visit. row: the person's position; age: seconds since it began; seconds: how long it lasted, by what
    the source says of single views, at least from its first view to its last."""

    people: int
    row: NDArray[np.int64]
    age: NDArray[np.float64]
    seconds: NDArray[np.float64]

    @classmethod
    def of(cls, acts: Acts, as_of: NDArray[np.float64]) -> Visits:
        """`as_of` are the people's instants in seconds of the epoch."""
        views = acts.rows(*WEB)
        at = np.sort(moments(views))
        begins = np.diff(at, prepend=-(2**62)) > GAP.total_seconds()
        first = np.flatnonzero(begins)
        last = np.append(first[1:], len(at)) - 1 if len(first) else first
        row, began = at[first] >> 33, (at[first] & (2**33 - 1)) - 2**32
        told = np.zeros(len(first), dtype=np.int64)
        timed = views.filter(pl.col("duration") > 0)
        if len(timed):
            longest = timed.group_by("row", "second").agg(pl.col("duration").max())
            visit = np.searchsorted(at[first], moments(longest), side="right") - 1
            # Whole milliseconds, so that the order of rows cannot change a sum.
            milliseconds = (longest.get_column("duration").to_numpy().clip(max=86_400) * 1000).astype(np.int64)
            np.add.at(told, visit, milliseconds)
        return cls(len(as_of), row, as_of[row] - began, np.maximum(at[last] - at[first], told / 1000))

    def count(self, within: timedelta) -> pl.Series:
        """Visits that began within that time."""
        young = self.age < within.total_seconds()
        return pl.Series(np.bincount(self.row[young], minlength=self.people), dtype=pl.Float64)

    def minutes(self, within: timedelta) -> pl.Series:
        """How long those visits lasted together."""
        young = self.age < within.total_seconds()
        thousandths = np.rint(self.seconds[young] * 1000)
        return pl.Series(np.bincount(self.row[young], weights=thousandths, minlength=self.people) / 60_000)
