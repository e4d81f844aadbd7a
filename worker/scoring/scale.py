"""The scale from odds to points: what 50 means and how many points double the odds, whatever model gives the odds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    T = TypeVar("T", float, Floats)

MIDDLE = 50.0
LEAST_DOUBLING, MOST_DOUBLING = 2.0, 100.0
"""Below the first every lead scores alike; above the second a doubling of the odds crosses the whole scale."""
_LEVEL = 1e-6
"""Log-odds so close to the base have the slope of the curve; a quotient of such small differences would be noise."""


class Scale(Protocol):
    """From log-odds to points, before rounding and the ends of the scale, for many people at once."""

    def points(self, log_odds: T) -> T: ...

    def slope(self, base: float, log_odds: Floats) -> Floats:
        """The points that a unit of log-odds is worth on the way from `base` to each of `log_odds`."""


@dataclass(frozen=True, slots=True)
class PointScale:
    """`score = clip(50 + pdo * log2(odds / reference_odds), 0, 100)`, rounded half up to a whole number.

    `pdo`: the points that double the odds. `reference_odds`: the odds of a lead of 50 points. Both are the policy's and
    no retraining changes them, so that 70 means the same chance after every retraining. The form is that of credit
    scorecards (Siddiqi, Credit Risk Scorecards, 2006, chapter 6). Raises `ValueError` for values that are not positive.
    """

    pdo: float
    reference_odds: float

    def __post_init__(self) -> None:
        if not (0 < self.pdo < math.inf and 0 < self.reference_odds < math.inf):
            raise ValueError(f"pdo {self.pdo} and reference_odds {self.reference_odds} must both be above 0")

    @property
    def per_unit(self) -> float:
        """Points for one unit of log-odds."""
        return self.pdo / math.log(2)

    def points(self, log_odds: T) -> T:
        """Before rounding and the ends of the scale."""
        return MIDDLE + self.per_unit * (log_odds - math.log(self.reference_odds))

    def slope(self, base: float, log_odds: Floats) -> Floats:
        """The same for everybody."""
        return 0 * log_odds + self.per_unit

    def score(self, log_odds: float) -> int:
        """0 to 100. Raises `ValueError` for what is no number."""
        points = self.points(log_odds)
        if math.isnan(points):
            raise ValueError("log_odds is no number")
        return math.floor(min(100.0, max(0.0, points)) + 0.5)


@dataclass(frozen=True, slots=True)
class ChanceScale:
    """`score = 100 * p`: the probability of converting within the horizon, in percent.

    Probabilities do not add up, so each person's way from the base to their probability is shared out as the log-odds
    are: a feature that gave half of the log-odds gave half of the points.
    """

    def points(self, log_odds: T) -> T:
        """100 / (1 + exp(-log_odds)), which does not overflow so."""
        import numpy as np

        chance: T = 50 + 50 * np.tanh(log_odds / 2)
        return chance

    def slope(self, base: float, log_odds: Floats) -> Floats:
        way, points = log_odds - base, self.points(log_odds)
        steep = points * (1 - points / 100)
        far = abs(way) > _LEVEL
        way[~far] = 1.0
        slope: Floats = far * (points - self.points(base)) / way + ~far * steep
        return slope


def probability(log_odds: float) -> float:
    """In percent, to one decimal: what the CRM shows."""
    odds = math.exp(-abs(log_odds))
    return round(100 * (1 if log_odds >= 0 else odds) / (1 + odds), 1)


def propose(log_odds: Sequence[float], hot_at: int, hot_share: float = 0.05) -> PointScale | None:
    """The scale on which the median of these leads has 50 points and about `hot_share` of them reach `hot_at`.

    Rounded to what a person can say. None where the leads do not differ enough for any scale to tell them apart.
    """
    ranked = sorted(log_odds)
    if not ranked or not MIDDLE < hot_at <= 100:
        return None
    median = ranked[(len(ranked) - 1) // 2]
    hot = ranked[min(len(ranked) - 1, math.ceil(len(ranked) * (1 - hot_share)))]
    doublings = (hot - median) / math.log(2)
    if doublings < (hot_at - MIDDLE) / MOST_DOUBLING:
        return None
    pdo = max(LEAST_DOUBLING, (hot_at - MIDDLE) / doublings)
    return PointScale(round(pdo, 1), float(f"{math.exp(median):.3g}"))
