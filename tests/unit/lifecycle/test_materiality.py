"""Which differences are worth a write, and how fields compare."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.records import ScoreField, Value
from worker.lifecycle import fields
from worker.lifecycle.materiality import cause
from worker.lifecycle.policy import Policy, change

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = Policy()
EXACT = change(POLICY, "materiality.points=0")
HELD: dict[str, Any] = {
    "score": 64,
    "bucket": "nurture",
    "stage": "nurturing",
    "status": "scored",
    "reasons": "+10 Downloaded",
    "mql_date": None,
    "version": "rules 1, policy 1",
    "scored_at": "2026-11-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("changed", "policy", "age", "why"),
    [
        ({}, POLICY, 0, None),
        ({"scored_at": "2026-11-23T12:00:00Z", "version": "rules 2, policy 1"}, POLICY, 400, None),
        ({"score": 66}, POLICY, 0, None),
        ({"score": 67}, POLICY, 0, "score"),
        ({"score": 61}, POLICY, 0, "score"),
        ({"score": 65, "bucket": "warm"}, POLICY, 0, "bucket"),
        ({"score": 65, "stage": "mql"}, POLICY, 0, "stage"),
        ({"score": None, "status": "excluded_competitor"}, POLICY, 0, "status"),
        ({"reasons": "+10 Downloaded; +1 Opened"}, POLICY, 0, None),
        ({"reasons": "+10 Downloaded; +1 Opened"}, POLICY, 30, "age"),
        ({"reasons": "+10 Downloaded; +1 Opened"}, EXACT, 0, "exact"),
        ({"score": 65}, EXACT, 0, "exact"),
        ({"scored_at": "2026-11-23T12:00:00Z"}, EXACT, 0, None),
    ],
)
def test_cause(changed: dict[str, Any], policy: Policy, age: int, why: str | None) -> None:
    assert cause({**HELD, **changed}, HELD, NOW - timedelta(days=age), policy, NOW) == why


def test_a_record_that_holds_nothing_of_ours_is_written_first() -> None:
    assert cause(HELD, {}, None, POLICY, NOW) == "first"


@pytest.mark.parametrize("empty", [None, "", "absent"])
def test_null_empty_and_absent_are_the_same(empty: Any) -> None:
    held = {k: v for k, v in HELD.items() if k != "reasons"} | ({} if empty == "absent" else {"reasons": empty})
    assert fields.differing({"reasons": None}, held) == []
    assert fields.differing({"reasons": ""}, held) == []
    assert fields.differing({"reasons": "x"}, held) == ["reasons"]


def test_zero_is_a_score_and_not_nothing() -> None:
    assert fields.differing({"score": 0}, {}) == ["score"]
    assert fields.differing({"score": None}, {"score": 0}) == ["score"]


def test_what_a_crm_shows_of_a_number_and_an_instant_compares_to_what_was_written() -> None:
    shown = fields.plain(
        {
            ScoreField.SCORE: 71.0,
            ScoreField.SCORED_AT: datetime(2026, 11, 23, 13, 0, 0, 999, tzinfo=UTC),
            ScoreField.BANT: "",
        }
    )
    assert shown == {"score": 71, "scored_at": "2026-11-23T13:00:00Z"}


VALUES = st.fixed_dictionaries(
    {},
    optional={
        ScoreField.SCORE: st.integers(0, 100),
        ScoreField.PROBABILITY: st.floats(0, 100).map(lambda p: round(p, 1)),
        ScoreField.REASONS: st.text(min_size=1),
        ScoreField.SCORED_AT: st.datetimes(timezones=st.just(UTC)).map(lambda d: d.replace(microsecond=0)),
    },
)


@settings(deadline=None)
@given(VALUES)
def test_plain_and_typed_are_inverse(values: dict[ScoreField, Value]) -> None:
    plain = fields.plain(values)
    assert fields.plain(fields.typed(plain)) == plain
    assert fields.differing(plain, plain) == []
