"""Stages, by table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.lifecycle.policy import Policy
from worker.lifecycle.stage import Position, Stage, Standing, decide

THEN = datetime(2026, 11, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
POLICY = Policy()  # enters at 70, leaves below 60

OPEN, CUSTOMER, DISQUALIFIED = Standing.OPEN, Standing.CUSTOMER, Standing.DISQUALIFIED


@pytest.mark.parametrize(
    ("was", "score", "standing", "becomes"),
    [
        (None, 70, OPEN, Stage.MQL),
        (None, 69, OPEN, Stage.NURTURING),
        (None, None, OPEN, Stage.NEW),
        (Stage.NEW, 10, OPEN, Stage.NURTURING),
        (Stage.NURTURING, 69, OPEN, Stage.NURTURING),
        (Stage.NURTURING, 70, OPEN, Stage.MQL),
        (Stage.MQL, 69, OPEN, Stage.MQL),
        (Stage.MQL, 60, OPEN, Stage.MQL),
        (Stage.MQL, 59, OPEN, Stage.NURTURING),
        (Stage.MQL, None, OPEN, Stage.NEW),
        (Stage.MQL, 95, CUSTOMER, Stage.CUSTOMER),
        (Stage.MQL, 95, DISQUALIFIED, Stage.DISQUALIFIED),
        (Stage.DISQUALIFIED, 95, OPEN, Stage.MQL),
        (Stage.CUSTOMER, 65, OPEN, Stage.NURTURING),
    ],
)
def test_transition(was: Stage | None, score: int | None, standing: Standing, becomes: Stage) -> None:
    previous = Position(was, THEN, THEN if was is Stage.MQL else None) if was else None
    after = decide(previous, score, standing, POLICY, NOW)
    assert after.stage is becomes
    assert after.since == (THEN if was is becomes else NOW)


def test_the_mql_date_is_that_of_the_crossing_and_survives_what_follows() -> None:
    mql = decide(None, 80, OPEN, POLICY, THEN)
    assert mql.mql_at == THEN
    assert decide(mql, 85, OPEN, POLICY, NOW).mql_at == THEN
    assert decide(mql, 10, OPEN, POLICY, NOW).mql_at == THEN
    fallen = decide(mql, 10, OPEN, POLICY, NOW)
    again = NOW + timedelta(days=1)
    assert decide(fallen, 80, OPEN, POLICY, again).mql_at == again


@given(st.lists(st.integers(60, 69), min_size=1))
def test_noise_below_the_line_never_flips(scores: list[int]) -> None:
    position = decide(None, 65, OPEN, POLICY, THEN)
    for score in scores:
        position = decide(position, score, OPEN, POLICY, NOW)
        assert position.stage is Stage.NURTURING
        assert position.since == THEN


@given(st.lists(st.integers(60, 100), min_size=1))
def test_an_mql_stays_one_above_the_leaving_line(scores: list[int]) -> None:
    position = decide(None, 70, OPEN, POLICY, THEN)
    for score in scores:
        position = decide(position, score, OPEN, POLICY, NOW)
        assert position == Position(Stage.MQL, THEN, THEN, position.cause)
