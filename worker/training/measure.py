"""The figures that promotions and drift are decided on, for one model on some people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worker.training import metrics
from worker.training.promotion import Figures


def measure(
    label: NDArray[np.bool_], log_odds: NDArray[np.float64], person: NDArray[np.int64], weight: NDArray[np.float64]
) -> Figures | None:
    """None where there is only one class: nothing can be told apart. People are counted once, whatever their rows; who
    converted after any of their instants did."""
    if label.all() or not label.any():
        return None
    chance = 1 / (1 + np.exp(-log_odds))
    base = np.full(len(label), np.average(label, weights=weight))
    interval = metrics.bootstrap({"auc": metrics.auc}, label, log_odds, person, weight)["auc"]
    return Figures(
        people=len(np.unique(person)),
        conversions=len(np.unique(person[label])),
        auc=interval.value,
        auc_low=interval.low,
        auc_high=interval.high,
        log_loss=metrics.log_loss(label, chance, weight),
        base_log_loss=metrics.log_loss(label, base, weight),
        ece=metrics.ece(label, chance, weight),
    )
