"""The tables of refusals, row by row."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, QuotaExhausted, Transient
from connectors.http import Answer
from connectors.marketo.faults import (
    CODES,
    RECORDS,
    STATUS,
    Denied,
    Rejected,
    TokenRefused,
    Untold,
    failure,
    field_of,
    flaw,
    quota_of,
    reason,
    verdict,
)
from connectors.records import WriteOutcome

MIDNIGHT = datetime(2026, 11, 24, 6, tzinfo=UTC)


def said(code: str, message: str = "no", **more: Any) -> Answer:
    body = {"requestId": "e42b#14272d07d78", "success": False, "errors": [{"code": code, "message": message}], **more}
    return Answer(200, {}, json.dumps(body).encode())


def error(answer: Answer) -> CrmError:
    return failure("acme", "/rest/v1/leads.json", answer, MIDNIGHT)


@pytest.mark.parametrize(
    ("code", "kind", "seconds"),
    [
        ("500", Untold, None), ("502", Untold, None), ("600", Rejected, None), ("601", TokenRefused, None),
        ("602", TokenRefused, None), ("603", Denied, None), ("604", Transient, None), ("605", Rejected, None),
        ("606", Transient, 5), ("607", QuotaExhausted, None), ("608", Transient, None), ("609", Rejected, None),
        ("610", Rejected, None), ("611", Transient, None), ("612", Rejected, None), ("613", Rejected, None),
        ("614", Transient, 60), ("615", Transient, 1), ("616", Denied, None), ("701", Rejected, None),
        ("702", Rejected, None), ("703", Denied, None), ("704", Rejected, None), ("709", Rejected, None),
        ("713", Transient, None), ("719", Transient, None), ("1003", Rejected, None), ("1006", Denied, None),
        ("1013", Rejected, None), ("1016", Transient, 60), ("1019", Transient, 60), ("1029", Transient, 300),
        ("1035", Denied, None),
    ],
)  # fmt: skip
def test_a_code_of_the_whole_answer(code: str, kind: type[CrmError], seconds: float | None) -> None:
    found = error(said(code))
    assert type(found) is kind
    assert code in CODES
    assert getattr(found, "retry_after", None) == (None if seconds is None else timedelta(seconds=seconds))


def test_the_table_of_codes_is_tested_whole() -> None:
    (mark,) = test_a_code_of_the_whole_answer.pytestmark  # type: ignore[attr-defined]
    assert {row[0] for row in mark.args[1]} == set(CODES)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, TokenRefused), (403, Denied), (404, Rejected), (408, Untold), (413, Rejected), (429, Transient),
     (500, Untold), (502, Untold), (503, Untold), (504, Untold), (302, Rejected), (418, Rejected)],
)  # fmt: skip
def test_an_http_status(status: int, kind: type[CrmError]) -> None:
    assert type(error(Answer(status, {}, b"<html>"))) is kind
    assert set(STATUS) == {401, 403, 404, 408, 413, 429}


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("1001", "refused"), ("1002", "refused"), ("1003", "refused"), ("1004", "gone"), ("1005", "refused"),
        ("1007", "refused"), ("1008", "refused"), ("1009", "refused"), ("1010", "refused"), ("1011", "refused"),
        ("1021", "refused"), ("1022", "retry"), ("1023", "refused"), ("1076", "retry"),
    ],
)  # fmt: skip
def test_a_code_of_one_record(code: str, outcome: str) -> None:
    judged = verdict(code)
    assert judged.outcome == outcome
    assert judged.fix
    assert (judged.retry_after is not None) is (judged.outcome is WriteOutcome.RETRY)


def test_the_table_of_records_is_tested_whole_and_others_are_refused() -> None:
    (mark,) = test_a_code_of_one_record.pytestmark  # type: ignore[attr-defined]
    assert {row[0] for row in mark.args[1]} == set(RECORDS)
    assert verdict("1099").outcome is WriteOutcome.REFUSED


@pytest.mark.parametrize("key", ["reasons", "errors", "reason"])
def test_the_reason_of_a_record_goes_by_three_names(key: str) -> None:
    complaint = {"code": "1008", "message": "Access denied to partition 'Europe'"}
    assert reason({"status": "skipped", key: [complaint]}) == ("1008", complaint["message"])
    assert reason({"status": "skipped", key: complaint}) == ("1008", complaint["message"])


@pytest.mark.parametrize("row", [{}, {"reasons": []}, {"reasons": "1004"}, {"errors": [None]}, {"reason": 7}])
def test_a_reason_that_is_none_has_no_code(row: dict[str, Any]) -> None:
    assert reason(row) == ("UNKNOWN", "")


def test_only_what_says_that_it_failed_is_flawed() -> None:
    assert flaw(Answer(200, {}, b'{"success": true, "result": []}')) is None
    assert flaw(Answer(206, {}, b"id,email")) is None
    assert flaw(Answer(200, {}, b'{"success": false}')) == "UNKNOWN"
    assert flaw(said("606")) == "606"
    assert flaw(Answer(502, {}, b"")) == "502"


def test_a_day_that_is_over_ends_at_midnight_and_tells_its_size() -> None:
    answer = said("607", "Daily quota '50000' reached")
    found = error(answer)
    assert isinstance(found, QuotaExhausted)
    assert found.resume_at == MIDNIGHT
    assert quota_of(answer) == 50_000
    assert quota_of(said("607", "Daily quota reached")) is None


def test_an_asked_wait_wins() -> None:
    found = error(Answer(503, {}, b"", timedelta(hours=1)))
    assert isinstance(found, Transient)
    assert found.retry_after == timedelta(hours=1)


def test_a_missing_field_is_named_and_nothing_else_of_a_message() -> None:
    assert "leadGaugeScore" in str(error(said("1006", "Field 'leadGaugeScore' not found")))
    assert "ann@acme.test" not in str(error(said("1006", "Field 'ann@acme.test' not found")))
    assert "ann@acme.test" not in str(error(said("1003", "Invalid value 'ann@acme.test'")))
    assert field_of("Invalid value 'x'") == ""


def test_the_request_is_told_to_whoever_asks_their_support() -> None:
    assert "e42b#14272d07d78" in str(error(said("610")))
    assert "<" not in str(error(said("610", requestId="<script>")))


@pytest.mark.parametrize("made", [Rejected("acme", "no", "610"), Untold("acme", "no"), Denied("acme", "no")])
def test_an_error_survives_the_pipe_between_processes(made: CrmError) -> None:
    again = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own
    assert (type(again), again.args) == (type(made), made.args)


def test_each_error_says_who_acts() -> None:
    assert issubclass(Untold, Transient)
    assert issubclass(Denied, Misconfigured)
    assert issubclass(TokenRefused, AuthFailed)
    assert issubclass(Rejected, ProtocolViolation)
