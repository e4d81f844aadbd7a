"""What the columns of a table say about its label: alone, together, by their gaps and by their levels.

Everything is measured out of fold, with folds that cut no person, on at most `ROWS` rows: this finds columns to ask
about, it does not fit the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from worker.features.feature import FeatureType
from worker.training.metrics import Flags, Floats, Undefined, auc, log_loss
from worker.training.table import Table

Codes = NDArray[np.int64]

ROWS = 12_000
WIDTH = 60
"""As many columns, the strongest alone, are looked at together."""
FOLDS = 2
RANGES = 64
"""A number is cut into as many ranges of equal mass."""
PRIOR = 5.0
"""Rows of the base rate that a level starts with, so that a rare one says little."""
EXPECTED = 40.0
"""A level says something by what is *not* in it only where so many were to be expected."""
HARD = 0.01


@dataclass(frozen=True, slots=True)
class Single:
    """What one column says. `missing`: share of rows. `alone`: its AUC out of fold. `by_gaps`: that of whether it is
    filled. `hard`: the share of rows in levels or ranges that settle the label: at least `EXPECTED` of a class were
    to be expected there, and at most one in a hundred of them came."""

    missing: float
    alone: float
    by_gaps: float
    hard: float


@dataclass(frozen=True, slots=True)
class Joint:
    """What some columns say together: AUC, and the share of the label's entropy that they explain."""

    auc: float
    explained: float


class Sample:
    """Rows of a table, in folds, with every column coded once."""

    def __init__(self, table: Table, *, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        persons, group = np.unique(table.person, return_inverse=True)
        if len(table) > ROWS:
            allowed = max(1, round(len(persons) * ROWS / len(table)))
            chosen = np.isin(group, draw.choice(len(persons), allowed, replace=False))
            table, group = table.take(chosen), group[chosen]
        self.table = table
        self._fold = draw.integers(0, FOLDS, len(persons))[group]
        self._weight = table.weight
        self.base = float(np.average(table.label, weights=self._weight))
        self._codes: dict[str, Codes] = {}
        self.single = {feature.name: self._single(feature.name) for feature in table.features}

    def codes(self, name: str) -> Codes:
        """The level or range of each row; 0 where missing."""
        if name not in self._codes:
            self._codes[name] = _coded(self.table.frame[name])
        return self._codes[name]

    def rates(self, codes: Codes) -> Floats:
        """The conversion rate of each row's level among the rows of other folds."""
        width = int(codes.max()) + 1
        found = np.empty(len(codes))
        for fold in range(FOLDS):
            fitted = self._fold != fold
            mass = np.bincount(codes[fitted], self._weight[fitted], width)
            won = np.bincount(codes[fitted], self._weight[fitted] * self.table.label[fitted], width)
            level = (won + PRIOR * self.base) / (mass + PRIOR)
            found[~fitted] = level[codes[~fitted]]
        return found

    def alone(self, codes: Codes) -> float:
        return self._mean_auc(self.rates(codes))

    def together(self, names: Sequence[str]) -> Joint:
        """Boosted trees on these columns."""
        score = np.zeros(len(self.table))
        for rows, trees, matrix in self._fits(names):
            score[rows] = trees.decision_function(matrix[rows])
        return self._judged(score)

    def leaned_on(self, groups: Sequence[Sequence[str]]) -> list[float]:
        """How much less is explained when the values of a group's columns are shuffled among the rows: what boosted
        trees on all of them take from it, though the rest might have told the same."""
        names = [name for group in groups for name in group]
        scores = np.zeros((len(groups) + 1, len(self.table)))
        draw = np.random.default_rng(0)
        for rows, trees, matrix in self._fits(names):
            held = matrix[rows]
            scores[-1, rows] = trees.decision_function(held)
            mixed = draw.permutation(len(held))
            for number, group in enumerate(groups):
                columns = [names.index(name) for name in group]
                shuffled = held.copy()
                shuffled[:, columns] = held[mixed][:, columns]
                scores[number, rows] = trees.decision_function(shuffled)
        whole = self._judged(scores[-1]).explained
        return [whole - self._judged(score).explained for score in scores[:-1]]

    def alike(self, names: Sequence[str], least: float = 0.98) -> list[list[str]]:
        """The columns in groups that say almost the same of everyone (correlation of their rates), in their order."""
        groups: list[tuple[Floats, list[str]]] = []
        for name in names:
            rates = self.rates(self.codes(name))
            if rates.std() == 0:
                groups.append((rates, [name]))
                continue
            for first, group in groups:
                if first.std() > 0 and np.corrcoef(first, rates)[0, 1] >= least:
                    group.append(name)
                    break
            else:
                groups.append((rates, [name]))
        return [group for _, group in groups]

    def ahead_of(self, names: Sequence[str]) -> dict[str, str]:
        """Columns that are never less than another, often equal to it, and tell by the difference what neither tells
        alone: a count to the end beside a count to the instant. Each with that other."""
        numbers = {
            name: self.table.frame[name].to_numpy()
            for name in names
            if self.table.frame.schema[name] == FeatureType.NUMBER.dtype
        }
        found: dict[str, str] = {}
        for more, high in numbers.items():
            for less, low in numbers.items():
                both = ~(np.isnan(high) | np.isnan(low))
                gap = high[both] - low[both]
                if more == less or both.mean() < 0.9 or (gap < 0).any() or not 0.1 <= (gap == 0).mean() < 1:
                    continue
                codes = _coded(pl.Series(high - low).fill_nan(None))
                best = max(self.single[more].alone, self.single[less].alone)
                if self.alone(codes) >= best + 0.03:
                    found[more] = less
        return found

    def _single(self, name: str) -> Single:
        codes = self.codes(name)
        missing = codes == 0
        return Single(
            missing=float(missing.mean()),
            alone=self.alone(codes),
            by_gaps=self._mean_auc(self.rates(missing.astype(np.int64))),
            hard=self._hard(codes),
        )

    def _hard(self, codes: Codes) -> float:
        rows = np.bincount(codes)
        won = np.bincount(codes, self.table.label)
        base = float(self.table.label.mean())
        few = np.zeros(len(rows), np.bool_)
        for came, share in ((won, base), (rows - won, 1 - base)):
            expected = rows * share
            few |= (expected >= EXPECTED) & (came <= HARD * expected)
        return float(rows[few].sum() / rows.sum())

    def _fits(self, names: Sequence[str]) -> Iterator[tuple[Flags, Any, Floats]]:
        """For each fold: its rows, trees that were fitted on the others, and the matrix of all."""
        for fold in range(FOLDS):
            fitted = self._fold != fold
            if not names or len(np.unique(self.table.label[fitted])) < 2:
                return
            matrix = np.column_stack([self._numbers(name, fitted) for name in names])
            trees = HistGradientBoostingClassifier(
                max_iter=60, learning_rate=0.15, max_leaf_nodes=8, early_stopping=False, random_state=0
            )
            yield ~fitted, trees.fit(matrix[fitted], self.table.label[fitted], self._weight[fitted]), matrix

    def _judged(self, score: Floats) -> Joint:
        if min(self.base, 1 - self.base) <= 0 or not score.any():
            return Joint(0.5, 0.0)
        entropy = -sum(p * np.log(p) for p in (self.base, 1 - self.base))
        lost = log_loss(self.table.label, 1 / (1 + np.exp(-score)), self._weight)
        return Joint(self._mean_auc(score), max(0.0, 1 - lost / entropy))

    def _mean_auc(self, score: Floats) -> float:
        """Over the folds: scores of different fits are not compared."""
        found = []
        for fold in range(FOLDS):
            rows: Flags = self._fold == fold
            try:
                found.append(auc(self.table.label[rows], score[rows], self._weight[rows]))
            except Undefined:
                continue
        return float(np.mean(found)) if found else 0.5

    def _numbers(self, name: str, fitted: Flags) -> Floats:
        """A column for trees: ranges by their order, a category by its rate among the fitted rows."""
        codes = self.codes(name)
        if self.table.frame.schema[name] != pl.String:
            ranges: Floats = codes.astype(np.float64)
            return ranges
        width = int(codes.max()) + 1
        mass = np.bincount(codes[fitted], self._weight[fitted], width)
        won = np.bincount(codes[fitted], self._weight[fitted] * self.table.label[fitted], width)
        # In steps: scikit-learn 1.9 is slow to bin weighted columns of more values than it has bins.
        level = np.round(200 * (won + PRIOR * self.base) / (mass + PRIOR))
        return np.asarray(level[codes], np.float64)


def _coded(column: pl.Series) -> Codes:
    if column.dtype in (pl.String, pl.Boolean):
        ranks = column.rank("dense").fill_null(0)
        return ranks.to_numpy().astype(np.int64)
    values = column.cast(pl.Float64).to_numpy()
    known = values[~np.isnan(values)]
    if not len(known):
        return np.zeros(len(values), np.int64)
    edges = np.unique(np.quantile(known, np.arange(1, RANGES) / RANGES, method="inverted_cdf"))
    codes: Codes = np.searchsorted(edges, values, side="left") + 1
    codes[np.isnan(values)] = 0
    return codes
