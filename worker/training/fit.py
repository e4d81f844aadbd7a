"""From a table to a model: candidates judged inside the training part, the simplest good one fitted on all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from worker.scoring.model import Model
from worker.scoring.model_parts import Cells, Floats
from worker.training.calibrate import Sigmoid, fit_sigmoid, levelled
from worker.training.candidates import CANDIDATES, added_up, is_boosted, learn, learners, offered, scaled, try_boosting
from worker.training.cells import Grid, grid
from worker.training.metrics import auc
from worker.training.split import Fold, Split, people, sample, split
from worker.training.table import Table
from worker.training.trees import Boosting, Rows

SELECTED_ON = 200_000
"""Rows that candidates are chosen on, at most: whole people, drawn at random."""
_MANY = 20_000
"""From so many rows on three shuffled folds judge as well as five."""
_REPEATS = 3
"""Of a boosted learner in the final fit: the mean of three draws of features ranks a little better than each."""
NO_SIGNAL = "base_rate"

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """How one candidate did. `folds`: its AUC in each. `behind`: by how much the best candidate's is higher, a mean
    over the folds, and `error`: the standard error of that mean (of *paired* differences: both saw the same rows). As
    folds share training rows they are no independent witnesses: the error allows for it as Nadeau and Bengio do
    ("Inference for the Generalization Error", Machine Learning 52, 2003)."""

    kind: str
    folds: tuple[float, ...]
    behind: float
    error: float

    @property
    def mean(self) -> float:
        return float(np.mean(self.folds))


@dataclass(frozen=True, slots=True)
class Choice:
    """Why a candidate won. `trials` from simple to complex; `split` in words; `rows` and `people` that they were judged
    on; `reason` is one sentence."""

    kind: str
    trials: tuple[Trial, ...]
    split: str
    by_time: bool
    rows: int
    people: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fit:
    """`oof`: calibrated log-odds of training rows by models that had not seen them, NaN where there is none (rows
    before the first slice of time, rows that candidates were not judged on). `versions`: of the libraries behind the
    figures."""

    model: Model
    choice: Choice
    oof: Floats
    calibration: Sigmoid
    versions: Mapping[str, str]


def fit(
    table: Table,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    candidates: Sequence[str] | None = None,
    horizon: timedelta | None = None,
    incumbent: str | None = None,
) -> Fit:
    """A calibrated model of `table`, and why it is of its kind.

    With instants the candidates predict later slices of time from labels that were known before them (`horizon` after
    their instant); else shuffled folds that cut no person in two. The simplest candidate within one standard error of
    the best wins and is fitted on every row; but where the `incumbent` (the kind of the model that scores now) is among
    those, it stays: a retraining that changes the kind for nothing moves people for nothing. Its slope comes from those
    predictions, its level from the newest slice. The same table (rows in the same order) and seed give the same model,
    bit for bit.

    Raises `ValueError` for an unknown candidate, and where fewer than two people converted or fewer than two did not.
    """
    told = progress or _silent
    kinds = _chosen_from(table, candidates)
    positions = sample(table, SELECTED_ON, seed)
    judged = table.take(positions) if positions.size < len(table) else table
    division = split(judged, seed=seed, horizon=horizon, shuffled=3 if len(judged) > _MANY else 5)
    trials = _Trials(judged, division, kinds, seed)
    for done, fold in enumerate(division.folds):
        told(0.7 * done / len(division.folds), f"candidates, fold {done + 1} of {len(division.folds)}")
        trials.run(fold)
    choice = _choose(trials.judged(), judged, division, incumbent)
    seen = np.concatenate([fold.test for fold in division.folds])
    margin = trials.margin(choice.kind)
    overlap = sqrt(1 + len(division.folds) * _shared(division))
    sigmoid = fit_sigmoid(margin[seen], judged.label[seen], judged.weight[seen], judged.person[seen], overlap)
    told(0.7, f"fitting {choice.kind} on {len(table):,} rows")
    newest = positions[division.folds[-1].test] if division.by_time else None
    model = _final(table, choice.kind, sigmoid, trials.rounds(), newest, seed)
    oof = np.full(len(table), np.nan)
    base = float(np.average(table.label, weights=table.weight))
    oof[positions[seen]] = (
        sigmoid.intercept + sigmoid.slope * margin[seen] if model.signal else np.log(base) - np.log1p(-base)
    )
    told(1.0, "done")
    libraries = ("numpy", "polars", "scikit-learn", "scipy")
    return Fit(model, choice, oof, sigmoid, {name: version(name) for name in libraries})


def _silent(share: float, what: str) -> None:
    """Progress that nobody asked for."""


def _chosen_from(table: Table, candidates: Sequence[str] | None) -> tuple[str, ...]:
    if candidates is None:
        return offered(np.unique(table.person).size, len(table.features))
    if unknown := sorted(set(candidates) - set(CANDIDATES)):
        raise ValueError(f"unknown candidate {', '.join(unknown)}; there are {', '.join(CANDIDATES)}")
    if not candidates:
        raise ValueError(f"no candidate is named; there are {', '.join(CANDIDATES)}")
    return tuple(kind for kind in CANDIDATES if kind in candidates)


class _Trials:
    """Predictions of every learner for rows that it did not see, fold by fold."""

    def __init__(self, table: Table, division: Split, kinds: Sequence[str], seed: int) -> None:
        self._table, self._division, self._kinds, self._seed = table, division, kinds, seed
        self._weight = table.weight / table.weight.mean()
        self._margins = {learner: np.full(len(table), np.nan) for learner in learners(kinds)}
        self._grown: dict[str, list[tuple[Boosting, Cells]]] = {
            learner: [] for learner in self._margins if is_boosted(learner)
        }

    def run(self, fold: Fold) -> None:
        """Fit on the fold's training rows. How long a boosted learner grows is settled when all folds are done."""
        train = self._table.take(fold.train)
        cut = grid(train)
        rows = Rows(cut.cells(train.frame), train.label, self._weight[fold.train])
        later = self._table.take(fold.test)
        cells = cut.cells(later.frame)
        for learner, margins in self._margins.items():
            if not cut.useful:
                margins[fold.test] = 0.0
            elif is_boosted(learner):
                stop = Rows(cells, later.label, self._weight[fold.test])
                self._grown[learner].append((try_boosting(learner, rows, stop, cut, self._seed), cells))
            else:
                (part,) = learn(learner, rows, cut, self._seed, 0)
                margins[fold.test] = part.margin(cells)

    def rounds(self) -> dict[str, int]:
        """For each boosted learner the mean of the folds' best rounds."""
        return {learner: _rounds([one.best for one, _ in grown]) for learner, grown in self._grown.items()}

    def margin(self, kind: str) -> Floats:
        """The candidate's log-odds before calibration, NaN for rows that no fold is judged on."""
        mean: Floats = np.mean([self._margins[learner] for learner in CANDIDATES[kind]], axis=0)
        return mean

    def judged(self) -> dict[str, tuple[float, ...]]:
        """Each candidate's AUC in each fold. A boosted learner is judged in a fold after the rounds that served the
        *other* folds best, so that no row is predicted by what it has stopped."""
        for learner, grown in self._grown.items():
            for place, (one, cells) in enumerate(grown):
                others = [other.best for other, _ in grown[:place] + grown[place + 1 :]] or [one.best]
                self._margins[learner][self._division.folds[place].test] = one.margin(cells, _rounds(others))
        label, weight = self._table.label, self._table.weight
        return {
            kind: tuple(
                auc(label[fold.test], self.margin(kind)[fold.test], weight[fold.test]) for fold in self._division.folds
            )
            for kind in self._kinds
        }


def _rounds(best: Sequence[int]) -> int:
    return max(1, round(float(np.mean(best)))) if best else 1


def _choose(judged: Mapping[str, tuple[float, ...]], table: Table, division: Split, incumbent: str | None) -> Choice:
    best = max(judged, key=lambda kind: (np.mean(judged[kind]), -list(judged).index(kind)))
    trials = tuple(_trial(kind, folds, judged[best], _shared(division)) for kind, folds in judged.items())
    near = [trial for trial in trials if trial.kind == best or trial.behind <= trial.error]
    winner = next((trial for trial in near if trial.kind == incumbent), near[0])
    reason = f"{best} ranks best (AUC {np.mean(judged[best]):.4f} over the folds)"
    if winner.kind != best:
        why = "the kind that scores now," if winner.kind == incumbent else "the simplest"
        reason = (
            f"{why} within one standard error of {best}: behind by {winner.behind:.4f}, "
            f"standard error {winner.error:.4f}"
        )
    rows = np.concatenate([fold.test for fold in division.folds])
    return Choice(winner.kind, trials, division.words, division.by_time, rows.size, people(table, rows), reason)


def _shared(division: Split) -> float:
    """Rows judged on by rows fitted on, the mean over the folds."""
    return float(np.mean([fold.test.size / fold.train.size for fold in division.folds]))


def _trial(kind: str, folds: tuple[float, ...], best: tuple[float, ...], shared: float) -> Trial:
    behind = np.array(best) - np.array(folds)
    error = float(behind.std(ddof=1)) * sqrt(1 / behind.size + shared) if behind.size > 1 else 0.0
    return Trial(kind, folds, float(behind.mean()), error)


def _final(
    table: Table, kind: str, sigmoid: Sigmoid, rounds: Mapping[str, int], newest: NDArray[np.int64] | None, seed: int
) -> Model:
    """The chosen kind on all rows, calibrated; or the base rate where nothing ranks better than chance."""
    cut: Grid = grid(table)
    base_rate = float(np.average(table.label, weights=table.weight))
    if not (sigmoid.signal and cut.useful):
        return Model(table.features, NO_SIGNAL, base_rate, False, cut.axes, ())
    rows = Rows(cut.cells(table.frame), table.label, table.weight / table.weight.mean())
    repeats = _REPEATS if len(table) <= SELECTED_ON else 1
    parts = []
    for learner in CANDIDATES[kind]:
        learned = learn(learner, rows, cut, seed, rounds.get(learner, 0), repeats)
        share = sigmoid.slope / len(CANDIDATES[kind]) / len(learned)
        parts += [scaled(part, share) for part in learned]
    level = rows if newest is None else rows.take(newest)
    margin = np.sum([part.margin(level.cells) for part in parts], axis=0)
    intercept = levelled(margin, 1.0, level.label, level.weight)
    return Model(table.features, kind, base_rate, True, cut.axes, added_up(parts, intercept))
