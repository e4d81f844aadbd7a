"""Write what the ledger intends, then prove it: one writer a CRM account, one outcome a record.

A row is `sent` before the call. Whatever happens to this process, the next owner finds it and reads the record back
before anything is sent again, so a write whose answer was lost is not done twice. Many rows may be handed to the CRM as
one parcel, whose name is stored with the stream before anything is sent: nothing else is written until the parcel has
come to an end, since what it still holds would overwrite newer values.

Before each batch the brakes are looked at: a pause or a dry run lets nothing more go out, and the cap of an hour only
so many records. What was sent before is proved all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from connectors.alerts import ALERTS, Alerting, AlertSettings
from connectors.brakes import Brakes
from connectors.errors import CrmError, Misconfigured, ProtocolViolation
from connectors.port import Crm, Cursor
from connectors.records import Author, Deletion, FieldWrite, RecordRef, ScoreField, WriteOutcome, WriteResult
from worker.lease import SLICE, Holder, Next
from worker.lifecycle import fields
from worker.store import alerts, brakes, ledger, outbox, streams
from worker.store.ledger import Row, State
from worker.store.streams import Lease
from worker.writeback.alerts import tell
from worker.writeback.proof import answered, proved, unasked, unlike

Forget = Callable[[Connection, Sequence[Deletion], datetime], None]
"""What to do with records that turn out to be gone or merged; the same as when a pull tells."""

Due = TypeVar("Due")

COUNTED = 100_000
"""How many waiting rows are counted at most, to choose between a push and a parcel."""


@dataclass(slots=True)
class Pushed:
    """What one lease of the push stream did, in records. `contested`: something else had changed what was written, and
    `drifted` those of them that were given up; `held`: too many writes to one record; `capped`: the hour is full;
    `under_way`: the CRM is still at a parcel; `told`: tasks that were made for owners."""

    sent: int = 0
    verified: int = 0
    contested: int = 0
    drifted: int = 0
    held: int = 0
    capped: bool = False
    under_way: bool = False
    told: int = 0
    problem: CrmError | None = None


NO_BRAKES = Brakes()


def push(
    holder: Holder, crm: Crm, verify_after: timedelta, forget: Forget, limits: Brakes = NO_BRAKES,
    alert: AlertSettings | None = None,
) -> Pushed | None:  # fmt: skip
    """Clear up what a dead owner left, write what is due, read back what was accepted. None: somebody else does it."""
    result = Pushed()

    def task(lease: Lease) -> Next:
        _Writing(holder, crm, lease, forget, verify_after, limits, alert, holder.clock() + SLICE, result).run()
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
    verify_after: timedelta
    limits: Brakes
    alert: AlertSettings | None
    until: datetime
    result: Pushed

    def run(self) -> None:
        source, few = self.crm.source, self.crm.push_size(0)
        if not self._collected():
            return
        for rows in self._batches(lambda c, _: ledger.unresolved(c, source, few)):
            self._read_back(rows)
        for rows in self._batches(self._take):
            self._write(rows)
            if not self._collected():
                return
        self._tell()
        for rows in self._batches(lambda c, now: ledger.unverified(c, source, now - self.verify_after, few)):
            self._read_back(rows)

    def _tell(self) -> None:
        """Make the tasks that are due, if the brakes let them go."""
        source, crm, settings = self.crm.source, self.crm, self.alert
        if settings is None or not isinstance(crm, Alerting):
            return
        for rows in self._batches(lambda c, now: [] if self._braked(c) else alerts.take(c, source, now, ALERTS)):
            answers = tell(crm, settings, rows, self.holder.clock())
            with self.holder.holding(self.lease) as (connection, now):
                alerts.answer(connection, answers, now)
            self.result.told += sum(answer.state is alerts.State.MADE for answer in answers)

    def _braked(self, connection: Connection) -> bool:
        return self.limits.dry_run or brakes.paused(connection, self.crm.source)

    def _batches(self, query: Callable[[Connection, datetime], list[Due]]) -> Iterator[list[Due]]:
        while self.holder.clock() < self.until:
            with self.holder.holding(self.lease) as (connection, now):
                rows = query(connection, now)
            if not rows:
                return
            yield rows

    def _take(self, connection: Connection, now: datetime) -> list[Row]:
        """The next batch, if the brakes let one go."""
        source, limits = self.crm.source, self.limits
        if self._braked(connection):
            return []
        outbox.probe(connection, source, now)
        first, others = outbox.waiting(connection, source, now, COUNTED)
        size = self.crm.push_size(first)
        if first + others < size and self._lingers(connection, now):
            return []
        room = brakes.room(connection, source, limits.per_hour, now)
        if not room:
            self.result.capped = True
            return []
        bounds = outbox.Limits(limits.per_record, limits.rounds)
        while (taken := outbox.take(connection, source, bounds, now, min(size, room))).held:
            self.result.held += taken.held
            if taken.rows:
                break
        brakes.sent(connection, source, len(taken.rows), now, full=len(taken.rows) >= size)
        return list(taken.rows)

    def _lingers(self, connection: Connection, now: datetime) -> bool:
        """Whether the rest of what is due waits for more, since a full batch has just gone: calls are counted, not
        records. It waits as long as an accepted write may wait to be seen; where little is written, nobody waits."""
        since, source = now - self.verify_after, self.crm.source
        return brakes.full_since(connection, source, since) and not outbox.any_due(connection, source, since)

    def _write(self, rows: Sequence[Row]) -> None:
        """Send a batch and record what the CRM answered, row by row."""
        writes = [
            FieldWrite(row.ref, fields.typed(row.values), f"ledger-{row.id}", fields.typed(row.over)) for row in rows
        ]
        self._record(rows, self.crm.push(writes, self._note))
        self.result.sent += len(rows)

    def _note(self, parcel: Cursor | None) -> None:
        with self.holder.holding(self.lease) as (connection, _):
            streams.store_cursor(connection, self.lease, parcel)
        self.lease = replace(self.lease, cursor=parcel)

    def _collected(self) -> bool:
        """Whether no parcel is under way any more; what became of its records is recorded. Brakes call it off."""
        if self.lease.cursor is None:
            return True
        with self.holder.engine.connect() as connection:
            rows = ledger.unresolved(connection, self.crm.source, COUNTED)
            braked = self._braked(connection)
        results = self.crm.collect(self.lease.cursor, [row.ref for row in rows], call_off=braked)
        self.result.under_way = results is None
        if results is None:
            return False
        self._record(rows, results)
        self._note(None)
        return True

    def _record(self, rows: Sequence[Row], results: Sequence[WriteResult]) -> None:
        explained = self._explained([result.ref for result in results if result.outcome is WriteOutcome.GONE])
        with self.holder.holding(self.lease) as (connection, now):
            moved = [
                Deletion(result.ref, now, merged_into=result.moved_to)
                for result in results
                if result.outcome is WriteOutcome.MOVED
            ]
            self.forget(connection, [*moved, *explained], now)
            answers = (answered(row, result, now) for row, result in zip(rows, results, strict=True))
            ledger.answer(connection, [answer for answer in answers if answer is not None], now)

    def _read_back(self, rows: Sequence[Row]) -> None:
        """Compare the CRM's primary store with what was meant, if it can be asked."""
        if not self.crm.provable:
            with self.holder.holding(self.lease) as (connection, now):
                ledger.answer(connection, [unasked(row, now) for row in rows], now)
            return
        held = {ref: fields.plain(its) for ref, its in self.crm.read_back([row.ref for row in rows]).items()}
        authors = self._authors(rows, held)
        explained = self._explained([row.ref for row in rows if row.ref not in held])
        with self.holder.holding(self.lease) as (connection, now):
            self.forget(connection, explained, now)
            answers = [proved(row, held.get(row.ref), authors.get(row.ref), self.limits.rounds, now) for row in rows]
            ledger.answer(connection, answers, now)
        self.result.verified += sum(answer.state is State.VERIFIED for answer in answers)
        self.result.contested += sum(answer.contested for answer in answers)
        self.result.drifted += sum(answer.state is State.DRIFTED for answer in answers)

    def _explained(self, gone: Sequence[RecordRef]) -> Sequence[Deletion]:
        """What became of records that the CRM has no more: deleted, merged or erased, which a write does not tell.
        Where it cannot be asked now, they stay as they are, and the next count of all rows finds them."""
        told: list[Deletion] = []
        for object in sorted({ref.object for ref in gone}):
            with suppress(CrmError):
                told += self.crm.fetch([ref for ref in gone if ref.object == object]).deletions
        return [deletion for deletion in told if deletion.ref in gone]

    def _authors(
        self, rows: Sequence[Row], held: Mapping[RecordRef, Mapping[str, object]]
    ) -> Mapping[RecordRef, Author]:
        """Who changed what was written and stood, or was accepted at least; where the CRM does not let us see, nobody
        is named."""
        changed = {
            row.ref: [ScoreField(name) for name in names]
            for row in rows
            if row.state is not State.SENT and row.ref in held and (names := unlike(row, held[row.ref]))
        }
        try:
            return self.crm.authors(changed) if changed else {}
        except (Misconfigured, ProtocolViolation):
            return {}
