"""What an answer of a CRM leads to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.records import RecordRef, WriteOutcome, WriteResult
from worker.store.ledger import Row, State
from worker.writeback.proof import LAST_RETRY, answered

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
REF = RecordRef("acme", "Lead", "1")


def wait(attempts: int, named: timedelta | None) -> timedelta:
    """Until the next try of a row that was tried so often and is locked."""
    row = Row(1, 1, REF, State.SENT, {"score": 1}, attempts, NOW, None)
    answer = answered(row, WriteResult(REF, WriteOutcome.RETRY, "UNABLE_TO_LOCK_ROW", None, named), NOW)
    assert answer is not None
    assert answer.state is State.INTENDED, "whatever can succeed is never given up"
    return answer.at - NOW


@pytest.mark.parametrize("named", [None, timedelta(seconds=30), timedelta(hours=4)])
def test_what_is_in_the_way_for_long_is_asked_about_less_and_less_often(named: timedelta | None) -> None:
    assert (named or timedelta(0)) <= wait(1, named) <= max(timedelta(minutes=1), 1.25 * (named or timedelta(0)))
    assert wait(8, named) >= timedelta(minutes=8)
    assert all(LAST_RETRY / 2 <= wait(attempts, named) <= 1.25 * LAST_RETRY for attempts in (20, 40, 10_000))
