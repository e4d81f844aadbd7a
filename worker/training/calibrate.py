"""Calibration: a sigmoid on log-odds, which keeps a sum a sum (Platt 1999, on the margin; never on the probability)."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from worker.scoring.model_parts import Floats

ALPHA = 0.01
"""How likely noise may pass for a signal. Candidates are compared on the same rows, so it is below the usual 0.05."""


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """P(converts) = expit(intercept + slope x margin). `p_value`: of a slope at least so steep where margins mean
    nothing, one-sided, with errors that allow for several rows of one person (the sandwich, clustered by person)."""

    slope: float
    intercept: float
    p_value: float

    @property
    def signal(self) -> bool:
        return self.slope > 0 and self.p_value < ALPHA


def fit_sigmoid(
    margin: Floats, label: NDArray[np.bool_], weight: Floats, person: NDArray[np.int64], overlap: float = 1.0
) -> Sigmoid:
    """By maximum likelihood (Newton). Constant margins give slope 0 and p-value 1. `overlap`: by how much the slope's
    error is larger than its rows say, as the models behind the margins share training rows."""
    spread = margin.std()
    target = label.astype(np.float64)
    rate = float(np.average(target, weights=weight))
    start = float(np.log(rate) - np.log1p(-rate))
    if spread < 1e-12:
        return Sigmoid(0.0, start, 1.0)
    centre = float(margin.mean())
    design = np.column_stack([np.ones(margin.size), (margin - centre) / spread])
    beta = np.array([start, 0.0])
    for _ in range(50):
        share = expit(design @ beta)
        step = np.linalg.solve(_information(design, weight, share), design.T @ (weight * (target - share)))
        if np.abs(step).max() < 1e-10:
            break
        # Whole steps swing to and fro where margins nearly settle the outcome.
        now = _loss(design @ beta, target, weight)
        while _loss(design @ (beta + step), target, weight) > now and np.abs(step).max() > 1e-10:
            step = step / 2
        beta = beta + step
    share = expit(design @ beta)
    scores = design * (weight * (target - share))[:, None]
    of_person = np.unique(person, return_inverse=True)[1]
    clusters = np.column_stack([np.bincount(of_person, scores[:, side]) for side in (0, 1)])
    bread = np.linalg.inv(_information(design, weight, share))
    error = overlap * sqrt((bread @ (clusters.T @ clusters) @ bread)[1, 1])
    slope = float(beta[1] / spread)
    return Sigmoid(slope, float(beta[0] - slope * centre), erfc(float(beta[1]) / error / sqrt(2)) / 2)


def _loss(odds: Floats, target: Floats, weight: Floats) -> float:
    return float(np.sum(weight * (np.logaddexp(0.0, odds) - target * odds)))


def _information(design: Floats, weight: Floats, share: Floats) -> Floats:
    found: Floats = (design * (weight * share * (1 - share))[:, None]).T @ design + 1e-9 * np.eye(2)
    return found


def levelled(margin: Floats, slope: float, label: NDArray[np.bool_], weight: Floats) -> float:
    """The intercept at which the mean of expit(intercept + slope x margin) is the share that converted in these
    rows."""
    rate = float(np.average(label, weights=weight))
    low, high = -50.0, 50.0
    for _ in range(80):
        middle = (low + high) / 2
        if np.average(expit(middle + slope * margin), weights=weight) < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2
