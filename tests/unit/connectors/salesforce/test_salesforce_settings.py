from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.quota import Lane
from connectors.records import ScoreField
from connectors.salesforce import pull
from connectors.salesforce.settings import CONTRACT, STREAMS, SalesforceSettings

AUTH = {"type": "client_credentials", "consumer_key": "k", "consumer_secret": {"env": "S"}}


def settings(**given: Any) -> SalesforceSettings:
    return SalesforceSettings.model_validate({"kind": "salesforce", "name": "acme", "auth": AUTH, **given})


def test_the_contract_is_the_default_and_covers_every_score_field() -> None:
    assert settings().mapped == CONTRACT
    assert set(CONTRACT) == set(ScoreField)


def test_what_is_named_replaces_the_contracts_field_and_null_leaves_it_out() -> None:
    mapped = settings(fields={"score": "Rating__c", "bant": None}).mapped
    assert mapped == {**{k: v for k, v in CONTRACT.items() if k is not ScoreField.BANT}, ScoreField.SCORE: "Rating__c"}


@pytest.mark.parametrize(
    ("login_url", "audience"),
    [
        ("https://login.salesforce.com", "https://login.salesforce.com"),
        ("https://test.salesforce.com/", "https://test.salesforce.com"),
        ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
        ("https://acme--uat.sandbox.my.salesforce.com", "https://test.salesforce.com"),
    ],
)
def test_the_audience_follows_from_the_host(login_url: str, audience: str) -> None:
    assert settings(login_url=login_url).token_audience == audience
    assert settings(login_url=login_url, audience="https://me.example").token_audience == "https://me.example"


WRONG: list[dict[str, Any]] = [
    {"login_url": "http://acme.my.salesforce.com"},
    {"login_url": "acme.my.salesforce.com"},
    {"login_url": "https://acme.my.salesforce.com/lightning"},
    {"name": "Acme Inc"},
    {"time_zone": "Berlin"},
    {"time_zone": "../etc/passwd"},
    {"api_version": "v62"},
    {"page_size": 2001},
    {"fields": {"scores": "X__c"}},
    {"fields": {"score": "X__c FROM Lead"}},
    {"attributes": {"budget": "A, B"}},
    {"campaigns": [{"pattern": "(", "kind": "webinar_attendance"}]},
    {"campaigns": [{"pattern": "x", "kind": "nonsense"}]},
    {"auth": {**AUTH, "consumer_secret": "in the clear"}},
    {"auth": {"type": "password"}},
    {"unknown": 1},
    {"daily_own": 0},
    {"daily_own": 1.5},
    {"daily_shares": {"imports": 0.5}},
    {"bulk_write_size": 200},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_cannot_be_right_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_the_budget_is_for_the_one_bucket_that_calls_enter() -> None:
    budget = settings(daily_calls=100_000, daily_shares={"backfill": 0.3}).budget
    assert (set(budget.windows), budget.daily) == ({"api"}, 100_000)
    assert budget.shares[Lane.BACKFILL] == 0.3
    assert budget.shares[Lane.INBOUND] == 0.8


def test_a_quarter_of_the_day_is_ours_unless_said_otherwise() -> None:
    assert settings().budget.own == 0.25
    assert settings(daily_own=0.6).budget.own_share(Lane.INBOUND) == pytest.approx(0.6)


def test_lanes_stop_in_their_order() -> None:
    with pytest.raises(ValidationError, match=r"backfill \(0.9\) must not have more of the day than refresh \(0.7\)"):
        settings(daily_shares={"backfill": 0.9})


def test_a_stream_to_leave_out_must_be_one() -> None:
    assert settings(without=["email_messages"]).without == {"email_messages"}
    with pytest.raises(ValidationError, match=r"no stream is called emails; there are leads, contacts, .*, purges"):
        settings(without=["emails", "leads"])


def test_the_streams_that_can_be_left_out_are_those_that_are_read() -> None:
    assert sorted(STREAMS) == sorted(stream.name for stream in pull.STREAMS)


def test_no_representation_shows_who_logs_in() -> None:
    auth = {"type": "jwt_bearer", "consumer_key": "k", "username": "jo@acme.com", "private_key": {"env": "S"}}
    assert "jo@acme.com" not in repr(settings(auth=auth))
