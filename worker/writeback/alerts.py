"""Tasks for the owners of hot leads, made once each: an alert whose outcome nobody knows is looked for first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from connectors.alerts import Alerting, AlertSettings
from connectors.records import Alert, AlertResult, WriteOutcome
from worker.store.alerts import Answer, Row, State
from worker.writeback.proof import retry_after

LOOK_AGAIN = timedelta(minutes=1)
"""How long after an answer was lost it is looked whether there is a task: one under way is seen by then."""
LAST_ATTEMPT = timedelta(days=3)
"""An alert that could not be made for so long is news no more."""


def tell(crm: Alerting, settings: AlertSettings, rows: Sequence[Row], now: datetime) -> list[Answer]:
    """Have the CRM make the tasks, and say what became of each. Raises what the call raises; then all are looked for
    before they are tried again."""
    alerts = [_alert(row, settings) for row in rows]
    return [_answer(row, result, now) for row, result in zip(rows, crm.alert(alerts), strict=True)]


def mark(row: Row) -> str:
    """What tells this alert's task from any other, and says to a person where it comes from."""
    entry = f"{row.ref}|{row.entered}|{row.entered_at.isoformat()}"
    return f"Leadgauge {sha256(entry.encode()).hexdigest()[:16]}"


def _alert(row: Row, settings: AlertSettings) -> Alert:
    due_on = (row.entered_at + timedelta(days=settings.due_days)).date()
    return Alert(row.ref, mark(row), settings.subject, row.body, due_on, row.intended_at, row.tried, row.sent_at)


def _answer(row: Row, result: AlertResult, now: datetime) -> Answer:
    stale = now - row.intended_at > LAST_ATTEMPT
    match result.outcome:
        case WriteOutcome.WRITTEN:
            return Answer(row.id, State.MADE, now, result.made)
        case WriteOutcome.UNRESOLVED if not stale:
            return Answer(row.id, State.SENT, now + LOOK_AGAIN, None, result.code, result.message)
        case WriteOutcome.RETRY if not stale:
            at = now + (result.retry_after or retry_after(row.attempts))
            return Answer(row.id, State.INTENDED, at, None, result.code, result.message)
    return Answer(row.id, State.REFUSED, now, None, result.code, result.message)
