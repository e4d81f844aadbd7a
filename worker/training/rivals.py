"""What a trained model has to beat: naive Bayes on value frequencies, as CRMs that score leads by themselves use it."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.training.metrics import Floats
from worker.training.table import Table

RANGES = 10


def naive_bayes(train: Table, test: Table) -> Floats:
    """Log-odds of the rows of `test`: the base rate's, and for each column the log ratio of how often its value (for a
    number: its tenth) was seen among the converted and among the others, each count starting at one. What was never
    seen says nothing."""
    won = train.weight * train.label
    lost = train.weight - won
    score = np.full(len(test), np.log(won.sum() / lost.sum()))
    for feature in train.features:
        fitted, applied = _codes(train.frame[feature.name], test.frame[feature.name])
        width = int(max(fitted.max(), applied.max())) + 1
        levels = len(np.unique(fitted))
        seen = np.bincount(fitted, minlength=width) > 0
        ratio = np.log((np.bincount(fitted, won, width) + 1) / (won.sum() + levels)) - np.log(
            (np.bincount(fitted, lost, width) + 1) / (lost.sum() + levels)
        )
        score += np.where(seen, ratio, 0.0)[applied]
    return score


def _codes(train: pl.Series, test: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Both columns as levels, 0 where missing; ranges are those of the training rows."""
    if train.dtype != pl.Float64:
        both = pl.concat([train, test]).rank("dense").fill_null(0).to_numpy().astype(np.int64)
        return both[: len(train)], both[len(train) :]
    known = train.drop_nulls().to_numpy()
    edges = np.unique(np.quantile(known, np.arange(1, RANGES) / RANGES)) if len(known) else np.empty(0)

    def coded(column: pl.Series) -> NDArray[np.int64]:
        codes = np.searchsorted(edges, column.to_numpy(), side="left") + 1
        return np.where(column.is_null().to_numpy(), 0, codes)

    return coded(train), coded(test)
