"""What a model is made of: cells that columns fall into, tables of log-odds over cells, and trees that cut between
them.

Plain arrays only, so that an artefact can be read with a short list of types and no library of trees is needed to
score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Cells = NDArray[np.int16]
_CHUNK = 16_384
_SURE = 1e-4
"""The share of a forest's votes is kept this far from 0 and 1: no count of rows proves that a thing cannot happen."""


@dataclass(frozen=True)
class Axis:
    """The cells of one column, numbered 0 to `size` - 1.

    A number or a flag: cell i holds what is above `edges[i - 1]` and at most `edges[i]`. A category: cell i holds
    `levels[i]`, and the cell after them all other text. The last cell is *missing*: null, not a number, infinite.
    """

    edges: Floats
    levels: tuple[str, ...] = ()
    is_category: bool = False

    @property
    def size(self) -> int:
        return (len(self.levels) if self.is_category else self.edges.size) + 2

    def cells(self, column: pl.Series) -> Cells:
        """The cell of each value."""
        if not self.is_category:
            values = column.cast(pl.Float64).to_numpy()
            return np.where(np.isfinite(values), np.searchsorted(self.edges, values), self.size - 1).astype(np.int16)
        other = len(self.levels)
        codes = np.full(len(column), other, np.int16)
        if self.levels:
            known, numbers = pl.Series(self.levels, dtype=pl.String), pl.Series(range(other), dtype=pl.Int16)
            text = column.cast(pl.String)
            codes = text.replace_strict(known, numbers, default=other, return_dtype=pl.Int16).to_numpy()
        return np.where(column.is_null().to_numpy(), self.size - 1, codes).astype(np.int16)


@dataclass(frozen=True)
class Shape:
    """What one feature adds: `values[cell]`, log-odds."""

    feature: int
    values: Floats


@dataclass(frozen=True)
class Surface:
    """What two features add together: `values[rows[cell of the first], columns[cell of the second]]`, log-odds."""

    first: int
    second: int
    rows: Cells
    columns: Cells
    values: Floats


@dataclass(frozen=True)
class Tables:
    """A sum of shapes and surfaces: log-odds by lookup. A surface's value belongs in halves to its two features."""

    base: float
    shapes: tuple[Shape, ...]
    surfaces: tuple[Surface, ...] = ()

    def margin(self, cells: Cells) -> Floats:
        total = np.full(cells.shape[0], self.base)
        for shape in self.shapes:
            total += shape.values.take(cells[:, shape.feature])
        for surface in self.surfaces:
            total += _height(surface, cells)
        return total

    def attributions(self, cells: Cells) -> tuple[float, Floats]:
        parts = np.zeros(cells.shape, order="F")
        for shape in self.shapes:
            parts[:, shape.feature] += shape.values.take(cells[:, shape.feature])
        for surface in self.surfaces:
            half = _height(surface, cells) / 2
            parts[:, surface.first] += half
            parts[:, surface.second] += half
        return self.base, parts


def _height(surface: Surface, cells: Cells) -> Floats:
    """By one index into the flat table: half the time of two into the square one."""
    start = (surface.rows.astype(np.intp) * surface.values.shape[1]).take(cells[:, surface.first])
    place = start + surface.columns.astype(np.intp).take(cells[:, surface.second])
    held: Floats = surface.values.reshape(-1).take(place)
    return held


@dataclass(frozen=True)
class Trees:
    """Trees side by side in flat arrays. `votes`: their mean is a probability (a forest); else their sum is log-odds.

    A row at a node goes to `left` if its cell is at most `cut` and at least `low` (a missing value is cell -1, and
    `low` is -1 where missing values go left); a leaf leads to itself. `value` of a node is the mean of its leaves over
    the training rows. `roots` and `depths`: one a tree. Cells are re-ordered by `order[feature][cell]` first: a
    category's levels stand in an order that trees can cut; *missing* is -1.

    Attribution: along a row's path, each step from a node to its child moves the value, and that move belongs to the
    feature that the node asks. The sum telescopes from root to leaf. A forest's moves, which are in probability, are
    scaled by one factor a row to the move of its log-odds.
    """

    base: float
    scale: float
    votes: bool
    order: tuple[Cells, ...]
    roots: NDArray[np.int32]
    depths: NDArray[np.int32]
    feature: NDArray[np.int16]
    cut: Cells
    low: NDArray[np.int8]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: Floats

    def margin(self, cells: Cells) -> Floats:
        return self.base + self.scale * self._link(self._sums(cells))

    def attributions(self, cells: Cells) -> tuple[float, Floats]:
        root = float(self.value[self.roots].sum())
        start = self._link(np.array([root]))[0]
        parts = np.zeros(cells.shape)
        for rows, ranks in self._chunks(cells):
            held = parts[rows].reshape(-1)
            offsets = np.arange(ranks.shape[0]) * ranks.shape[1]
            for nodes, children in self._steps(ranks):
                held[offsets + self.feature[nodes]] += self.value[children] - self.value[nodes]
            parts[rows] = held.reshape(ranks.shape)
        sums = self._sums(cells)
        if self.votes:
            moved = sums - root
            slope = self._link(sums) - start
            parts *= np.divide(slope, moved, out=np.zeros_like(slope), where=np.abs(moved) > 1e-12)[:, None]
        return self.base + self.scale * start, parts * self.scale

    def _link(self, sums: Floats) -> Floats:
        if not self.votes:
            return sums
        share = np.clip(sums / self.roots.size, _SURE, 1 - _SURE)
        return np.log(share) - np.log1p(-share)

    def _sums(self, cells: Cells) -> Floats:
        sums = np.empty(cells.shape[0])
        for rows, ranks in self._chunks(cells):
            flat, offsets = ranks.reshape(-1), np.arange(ranks.shape[0]) * ranks.shape[1]
            total = np.zeros(ranks.shape[0])
            for root, depth in zip(self.roots.tolist(), self.depths.tolist(), strict=True):
                nodes = np.full(ranks.shape[0], root, np.int32)
                for _ in range(depth):
                    nodes = self._next(nodes, flat, offsets)
                total += self.value[nodes]
            sums[rows] = total
        return sums

    def _steps(self, ranks: Cells) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """Of every tree, every step: where each row is and where it goes."""
        flat, offsets = ranks.reshape(-1), np.arange(ranks.shape[0]) * ranks.shape[1]
        for root, depth in zip(self.roots.tolist(), self.depths.tolist(), strict=True):
            nodes = np.full(ranks.shape[0], root, np.int32)
            for _ in range(depth):
                children = self._next(nodes, flat, offsets)
                yield nodes, children
                nodes = children

    def _next(self, nodes: NDArray[np.int32], flat: Cells, offsets: NDArray[np.int64]) -> NDArray[np.int32]:
        rank = flat[offsets + self.feature[nodes]]
        goes_left = (rank <= self.cut[nodes]) & (rank >= self.low[nodes])
        return np.where(goes_left, self.left[nodes], self.right[nodes])

    def _chunks(self, cells: Cells) -> Iterator[tuple[slice, Cells]]:
        for start in range(0, cells.shape[0], _CHUNK):
            rows = slice(start, min(start + _CHUNK, cells.shape[0]))
            yield rows, ranked(cells[rows], self.order)


def ranked(cells: Cells, order: tuple[Cells, ...]) -> Cells:
    """Cells in the order that trees cut them in."""
    ranks = np.empty_like(cells, order="C")
    for column, ranks_of in enumerate(order):
        ranks[:, column] = ranks_of[cells[:, column]]
    return ranks
