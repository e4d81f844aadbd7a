"""How far the people of today are from those a model was trained on, and how it does on those who have matured since.

The population stability index is that of credit scoring: PSI = sum((live - then) * ln(live / then)) over bins made on
the training frame; below 0.10 nothing has moved, from 0.25 on it has (Siddiqi, Credit Risk Scorecards, 2006, chapter
9). Of few people it is large by chance alone: without any drift it is about chi-squared with bins - 1 degrees of
freedom times (1/n + 1/m) (Yurdakul 2018, Statistical properties of PSI); what chance gives once in a thousand is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import chdtri

from worker.features.feature import Feature, FeatureType
from worker.training.promotion import Figures

BINS = 10
LEVELS_KEPT = 20
"""Texts of a category that get a bin of their own; the rarer ones share one."""
WATCH_PSI, ALERT_PSI = 0.10, 0.25
WATCH_MISSING, ALERT_MISSING = 0.10, 0.20
CHANCE = 0.001
LEAST_CLASS = 40
OTHER, MISSING = "(other)", "(missing)"


class Level(StrEnum):
    OK = "ok"
    WATCH = "watch"
    ALERT = "alert"


def worst(levels: Sequence[Level]) -> Level:
    return max(levels, key=list(Level).index, default=Level.OK)


@dataclass(frozen=True, slots=True)
class Moved:
    """One feature, or the log-odds: its PSI, what of it chance explains, the missing rates then and now, and which bin
    has gained most (its name, then, now)."""

    name: str
    level: Level
    psi: float
    by_chance: float
    missing_then: float
    missing_now: float
    gained: tuple[str, float, float]


@dataclass(frozen=True, slots=True)
class Report:
    """One check of one model. `people` of today were looked at; `closed` are the figures on people whose horizon has
    closed since the training (None: nobody yet, or all of one class), `expected` and `observed` their conversions.
    `why`: a sentence for each thing that is not ok, that of the matured first."""

    level: Level
    people: int
    score: Moved | None
    features: Sequence[Moved]
    closed: Figures | None = None
    expected: float | None = None
    observed: float | None = None
    why: Sequence[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def reference(
    frame: pl.DataFrame, weight: NDArray[np.float64], features: Sequence[Feature], log_odds: NDArray[np.float64]
) -> dict[str, Any]:
    """What `compare` needs to know of a training frame, as JSON: bins with their weighted shares, by feature."""
    columns = {feature.name: _binned(frame.get_column(feature.name), feature.type, weight) for feature in features}
    return {
        "people": float(weight.sum()),
        "features": columns,
        "log_odds": _binned(pl.Series(log_odds), FeatureType.NUMBER, weight),
    }


def compare(then: Mapping[str, Any], frame: pl.DataFrame, log_odds: NDArray[np.float64] | None) -> Report:
    """Today's people against a reference: PSI and missing rate by feature, and the drift of what the model says."""
    moved = [
        _moved(name, bins, frame.get_column(name), then["people"])
        for name, bins in then["features"].items()
        if name in frame.columns and frame.height
    ]
    said = None
    if log_odds is not None and len(log_odds):
        said = _moved("score", then["log_odds"], pl.Series(log_odds), then["people"])
    moved.sort(key=lambda m: (-list(Level).index(m.level), -m.psi))
    why = [_told(m) for m in ([said] if said else []) + moved if m.level is not Level.OK]
    # One restless column of sixty is worth a look, not an alarm: what matters is whether the score moved.
    drifted = [m for m in moved if m.level is Level.ALERT]
    levels = [said.level if said else Level.OK, Level.WATCH if why else Level.OK]
    if len(drifted) * 5 >= len(moved) > 0:
        levels.append(Level.ALERT)
    return Report(worst(levels), frame.height, said, moved, why=why)


@dataclass(frozen=True, slots=True)
class Matured:
    """People whose horizon has closed since the training: how many there are, how many `observed` conversions, how many
    were `expected`, give or take `spread` (a standard deviation), and the figures (None where all are of one class)."""

    people: int
    observed: int
    expected: float
    spread: float
    figures: Figures | None


def judge_closed(report: Report, held_out: Figures | None, matured: Matured) -> Report:
    """The report with how the model did on those who have matured since."""
    found = [*_calibration(matured), *_ranking(matured, held_out)]
    return Report(
        worst([report.level, *(level for level, _ in found)]), report.people, report.score, report.features,
        matured.figures, matured.expected, float(matured.observed), [*(why for _, why in found), *report.why],
    )  # fmt: skip


def _calibration(matured: Matured) -> list[tuple[Level, str]]:
    """Did as many convert as the model said? Nobody, where many were expected, is an answer too."""
    if min(max(matured.observed, matured.expected), matured.people - matured.observed) < LEAST_CLASS:
        others = matured.people - matured.observed
        few = (
            f"{matured.observed} conversions and {others} others have matured since: too few to judge by "
            f"({LEAST_CLASS} and {LEAST_CLASS} are needed)"
        )
        return [(Level.OK, few)]
    off = abs(matured.observed - matured.expected) / max(matured.spread, 1e-9)
    ratio = matured.observed / max(matured.expected, 1e-9)
    why = f"{matured.observed} of {matured.people} converted where {matured.expected:.0f} were expected"
    if off > 3 and not 2 / 3 <= ratio <= 3 / 2:
        return [(Level.ALERT, why)]
    if off > 2 and not 4 / 5 <= ratio <= 5 / 4:
        return [(Level.WATCH, why)]
    return []


def _ranking(matured: Matured, held_out: Figures | None) -> list[tuple[Level, str]]:
    """Does the model still tell people apart as it did when it was trained?"""
    now = matured.figures
    if now is None or held_out is None or min(now.conversions, now.people - now.conversions) < LEAST_CLASS:
        return []
    why = f"AUC {now.auc:.3f} on people matured since, {held_out.auc:.3f} when it was trained"
    fell = held_out.auc - now.auc
    if fell > 0.05 and now.auc_high < held_out.auc:
        return [(Level.ALERT, why)]
    if fell > 0.02 and now.auc < held_out.auc_low:
        return [(Level.WATCH, why)]
    return []


def psi(then: Sequence[float], now: Sequence[float], then_n: float, now_n: float) -> float:
    """Of shares by bin. An empty bin counts as half a person, since nobody seen is not nobody there."""
    expected = np.maximum(np.asarray(then, float), 0.5 / max(then_n, 1.0))
    actual = np.maximum(np.asarray(now, float), 0.5 / max(now_n, 1.0))
    return float(((actual - expected) * np.log(actual / expected)).sum())


def _by_chance(bins: int, then_n: float, now_n: float) -> float:
    return float(chdtri(max(bins - 1, 1), CHANCE)) * (1 / max(then_n, 1.0) + 1 / max(now_n, 1.0))


def _binned(column: pl.Series, kind: FeatureType, weight: NDArray[np.float64]) -> dict[str, Any]:
    """Bins of a training column with their shares; the missing have a bin of their own, the last."""
    if kind is FeatureType.NUMBER:
        known = column.drop_nulls().to_numpy()
        inner = np.quantile(known, np.arange(1, BINS) / BINS) if len(known) else np.empty(0)
        bins: dict[str, Any] = {"edges": [float(edge) for edge in np.unique(inner)]}
    else:
        counts = column.cast(pl.String).drop_nulls().value_counts(sort=False)
        name = counts.columns[0]
        ranked = counts.sort("count", name, descending=[True, False]).head(LEVELS_KEPT)
        bins = {"levels": sorted(ranked.get_column(name).to_list())}
    return {**bins, "shares": _shares(bins, column, weight)}


def _shares(bins: Mapping[str, Any], column: pl.Series, weight: NDArray[np.float64]) -> list[float]:
    place = _place(bins, column)
    totals = np.bincount(place, weight, _count(bins))
    return [float(share) for share in totals / max(float(weight.sum()), 1e-300)]


def _place(bins: Mapping[str, Any], column: pl.Series) -> NDArray[np.int64]:
    """The bin of each row."""
    missing = column.is_null().to_numpy()
    last = _count(bins) - 1
    if "edges" in bins:
        values = column.cast(pl.Float64).fill_null(0.0).to_numpy()
        # An edge belongs to the bin below it, so that a value which is a fifth of all rows has one bin.
        place = np.searchsorted(np.asarray(bins["edges"], float), values, side="left")
    else:
        number = {level: i for i, level in enumerate(bins["levels"])}
        other = len(number)
        place = np.array([number.get(value, other) for value in column.cast(pl.String).to_list()], np.int64)
    return np.where(missing, last, place).astype(np.int64)


def _count(bins: Mapping[str, Any]) -> int:
    """Bins in all: between and beyond the edges, or the levels and all others; and the missing."""
    return len(bins["edges"]) + 2 if "edges" in bins else len(bins["levels"]) + 2


def _names(bins: Mapping[str, Any]) -> list[str]:
    if "levels" in bins:
        return [*bins["levels"], OTHER, MISSING]
    edges = [f"{edge:.4g}" for edge in bins["edges"]]
    if not edges:
        return ["any", MISSING]
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]}", *between, f"over {edges[-1]}", MISSING]


def _moved(name: str, bins: Mapping[str, Any], column: pl.Series, then_n: float) -> Moved:
    now_n = float(len(column))
    then, now = bins["shares"], _shares(bins, column, np.ones(len(column)))
    found, chance = psi(then, now, then_n, now_n), _by_chance(len(then), then_n, now_n)
    missing = abs(now[-1] - then[-1])
    level = Level.OK
    if found > chance:
        level = Level.ALERT if found >= ALERT_PSI else Level.WATCH if found >= WATCH_PSI else Level.OK
    noise = 3 * math.sqrt(0.25 / max(now_n, 1.0))
    if missing > max(ALERT_MISSING, noise):
        level = Level.ALERT
    elif missing > max(WATCH_MISSING, noise):
        level = worst([level, Level.WATCH])
    gained = int(np.argmax(np.asarray(now) - np.asarray(then)))
    return Moved(name, level, found, chance, then[-1], now[-1], (_names(bins)[gained], then[gained], now[gained]))


def _told(moved: Moved) -> str:
    bin_, then, now = moved.gained
    if abs(moved.missing_now - moved.missing_then) > WATCH_MISSING:
        return f"{moved.name}: missing in {moved.missing_now:.0%}, {moved.missing_then:.0%} when trained"
    return f"{moved.name}: PSI {moved.psi:.2f}; {bin_} was {then:.0%} and is {now:.0%}"
