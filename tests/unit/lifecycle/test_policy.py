"""A policy is whole or refused, and the refusal says what is allowed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.lifecycle.policy import Policy, PolicyError, change, parse, settings

SHIPPED = Policy()


@pytest.mark.parametrize(
    ("score", "bucket", "action"),
    [
        (100, "hot", "Call immediately"),
        (90, "hot", "Call immediately"),
        (89, "warm", "Call this week"),
        (70, "warm", "Call this week"),
        (69, "nurture", "E-mail cadence"),
        (50, "nurture", "E-mail cadence"),
        (49, "cold", "Marketing content only"),
        (0, "cold", "Marketing content only"),
    ],
)
def test_the_shipped_buckets(score: int, bucket: str, action: str) -> None:
    assert (SHIPPED.bucket(score).name, SHIPPED.bucket(score).action) == (bucket, action)


def test_one_setting_is_changed_and_the_rest_stays() -> None:
    changed = change(SHIPPED, "mql.enter=75")
    assert changed.mql.enter == 75
    assert changed.mql.leave == SHIPPED.mql.leave
    assert change(changed, "mql.enter=70") == SHIPPED


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("mql.enter=101", "mql.enter"),
        ("mql.enter=-1", "mql.enter"),
        ("mql.enter=70.5", "mql.enter"),
        ("mql.enter=high", "mql.enter"),
        ("mql.leave=80", "must not be above mql.enter"),
        ("mql.entr=70", "no such setting; there are mql.enter"),
        ("mql=70", "mql"),
        ("mql.enter", "SETTING=VALUE"),
        ("=70", "SETTING=VALUE"),
        ("buckets.9.at_least=5", "no such setting"),
        ("buckets.0.at_least=60", "highest at_least to the lowest"),
        ("buckets.3.at_least=10", "must start at 0"),
        ("buckets.0.name=unscored", "choose another name"),
        ("buckets.0.name=warm", "same name"),
        ("materiality.points=-3", "materiality.points"),
    ],
)
def test_a_wrong_setting_is_refused_and_named(assignment: str, said: str) -> None:
    with pytest.raises(PolicyError, match="(?s).*" + said.replace(".", r"\.")):
        change(SHIPPED, assignment)


def test_an_unknown_key_of_a_stored_body_is_refused() -> None:
    with pytest.raises(PolicyError, match="mql_threshold"):
        parse({"mql_threshold": 70})


def test_every_setting_can_be_named() -> None:
    for name in settings(SHIPPED):
        value: Any = SHIPPED.model_dump(mode="json")
        for part in name.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
        assert change(SHIPPED, f"{name}={value}") == SHIPPED


@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    with suppress(PolicyError):
        assert change(SHIPPED, text) is not None


@given(st.integers(0, 100))
def test_every_score_has_one_bucket(score: int) -> None:
    assert SHIPPED.bucket(score).at_least <= score
