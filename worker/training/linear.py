"""Logistic regression on binned features: one smooth table a feature, from one convex problem.

Minimises the weighted log-loss plus, over a feature's bins, RIDGE / 2 x sum of v^2 + SMOOTH / 2 x sum of (v[i] -
v[i-1])^2 (differences where bins have an order, so that neighbours hold each other up). The intercept is free. A
monotone feature is held so by bounds on its differences. Source: Eilers and Marx 1996, "Flexible smoothing with
B-splines and penalties", with splines of degree zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit

from worker.scoring.model_parts import Cells, Floats, Shape, Tables
from worker.training.cells import Grid, coarse

BINS = 24
RIDGE = 8.0
SMOOTH = 15.0


@dataclass(frozen=True, slots=True)
class _Block:
    """One feature's parameters: `bins` of its cells, and where its values lie among all; the last is *missing*'s."""

    feature: int
    bins: Cells
    start: int
    size: int
    ordered: bool
    monotone: int

    @property
    def known(self) -> slice:
        return slice(self.start, self.start + self.size - 1)


def fit_linear(cells: Cells, label: NDArray[np.bool_], weight: Floats, grid: Grid) -> Tables:
    """`weight` has a mean of about 1: a row's worth of evidence, which the penalties are in."""
    blocks = _blocks(cells, weight, grid)
    design = _design(cells, blocks)
    size = 1 + sum(block.size for block in blocks)
    target = label.astype(np.float64)
    rate = np.average(target, weights=weight)
    start = np.zeros(size)
    start[0] = np.log(rate) - np.log1p(-rate)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        values = _values(parameters, blocks)
        margin = values[0] + design @ values[1:]
        residual = weight * (expit(margin) - target)
        penalty, slope = _penalty(values, blocks)
        slope[0] += residual.sum()
        slope[1:] += design.T @ residual
        return float(weight @ (np.logaddexp(0.0, margin) - target * margin)) + penalty, _pulled_back(slope, blocks)

    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=_bounds(size, blocks),
        options={"maxiter": 300, "maxcor": 20, "ftol": 1e-9, "gtol": 1e-5 * weight.sum()},
    )  # fmt: skip
    return _tables(_values(found.x, blocks), blocks, cells, weight)


def _blocks(cells: Cells, weight: Floats, grid: Grid) -> list[_Block]:
    blocks, start = [], 1
    for place in grid.useful:
        axis = grid.axes[place]
        bins = coarse(cells[:, place], axis, weight, BINS)
        size = int(bins.max()) + 1
        blocks.append(_Block(place, bins, start, size, not axis.is_category, grid.features[place].monotone))
        start += size
    return blocks


def _design(cells: Cells, blocks: Sequence[_Block]) -> csr_array:
    """One 1 a row and feature."""
    columns = np.empty((cells.shape[0], len(blocks)), np.int32)
    for place, block in enumerate(blocks):
        columns[:, place] = block.bins[cells[:, block.feature]]
        columns[:, place] += block.start - 1
    starts = np.arange(0, columns.size + 1, max(len(blocks), 1), dtype=np.int64)
    width = sum(block.size for block in blocks)
    starts = starts if blocks else np.zeros(cells.shape[0] + 1, np.int64)
    return csr_array((np.ones(columns.size), columns.reshape(-1), starts), shape=(cells.shape[0], width))


def _values(parameters: Floats, blocks: Sequence[_Block]) -> Floats:
    """A monotone feature's parameters are its first value and then the differences."""
    values = parameters.copy()
    for block in blocks:
        if block.monotone:
            values[block.known] = np.cumsum(parameters[block.known])
    return values


def _pulled_back(slope: Floats, blocks: Sequence[_Block]) -> Floats:
    for block in blocks:
        if block.monotone:
            slope[block.known] = np.cumsum(slope[block.known][::-1])[::-1]
    return slope


def _bounds(size: int, blocks: Sequence[_Block]) -> list[tuple[float | None, float | None]]:
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * size
    for block in blocks:
        if block.monotone:
            steps = (0.0, None) if block.monotone > 0 else (None, 0.0)
            bounds[block.start + 1 : block.start + block.size - 1] = [steps] * (block.size - 2)
    return bounds


def _penalty(values: Floats, blocks: Sequence[_Block]) -> tuple[float, Floats]:
    slope = np.zeros_like(values)
    slope[1:] = RIDGE * values[1:]
    total = RIDGE * float(values[1:] @ values[1:])
    for block in blocks:
        if block.ordered and block.size > 2:
            steps = np.diff(values[block.known])
            total += SMOOTH * float(steps @ steps)
            slope[block.known] += SMOOTH * (np.append(0.0, steps) - np.append(steps, 0.0))
    return total / 2, slope


def _tables(values: Floats, blocks: Sequence[_Block], cells: Cells, weight: Floats) -> Tables:
    shapes = []
    for block in blocks:
        table = values[block.start : block.start + block.size][block.bins]
        shapes.append(Shape(block.feature, table))
    return centred(Tables(float(values[0]), tuple(shapes)), cells, weight)


def centred(tables: Tables, cells: Cells, weight: Floats) -> Tables:
    """The same sum, told from the average row: a shape's mean over the rows is zero."""
    base, shapes = tables.base, []
    for shape in tables.shapes:
        mean = float(np.average(shape.values[cells[:, shape.feature]], weights=weight))
        base += mean
        shapes.append(Shape(shape.feature, shape.values - mean))
    return Tables(base, tuple(shapes), tables.surfaces)
