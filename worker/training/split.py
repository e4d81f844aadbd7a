"""How the training part is split within itself: by time, purged by the horizon, or shuffled by person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from worker.training.table import Table

_FEWEST = 20
"""Converted, and not converted, on each side of a fold in time."""
_SLICES = (0.4, 0.55, 0.7, 0.85)
"""Where slices of time begin, as shares of the rows: each is predicted from what was known before it."""
_MANY = 50_000
"""Rows from which the first slice is left out: the others are large enough to judge by."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of rows: fitted on `train`, judged on `test`."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """`folds` and in words how they were made."""

    folds: tuple[Fold, ...]
    by_time: bool
    words: str


def split(table: Table, *, seed: int, horizon: timedelta | None = None, shuffled: int = 5) -> Split:
    """Folds in time where the table has instants and at least two slices can be predicted from labels known before they
    began, else `shuffled` folds that cut nobody in two. Raises `ValueError` with fewer than two people on a side."""
    if table.at is not None:
        folds = _in_time(table, table.at, horizon or timedelta(0))
        if len(folds) >= 2:
            words = f"{len(folds)} later slices of time, each predicted from labels known when it began"
            return Split(folds, True, words)
    count = min(shuffled, _fewest_people(table))
    if count < 2:
        raise ValueError(
            "found fewer than two people who converted, or fewer than two who did not: no model can be judged; "
            "bring more history or widen the conversion"
        )
    why = "" if table.at is None else " (too little history to predict later slices from labels known before them)"
    return Split(_shuffled(table, count, seed), False, f"{count} shuffled folds, each person in one{why}")


def _fewest_people(table: Table) -> int:
    return min(np.unique(table.person[table.label == side]).size for side in (True, False))


def _in_time(table: Table, at: NDArray[np.datetime64], horizon: timedelta) -> tuple[Fold, ...]:
    ordered = np.sort(at)
    shares = _SLICES if len(table) <= _MANY else _SLICES[1:]
    starts = np.unique([ordered[int(share * len(ordered))] for share in shares])
    ends = np.append(starts[1:], ordered[-1] + np.timedelta64(1, "us"))
    folds = []
    for start, end in zip(starts, ends, strict=True):
        known = np.flatnonzero((at < start) & (at + np.timedelta64(horizon) <= start))
        later = np.flatnonzero((at >= start) & (at < end))
        if all(_enough(table, rows) for rows in (known, later)):
            folds.append(Fold(known, later))
    return tuple(folds)


def _enough(table: Table, rows: NDArray[np.int64]) -> bool:
    converted = int(table.label[rows].sum())
    return min(converted, rows.size - converted) >= _FEWEST


def _shuffled(table: Table, count: int, seed: int) -> tuple[Fold, ...]:
    """People dealt to the folds in random order, those who ever converted apart from the others: equal shares of
    both."""
    people, row_person = np.unique(table.person, return_inverse=True)
    converted = np.bincount(row_person, table.label, people.size) > 0
    rng = np.random.default_rng(seed)
    dealt = np.empty(people.size, np.int64)
    for side in (True, False):
        members = rng.permutation(np.flatnonzero(converted == side))
        dealt[members] = np.arange(members.size) % count
    return _folds(dealt[row_person], count)


def _folds(dealt: NDArray[np.int64], count: int) -> tuple[Fold, ...]:
    return tuple(Fold(np.flatnonzero(dealt != fold), np.flatnonzero(dealt == fold)) for fold in range(count))


def sample(table: Table, most: int, seed: int) -> NDArray[np.int64]:
    """Positions of about `most` rows, whole people drawn at random; every row where there are no more."""
    if len(table) <= most:
        return np.arange(len(table))
    people, row_person = np.unique(table.person, return_inverse=True)
    drawn = np.random.default_rng(seed).random(people.size) < most / len(table)
    return np.flatnonzero(drawn[row_person])


def people(table: Table, rows: Sequence[int] | NDArray[np.int64]) -> int:
    """How many people these rows are of."""
    return int(np.unique(table.person[rows]).size)
