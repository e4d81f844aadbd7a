"""Whose score is kept from view, what their records show, and what the lift says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.lifecycle.guard import Share, hidden, lift, withheld
from worker.lifecycle.thresholds import Guard

VALUES: dict[str, Any] = {
    "score": 91, "probability": 12.5, "bucket": "hot", "action": "Call", "grade": "A1", "stage": "mql",
    "mql_date": "2026-11-01T00:00:00Z", "reasons": "+9 Demo", "status": "scored", "version": "model 1, policy 1",
}  # fmt: skip


def test_the_share_drawn_is_the_share_asked_for_and_each_seed_draws_others() -> None:
    one, other = ({p for p in range(20_000) if withheld(p, Guard(share=0.05, seed=s))} for s in (1, 2))
    assert 900 < len(one) < 1100
    assert len(one & other) < 100
    assert not any(withheld(p, Guard()) for p in range(1000))


@settings(deadline=None)
@given(st.integers(0, 2**62), st.floats(0, 0.2), st.floats(0, 0.2))
def test_a_larger_share_draws_the_same_people_and_more(person: int, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    assert withheld(person, Guard(share=larger)) or not withheld(person, Guard(share=smaller))


def test_nothing_that_tells_the_score_is_shown() -> None:
    assert hidden(VALUES) == {
        **dict.fromkeys(("score", "probability", "action", "grade", "mql_date", "reasons")),
        "bucket": "unscored", "stage": "nurturing", "status": "withheld", "version": "model 1, policy 1",
    }  # fmt: skip


@pytest.mark.parametrize("stage", ["accepted", "sql", "opportunity", "customer", "disqualified"])
def test_what_sales_did_itself_stays(stage: str) -> None:
    assert hidden({**VALUES, "stage": stage})["stage"] == stage


def test_the_lift_of_the_top_bucket_with_its_interval() -> None:
    group = [(True, n < 30) for n in range(100)] + [(False, n < 30) for n in range(900)]
    told = lift(group)
    assert (told.top, told.all, told.ratio) == (Share(100, 30), Share(1000, 60), 5.0)
    assert told.interval is not None
    assert told.interval[0] == pytest.approx(3.87, abs=0.01)
    assert told.interval[1] == pytest.approx(6.13, abs=0.01)


@pytest.mark.parametrize("group", [[], [(True, False)], [(False, True)], [(True, True), (False, False)]])
def test_too_few_to_say(group: list[tuple[bool, bool]]) -> None:
    assert lift(group).interval is None
