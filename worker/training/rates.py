"""How often people with each value of a feature converted, from a training table: what reasons quote."""

from __future__ import annotations

import numpy as np
import polars as pl

from worker.scoring.model_parts import Axis, Cells, Floats
from worker.scoring.rates import Rates
from worker.training.table import Table

PEOPLE, CONVERSIONS = 50, 10
"""A bin is quoted if so many people are in it, and so many conversions were seen or had been expected there."""
_SHARE = 0.1
"""Neighbouring values are put together until a bin has so much of the people."""


def measured(table: Table, axes: tuple[Axis, ...]) -> Rates:
    """`axes`: the model's, one a feature of `table`. A person counts once, whatever the rows."""
    base = float(np.average(table.label, weights=table.weight))
    found = {}
    for feature, axis in zip(table.features, axes, strict=True):
        coarse = _coarse(axis, table.frame.get_column(feature.name), table.weight)
        cells = coarse.cells(table.frame.get_column(feature.name))
        times = _times(cells, coarse.size, table, base)
        if np.isfinite(times).any():
            found[feature.name] = (coarse, times)
    return Rates(found)


def of_rules(fired: pl.DataFrame, table: Table) -> dict[str, float]:
    """By column of `fired` (a rule's, true where it gave or took points; rows as in `table`), how many times as often
    as everybody such people converted; without those that too few were."""
    base = float(np.average(table.label, weights=table.weight))
    found = {column.name: _times(column.to_numpy().astype(np.int16), 2, table, base)[1] for column in fired}
    return {rule: round(float(times), 3) for rule, times in found.items() if np.isfinite(times)}


def _times(cells: Cells, size: int, table: Table, base: float) -> Floats:
    people = np.bincount(cells, table.weight, size)
    converted = np.bincount(cells, table.weight * table.label, size)
    expected = base * people
    enough = (people >= PEOPLE) & (converted + expected >= CONVERSIONS)
    times: Floats = np.divide(converted, expected, out=np.full(size, np.nan), where=enough)
    return times


def _coarse(axis: Axis, column: pl.Series, weight: Floats) -> Axis:
    """The axis with few enough bins for each to hold people; a category's stay as they are."""
    if axis.is_category or not axis.edges.size:
        return axis
    held = np.bincount(axis.cells(column), weight, axis.size)[: axis.edges.size]
    edges, gathered = [], 0.0
    for edge, people in zip(axis.edges, held, strict=True):
        gathered += people
        if gathered >= _SHARE * held.sum():
            edges.append(edge)
            gathered = 0.0
    return Axis(np.array(edges, np.float64))
