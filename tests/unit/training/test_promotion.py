"""A challenger is promoted on figures, and refused with them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from worker.lifecycle.policy import Policy, Promotion, change
from worker.training.promotion import Figures, Moves, moves, objections

FIGURES = Figures(1000, 100, 0.75, 0.70, 0.80, 0.30, 0.33, 0.020)
NOBODY_MOVES = Moves({("hot", "hot"): 50, ("cold", "cold"): 950})
THREE_IN_TEN_MOVE = Moves({("hot", "hot"): 700, ("cold", "warm"): 300})


@pytest.mark.parametrize(
    ("challenger", "champion", "moved", "rules", "said"),
    [
        (FIGURES, FIGURES, NOBODY_MOVES, {}, None),
        (FIGURES, None, None, {}, None),
        (None, FIGURES, NOBODY_MOVES, {}, "no figures"),
        (replace(FIGURES, conversions=39), FIGURES, NOBODY_MOVES, {}, "39 conversions and 961 others"),
        (replace(FIGURES, conversions=40), FIGURES, NOBODY_MOVES, {}, None),
        (replace(FIGURES, conversions=961), FIGURES, NOBODY_MOVES, {}, "961 conversions and 39 others"),
        (replace(FIGURES, conversions=12), None, None, {"min_conversions": 12}, None),
        (replace(FIGURES, ece=0.030), FIGURES, NOBODY_MOVES, {}, None),
        (replace(FIGURES, ece=0.031), FIGURES, NOBODY_MOVES, {}, "ECE 0.031 against the champion's 0.020"),
        (replace(FIGURES, ece=0.5), None, None, {}, None),
        (replace(FIGURES, log_loss=0.33), None, None, {}, "no better than the base rate"),
        (FIGURES, FIGURES, THREE_IN_TEN_MOVE, {}, "30% of 1,000 leads .* changes by \\+0.000"),
        (FIGURES, FIGURES, THREE_IN_TEN_MOVE, {"max_moved": 0.3}, None),
        (replace(FIGURES, auc=0.760), FIGURES, THREE_IN_TEN_MOVE, {"min_gain": 0.0099}, None),
        (replace(FIGURES, auc=0.755), FIGURES, THREE_IN_TEN_MOVE, {}, "changes by \\+0.005"),
        (FIGURES, FIGURES, Moves({}), {}, None),
    ],
)
def test_what_speaks_against_a_promotion(
    challenger: Figures | None, champion: Figures | None, moved: Moves | None, rules: dict[str, float], said: str | None
) -> None:
    found = objections(challenger, champion, moved, Promotion.model_validate(rules))
    if said is None:
        assert found == []
    else:
        (objection,) = found
        assert re.search(said, objection), objection


def test_a_model_without_signal_is_not_promoted() -> None:
    assert objections(FIGURES, None, None, Promotion(), signal=False) == ["no signal: it gives everybody the base rate"]


def test_a_champion_that_was_not_measured_beside_it_is_not_passed_over() -> None:
    (objection,) = objections(FIGURES, None, NOBODY_MOVES, Promotion(), against=3)
    assert "model 3, which scores now, was not measured beside it" in objection


def test_every_objection_is_told() -> None:
    bad = replace(FIGURES, conversions=5, ece=0.2)
    assert len(objections(bad, FIGURES, THREE_IN_TEN_MOVE, Promotion())) == 3


def test_moves_are_those_that_people_would_see() -> None:
    """Out of a bucket only as far as its hysteresis lets them, and by the lines of their own segment."""
    policy = Policy()
    german = change(policy, "buckets.0.at_least=95")
    counted = moves([("cold", 92, policy), ("warm", 66, policy), ("warm", 64, policy), ("warm", 92, german)])
    assert counted.by_bucket == {
        ("cold", "hot"): 1, ("warm", "warm"): 2, ("warm", "nurture"): 1,
    }  # fmt: skip
    assert counted.share == pytest.approx(2 / 4)
    assert Moves({}).share == 0
