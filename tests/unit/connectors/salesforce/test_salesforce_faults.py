from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, QuotaExhausted, Transient
from connectors.records import WriteOutcome
from connectors.salesforce.faults import (
    BUSY,
    CALL_FAULTS,
    LOGIN_FIXES,
    OVERRUN,
    ROW_VERDICTS,
    Fault,
    blot,
    call_error,
    fault_of,
    faults_of,
    login_error,
    overrun,
    verdict,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def error(status: int, code: str = "", message: str = "", wait: timedelta | None = None) -> CrmError:
    faults = (Fault(code, message),) if code else ()
    return call_error("acme", status, faults, endpoint="query", now=NOW, wait=wait)


CALLS: list[tuple[int, str, type[CrmError]]] = [
    (400, "INVALID_FIELD", Misconfigured),
    (400, "INVALID_FIELD_FOR_INSERT_UPDATE", Misconfigured),
    (400, "INVALID_TYPE", Misconfigured),
    (404, "NOT_FOUND", Misconfigured),
    (403, "INSUFFICIENT_ACCESS", Misconfigured),
    (403, "INSUFFICIENT_ACCESS_OR_READONLY", Misconfigured),
    (403, "FUNCTIONALITY_NOT_ENABLED", Misconfigured),
    (403, "API_CURRENTLY_DISABLED", Misconfigured),
    (403, "API_DISABLED_FOR_ORG", Misconfigured),
    (410, "UNSUPPORTED_API_VERSION", Misconfigured),
    (400, "OPERATION_TOO_LARGE", Misconfigured),
    (403, "TXN_SECURITY_METERING_ERROR", Misconfigured),
    (400, "QUERY_TIMEOUT", Transient),
    (503, "SERVER_UNAVAILABLE", Transient),
    (400, "UNABLE_TO_LOCK_ROW", Transient),
    (403, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", Transient),
    (500, "UNKNOWN_EXCEPTION", Transient),
    (400, "MALFORMED_QUERY", ProtocolViolation),
    (400, "JSON_PARSER_ERROR", ProtocolViolation),
    (403, "SOMETHING_NEW", Misconfigured),
]


@pytest.mark.parametrize(("status", "code", "kind"), CALLS, ids=[code for _, code, _ in CALLS])
def test_codes_of_whole_calls(status: int, code: str, kind: type[CrmError]) -> None:
    raised = error(status, code, "said so")
    assert type(raised) is kind
    assert str(raised).startswith(f"acme: query answered {status} {code}: said so")


def test_every_code_in_the_table_is_tested() -> None:
    assert CALL_FAULTS.keys() <= {code for _, code, _ in CALLS}


@pytest.mark.parametrize("status", [*sorted(BUSY), 520, 522, 530])
def test_statuses_that_pass_without_a_word(status: int) -> None:
    raised = error(status, wait=timedelta(seconds=3))
    assert isinstance(raised, Transient)
    assert raised.retry_after == timedelta(seconds=3)


@pytest.mark.parametrize(("status", "kind"), [(410, Misconfigured), (403, Misconfigured), (404, ProtocolViolation),
                                              (409, ProtocolViolation), (300, ProtocolViolation)])  # fmt: skip
def test_statuses_that_do_not(status: int, kind: type[CrmError]) -> None:
    assert type(error(status)) is kind


@pytest.mark.parametrize(
    "message",
    ["ConcurrentRequests (Concurrent API Requests) Limit exceeded.", "ConcurrentPerOrgLongTxn Limit exceeded"],
)
def test_too_many_at_once_is_not_too_many_today(message: str) -> None:
    raised = error(403, "REQUEST_LIMIT_EXCEEDED", message)
    assert isinstance(raised, Transient)
    assert raised.retry_after == timedelta(seconds=15)


def test_too_many_today_is_looked_at_again_later_never_sooner_than_asked() -> None:
    for wait, resume in ((None, timedelta(minutes=15)), (timedelta(hours=2), timedelta(hours=2))):
        raised = error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", wait)
        assert isinstance(raised, QuotaExhausted)
        assert raised.resume_at == NOW + resume


ROWS: list[tuple[str, WriteOutcome]] = [
    ("UNABLE_TO_LOCK_ROW", WriteOutcome.RETRY),
    ("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", WriteOutcome.RETRY),
    ("REQUEST_LIMIT_EXCEEDED", WriteOutcome.RETRY),
    ("SERVER_UNAVAILABLE", WriteOutcome.RETRY),
    ("UNKNOWN_EXCEPTION", WriteOutcome.RETRY),
    ("ALL_OR_NONE_OPERATION_ROLLED_BACK", WriteOutcome.RETRY),
    ("PROCESSING_HALTED", WriteOutcome.RETRY),
    ("UNPROCESSED", WriteOutcome.RETRY),
    ("ENTITY_IS_LOCKED", WriteOutcome.RETRY),
    ("INVALID_OPERATION", WriteOutcome.RETRY),
    ("CANNOT_UPDATE_CONVERTED_LEAD", WriteOutcome.MOVED),
    ("ENTITY_IS_DELETED", WriteOutcome.GONE),
    ("INVALID_CROSS_REFERENCE_KEY", WriteOutcome.GONE),
    ("NOT_FOUND", WriteOutcome.GONE),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", WriteOutcome.REFUSED),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", WriteOutcome.REFUSED),
    ("CANNOT_EXECUTE_FLOW_TRIGGER", WriteOutcome.REFUSED),
    ("INVALID_FIELD", WriteOutcome.REFUSED),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", WriteOutcome.REFUSED),
    ("INSUFFICIENT_ACCESS_OR_READONLY", WriteOutcome.REFUSED),
    ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", WriteOutcome.REFUSED),
    ("STRING_TOO_LONG", WriteOutcome.REFUSED),
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", WriteOutcome.REFUSED),
    ("NUMBER_OUTSIDE_VALID_RANGE", WriteOutcome.REFUSED),
    ("REQUIRED_FIELD_MISSING", WriteOutcome.REFUSED),
    ("DUPLICATES_DETECTED", WriteOutcome.REFUSED),
    ("DUPLICATE_VALUE", WriteOutcome.REFUSED),
    ("INACTIVE_OWNER_OR_USER", WriteOutcome.REFUSED),
    ("INVALID_TYPE_ON_FIELD_IN_RECORD", WriteOutcome.REFUSED),
    ("MALFORMED_ID", WriteOutcome.REFUSED),
    ("TXN_SECURITY_RUNTIME_ACTION", WriteOutcome.REFUSED),
    ("A_CODE_OF_NEXT_YEAR", WriteOutcome.REFUSED),
]


@pytest.mark.parametrize(("code", "outcome"), ROWS, ids=[code for code, _ in ROWS])
def test_codes_of_rows(code: str, outcome: WriteOutcome) -> None:
    judged = verdict(Fault(code, "said so"))
    assert judged.outcome is outcome
    assert (judged.retry_after is not None) is (outcome is WriteOutcome.RETRY)
    assert judged.lookup is (outcome in (WriteOutcome.GONE, WriteOutcome.MOVED))
    assert bool(judged.fix) is (outcome is WriteOutcome.REFUSED)


def test_every_row_code_in_the_table_is_tested() -> None:
    assert ROW_VERDICTS.keys() <= {code for code, _ in ROWS}


def test_a_lock_inside_a_triggers_message_is_a_lock() -> None:
    nested = "ScoreTrigger: execution of AfterUpdate caused by: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access"
    assert verdict(Fault("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", nested)).outcome is WriteOutcome.RETRY


LOGINS: list[tuple[int, dict[str, str], type[CrmError], str]] = [
    (400, {"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}, AuthFailed,
     "pre-authorised"),
    (400, {"error": "invalid_client_id", "error_description": "client identifier invalid"}, AuthFailed, "consumer_key"),
    (401, {"error": "invalid_client"}, AuthFailed, "belong together"),
    (400, {"error": "inactive_user"}, AuthFailed, "deactivated"),
    (400, {"error": "inactive_org"}, AuthFailed, "suspended"),
    (400, {"error": "unsupported_grant_type"}, AuthFailed, "enable this OAuth flow"),
    (400, {"error": "unauthorized_client"}, AuthFailed, "does not allow"),
    (400, {"error": "redirect_uri_mismatch"}, AuthFailed, "do not match"),
    (400, {"error": "something_new"}, AuthFailed, "check login_url"),
    (400, {"error": "invalid_grant", "error_description": "login rate exceeded"}, Transient, "login rate"),
    (400, {"error": "rate_limit_exceeded"}, Transient, "400"),
    (503, {}, Transient, "503"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"), LOGINS, ids=[f"{status}-{says}" for status, _, _, says in LOGINS]
)
def test_refusals_of_logins(status: int, body: dict[str, str], kind: type[CrmError], says: str) -> None:
    raised = login_error("acme", status, faults_of(json.dumps(body)) if body else (), None)
    assert type(raised) is kind
    assert says in str(raised)
    assert isinstance(raised, AuthFailed) or getattr(raised, "retry_after", None) == timedelta(seconds=60)


def test_every_login_code_in_the_table_is_tested() -> None:
    assert LOGIN_FIXES.keys() <= {body.get("error") for _, body, _, _ in LOGINS}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('[{"message":"expired","errorCode":"INVALID_SESSION_ID"}]', [Fault("INVALID_SESSION_ID", "expired")]),
        ('[{"statusCode":"TOO_LONG","message":"m","fields":["A__c"]}]', [Fault("TOO_LONG", "m", ("A__c",))]),
        ('{"error":"invalid_grant"}', [Fault("invalid_grant", "")]),
        ("<html><body>Down for maintenance</body></html>", []),
        ("", []),
        ("[", []),
        ("null", []),
        ('["text", 1, null]', []),
        ('[{"message":"two\\n lines","fields":null}]', [Fault("UNKNOWN_EXCEPTION", "two lines")]),
    ],
)  # fmt: skip
def test_bodies_of_every_kind_are_read(body: str, found: list[Fault]) -> None:
    assert list(faults_of(body)) == found


json_values = st.recursive(
    st.none() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@given(st.text() | json_values.map(json.dumps))
def test_no_body_is_too_odd_to_be_read(body: str) -> None:
    assert all(isinstance(fault, Fault) for fault in faults_of(body))


@given(st.dictionaries(st.sampled_from(["errorCode", "statusCode", "message", "fields", "error"]), json_values))
def test_no_error_object_is_too_odd_to_be_read(item: dict[str, Any]) -> None:
    assert len(fault_of(item).message) <= 300


@given(st.from_regex(r"[a-z0-9._+-]{1,10}@[a-z]{1,8}\.[a-z]{2,4}", fullmatch=True), st.text("abc:'<>", max_size=9))
def test_no_address_survives_in_a_message(email: str, around: str) -> None:
    assert email not in blot(f"{around}{email} {around}")


@pytest.mark.parametrize("raised", [error(503), error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests"), error(404)])
def test_errors_survive_the_way_between_processes(raised: CrmError) -> None:
    again = pickle.loads(pickle.dumps(raised))  # noqa: S301 - our own bytes
    assert (type(again), again.args) == (type(raised), raised.args)


@pytest.mark.parametrize("words", OVERRUN)
def test_a_limit_of_apex_is_told_by_its_words_whatever_the_code(words: str) -> None:
    said = f"LeadTrigger: execution of AfterUpdate caused by: System.LimitException: {words}: 101"
    for code in ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "UNKNOWN_EXCEPTION"):
        assert overrun(Fault(code, said))
        assert verdict(Fault(code, said)).outcome is WriteOutcome.REFUSED, "alone"
    assert not overrun(Fault("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: System.NullPointerException"))
