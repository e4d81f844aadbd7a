"""What a score means is the scale's business alone: no model can move it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.scoring.scale import PointScale, probability, propose

SCALE = PointScale(pdo=20, reference_odds=0.05)


@pytest.mark.parametrize(
    ("odds", "score"),
    [(0.05, 50), (0.1, 70), (0.2, 90), (0.4, 100), (0.025, 30), (0.0125, 10), (1e-9, 0), (1e9, 100)],
)
def test_the_reference_has_50_and_a_doubling_20_more(odds: float, score: int) -> None:
    assert SCALE.score(math.log(odds)) == score


def test_halves_are_rounded_up() -> None:
    at_half = math.log(0.05) + 0.5 * math.log(2) / 20
    assert SCALE.points(at_half) == pytest.approx(50.5)
    assert SCALE.score(at_half + 1e-12) == 51
    assert SCALE.score(at_half - 1e-9) == 50


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_better_odds_never_score_less(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= SCALE.score(low) <= SCALE.score(high) <= 100


@given(st.floats(-8, 2), st.floats(0.5, 2))
def test_a_score_says_the_odds_whatever_model_gave_them(log_odds: float, tilt: float) -> None:
    """70 is twice the reference odds after every retraining: the scale knows nothing of a model's base rate."""
    assert SCALE.points(log_odds) == pytest.approx(50 + 20 * math.log2(math.exp(log_odds) / 0.05), abs=1e-9)
    retrained = [log_odds * tilt + 0.3]
    assert SCALE.points(retrained[0]) - SCALE.points(log_odds) == pytest.approx(
        20 * (retrained[0] - log_odds) / math.log(2), abs=1e-9
    )


@pytest.mark.parametrize(
    ("log_odds", "percent"), [(0.0, 50.0), (math.log(0.25), 20.0), (-800.0, 0.0), (800.0, 100.0), (-3.0, 4.7)]
)
def test_probability_in_percent(log_odds: float, percent: float) -> None:
    assert probability(log_odds) == percent


@pytest.mark.parametrize(("pdo", "reference"), [(0, 0.05), (-1, 0.05), (20, 0), (math.nan, 1), (20, math.inf)])
def test_no_scale_of_nothing(pdo: float, reference: float) -> None:
    with pytest.raises(ValueError, match="must both be above 0"):
        PointScale(pdo, reference)


def test_the_proposal_puts_the_median_at_50_and_one_in_twenty_at_hot() -> None:
    leads = [-4 + 2 * i / 1000 for i in range(1001)]
    scale = propose(leads, hot_at=90)
    assert scale is not None
    scores = [scale.score(lead) for lead in leads]
    assert scores[500] == 50
    assert sum(score >= 90 for score in scores) / len(scores) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("leads", [[], [-3.0], [-3.0] * 100, [-3.0, -3.0 + 1e-9]])
def test_leads_that_do_not_differ_get_no_scale(leads: list[float]) -> None:
    assert propose(leads, hot_at=90) is None


def test_a_scale_never_blows_a_hair_up() -> None:
    leads = [-3 + i * 1e-5 for i in range(100)]
    assert propose(leads, hot_at=90) is None
