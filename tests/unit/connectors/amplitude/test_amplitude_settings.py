"""What a person may say of an Amplitude project."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.amplitude.settings import AmplitudeSettings
from connectors.records import ScoreField

LEAST: dict[str, Any] = {
    "kind": "amplitude", "name": "app", "project": 1, "api_key": {"env": "A"}, "secret_key": {"env": "B"},
}  # fmt: skip


def settings(**changes: Any) -> AmplitudeSettings:
    return AmplitudeSettings.model_validate({**LEAST, **changes})


@pytest.mark.parametrize(
    ("changes", "profile", "provable"),
    [
        ({}, "https://profile-api.amplitude.com", True),
        ({"profile_api": False}, "https://profile-api.amplitude.com", False),
        ({"region": "eu"}, None, False),
        ({"region": "eu", "hosts": {"profile": "https://proxy.acme.test"}}, "https://proxy.acme.test", True),
    ],
)
def test_what_can_be_proved_is_what_can_be_asked(changes: dict[str, Any], profile: str | None, provable: bool) -> None:
    given = settings(**changes)
    assert (given.host("profile"), given.provable) == (profile, provable)


def test_hosts_are_the_region_s() -> None:
    assert settings().host("ingest") == "https://api2.amplitude.com"
    assert settings(region="eu").host("analytics") == "https://analytics.eu.amplitude.com"
    assert settings(region="eu").host("ingest") == "https://api.eu.amplitude.com"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cohorts": {"hot": "Hot"}, "fields": {"bucket": None}}, "cohorts follow the bucket"),
        ({"cohorts": {"hot": "Same", "warm": "Same"}}, "cohorts: Same would hold more than one"),
        ({"fields": {"score": "x", "grade": "x"}}, "fields: x would hold more than one"),
        ({"events": [{"pattern": "("}]}, "not a regular expression"),
        ({"events": [{"pattern": "a"}]}, "say one of kind and outcome"),
        ({"events": [{"pattern": "a", "kind": "page_view", "outcome": "won"}]}, "say one of kind and outcome"),
        ({"events": [{"pattern": "a", "kind": "page_view", "amount": "price"}]}, "amount is for an outcome"),
        ({"hosts": {"ingest": "http://api2.amplitude.com"}}, "hosts.ingest"),
        ({"timings": {"history": "PT0S"}}, "timings.history"),
        ({"region": "in"}, "region"),
        ({"project": 0}, "project"),
        ({"secret_key": "s3cret"}, "secret_key"),
    ],
)
def test_what_cannot_work_is_refused_in_words(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(**changes)


def test_fields_and_attributes_come_over_the_usual_ones() -> None:
    given = settings(fields={"score": "points", "grade": None}, attributes={"country": None, "plan": "tier"})
    assert given.mapped[ScoreField.SCORE] == "points"
    assert given.mapped[ScoreField.BUCKET] == "lead_gauge_bucket"
    assert ScoreField.GRADE not in given.mapped
    assert given.attributes == {"country": None, "plan": "tier"}


def test_the_budget_spreads_profiles_over_the_minute() -> None:
    budget = settings(profiles_per_minute=60).budget
    assert (budget.windows["profile"].limit, budget.windows["profile"].per) == (1, timedelta(seconds=1))
    assert budget.daily is None
