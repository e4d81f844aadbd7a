"""Every person's lines side by side: points that add up to the score, shown as whole points that add up to it too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.facts import INSTANT
from worker.scoring.rules import EXCLUDED

Floats = NDArray[np.float64]
Wholes = NDArray[np.int32]

_STEPS = 2.0**30
_TOLERANCE = 1e-9
_AT_ONCE = 8192
"""People whose points are rounded together: sorting takes several times the room of the points."""


def exact(points: Floats) -> Floats:
    """The nearest multiples of 2**-30, as the points of rules are: sums of such points are exact, in any order."""
    rounded: Floats = np.round(points * _STEPS) / _STEPS + 0.0  # adding 0.0 makes -0.0 plain 0
    return rounded


@dataclass(frozen=True, slots=True)
class Line:
    """`code` is stable. `counted`: the rule whose acts the line tells of, for one that counts."""

    code: str
    group: str
    counted: str | None = None


@dataclass(frozen=True)
class Sheet:
    """One row a person, by id; one column a line, in the order of application.

    `points`: f64 (people, lines), multiples of 2**-30; 0 where a line moves nothing. `raw`: f64 (people,), the score
    before rounding, which was not made by adding up the lines. `excluded`: by person, the code of the guardrail that
    lets them have no score, or null; their points are 0. `people`: person_id, as_of, the attributes that rules ask for,
    and for each rule that counts `found:<id>` and `last:<id>` (second of the epoch).
    """

    lines: tuple[Line, ...]
    points: Floats
    raw: Floats
    excluded: pl.Series
    excluding: tuple[str, ...]
    people: pl.DataFrame

    @cached_property
    def score(self) -> Wholes:
        """`raw` rounded half up; whether it is one is for `sound` to say."""
        rounded: Wholes = np.floor(np.nan_to_num(self.raw) + 0.5).astype(np.int32)
        return rounded

    @cached_property
    def shown(self) -> Wholes:
        """i32 (people, lines): the whole points of each line."""
        shown = np.zeros(self.points.shape, np.int32)
        for first in range(0, len(shown), _AT_ONCE):
            rows = slice(first, first + _AT_ONCE)
            some = self.points[rows]
            shown[rows] = whole_points(np.where(np.isfinite(some), some, 0.0), self.score[rows])
        return shown

    @property
    def ids(self) -> pl.Series:
        return self.people.get_column("person_id")

    @cached_property
    def sound(self) -> NDArray[np.bool_]:
        """By person, whether the lines add up."""
        return adds_up(self.points, self.shown, self.raw)

    def subtotal(self, group: str) -> Floats:
        """The sum of the group's points, of everybody."""
        own = [place for place, line in enumerate(self.lines) if line.group == group]
        total: Floats = self.points[:, own].sum(axis=1)
        return total

    def long(self) -> pl.DataFrame:
        """One row a person and line that moved the score, as `Scores.contributions`."""
        codes = pl.Enum([*(line.code for line in self.lines), *self.excluding])
        groups = pl.Enum(list(dict.fromkeys([*(line.group for line in self.lines), EXCLUDED])))
        rows, columns = np.nonzero(self.points)
        frame = pl.DataFrame(
            {
                "person_id": self.ids.gather(rows),
                "code": pl.Series([line.code for line in self.lines], dtype=codes).gather(columns),
                "group": pl.Series([line.group for line in self.lines], dtype=groups).gather(columns),
                "points": self.points[rows, columns],
                "shown": self.shown[rows, columns],
                "count": _told(self, rows, columns, "found").cast(pl.Int32),
                "last_at": (_told(self, rows, columns, "last") * 1_000_000).cast(INSTANT),
            }
        )
        out = pl.DataFrame({"person_id": self.ids, "code": self.excluded.cast(codes)}).drop_nulls("code")
        nothing = {"points": pl.lit(0.0), "shown": pl.lit(0, pl.Int32)}
        acts = {"count": pl.lit(None, pl.Int32), "last_at": pl.lit(None, INSTANT)}
        out = out.with_columns(pl.lit(EXCLUDED, groups).alias("group"), **nothing, **acts).select(frame.columns)
        return pl.concat([frame, out]).sort("person_id", maintain_order=True)


def _told(sheet: Sheet, rows: NDArray[np.int64], columns: NDArray[np.int64], what: str) -> pl.Series:
    """What is known of the acts behind each line; null for lines that count none."""
    told = np.full(rows.size, np.nan)
    for place, line in enumerate(sheet.lines):
        if line.counted is not None:
            own = columns == place
            told[own] = sheet.people.get_column(f"{what}:{line.counted}").cast(pl.Float64).to_numpy()[rows[own]]
    return pl.Series(told, nan_to_null=True).cast(pl.Int64)


def whole_points(points: Floats, score: Wholes) -> Wholes:
    """Each line's points rounded down or up, so that each row adds up to `score`: the largest remainders go up, of
    equal ones the first. `score` must be within half a point of the row's sum; whole points stay as they are."""
    shown = np.floor(points)
    remainder = points - shown
    up = score - shown.sum(axis=1)
    ranked = -np.sort(-remainder, axis=1)
    rows = np.arange(points.shape[0])
    least = ranked[rows, np.clip(up.astype(np.int64) - 1, 0, max(points.shape[1] - 1, 0))] if points.size else up
    above = (remainder > least[:, None]) & (up > 0)[:, None]
    level = (remainder == least[:, None]) & (remainder > 0) & (up > 0)[:, None]
    left = up - above.sum(axis=1)
    raised = above | (level & (np.cumsum(level, axis=1) <= left[:, None]))
    whole: Wholes = (shown + raised).astype(np.int32)
    return whole


def adds_up(points: Floats, shown: Wholes, raw: Floats) -> NDArray[np.bool_]:
    """By person: the points add up to `raw` within 1e-9, the whole points to its rounding, no line is shown a whole
    point off, and the score is on the scale. What is no number adds up to nothing."""
    score = np.floor(raw + 0.5)
    right: NDArray[np.bool_] = (
        (np.abs(points.sum(axis=1) - raw) <= _TOLERANCE)
        & (shown.sum(axis=1) == score)
        & (np.abs(shown - points).max(axis=1, initial=0.0) < 1)
        & (score >= 0)
        & (score <= 100)
    )
    return right
