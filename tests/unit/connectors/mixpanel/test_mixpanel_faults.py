from __future__ import annotations

import pickle
from datetime import timedelta
from typing import Any

import pytest

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, Transient
from connectors.http import Answer
from connectors.mixpanel.faults import STATUS, Full, Rejected, failure, refused


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, Rejected), (400, Rejected), (401, AuthFailed), (402, Misconfigured), (403, Misconfigured),
        (404, Misconfigured), (408, Transient), (413, Rejected), (418, Rejected), (429, Full), (500, Transient),
        (502, Transient), (503, Transient), (504, Transient), (521, Transient),
    ],
)  # fmt: skip
def test_every_status_is_one_of_our_errors(status: int, error: type[CrmError]) -> None:
    wait = timedelta(seconds=7)
    told = failure("app", "/engage", Answer(status, {}, b'{"error": "ann@acme.test"}', wait))
    assert type(told) is error
    assert "ann" not in str(told)
    assert "/engage" in str(told)
    if isinstance(told, Transient):
        assert told.retry_after == wait


def test_every_row_of_the_table_is_tested() -> None:
    assert set(STATUS) == {400, 401, 402, 403, 404, 408, 413, 500, 502, 503, 504}


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ({"status": 1, "error": None}, {}),
        ({"code": 200, "status": "OK", "num_good_events": 3}, {}),
        ({"code": 200, "status": "OK", "failed_records": []}, {}),
        ({"code": 400, "status": 0, "failed_records": [{"index": 2, "field": "$set.a"}]}, {2: "$set.a"}),
        ({"failed_records": [{"index": 0}, {"index": 1, "field": "x" * 99}]}, {0: "not named", 1: "x" * 80}),
        ({"status": 1, "failed_records": [{"index": 0, "field": "f"}]}, {0: "f"}),
        ({"status": 0, "error": "data, missing or empty"}, None),
        ({"status": 1, "error": "a word of warning"}, None),
        ({"code": 400, "failed_records": []}, None),
        (0, None),
    ],
)  # fmt: skip
def test_what_engage_says_of_each_record(body: Any, verdict: dict[int, str] | None) -> None:
    assert refused("app", body, 3) == verdict


@pytest.mark.parametrize(
    "body",
    [
        1, True, False, None, "yes", [], {}, {"ok": True}, {"status": "partial"}, {"failed_records": {"0": "x"}},
        {"failed_records": [{"index": 3}]}, {"failed_records": [{"index": -1}]}, {"failed_records": [{"index": "0"}]},
        {"failed_records": [{"index": True}]}, {"failed_records": ["u1"]},
        {"failed_records": [{"index": 1}, {"index": 1}]},
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_no_yes(body: Any) -> None:
    with pytest.raises(ProtocolViolation):
        refused("app", body, 3)


def test_an_error_survives_the_pipe_between_processes() -> None:
    error = pickle.loads(pickle.dumps(Rejected("app", "no", 413)))  # noqa: S301 - our own
    assert (error.status, error.message) == (413, "no")
