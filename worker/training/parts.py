"""Whether a model holds everywhere: its figures on stretches of time and on segments. Pure."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.feature import FeatureType
from worker.training import metrics
from worker.training.insight import chance
from worker.training.metrics import Floats, Undefined
from worker.training.table import Table

STRETCHES = 6
FEWEST = 10
"""Rows of each class below which a part has no AUC; rows below which a segment is not shown by itself."""
LEVELS, SEGMENTS, MOST_LEVELS = 8, 4, 200
OTHERS, MISSING = "(all others)", "(missing)"
_WORDS = ("source", "country", "industry", "region", "segment", "channel", "visitor")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of time or a segment. `predicted`: mean probability, to hold beside `rate`."""

    name: str
    rows: int
    conversions: int
    rate: float
    predicted: float
    auc: float | None


def over_time(table: Table, log_odds: Floats, fold: NDArray[np.int64]) -> list[Part]:
    """Stretches of equal size, oldest first; none without instants."""
    if table.at is None:
        return []
    order, days = np.argsort(table.at, kind="stable"), table.at.astype("datetime64[D]")
    return [
        _part(f"{days[rows[0]]} to {days[rows[-1]]}", table, log_odds, fold, rows)
        for rows in np.array_split(order, STRETCHES)
        if len(rows)
    ]


def segments(table: Table, log_odds: Floats, fold: NDArray[np.int64], known: Collection[str]) -> dict[str, list[Part]]:
    """The categories that say where a lead comes from, one of each kind, then those of the `known` features; their
    largest levels, what is smaller together: a level of few may tell of a person."""

    features = [
        feature
        for feature in table.features
        if feature.type is FeatureType.CATEGORY and 2 <= table.frame[feature.name].n_unique() <= MOST_LEVELS
    ]
    firsts = [next((feature for feature in features if word in feature.name.lower()), None) for word in _WORDS]
    chosen = [feature for feature in firsts if feature is not None]
    chosen += [feature for feature in features if feature.name in known]
    found = {}
    for feature in list(dict.fromkeys(chosen))[:SEGMENTS]:
        column = table.frame[feature.name].fill_null(MISSING)
        counted = column.value_counts(name="rows").sort("rows", feature.name, descending=[True, False])
        largest = counted.head(LEVELS).filter(pl.col("rows") >= FEWEST)[feature.name].to_list()
        shown = [_part(level[:40], table, log_odds, fold, (column == level).arg_true().to_numpy()) for level in largest]
        rest = (~column.is_in(largest)).arg_true().to_numpy()
        if len(rest) >= FEWEST:
            shown.append(_part(OTHERS, table, log_odds, fold, rest))
        if len(shown) > 1:
            found[feature.label] = shown
    return found


def _part(name: str, table: Table, log_odds: Floats, fold: NDArray[np.int64], rows: NDArray[np.int64]) -> Part:
    label, weight, said = table.label[rows], table.weight[rows], log_odds[rows]
    conversions = int(label.sum())
    enough = min(conversions, len(rows) - conversions) >= FEWEST
    return Part(
        name=name,
        rows=len(rows),
        conversions=conversions,
        rate=float(np.average(label, weights=weight)),
        predicted=float(np.average(chance(said), weights=weight)),
        auc=_auc(label, said, weight, fold[rows]) if enough else None,
    )


def _auc(label: NDArray[np.bool_], said: Floats, weight: Floats, fold: NDArray[np.int64]) -> float | None:
    """The mean over the folds that have both classes here, by their rows: each ranks by a model of its own."""
    found, rows = [], []
    for each in np.unique(fold):
        within = fold == each
        with suppress(Undefined):
            found.append(metrics.auc(label[within], said[within], weight[within]))
            rows.append(int(within.sum()))
    return float(np.average(found, weights=rows)) if found else None
