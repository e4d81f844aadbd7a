"""How good predictions are, in the figures that credit scoring uses. All weighted; all free of the order of rows.

Everywhere: `label` bool (rows,), `score` f64 (rows,) on any monotone scale (log-odds will do), `probability` f64
(rows,) in [0, 1], `weight` f64 (rows,) >= 0 (1 each when None). Equal scores are never told apart: what a cut through
them would give is their expectation over all orders. Raises `Undefined` where a figure has no value (a ranking of one
class), `ValueError` for arrays that do not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Statistic = Callable[[Flags, Floats, Floats], float]

BINS = 10


class Undefined(ValueError):
    """A figure that has no value on these rows."""


class Bin(NamedTuple):
    """Rows of about one prediction: how many (weighted), what was predicted on average, and what came."""

    weight: float
    predicted: float
    observed: float


class Slice(NamedTuple):
    """One slice of the ranking, best first. `until`: the share of rows up to its end. `rate`: conversions in it.
    `lift`: that over the base rate. `gain`: the share of all conversions up to its end."""

    until: float
    rate: float
    lift: float
    gain: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """Weighted counts of who was called (predicted >= threshold) and who converted."""

    threshold: float
    hit: float
    false_alarm: float
    missed: float
    rejected: float

    @property
    def precision(self) -> float | None:
        called = self.hit + self.false_alarm
        return self.hit / called if called else None

    @property
    def recall(self) -> float | None:
        converted = self.hit + self.missed
        return self.hit / converted if converted else None


class Interval(NamedTuple):
    """A figure, and the ends of its interval."""

    value: float
    low: float
    high: float


def auc(label: Flags, score: Floats, weight: Floats | None = None) -> float:
    """The chance that a converted row scores above another, half for a tie: the Mann-Whitney statistic (Hanley and
    McNeil 1982, Radiology 143)."""
    won, lost = _by_score(*_checked(label, score, weight))
    below = np.cumsum(lost) - lost
    total = float(won.sum() * lost.sum())
    return float((won * (below + lost / 2)).sum()) / _over_zero(total, "AUC", "both converted and other rows")


def gini(label: Flags, score: Floats, weight: Floats | None = None) -> float:
    """2 AUC - 1: the accuracy ratio of credit scoring, Somers' D of the label given the score."""
    return 2 * auc(label, score, weight) - 1


def ks(label: Flags, score: Floats, weight: Floats | None = None) -> float:
    """The greatest distance between the distributions of the scores of the two classes (Kolmogorov-Smirnov, two
    samples)."""
    won, lost = _by_score(*_checked(label, score, weight))
    needs = "both converted and other rows"
    total = _over_zero(float(won.sum()), "KS", needs), _over_zero(float(lost.sum()), "KS", needs)
    return float(np.abs(np.cumsum(won) / total[0] - np.cumsum(lost) / total[1]).max())


def log_loss(label: Flags, probability: Floats, weight: Floats | None = None) -> float:
    """Minus the mean log-likelihood in nats (Good 1952). Certainty counts as one part in 2**52, as in scikit-learn."""
    label, probability, weight = _checked_probability(label, probability, weight)
    edge = np.finfo(np.float64).eps
    p = np.clip(probability, edge, 1 - edge)
    return float(np.average(-np.where(label, np.log(p), np.log1p(-p)), weights=weight))


def brier(label: Flags, probability: Floats, weight: Floats | None = None) -> float:
    """The mean squared difference to what came (Brier 1950)."""
    label, probability, weight = _checked_probability(label, probability, weight)
    return float(np.average((probability - label) ** 2, weights=weight))


def calibration(label: Flags, probability: Floats, weight: Floats | None = None, bins: int = BINS) -> list[Bin]:
    """What came beside what was predicted, in at most `bins` bins of equal mass, lowest first. Equal predictions share
    a bin, so there can be fewer."""
    label, probability, weight = _checked_probability(label, probability, weight)
    values, inverse = np.unique(probability, return_inverse=True)
    mass = np.bincount(inverse, weight, len(values))
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    bin_of = np.minimum((middle * bins).astype(np.int64), bins - 1)[inverse]
    totals = np.bincount(bin_of, weight, bins)
    predicted = np.bincount(bin_of, weight * probability, bins)
    observed = np.bincount(bin_of, weight * label, bins)
    return [Bin(float(w), float(p / w), float(o / w)) for w, p, o in zip(totals, predicted, observed, strict=True) if w]


def ece(label: Flags, probability: Floats, weight: Floats | None = None, bins: int = BINS) -> float:
    """The mean distance of prediction and outcome over bins of equal mass: the expected calibration error (Naeini,
    Cooper, Hauskrecht 2015) in the adaptive form (Nixon and others 2019)."""
    found = calibration(label, probability, weight, bins)
    return sum(b.weight * abs(b.predicted - b.observed) for b in found) / sum(b.weight for b in found)


def gains(
    label: Flags, score: Floats, weight: Floats | None = None, shares: Sequence[float] | None = None
) -> list[Slice]:
    """The ranking in slices that end at `shares` (rising, the last at most 1; deciles when None)."""
    ends = np.arange(1, 11) / 10 if shares is None else np.asarray(shares, np.float64)
    if not len(ends) or ends[0] <= 0 or ends[-1] > 1 or (np.diff(ends) <= 0).any():
        raise ValueError(f"shares {ends.tolist()} do not rise within (0, 1]")
    won, lost = (part[::-1] for part in _by_score(*_checked(label, score, weight)))
    mass = won + lost
    rows, conversions = float(mass.sum()), _over_zero(float(won.sum()), "lift", "converted rows")
    # Between two different scores the conversions grow evenly: equal scores are cut by expectation.
    gain = np.interp(ends * rows, np.concatenate([[0.0], np.cumsum(mass)]), np.concatenate([[0.0], np.cumsum(won)]))
    rate = np.diff(gain, prepend=0.0) / (np.diff(ends, prepend=0.0) * rows)
    base = conversions / rows
    return [
        Slice(float(e), float(r), float(r / base), float(g / conversions))
        for e, r, g in zip(ends, rate, gain, strict=True)
    ]


def precision_at(share: float, label: Flags, score: Floats, weight: Floats | None = None) -> float:
    """The conversion rate among the best `share` of the rows."""
    return gains(label, score, weight, [share])[0].rate


def confusion(label: Flags, probability: Floats, threshold: float, weight: Floats | None = None) -> Confusion:
    """Who was called and who converted, at a threshold on the probability."""
    label, probability, weight = _checked_probability(label, probability, weight)
    called = probability >= threshold
    cells = [float(weight[a & b].sum()) for a in (called, ~called) for b in (label, ~label)]
    return Confusion(threshold, *cells)


def bootstrap(
    statistics: Mapping[str, Statistic],
    label: Flags,
    score: Floats,
    person: NDArray[np.int64],
    weight: Floats | None = None,
    *,
    fold: NDArray[np.int64] | None = None,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile intervals from resampling **persons** with replacement (the cluster bootstrap: Field and Welsh 2007):
    rows of one person are one observation. Resamples on which a figure is undefined are left out. With `fold`, figures
    are means over the folds: scores of different fits are not ranked against each other.

    Raises `Undefined` where a figure has no value on the rows themselves, or on more than half of the resamples.
    """
    label, score, weight = _checked(label, score, weight)
    order = np.lexsort((label, score))  # once, so that every sort below finds its rows in order
    label, score, weight = label[order], score[order], weight[order]
    persons, group = np.unique(person[order], return_inverse=True)
    folds = [np.arange(len(label))] if fold is None else _parts(fold[order])

    def mean(statistic: Statistic, weight: Floats) -> float:
        return float(np.mean([statistic(label[rows], score[rows], weight[rows]) for rows in folds]))

    draw = np.random.default_rng(seed)
    found: dict[str, list[float]] = {name: [] for name in statistics}
    for _ in range(resamples):
        times = np.bincount(draw.integers(0, len(persons), len(persons)), minlength=len(persons))
        drawn = weight * times[group]
        for name, statistic in statistics.items():
            with suppress(Undefined):
                found[name].append(mean(statistic, drawn))
    tail = (1 - level) / 2
    intervals = {}
    for name, statistic in statistics.items():
        if len(found[name]) * 2 < resamples:
            raise Undefined(f"{name}: too few rows for an interval")
        low, high = np.quantile(found[name], [tail, 1 - tail])
        intervals[name] = Interval(mean(statistic, weight), float(low), float(high))
    return intervals


def _parts(fold: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(fold == each) for each in np.unique(fold)]


def _by_score(label: Flags, score: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The weight of converted and of other rows at each different score, lowest first."""
    order = np.argsort(score, kind="stable")
    ordered, mass = score[order], weight[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    won = np.where(label[order], mass, 0.0)
    return np.add.reduceat(won, starts), np.add.reduceat(mass - won, starts)


def _checked(label: Flags, score: Floats, weight: Floats | None) -> tuple[Flags, Floats, Floats]:
    if label.dtype != np.bool_:
        raise ValueError(f"labels are {label.dtype}, not bool")
    held = np.ones(len(label)) if weight is None else weight
    if not label.shape == score.shape == held.shape == (len(label),):
        raise ValueError(f"labels {label.shape}, scores {score.shape} and weights {held.shape} do not fit")
    if not np.isfinite(score).all():
        raise ValueError("scores are not all finite")
    if not (np.isfinite(held).all() and (held >= 0).all()):
        raise ValueError("weights are not all finite and >= 0")
    _over_zero(float(held.sum()), "a figure", "rows")
    return label, score, held


def _checked_probability(label: Flags, probability: Floats, weight: Floats | None) -> tuple[Flags, Floats, Floats]:
    label, probability, weight = _checked(label, probability, weight)
    if (probability < 0).any() or (probability > 1).any():
        raise ValueError("probabilities are not all between 0 and 1")
    return label, probability, weight


def _over_zero(total: float, figure: str, needs: str) -> float:
    if not total > 0:
        raise Undefined(f"{figure} needs {needs}")
    return total
