"""A sigmoid on log-odds by maximum likelihood, from no signal to one that nearly settles the outcome."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from worker.training.calibrate import fit_sigmoid


@pytest.mark.parametrize(
    ("centre", "spread", "slope", "intercept"),
    [
        (0.0, 1.0, 1.0, 0.0),
        (-2.0, 0.5, 0.3, -1.0),
        (-10.5, 2.5, 1.1, 3.0),
        (-10.0, 4.0, 2.0, 8.0),
        (5.0, 30.0, 0.2, -9.0),
    ],
)
def test_the_score_equations_hold_at_the_fit(centre: float, spread: float, slope: float, intercept: float) -> None:
    dice = np.random.default_rng(1)
    margin = dice.normal(centre, spread, 20_000)
    label = dice.random(20_000) < expit(intercept + slope * margin)
    weight = dice.uniform(0.2, 1.0, 20_000)
    found = fit_sigmoid(margin, label, weight, np.arange(20_000))
    left = weight * (label - expit(found.intercept + found.slope * margin))
    assert abs(left.sum()) < 1e-4
    assert abs((left * (margin - centre) / spread).sum()) < 1e-4
    assert found.slope == pytest.approx(slope, rel=0.2)
    assert found.signal


def test_margins_that_settle_the_outcome_are_a_signal() -> None:
    margin = np.repeat([-5.0, 5.0], 50)
    found = fit_sigmoid(margin, margin > 0, np.ones(100), np.arange(100))
    assert found.signal
    assert found.slope > 2
