from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.clock import Clock
from sandbox.hubspot.limits import Bucket, Meter
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.settings import HubspotServer
from sandbox.hubspot.wire import Refusal

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    clock = Clock(NOON)
    clock.hold(NOON)
    return clock


def meter(clock: Clock, **limits: int) -> Meter:
    return Meter(Portal(clock, time_zone="America/New_York"), HubspotServer(**limits))  # type: ignore[arg-type]


def refusal(meter: Meter, token: str, bucket: Bucket) -> dict[str, Any]:
    with pytest.raises(Refusal) as refused:
        meter.admit(token, bucket, oauth=False)
    assert refused.value.status == 429
    return refused.value.body


def test_without_limits_no_header_is_sent_and_calls_are_counted(clock: Clock) -> None:
    free = meter(clock)
    assert [free.admit("t", Bucket.GENERAL, oauth=False) for _ in range(500)] == [{}] * 500
    assert free.used_today() == 500


def test_ten_seconds_are_counted_per_token_and_slide(clock: Clock) -> None:
    limited = meter(clock, rate_10s=2)
    assert limited.admit("a", Bucket.GENERAL, oauth=False) == {
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        "X-HubSpot-RateLimit-Max": "2",
        "X-HubSpot-RateLimit-Remaining": "1",
    }
    clock.advance(timedelta(seconds=6))
    limited.admit("a", Bucket.GENERAL, oauth=False)
    body = refusal(limited, "a", Bucket.GENERAL)
    assert body["message"] == "You have reached your ten_secondly_rolling limit."
    assert (body["errorType"], body["policyName"]) == ("RATE_LIMIT", "TEN_SECONDLY_ROLLING")
    limited.admit("b", Bucket.GENERAL, oauth=False)
    clock.advance(timedelta(seconds=4))
    limited.admit("a", Bucket.GENERAL, oauth=False)


def test_searches_are_counted_for_the_whole_account_and_apart_from_the_rest(clock: Clock) -> None:
    limited = meter(clock, search_per_second=2, rate_10s=1)
    assert limited.admit("a", Bucket.SEARCH, oauth=False) == {}
    limited.admit("b", Bucket.SEARCH, oauth=True)
    body = refusal(limited, "c", Bucket.SEARCH)
    assert (body["message"], body["policyName"]) == ("You have reached your secondly limit.", "SECONDLY")
    limited.admit("a", Bucket.GENERAL, oauth=False)
    clock.advance(timedelta(seconds=1))
    limited.admit("a", Bucket.SEARCH, oauth=False)


def test_the_day_ends_at_the_portals_midnight_and_refused_calls_count(clock: Clock) -> None:
    limited = meter(clock, daily=2)
    headers = limited.admit("a", Bucket.GENERAL, oauth=False)
    assert headers == {"X-HubSpot-RateLimit-Daily": "2", "X-HubSpot-RateLimit-Daily-Remaining": "1"}
    limited.admit("a", Bucket.SEARCH, oauth=False)
    assert refusal(limited, "a", Bucket.GENERAL)["policyName"] == "DAILY"
    assert limited.used_today() == 3
    assert limited.next_midnight().astimezone(UTC) == datetime(2026, 11, 21, 5, tzinfo=UTC)
    clock.hold(datetime(2026, 11, 21, 4, 59, tzinfo=UTC))
    refusal(limited, "a", Bucket.GENERAL)
    clock.hold(datetime(2026, 11, 21, 5, 0, tzinfo=UTC))
    limited.admit("a", Bucket.GENERAL, oauth=False)
    assert limited.used_today() == 1


def test_association_endpoints_have_a_limit_of_their_own(clock: Clock) -> None:
    limited = meter(clock, rate_10s=5, association_10s=1)
    limited.admit("a", Bucket.ASSOCIATIONS, oauth=False)
    assert refusal(limited, "a", Bucket.ASSOCIATIONS)["policyName"] == "TEN_SECONDLY_ROLLING"
    assert limited.admit("a", Bucket.GENERAL, oauth=False)["X-HubSpot-RateLimit-Remaining"] == "4"


def test_logging_in_costs_nothing(clock: Clock) -> None:
    limited = meter(clock, daily=1)
    for _ in range(3):
        limited.admit("a", Bucket.FREE, oauth=False)
    assert limited.used_today() == 0
