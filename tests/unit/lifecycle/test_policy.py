"""A policy is whole or refused, and the refusal says what is allowed."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from worker.lifecycle.policy import Policy, PolicyError, change, differences, parse, problems, settings

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
        ("sales.accepted=working,qualified", "stands under both sales.accepted and sales.confirmed"),
        ("mql.required=Company Name", "mql.required.0"),
        ("mql.bant=5", "less than or equal to 4"),
        ("mql.dwell_days=NaN", "finite number"),
        ("capacity.zone=Mars/Olympus", "no time zone is named 'Mars/Olympus'"),
        ("guard.share=0.5", "less than or equal to 0.2"),
        ("bucket_hysteresis=60", "less than or equal to 50"),
        ("segments.of.Germany.mql.enter=80", "segments.by must name the attribute"),
        ("scale.kind=odd", "'odds', 'probability' or 'points'"),
    ],
)
def test_a_wrong_setting_is_refused_and_named(assignment: str, said: str) -> None:
    with pytest.raises(PolicyError, match="(?s).*" + said.replace(".", r"\.")):
        change(SHIPPED, assignment)


def test_an_unknown_key_of_a_stored_body_is_refused() -> None:
    with pytest.raises(PolicyError, match="mql_threshold"):
        parse({"mql_threshold": 70})


def test_every_setting_can_be_named() -> None:
    for name, value in settings(SHIPPED).items():
        assert change(SHIPPED, f"{name}={json.dumps(value)}") == SHIPPED


def test_settings_that_only_fit_together_are_set_together() -> None:
    assert change(SHIPPED, "mql.leave=80", "mql.enter=90").mql.leave == 80


def test_words_and_segments_are_set_by_name() -> None:
    policy = change(
        SHIPPED, "mql.required=company, title", "segments.by=country", "segments.of.Germany.mql.enter=75",
        "segments.of.Kenya.mql.leave=50", 'segments.of.Kenya.buckets=[{"name": "all", "at_least": 0, "action": ""}]',
    )  # fmt: skip
    assert policy.mql.required == ("company", "title")
    assert [policy.of(segment).mql.enter for segment in ("Germany", "Kenya", "Peru", None)] == [75, 70, 70, 70]
    assert policy.of("Germany").mql.required == policy.mql.required
    assert policy.of("Kenya").bucket(99).name == "all"
    assert parse(policy.model_dump(mode="json")) == policy
    assert differences(policy, change(policy, "segments.of.Germany=null", "capacity.reps=12")) == {
        "segments.of.Germany.mql.enter": (75, None),
        "capacity.reps": (0, 12),
    }


@pytest.mark.parametrize(
    ("own", "place", "said"),
    [
        ({"mql": {"enter": 50}}, "segments.of.DE.mql", "must not be above mql.enter (50)"),
        ({"mql": {"entr": 80}}, "segments.of.DE.mql.entr", "no such setting; there are enter, leave, dwell_days"),
        ({"mql": 80}, "segments.of.DE.mql", "got 80"),
        ({"scale": {"pdo": 10}}, "segments", "scale is the same for all; allowed are mql"),
    ],
)
def test_a_wrong_segment_is_refused_with_its_place(own: dict[str, Any], place: str, said: str) -> None:
    (problem,) = problems({"segments": {"by": "country", "of": {"DE": own}}})
    assert str(problem).startswith(f"{place}: ")
    assert said in str(problem)


@pytest.mark.parametrize("previous", ["hot", "warm", "nurture", "cold", "gone", None])
@hypothesis_settings(deadline=None)
@given(st.lists(st.integers(0, 100), min_size=1))
def test_a_bucket_is_left_only_below_its_hysteresis(previous: str | None, scores: list[int]) -> None:
    """At every line by itself, so that the way down in steps leads to where one step does."""
    floors = {b.name: b.at_least for b in SHIPPED.buckets}
    for score in scores:
        bucket, plain = SHIPPED.bucket(score, previous), SHIPPED.bucket(score)
        assert bucket.at_least >= plain.at_least
        if bucket != plain:
            assert bucket.at_least - 5 <= score < bucket.at_least <= floors[previous or ""]
        previous = bucket.name
    least = min(scores)
    assert SHIPPED.bucket(least, "hot").name == SHIPPED.bucket(least, SHIPPED.bucket(max(least, 50), "hot").name).name


@hypothesis_settings(deadline=None)
@given(st.integers(0, 100), st.integers(0, 100), st.sampled_from(["hot", "warm", "nurture", "cold", None]))
def test_a_higher_score_is_never_in_a_lower_bucket(one: int, other: int, previous: str | None) -> None:
    lower, higher = (SHIPPED.bucket(score, previous) for score in sorted((one, other)))
    assert higher.at_least >= lower.at_least


@hypothesis_settings(deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1), st.sampled_from([50, 70, 90]))
def test_noise_of_five_points_moves_nobody_back(noise: list[int], line: int) -> None:
    held: list[str] = []
    for points in noise:
        held.append(SHIPPED.bucket(line + points, held[-1] if held else None).name)
    assert sum(was != now for was, now in pairwise(held)) <= 1


@hypothesis_settings(deadline=None)
@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    with suppress(PolicyError):
        assert change(SHIPPED, text) is not None


@hypothesis_settings(deadline=None)
@given(st.integers(0, 100))
def test_every_score_has_one_bucket(score: int) -> None:
    assert SHIPPED.bucket(score).at_least <= score
