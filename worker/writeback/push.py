"""Write what the ledger intends, then prove it: one writer a CRM account, one outcome a record.

A row is `sent` before the call. Whatever happens to this process, the next owner finds it and reads the record back
before anything is sent again, so a write whose answer was lost is not done twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from connectors.errors import CrmError
from connectors.port import Crm
from connectors.records import Deletion, FieldWrite, WriteOutcome, WriteResult
from worker.lease import SLICE, Holder, Next
from worker.lifecycle import fields
from worker.store import ledger, streams
from worker.store.ledger import Answer, Row, State
from worker.store.streams import Lease

Forget = Callable[[Connection, Sequence[Deletion], datetime], None]
"""What to do with records that turn out to be gone or merged; the same as when a pull tells."""

FIRST_RETRY, LAST_RETRY = timedelta(seconds=30), timedelta(hours=4)
MISMATCHES = 3
"""Attempts after which a value that the CRM accepts and does not keep is called drifted."""


@dataclass(slots=True)
class Pushed:
    """What one lease of the push stream did, in records."""

    sent: int = 0
    verified: int = 0
    problem: CrmError | None = None


def push(holder: Holder, crm: Crm, verify_after: timedelta, forget: Forget) -> Pushed | None:
    """Clear up what a dead owner left, write what is due, read back what was accepted. None: somebody else does it."""
    result = Pushed()

    def task(lease: Lease) -> Next:
        until = holder.clock() + SLICE

        def batches(query: Callable[[Connection, datetime], list[Row]]) -> Iterator[list[Row]]:
            while holder.clock() < until:
                with holder.holding(lease) as (connection, now):
                    rows = query(connection, now)
                if not rows:
                    return
                yield rows

        size = crm.push_size
        for rows in batches(lambda c, _: ledger.unresolved(c, crm.source, size)):
            result.verified += _read_back(holder, crm, lease, rows, forget)
        for rows in batches(lambda c, now: ledger.take(c, crm.source, now, size)):
            _write(holder, crm, lease, rows, forget)
            result.sent += len(rows)
        for rows in batches(lambda c, now: ledger.unverified(c, crm.source, now - verify_after, size)):
            result.verified += _read_back(holder, crm, lease, rows, forget)
        now = holder.clock()
        return Next(due_at=now, complete_due_at=now, complete_at=now)

    ended = holder.work(crm.source, streams.PUSH, task)
    result.problem = ended.problem
    return result if ended.taken else None


def _write(holder: Holder, crm: Crm, lease: Lease, rows: Sequence[Row], forget: Forget) -> None:
    """Send a batch and record what the CRM answered, row by row."""
    results = crm.push([FieldWrite(row.ref, fields.typed(row.values), f"ledger-{row.id}") for row in rows])
    with holder.holding(lease) as (connection, now):
        gone = [
            Deletion(result.ref, now, merged_into=result.moved_to)
            for result in results
            if result.outcome in (WriteOutcome.GONE, WriteOutcome.MOVED)
        ]
        forget(connection, gone, now)
        ledger.answer(connection, [_answer(row, result, now) for row, result in zip(rows, results, strict=True)], now)


def _read_back(holder: Holder, crm: Crm, lease: Lease, rows: Sequence[Row], forget: Forget) -> int:
    """Compare the CRM's primary store with what was meant; returns how many writes are proved."""
    held = crm.read_back([row.ref for row in rows])
    with holder.holding(lease) as (connection, now):
        forget(connection, [Deletion(row.ref, now) for row in rows if row.ref not in held], now)
        answers = [_proof(row, fields.plain(held[row.ref]) if row.ref in held else None, now) for row in rows]
        ledger.answer(connection, answers, now)
    return sum(answer.state is State.VERIFIED for answer in answers)


def _answer(row: Row, result: WriteResult, now: datetime) -> Answer:
    match result.outcome:
        case WriteOutcome.WRITTEN:
            return Answer(row.id, State.ACCEPTED, now)
        case WriteOutcome.RETRY:
            at = now + (result.retry_after or retry_after(row.attempts))
            return Answer(row.id, State.INTENDED, at, result.code, result.message)
        case WriteOutcome.REFUSED:
            return Answer(row.id, State.REFUSED, now, result.code, result.message)
        case WriteOutcome.MOVED:
            return Answer(row.id, State.SUPERSEDED, now, result.code, f"the record is now {result.moved_to}")
        case WriteOutcome.GONE:
            return Answer(row.id, State.SUPERSEDED, now, result.code, result.message or "the record is gone")


def retry_after(attempts: int) -> timedelta:
    """Doubling from half a minute to four hours, spread by chance so that a herd does not come back together."""
    longest = min(LAST_RETRY, FIRST_RETRY * float(2 ** min(attempts, 20)))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311


def _proof(row: Row, held: Mapping[str, Any] | None, now: datetime) -> Answer:
    if held is None:
        return Answer(row.id, State.SUPERSEDED, now, "GONE", "the record is gone")
    differing = fields.differing(row.values, held)
    if not differing:
        return Answer(row.id, State.VERIFIED, now)
    text = f"the CRM does not hold what was written in: {', '.join(sorted(differing))}"
    if row.state is State.SENT:  # its answer was lost, and it did not land: simply write it
        return Answer(row.id, State.INTENDED, now, "UNRESOLVED", text)
    if row.attempts < MISMATCHES:
        return Answer(row.id, State.INTENDED, now + retry_after(row.attempts), "NOT_KEPT", text)
    return Answer(row.id, State.DRIFTED, now, "NOT_KEPT", text)
