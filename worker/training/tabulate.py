"""Boosted trees that ask about one or two features each, read off into tables: exact, as such trees are constant
between their cuts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from worker.scoring.model_parts import Cells, Floats, Shape, Surface, Tables, Trees
from worker.training.cells import Grid
from worker.training.linear import centred
from worker.training.trees import only


def tabulate(trees: Trees, grid: Grid, cells: Cells, weight: Floats) -> Tables:
    """The tables of `trees`, centred on these rows. What a surface says about one of its two features alone, averaged
    over the other by the weights of the rows, is moved to that feature's shape; the surface keeps F(i,j) - F(i) - F(j)
    + F(0). Raises `ValueError` for a path that asks about three features."""
    shapes: dict[int, Floats] = {}
    surfaces = []
    base = trees.base
    for features, part in _by_features(trees):
        if not features:
            base += part.margin(np.zeros((1, len(grid.axes)), np.int16))[0]
        elif len(features) == 1:
            _add(shapes, features[0], _along(part, grid, features[0]))
        elif len(features) == 2:
            surface, first, second, mean = _purified(_surface(part, grid, features), cells, weight)
            base += mean
            _add(shapes, features[0], first)
            _add(shapes, features[1], second)
            surfaces.append(surface)
        else:
            raise ValueError(f"a path asks about {len(features)} features: it cannot be read off as tables")
    made = tuple(Shape(feature, values) for feature, values in sorted(shapes.items()))
    return centred(Tables(base, made, tuple(surfaces)), cells, weight)


def _add(shapes: dict[int, Floats], feature: int, values: Floats) -> None:
    shapes[feature] = shapes[feature] + values if feature in shapes else values


def _by_features(trees: Trees) -> Iterator[tuple[tuple[int, ...], Trees]]:
    """The trees split by which features lead to a leaf: each part keeps the leaves of its own, and zero in the others,
    which can only be reached by asking about another feature."""
    groups: dict[tuple[int, ...], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for tree, root in enumerate(trees.roots.tolist()):
        for leaf, features in _leaves(trees, root):
            members, leaves = groups[features]
            leaves.append(leaf)
            if members[-1:] != [tree]:
                members.append(tree)
    for features, (members, leaves) in sorted(groups.items()):
        value = np.zeros_like(trees.value)
        value[leaves] = trees.value[leaves]
        yield features, replace(only(trees, members), value=value)


def _leaves(trees: Trees, root: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Every leaf below `root` with the features asked on the way to it, ascending."""
    waiting: list[tuple[int, frozenset[int]]] = [(root, frozenset())]
    while waiting:
        node, asked = waiting.pop()
        if trees.left[node] == node:
            yield node, tuple(sorted(asked))
        else:
            asked |= {int(trees.feature[node])}
            waiting += [(int(trees.left[node]), asked), (int(trees.right[node]), asked)]


def _along(part: Trees, grid: Grid, feature: int) -> Floats:
    """The trees' sum at each cell of their one feature."""
    probe = np.zeros((grid.axes[feature].size, len(grid.axes)), np.int16)
    probe[:, feature] = np.arange(probe.shape[0])
    return part.margin(probe)


def _surface(part: Trees, grid: Grid, features: Sequence[int]) -> Surface:
    sides = [_segments(part, feature) for feature in features]
    (rows, first_probe), (columns, second_probe) = sides
    probe = np.zeros((first_probe.size * second_probe.size, len(grid.axes)), np.int16)
    probe[:, features[0]] = np.repeat(first_probe, second_probe.size)
    probe[:, features[1]] = np.tile(second_probe, first_probe.size)
    heights = part.margin(probe).reshape(first_probe.size, second_probe.size)
    return Surface(features[0], features[1], rows, columns, heights)


def _segments(part: Trees, feature: int) -> tuple[Cells, Cells]:
    """For each cell of the feature the segment between cuts that it is in, and a cell of each segment."""
    asks = np.zeros(part.feature.size, bool)
    for root in part.roots.tolist():
        asks[_questions(part, root)] = True
    cuts = np.unique(part.cut[asks & (part.feature == feature)])
    ranks = part.order[feature]
    segment = np.where(ranks < 0, -1, np.searchsorted(cuts, ranks))
    _, probe, numbered = np.unique(segment, return_index=True, return_inverse=True)
    return numbered.astype(np.int16), probe.astype(np.int16)


def _questions(part: Trees, root: int) -> list[int]:
    """The nodes of one tree that are no leaves."""
    found, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        if part.left[node] != node:
            found.append(node)
            waiting += [int(part.left[node]), int(part.right[node])]
    return found


def _purified(surface: Surface, cells: Cells, weight: Floats) -> tuple[Surface, Floats, Floats, float]:
    """The surface without what each feature says alone; those two parts as shapes over cells; and the mean."""
    masses = [
        np.bincount(segments[cells[:, feature]], weight, count)
        for feature, segments, count in (
            (surface.first, surface.rows, surface.values.shape[0]),
            (surface.second, surface.columns, surface.values.shape[1]),
        )
    ]
    rows, columns = (mass / mass.sum() for mass in masses)
    by_row, by_column = surface.values @ columns, rows @ surface.values
    mean = float(rows @ by_row)
    pure = surface.values - by_row[:, None] - by_column + mean
    kept = Surface(surface.first, surface.second, surface.rows, surface.columns, pure)
    return kept, (by_row - mean)[surface.rows], (by_column - mean)[surface.columns], mean
