"""From a table's columns to cells: what a model may tell apart. Fitted on training rows alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.feature import Feature, FeatureType
from worker.scoring.model_parts import Axis, Cells, Floats
from worker.training.table import Table

MOST_CELLS = 250
"""Of one number; the boosted trees that are fitted on cells allow 255."""
MOST_LEVELS = 100
_FEWEST_ROWS = 20
"""Of a level, and of what is missing or is not: fewer rows say nothing that would hold."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The axes of a table's features, and which features (positions) tell at least two groups of rows apart.

    Left out of `useful`: constant and nearly empty columns, and text with hardly a value that repeats.
    """

    features: tuple[Feature, ...]
    axes: tuple[Axis, ...]
    useful: tuple[int, ...]

    def cells(self, frame: pl.DataFrame) -> Cells:
        """(rows, features)."""
        cells = np.empty((frame.height, len(self.axes)), np.int16, order="F")
        for place, (feature, axis) in enumerate(zip(self.features, self.axes, strict=True)):
            cells[:, place] = axis.cells(frame[feature.name])
        return cells


def grid(table: Table) -> Grid:
    """Cells by the rows of `table`: a number's hold about equally many rows each, a category's are its frequent levels
    in order of frequency, rare ones together. A pure function of the rows, whatever their order."""
    fewest = min(_FEWEST_ROWS, max(2, len(table) // 20))
    axes: list[Axis] = []
    useful = []
    for place, feature in enumerate(table.features):
        column = table.frame[feature.name]
        axis = _levels(column, fewest) if feature.type == FeatureType.CATEGORY else Axis(_edges(column))
        axes.append(axis)
        counts = np.bincount(axis.cells(column), minlength=axis.size)
        held = len(table) - counts[-1]
        if held >= fewest and (np.count_nonzero(counts[:-1]) > 1 or counts[-1] >= fewest):
            rare = len(table) - counts.max()
            if rare >= fewest:
                useful.append(place)
    return Grid(table.features, tuple(axes), tuple(useful))


def _levels(column: pl.Series, fewest: int) -> Axis:
    counts = column.cast(pl.String).alias("level").drop_nulls().value_counts()
    kept = counts.filter(pl.col("count") >= fewest).sort(["count", "level"], descending=[True, False]).head(MOST_LEVELS)
    return Axis(np.empty(0), tuple(kept["level"].to_list()), is_category=True)


def _edges(column: pl.Series) -> Floats:
    values = column.cast(pl.Float64).to_numpy()
    values = np.sort(values[np.isfinite(values)])
    if not values.size:
        return np.empty(0)
    distinct = values[np.flatnonzero(np.diff(values, prepend=-np.inf))]
    if distinct.size <= MOST_CELLS:
        return _between(distinct[:-1], distinct[1:])
    # The rows at equal shares, then the next larger value that occurs: an edge never falls on a value.
    shares = (np.arange(1, MOST_CELLS) * values.size) // MOST_CELLS
    below = np.unique(values[shares])
    above = distinct[np.minimum(np.searchsorted(distinct, below, side="right"), distinct.size - 1)]
    return np.unique(_between(below, above)[below < above])


def _between(below: Floats, above: Floats) -> Floats:
    """Half way, and never rounded onto the larger value."""
    middle = below + (above - below) / 2
    return np.where(middle < above, middle, below)


def coarse(cells: Cells, axis: Axis, weight: NDArray[np.float64], most: int) -> Cells:
    """For each cell of `axis` the number of its bin: at most `most` bins of a number, about equally heavy; a category's
    cells are bins already. *Missing* keeps a bin of its own, the last."""
    if axis.is_category or axis.size - 1 <= most:
        return np.arange(axis.size, dtype=np.int16)
    mass = np.bincount(cells, weight, axis.size)[:-1]
    before = np.cumsum(mass) - mass / 2
    bins = np.minimum((before / mass.sum() * most).astype(np.int64), most - 1)
    numbered = np.unique(bins, return_inverse=True)[1]
    return np.append(numbered, numbered.max() + 1).astype(np.int16)
