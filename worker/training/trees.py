"""Boosted trees and forests, grown by scikit-learn on cells and kept as plain arrays.

Categories are put in an order before any tree sees them, and never split natively: the libraries that explain and
convert trees are silently wrong on native categorical splits. Few levels stand by frequency, which no label has
touched; many by their rate, shrunk towards the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from worker.scoring.model_parts import Axis, Cells, Floats, Trees, ranked
from worker.training.cells import Grid

RATE, QUICK_RATE = 0.06, 0.12
_MANY = 50_000
"""Rows from which the quicker rate serves as well."""
MOST_ROUNDS = 800
PATIENCE = 30
LEAVES = 8
FOREST = 200
_DRAWN = 20_000
"""Rows a tree of a forest is grown on, at most."""
_BY_FREQUENCY = 16
_SHRINK = 20.0
_NO_CUT = np.iinfo(np.int16).max
INTERACTIONS = {"additive": "no_interactions", "pairs": "pairwise", "boosted": None}
"""Which features a boosted kind may ask about together."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What trees are grown on. `cells` (rows, features) on the axes of a grid; `weight` with a mean of about 1."""

    cells: Cells
    label: NDArray[np.bool_]
    weight: Floats

    def take(self, positions: NDArray[np.int64]) -> Rows:
        return Rows(self.cells[positions], self.label[positions], self.weight[positions])


def orders(rows: Rows, grid: Grid) -> tuple[Cells, ...]:
    """For every feature the rank of each cell, *missing* -1."""
    return tuple(_order(axis, rows.cells[:, place], rows) for place, axis in enumerate(grid.axes))


def _order(axis: Axis, column: Cells, rows: Rows) -> Cells:
    ranks = np.append(np.arange(axis.size - 1), -1).astype(np.int16)
    if not axis.is_category or len(axis.levels) <= _BY_FREQUENCY:
        return ranks
    mass = np.bincount(column, rows.weight, axis.size)[:-1]
    hits = np.bincount(column, rows.weight * rows.label, axis.size)[:-1]
    rates = (hits + _SHRINK * hits.sum() / mass.sum()) / (mass + _SHRINK)
    ranks[np.argsort(rates, kind="stable")] = np.arange(axis.size - 1)
    return ranks


@dataclass(frozen=True, slots=True)
class Boosting:
    """A boosted model as grown, with the round after which it did best on the rows that it was stopped by."""

    grown: HistGradientBoostingClassifier
    order: tuple[Cells, ...]
    useful: tuple[int, ...]
    best: int

    def margin(self, cells: Cells, rounds: int) -> Floats:
        """Log-odds by the first `rounds` rounds."""
        held = self.grown._predictors
        try:
            self.grown._predictors = held[:rounds]
            found: Floats = self.grown.decision_function(_matrix(cells, self.order, self.useful))
        finally:
            self.grown._predictors = held
        return found


def boost(kind: str, rows: Rows, grid: Grid, seed: int, *, stop: Rows | None = None, rounds: int = 0) -> Boosting:
    """Slow, small trees. With `stop`, until `PATIENCE` rounds have not served those rows; else exactly `rounds`."""
    order = orders(rows, grid)
    grower = HistGradientBoostingClassifier(
        learning_rate=RATE if rows.label.size <= _MANY else QUICK_RATE,
        max_iter=MOST_ROUNDS if stop is not None else rounds,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=max(5, min(40, rows.label.size // 50)),
        l2_regularization=10.0,
        max_features=0.5,
        monotonic_cst=[grid.features[place].monotone for place in grid.useful],
        interaction_cst=INTERACTIONS[kind],
        early_stopping=stop is not None,
        n_iter_no_change=PATIENCE,
        tol=0.0,
        random_state=seed,
    )
    judged = {}
    if stop is not None:
        judged = {
            "X_val": _matrix(stop.cells, order, grid.useful), "y_val": stop.label, "sample_weight_val": stop.weight,
        }  # fmt: skip
    grower.fit(_matrix(rows.cells, order, grid.useful), rows.label, sample_weight=rows.weight, **judged)
    best = int(np.argmax(grower.validation_score_)) if stop is not None else rounds
    return Boosting(grower, order, grid.useful, best)


def _matrix(cells: Cells, order: tuple[Cells, ...], useful: Sequence[int]) -> Floats:
    """Ranks as scikit-learn takes them: NaN where missing."""
    matrix = np.empty((cells.shape[0], len(useful)), order="F")
    for column, place in enumerate(useful):
        ranks = order[place].astype(np.float64)
        ranks[order[place] < 0] = np.nan
        matrix[:, column] = ranks[cells[:, place]]
    return matrix


def from_boosting(boosting: Boosting) -> Trees:
    """The same trees as arrays."""
    useful = np.array(boosting.useful, np.int16)
    parts, depths, start = [], [], 0
    for (predictor,) in boosting.grown._predictors:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        own = np.arange(nodes.size)
        cut = np.where(leaf, _NO_CUT, np.minimum(np.floor(nodes["num_threshold"]), _NO_CUT))
        parts.append(
            (
                np.where(leaf, 0, useful[nodes["feature_idx"]]),
                cut,
                np.where(leaf | nodes["missing_go_to_left"].astype(bool), -1, 0),
                np.where(leaf, own, nodes["left"]) + start,
                np.where(leaf, own, nodes["right"]) + start,
                _means(nodes["value"], nodes["count"], nodes["left"], nodes["right"], leaf),
            )
        )
        depths.append(int(nodes["depth"].max()))
        start += nodes.size
    base = float(np.ravel(boosting.grown._baseline_prediction)[0])
    return _trees(parts, depths, boosting.order, base, votes=False)


def _means(value: Floats, count: NDArray[np.uint32], left: NDArray[np.uint32], right: NDArray[np.uint32],
           leaf: NDArray[np.bool_]) -> Floats:  # fmt: skip
    """Leaves' values, and above them the means by count of training rows; children stand after their parent."""
    means = value.astype(np.float64)
    for node in np.flatnonzero(~leaf)[::-1]:
        a, b = left[node], right[node]
        means[node] = (means[a] * count[a] + means[b] * count[b]) / (float(count[a]) + float(count[b]))
    return means


def grow_forest(rows: Rows, grid: Grid, seed: int) -> Trees:
    """A forest whose leaves hold enough rows for a share. *Missing* counts as less than every value."""
    order = orders(rows, grid)
    matrix = ranked(rows.cells, order)[:, list(grid.useful)].astype(np.float32)
    monotone = [grid.features[place].monotone for place in grid.useful]
    forest = RandomForestClassifier(
        FOREST,
        min_samples_leaf=max(3, min(20, rows.label.size // 100)),
        max_samples=min(rows.label.size, max(rows.label.size // 2, 2000), _DRAWN),
        max_features="sqrt",
        monotonic_cst=monotone if any(monotone) else None,
        random_state=seed,
    ).fit(matrix, rows.label, sample_weight=rows.weight)
    useful = np.array(grid.useful, np.int16)
    parts, depths, start = [], [], 0
    for tree in (estimator.tree_ for estimator in forest.estimators_):
        leaf = tree.children_left < 0
        own = np.arange(tree.node_count)
        parts.append(
            (
                np.where(leaf, 0, useful[np.where(leaf, 0, tree.feature)]),  # a leaf asks about -2
                np.where(leaf, _NO_CUT, np.floor(tree.threshold)),
                np.full(tree.node_count, -1),
                np.where(leaf, own, tree.children_left) + start,
                np.where(leaf, own, tree.children_right) + start,
                tree.value[:, 0, 1],
            )
        )
        depths.append(tree.max_depth)
        start += tree.node_count
    return _trees(parts, depths, order, 0.0, votes=True)


def _trees(
    parts: Sequence[tuple[NDArray[np.generic], ...]], depths: Sequence[int], order: tuple[Cells, ...], base: float,
    *, votes: bool,
) -> Trees:  # fmt: skip
    sizes = [part[0].size for part in parts]
    types = (np.int16, np.int16, np.int8, np.int32, np.int32, np.float64)
    feature, cut, low, left, right, value = (
        np.concatenate([part[place] for part in parts]).astype(kind) if parts else np.empty(0, kind)
        for place, kind in enumerate(types)
    )
    roots = (np.cumsum(sizes) - sizes).astype(np.int32)
    return Trees(base, 1.0, votes, order, roots, np.array(depths, np.int32), feature, cut, low, left, right, value)


def only(trees: Trees, chosen: Sequence[int]) -> Trees:
    """These trees alone, without the base."""
    return replace(trees, base=0.0, roots=trees.roots[list(chosen)], depths=trees.depths[list(chosen)])
