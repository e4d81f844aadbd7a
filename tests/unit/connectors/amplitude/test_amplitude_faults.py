"""What Amplitude's refusals lead to, row by row."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from connectors.amplitude.faults import FIXES, NAMED, STATUS, failure, flaws, key_refused
from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, Transient
from connectors.http import Answer

USERS = ["a", "b", "c", "d", "e"]


def answer(status: int, body: Any = None, wait: timedelta | None = None) -> Answer:
    return Answer(status, {}, b"" if body is None else json.dumps(body).encode(), wait)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ProtocolViolation), (401, AuthFailed), (403, Misconfigured), (404, ProtocolViolation),
        (405, ProtocolViolation), (408, Transient), (413, ProtocolViolation), (414, ProtocolViolation),
        (418, ProtocolViolation), (429, Transient), (500, Transient), (502, Transient), (503, Transient),
        (504, Transient), (599, Transient), (302, ProtocolViolation),
    ],
)  # fmt: skip
def test_every_status_is_somebody_s(status: int, kind: type[CrmError]) -> None:
    problem = failure("app", "/batch", answer(status))
    assert type(problem) is kind
    assert f"/batch: Amplitude answered {status}" in problem.message
    assert kind not in FIXES or FIXES[kind] in problem.message


def test_the_rows_of_statuses_are_those_that_were_tried() -> None:
    assert set(STATUS) == {400, 401, 403, 404, 405, 408, 413, 414, 429}


@pytest.mark.parametrize(
    ("status", "asked", "wait"),
    [
        (429, None, timedelta(seconds=15)), (429, timedelta(minutes=5), timedelta(minutes=5)), (503, None, None),
        (503, timedelta(hours=1), timedelta(hours=1)),
    ],
)  # fmt: skip
def test_a_wait_is_the_one_that_is_asked_for(status: int, asked: timedelta | None, wait: timedelta | None) -> None:
    problem = failure("app", "/batch", answer(status, wait=asked))
    assert isinstance(problem, Transient)
    assert problem.retry_after == wait


@pytest.mark.parametrize(
    ("status", "body", "refused"),
    [
        (400, {"code": 400, "error": "Invalid API key: 123"}, True),
        (400, {"code": 400, "error": "Request missing required field", "missing_field": "api_key"}, True),
        (400, {"code": 400, "error": "Request missing required field", "missing_field": "events"}, False),
        (400, {"error": {"message": "Invalid app_id"}}, False),
        (400, None, False),
        (400, [], False),
        (500, {"error": "Invalid API key"}, False),
    ],
)
def test_a_key_that_is_not_known_is_a_400(status: int, body: Any, refused: bool) -> None:
    assert key_refused(answer(status, body)) is refused
    assert isinstance(failure("app", "/batch", answer(status, body)), AuthFailed) is refused
    assert "123" not in failure("app", "/batch", answer(status, body)).message


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"events_with_invalid_fields": {"time": [3, 4]}}, {3: "INVALID_FIELD", 4: "INVALID_FIELD"}),
        ({"events_with_missing_fields": {"event_type": [0], "user_id": [1]}}, {0: "MISSING_FIELD", 1: "MISSING_FIELD"}),
        ({"events_with_invalid_id_lengths": {"user_id": [2]}}, {2: "INVALID_ID"}),
        ({"silenced_events": [1], "throttled_events": [3], "silenced_devices": ["x"]}, {1: "SILENCED", 3: "THROTTLED"}),
        ({"throttled_events": [0, 4], "throttled_users": {"a": 4000}}, {0: "THROTTLED", 4: "THROTTLED"}),
        ({"exceeded_daily_quota_users": {"b": 500_200}, "throttled_events": []}, {1: "DAILY_QUOTA"}),
        (
            {"exceeded_daily_quota_users": {"b": 500_200}, "throttled_events": [1, 2]},
            {1: "DAILY_QUOTA", 2: "THROTTLED"},
        ),
        ({"throttled_events": [9, -1]}, {}),
        ({"throttled_events": None, "events_with_invalid_fields": None, "exceeded_daily_quota_users": None}, {}),
        ({"error": "Invalid JSON request body"}, {}),
        (None, {}),
        ("<html>", {}),
    ],
)
def test_events_are_blamed_by_their_place(body: Any, named: dict[int, str]) -> None:
    assert {place: flaw.code for place, flaw in flaws(body, USERS).items()} == named


def test_what_can_succeed_later_is_tried_again_and_says_when() -> None:
    waits = {flaw.code: flaw.wait for flaw in NAMED.values() if flaw.outcome == "retry"}
    assert waits == {"THROTTLED": timedelta(seconds=15)}
    (spent,) = flaws({"exceeded_daily_quota_users": {"a": 1}}, ["a"]).values()
    assert (spent.outcome, spent.wait) == ("retry", timedelta(days=1))
