from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import requests
from celery.exceptions import SoftTimeLimitExceeded
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, QuotaExhausted, Transient
from connectors.transport import ATTEMPTS, TimeoutAdapter, attempt, retry_after
from tests.unit.connectors.salesforce_stub import Stub

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Failing:
    """Raises `error` the first `times` times."""

    def __init__(self, error: BaseException, times: int = 10**9) -> None:
        self.error, self.left, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "done"


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def sleep(slept: list[float]) -> Callable[[float], None]:
    return slept.append


def test_a_transient_failure_is_tried_again(slept: list[float], sleep: Callable[[float], None]) -> None:
    call = Failing(Transient("acme", "busy"), times=3)
    assert attempt(call, sleep=sleep) == "done"
    assert call.calls == 4
    assert len(slept) == 3


def test_attempts_and_waits_are_bounded_and_the_last_error_comes_out(
    slept: list[float], sleep: Callable[[float], None]
) -> None:
    call = Failing(Transient("acme", "busy"))
    with pytest.raises(Transient, match="acme: busy"):
        attempt(call, sleep=sleep)
    assert 1 < call.calls <= ATTEMPTS
    assert sum(slept) <= 20


@pytest.mark.parametrize(
    "error",
    [
        AuthFailed("acme", "no"),
        Misconfigured("acme", "no"),
        ProtocolViolation("acme", "no"),
        QuotaExhausted("acme", "no", NOW),
        ValueError("no"),
        SoftTimeLimitExceeded(),
        KeyboardInterrupt(),
    ],
)
def test_nothing_else_is_tried_again(error: BaseException, sleep: Callable[[float], None]) -> None:
    call = Failing(error)
    with pytest.raises(type(error)):
        attempt(call, sleep=sleep)
    assert call.calls == 1


def test_celerys_soft_limit_ends_the_wait_between_attempts() -> None:
    def interrupted(seconds: float) -> None:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        attempt(Failing(Transient("acme", "busy")), sleep=interrupted)


def test_a_wait_that_was_asked_for_is_never_shortened(slept: list[float], sleep: Callable[[float], None]) -> None:
    assert attempt(Failing(Transient("acme", "busy", timedelta(seconds=7)), times=2), sleep=sleep) == "done"
    assert all(wait >= 7 for wait in slept)


def test_a_wait_beyond_the_budget_is_raised_at_once(slept: list[float], sleep: Callable[[float], None]) -> None:
    call = Failing(Transient("acme", "busy", timedelta(seconds=21)))
    with pytest.raises(Transient) as raised:
        attempt(call, sleep=sleep)
    assert raised.value.retry_after == timedelta(seconds=21)
    assert (call.calls, slept) == (1, [])


@given(waits=st.lists(st.floats(0, 30), min_size=1, max_size=12), budget=st.floats(0, 20))
def test_the_waits_never_add_up_to_more_than_the_budget(waits: list[float], budget: float) -> None:
    left = list(waits)
    slept: list[float] = []

    def call() -> str:
        if left:
            raise Transient("acme", "busy", timedelta(seconds=left.pop()))
        return "done"

    try:
        attempt(call, budget=timedelta(seconds=budget), sleep=slept.append)
    except CrmError:
        assert len(slept) < ATTEMPTS
    assert sum(slept) <= budget


@given(seconds=st.integers(0, 10**6))
def test_retry_after_reads_seconds_and_dates_alike(seconds: int) -> None:
    wait = timedelta(seconds=seconds)
    assert retry_after({"Retry-After": str(seconds)}, NOW) == wait
    assert retry_after({"retry-after": format_datetime(NOW + wait, usegmt=True)}, NOW) == wait


@pytest.mark.parametrize("given", ["soon", "", "Fri, 99 Foo 2026", "nan", "inf"])
def test_an_unreadable_retry_after_is_no_wait_that_was_asked_for(given: str) -> None:
    assert retry_after({"Retry-After": given}, NOW) is None


def test_a_retry_after_that_has_passed_is_no_wait_at_all() -> None:
    assert retry_after({"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT"}, NOW) == timedelta(0)
    assert retry_after({"Retry-After": "-3"}, NOW) == timedelta(0)
    assert retry_after({}, NOW) is None


def test_a_hung_server_is_given_up_after_the_adapters_timeout(stub: Stub, tmp_path: Path) -> None:
    with requests.Session() as session, stub.lock:  # the stub answers only when the lock is free
        session.mount("https://", TimeoutAdapter(read=timedelta(milliseconds=100), ca_bundle=stub.ca))
        with pytest.raises(requests.ReadTimeout):
            session.get(stub.url)


def test_a_private_authority_is_trusted_only_when_it_is_named(stub: Stub) -> None:
    with requests.Session() as session:
        session.mount("https://", TimeoutAdapter(ca_bundle=stub.ca))
        assert session.get(stub.url).status_code == 200
        session.mount("https://", TimeoutAdapter())
        with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            session.get(stub.url)
