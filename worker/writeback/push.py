"""Write what the ledger intends, then prove it: one writer a CRM account, one outcome a record.

A row is `sent` before the call. Whatever happens to this process, the next owner finds it and reads the record back
before anything is sent again, so a write whose answer was lost is not done twice. Many rows may be handed to the CRM as
one parcel, whose name is stored with the stream before anything is sent: nothing else is written until the parcel has
come to an end, since what it still holds would overwrite newer values.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from connectors.errors import CrmError
from connectors.port import Crm, Cursor
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
COUNTED = 100_000
"""How many waiting rows are counted at most, to choose between a push and a parcel."""


@dataclass(slots=True)
class Pushed:
    """What one lease of the push stream did, in records. `under_way`: the CRM is still at a parcel."""

    sent: int = 0
    verified: int = 0
    under_way: bool = False
    problem: CrmError | None = None


def push(holder: Holder, crm: Crm, verify_after: timedelta, forget: Forget) -> Pushed | None:
    """Clear up what a dead owner left, write what is due, read back what was accepted. None: somebody else does it."""
    result = Pushed()

    def task(lease: Lease) -> Next:
        _Writing(holder, crm, lease, forget, holder.clock() + SLICE, result).run(verify_after)
        now = holder.clock()
        return Next(due_at=now, complete_due_at=now, complete_at=now)

    ended = holder.work(crm.source, streams.PUSH, task)
    result.problem = ended.problem
    return result if ended.taken else None


@dataclass(slots=True)
class _Writing:
    """One lease's work. The lease's cursor is the parcel that is under way, if there is one."""

    holder: Holder
    crm: Crm
    lease: Lease
    forget: Forget
    until: datetime
    result: Pushed

    def run(self, verify_after: timedelta) -> None:
        source, few = self.crm.source, self.crm.push_size(0)
        if not self._collected():
            return
        for rows in self._batches(lambda c, _: ledger.unresolved(c, source, few)):
            self._read_back(rows)
        for rows in self._batches(lambda c, now: ledger.take(c, source, now, self._size(c, now))):
            self._write(rows)
            if not self._collected():
                return
        for rows in self._batches(lambda c, now: ledger.unverified(c, source, now - verify_after, few)):
            self._read_back(rows)

    def _batches(self, query: Callable[[Connection, datetime], list[Row]]) -> Iterator[list[Row]]:
        while self.holder.clock() < self.until:
            with self.holder.holding(self.lease) as (connection, now):
                rows = query(connection, now)
            if not rows:
                return
            yield rows

    def _size(self, connection: Connection, now: datetime) -> int:
        return self.crm.push_size(ledger.waiting(connection, self.crm.source, now, COUNTED))

    def _write(self, rows: Sequence[Row]) -> None:
        """Send a batch and record what the CRM answered, row by row."""
        writes = [FieldWrite(row.ref, fields.typed(row.values), f"ledger-{row.id}") for row in rows]
        self._record(rows, self.crm.push(writes, self._note))
        self.result.sent += len(rows)

    def _note(self, parcel: Cursor | None) -> None:
        with self.holder.holding(self.lease) as (connection, _):
            streams.store_cursor(connection, self.lease, parcel)
        self.lease = replace(self.lease, cursor=parcel)

    def _collected(self) -> bool:
        """Whether no parcel is under way any more; what became of its records is recorded."""
        if self.lease.cursor is None:
            return True
        with self.holder.engine.connect() as connection:
            rows = ledger.unresolved(connection, self.crm.source, COUNTED)
        results = self.crm.collect(self.lease.cursor, [row.ref for row in rows])
        self.result.under_way = results is None
        if results is None:
            return False
        self._record(rows, results)
        self._note(None)
        return True

    def _record(self, rows: Sequence[Row], results: Sequence[WriteResult]) -> None:
        with self.holder.holding(self.lease) as (connection, now):
            gone = [
                Deletion(result.ref, now, merged_into=result.moved_to)
                for result in results
                if result.outcome in (WriteOutcome.GONE, WriteOutcome.MOVED)
            ]
            self.forget(connection, gone, now)
            answers = (_answer(row, result, now) for row, result in zip(rows, results, strict=True))
            ledger.answer(connection, [answer for answer in answers if answer is not None], now)

    def _read_back(self, rows: Sequence[Row]) -> None:
        """Compare the CRM's primary store with what was meant."""
        held = self.crm.read_back([row.ref for row in rows])
        with self.holder.holding(self.lease) as (connection, now):
            self.forget(connection, [Deletion(row.ref, now) for row in rows if row.ref not in held], now)
            answers = [_proof(row, fields.plain(held[row.ref]) if row.ref in held else None, now) for row in rows]
            ledger.answer(connection, answers, now)
        self.result.verified += sum(answer.state is State.VERIFIED for answer in answers)


def _answer(row: Row, result: WriteResult, now: datetime) -> Answer | None:
    """None leaves the row `sent`: a read-back will show what became of it."""
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
        case WriteOutcome.UNRESOLVED:
            return None


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
    if row.state is State.SENT:  # its answer was lost, and it did not land: simply write it, but not for ever at once
        at = now if row.attempts < MISMATCHES else now + retry_after(row.attempts)
        return Answer(row.id, State.INTENDED, at, "UNRESOLVED", text)
    if row.attempts < MISMATCHES:
        return Answer(row.id, State.INTENDED, now + retry_after(row.attempts), "NOT_KEPT", text)
    return Answer(row.id, State.DRIFTED, now, "NOT_KEPT", text)
