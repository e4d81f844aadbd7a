"""The tables of refusals, row by row, over bodies as they were seen."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, QuotaExhausted, Transient
from connectors.hubspot.faults import STATUS, Denied, Rejected, failure, missing_scopes, validation_errors
from connectors.hubspot.wire import Answer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 24, 5, tzinfo=UTC)


def error(status: int, body: Any = None, **headers: str) -> CrmError:
    return failure("acme", Answer(status, headers, body), NOW, MIDNIGHT)


def wait(of: CrmError) -> timedelta | None:
    assert isinstance(of, Transient)
    return of.retry_after


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520, 521, 522, 523, 524, 599])
def test_these_pass_by_themselves(status: int) -> None:
    assert wait(error(status)) is None


@pytest.mark.parametrize(("status", "seconds"), [(423, 2), (477, 60), (525, 300), (526, 300)])
def test_these_take_a_while(status: int, seconds: int) -> None:
    assert wait(error(status)) == timedelta(seconds=seconds)


@pytest.mark.parametrize("status", [401, 530])
def test_these_are_the_credentials(status: int) -> None:
    assert isinstance(error(status), AuthFailed)


@pytest.mark.parametrize("status", [400, 404, 405, 409, 414, 415, 302, 418])
def test_these_are_turned_down_for_good(status: int) -> None:
    assert isinstance(error(status), Rejected)
    assert isinstance(error(status), ProtocolViolation)


def test_the_table_of_statuses_is_whole() -> None:
    assert set(STATUS) == {400, 401, 403, 404, 405, 408, 409, 414, 415, 423, 477, 500, 502, 503, 504} | set(
        range(520, 527)
    ) | {530}


def test_an_asked_wait_wins_and_is_not_shortened() -> None:
    assert wait(error(477, **{"Retry-After": "86400"})) == timedelta(days=1)
    assert wait(error(503, **{"retry-after": "Mon, 23 Nov 2026 12:05:00 GMT"})) == timedelta(minutes=5)


ROLLING = {
    "message": "You have reached your ten_secondly_rolling limit.", "errorType": "RATE_LIMIT",
    "policyName": "TEN_SECONDLY_ROLLING", "groupName": "publicapi:private_app-api-calls-ten-secondly:1512050:9001",
}  # fmt: skip
SECONDLY = {
    "message": "You have reached your secondly limit.", "errorType": "RATE_LIMIT", "policyName": "SECONDLY",
    "groupName": "publicapi:crm:search:oauth:1512050:9001",
}  # fmt: skip
UNNAMED = {"status": "error", "message": "You have reached your secondly limit.", "category": "RATE_LIMITS"}
DAILY = {"message": "You have reached your daily limit.", "errorType": "RATE_LIMIT", "policyName": "DAILY"}


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (ROLLING, 10),
        (SECONDLY, 1),
        (UNNAMED, 1),
        ({"message": ROLLING["message"]}, 10),
        ({"message": "File size limit exceeded"}, 10),
        (None, 10),
    ],
)
def test_the_kinds_of_429_that_pass(body: Any, seconds: int) -> None:
    assert wait(error(429, body)) == timedelta(seconds=seconds)
    assert wait(error(429, body, **{"Retry-After": "3"})) == timedelta(seconds=3)


@pytest.mark.parametrize("body", [DAILY, {"message": DAILY["message"]}])
def test_the_429_of_the_day_waits_for_the_account_s_midnight(body: Any) -> None:
    spent = error(429, body, **{"Retry-After": "3"})
    assert isinstance(spent, QuotaExhausted)
    assert spent.resume_at == MIDNIGHT


def test_a_missing_scope_is_named_with_what_to_do() -> None:
    body = {
        "category": "MISSING_SCOPES",
        "errors": [{"message": "...", "context": {"requiredGranularScopes": ["crm.objects.contacts.write"]}}],
    }
    denied = error(403, body)
    assert isinstance(denied, Denied)
    assert isinstance(denied, Misconfigured)
    assert missing_scopes(body) == ["crm.objects.contacts.write"]
    assert "crm.objects.contacts.write" in str(denied)
    assert "grant" in str(denied)


OLDER = (
    'Property values were not valid: [{"isValid":false,"message":"Property \\"lead_scor\\" does not exist",'
    '"error":"PROPERTY_DOESNT_EXIST","name":"lead_scor","localizedErrorMessage":"...","portalId":9001},'
    '{"isValid":false,"message":"...","error":"INVALID_OPTION","name":"hs_lead_status","portalId":9001}]'
)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"message": OLDER}, [("PROPERTY_DOESNT_EXIST", "lead_scor"), ("INVALID_OPTION", "hs_lead_status")]),
        (
            {"errors": [{"code": "READ_ONLY_VALUE", "context": {"propertyName": ["score"]}}], "message": OLDER},
            [("READ_ONLY_VALUE", "score")],
        ),
        ({"errors": [{"code": "INVALID_LONG"}]}, [("INVALID_LONG", "")]),
        ({"message": "There was a problem with the request."}, []),
        ({}, []),
    ],
)
def test_both_forms_of_a_validation_error(body: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert list(validation_errors(body)) == found


def test_no_message_quotes_what_hubspot_said_of_a_record() -> None:
    body = {"message": "Contact already exists. Email ana@acme.test", "category": "CONFLICT", "correlationId": "3f0c"}
    assert "ana@acme.test" not in str(error(409, body))
    assert "3f0c" in str(error(409, body))


def test_a_rejection_survives_the_pipe_between_processes() -> None:
    rejected = error(400, {"category": "VALIDATION_ERROR"})
    assert isinstance(rejected, Rejected)
    again = pickle.loads(pickle.dumps(rejected))  # noqa: S301 - what Celery does
    assert (again.status, again.body, str(again)) == (rejected.status, rejected.body, str(rejected))
