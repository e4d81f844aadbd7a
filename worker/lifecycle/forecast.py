"""How many will come in a week: an interval that the coming weeks' counts fall into as often as it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

ENOUGH = 4
"""Weeks without which nothing is said."""
_HALF_LIFE = 6.0
"""Weeks after which a count weighs half: what comes is more like the last month than the last half-year."""
_PRIOR, _USUAL = 3.0, 1.8
"""So many weeks' worth of belief that counts vary by so much more than chance alone, against what few weeks say."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of one coming week: how many on average, and between how many it will be with the share of weeks asked for."""

    expected: float
    low: int
    high: int

    @property
    def half_width(self) -> float:
        """Of the expected."""
        return (self.high - self.low) / 2 / self.expected if self.expected else math.inf


def forecast(counts: Sequence[int], share: float = 0.8) -> Forecast | None:
    """From the counts of whole weeks, the oldest first. None with fewer than `ENOUGH`.

    Counts vary more than chance alone would have it (campaigns, holidays, fairs), so their spread is that of a negative
    binomial: how much more is read off the differences of neighbouring weeks, which no slow growth inflates, and drawn
    towards what is usual where weeks are few. The level is a mean that forgets, moved along by its trend as far as the
    weeks vouch for one. What is not known of level, trend and spread widens the interval (as Student's t does).
    """
    if len(counts) < ENOUGH:
        return None
    weights = [0.5 ** (age / _HALF_LIFE) for age in range(len(counts))][::-1]
    total = sum(weights)
    level = sum(w * n for w, n in zip(weights, counts, strict=True)) / total
    if level <= 0:
        return Forecast(0.0, 0, 0)
    steps = list(pairwise(counts))
    spread = sum((after - before) ** 2 for before, after in steps) / 2 / len(steps) / level
    excess = max(1.0, (_PRIOR * _USUAL + len(steps) * spread) / (_PRIOR + len(steps)))
    z = NormalDist().inv_cdf(0.5 + share / 2)
    student = z + (z**3 + z) / (4 * (len(steps) + _PRIOR))  # the first term of its expansion
    weeks = total**2 / sum(w * w for w in weights)
    moved, unsure = _trend(counts, weights, level * excess)
    mean = max(level / 2, level + moved)
    variance = (mean * excess * (1 + 1 / weeks) + unsure) * (student / z) ** 2
    tail = (1 - share) / 2
    return Forecast(mean, _quantile(mean, variance, tail), _quantile(mean, variance, 1 - tail))


def _trend(counts: Sequence[int], weights: Sequence[float], noise: float) -> tuple[float, float]:
    """How far the level will have moved by the middle of the coming month, and the variance of that. A slope counts as
    far as it stands out of its own error."""
    total = sum(weights)
    middle = sum(w * week for week, w in enumerate(weights)) / total
    width = sum(w * (week - middle) ** 2 for week, w in enumerate(weights))
    slope = sum(w * (week - middle) * n for week, (w, n) in enumerate(zip(weights, counts, strict=True))) / width
    error = noise * sum((w * (week - middle)) ** 2 for week, w in enumerate(weights)) / width**2
    trust = slope**2 / (slope**2 + error)
    ahead = len(counts) + 1.5 - middle
    return slope * trust * ahead, error * trust * ahead**2


def _quantile(mean: float, variance: float, share: float) -> int:
    """Of the negative binomial; of the Poisson distribution where the variance is no larger than the mean."""
    if mean > 1e5:  # as good as normal, and the sum below would take long
        return max(0, round(mean + NormalDist().inv_cdf(share) * math.sqrt(variance)))
    p = mean / variance if variance > mean * (1 + 1e-9) else None
    size = mean * p / (1 - p) if p is not None else math.inf
    log_mass = -mean if p is None else size * math.log(p)
    total, k = math.exp(log_mass), 0
    while total < share and k < 10 * mean + 1000:
        log_mass += math.log(mean / (k + 1) if p is None else (k + size) / (k + 1) * (1 - p))
        k += 1
        total += math.exp(log_mass)
    return k
