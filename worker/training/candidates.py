"""The models that compete, from simple to complex, and the learners that they are put together from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from worker.scoring.model_parts import Cells, Floats, Shape, Surface, Tables, Trees
from worker.training.cells import Grid
from worker.training.linear import fit_linear
from worker.training.tabulate import tabulate
from worker.training.trees import INTERACTIONS, Boosting, Rows, boost, from_boosting, grow_forest

CANDIDATES: Mapping[str, tuple[str, ...]] = {
    "logistic_bins": ("linear",),
    "additive": ("additive",),
    "additive_blend": ("linear", "additive"),
    "additive_pairs": ("pairs",),
    "forest": ("forest",),
    "forest_blend": ("linear", "forest"),
    "blend": ("linear", "boosted"),
    "boosted": ("boosted",),
    "blend_of_three": ("linear", "boosted", "forest"),
}
"""Kind -> the learners whose log-odds it is the mean of. Simple ones first: tables, tables of two, trees, several."""

SMALL = 1_000
"""Below so many people boosting is not offered: tuned on few labels it collapses, where a forest or a regularised
linear model holds (observed on lead-sized sets)."""
_MOST_FOR_PAIRS = 100
"""Features: of more, pairs are too many for tables that anyone could read."""
_RAREST = 0.1


def offered(people: int, features: int) -> tuple[str, ...]:
    """The kinds that fit a table of this size."""
    left_out = {"additive", "additive_blend", "additive_pairs", "blend", "boosted", "blend_of_three"}
    if people < SMALL:
        return tuple(kind for kind in CANDIDATES if kind not in left_out)
    return tuple(kind for kind in CANDIDATES if kind != "additive_pairs" or features <= _MOST_FOR_PAIRS)


def learners(kinds: Sequence[str]) -> tuple[str, ...]:
    """What has to be fitted for these kinds, each once."""
    return tuple(dict.fromkeys(learner for kind in kinds for learner in CANDIDATES[kind]))


def balanced(label: NDArray[np.bool_], weight: Floats) -> tuple[Floats, float]:
    """Weights under which the rarer class is at least a tenth, and the log-odds that this adds to every prediction:
    subtracting them restores the prior."""
    rate = float(np.average(label, weights=weight))
    rarest = min(rate, 1 - rate)
    if rarest >= _RAREST:
        return weight, 0.0
    factor = _RAREST / (1 - _RAREST) * (1 - rarest) / rarest
    rare = label if rate < 0.5 else ~label
    raised = np.where(rare, weight * factor, weight)
    return raised / raised.mean(), float(np.log(factor)) * (1 if rate < 0.5 else -1)


def learn(learner: str, rows: Rows, grid: Grid, seed: int, rounds: int, repeats: int = 1) -> list[Tables | Trees]:
    """One learner on these rows: the mean of the parts. A boosted one grows for `rounds` rounds, `repeats` times with
    other draws of features."""
    weight, added = balanced(rows.label, rows.weight)
    raised = replace(rows, weight=weight)
    fitted: list[Tables | Trees]
    if learner == "linear":
        fitted = [fit_linear(rows.cells, rows.label, weight, grid)]
    elif learner == "forest":
        fitted = [grow_forest(raised, grid, seed)]
    else:
        grown = [from_boosting(boost(learner, raised, grid, seed + n, rounds=rounds)) for n in range(repeats)]
        fitted = [one if learner == "boosted" else tabulate(one, grid, rows.cells, rows.weight) for one in grown]
    return [replace(one, base=one.base - added) for one in fitted]


def try_boosting(learner: str, rows: Rows, stop: Rows, grid: Grid, seed: int) -> Boosting:
    """A boosted learner, stopped by rows that it is not fitted on."""
    weight, added = balanced(rows.label, rows.weight)
    factor = np.exp(added)
    judged = replace(stop, weight=np.where(stop.label, stop.weight * factor, stop.weight))
    return boost(learner, replace(rows, weight=weight), grid, seed, stop=judged)


def is_boosted(learner: str) -> bool:
    return learner in INTERACTIONS


def scaled(part: Tables | Trees, factor: float) -> Tables | Trees:
    """The part with every log-odds `factor` times as large."""
    if isinstance(part, Trees):
        return replace(part, base=part.base * factor, scale=part.scale * factor)
    shapes = tuple(Shape(shape.feature, shape.values * factor) for shape in part.shapes)
    surfaces = tuple(replace(surface, values=surface.values * factor) for surface in part.surfaces)
    return Tables(part.base * factor, shapes, surfaces)


def added_up(parts: Sequence[Tables | Trees], intercept: float) -> tuple[Tables | Trees, ...]:
    """The sum of the parts and the intercept: all tables in one, and in that one of each feature and each pair."""
    shapes: dict[int, Floats] = {}
    surfaces: dict[tuple[int, int], Surface] = {}
    base, trees = intercept, []
    for part in parts:
        if isinstance(part, Trees):
            trees.append(part)
            continue
        base += part.base
        for surface in part.surfaces:
            pair = surface.first, surface.second
            surfaces[pair] = _on_top(surfaces[pair], surface) if pair in surfaces else surface
        for shape in part.shapes:
            shapes[shape.feature] = shapes[shape.feature] + shape.values if shape.feature in shapes else shape.values
    made = tuple(Shape(feature, values) for feature, values in sorted(shapes.items()))
    return (Tables(base, made, tuple(surfaces.values())), *trees)


def _on_top(one: Surface, other: Surface) -> Surface:
    """The sum of two surfaces of the same features, over the segments that both cut."""
    rows, row_of = _both(one.rows, other.rows)
    columns, column_of = _both(one.columns, other.columns)
    values = one.values[np.ix_(row_of[0], column_of[0])] + other.values[np.ix_(row_of[1], column_of[1])]
    return Surface(one.first, one.second, rows, columns, values)


def _both(one: Cells, other: Cells) -> tuple[Cells, NDArray[np.intp]]:
    """By cell the segment of both, and for each such segment that of either, (2, segments)."""
    found, numbered = np.unique(np.stack([one, other]).astype(np.intp), axis=1, return_inverse=True)
    return numbered.reshape(-1).astype(np.int16), found
