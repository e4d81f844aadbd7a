"""Writing score fields: values shaped to the fields as described, one outcome per record.

A few records go in one call of sObject Collections and are answered at once. Many go in an ingest job, on which
Salesforce works by itself: its id, the parcel, is handed to the caller to keep before anything is sent, and `collect`
asks for it until it has come to an end, in whatever process.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from time import monotonic
from typing import Any

from connectors.errors import Misconfigured, ProtocolViolation
from connectors.port import Cursor, Note
from connectors.quota import Lane
from connectors.records import FieldWrite, RecordRef, ScoreField, Value, WriteOutcome, WriteResult
from connectors.salesforce.bulk import FIRST_PAUSES, LATER_PAUSES
from connectors.salesforce.describe import Description, Field
from connectors.salesforce.faults import Fault, overrun, verdict
from connectors.salesforce.halves import Halves
from connectors.salesforce.heirs import Heirs, by_object
from connectors.salesforce.ingest import LARGEST, IngestJobs, State, files, fits
from connectors.salesforce.mapping import PEOPLE, Records
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.stages import STATUS, Kept, LeadStatus
from connectors.salesforce.values import instant, soql_instant
from connectors.understood import Misused

log = logging.getLogger(__name__)

PUSH_SIZE = 200
"""Records per sObject Collections request (REST API guide, "Update Multiple Records")."""
PATIENCE = timedelta(minutes=30)
"""A job that has not ended by then is aborted: newer scores wait behind it."""
NO_JOBS_FOR = timedelta(hours=1)
"""How long Collections do all after a job came to nothing."""
_YOUNG = timedelta(seconds=20)
_REDESCRIBE = frozenset(
    {"STRING_TOO_LONG", "NUMBER_OUTSIDE_VALID_RANGE", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "INVALID_FIELD",
     "INVALID_FIELD_FOR_INSERT_UPDATE"}
)  # fmt: skip
"""Row errors that say that the fields are not what `describe` said when we last asked."""
_NOT_IN_JOBS = frozenset({"DUPLICATES_DETECTED"})
"""Row errors of a job that Collections may not meet: there a warning duplicate rule lets the record pass."""


class Unfit(Exception):
    """A value that this field cannot hold: the error that Salesforce would answer with."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class Writer:
    """Pushes to one org and reads back what it holds."""

    def __init__(self, settings: SalesforceSettings, session: Session, *, largest_file: int = LARGEST) -> None:
        self._source = settings.name
        self._session = session
        self._records = Records(settings)
        self._mapped = {**settings.mapped, STATUS: STATUS.vendor}
        self._status = LeadStatus(settings, session)
        self._heirs = Heirs(session)
        self._jobs = IngestJobs(session)
        self._many, self._most, self._largest = settings.bulk_write_from, settings.bulk_write_size, largest_file
        self._jobs_from = 0.0
        self._halves = Halves(session.update, PUSH_SIZE)

    def push_size(self, waiting: int) -> int:
        """See `Crm.push_size`: a job's worth from `bulk_write_from` on, and fewer than 200 where more of them fail."""
        return self._most if waiting >= self._many and monotonic() >= self._jobs_from else self._halves.size

    def push(self, writes: Sequence[FieldWrite], note: Note) -> list[WriteResult]:
        """See `Crm.push`. Raises `Misconfigured` when a mapped field is missing or read-only: no record can succeed."""
        if len(writes) > self._most:
            raise Misused(f"a push carries at most {self._most} records, not {len(writes)}")
        results: dict[RecordRef, WriteResult] = {}
        bodies: dict[RecordRef, dict[str, Any]] = {}
        writes, kept = self._status.settled(writes)
        for write in writes:  # of two writes to one record the later holds: Salesforce refuses an id that comes twice
            results.pop(write.ref, None)
            try:
                bodies[write.ref] = self._body(write)
            except Unfit as unfit:
                bodies.pop(write.ref, None)
                results[write.ref] = self._result(write.ref, unfit.fault)
        # Each change of type begins a new chunk, and a request may have ten: so one type after the other.
        order = sorted(bodies, key=lambda ref: ref.object)
        if len(writes) > PUSH_SIZE:
            in_jobs, order = self._parted(bodies)
            results.update(self._begin({ref: bodies[ref] for ref in in_jobs}, note))
        results.update(self._send({ref: bodies[ref] for ref in order}))
        results.update(self._without_status(results, bodies, kept))
        return [
            replace(results[write.ref], kept=kept[write.ref]) if write.ref in kept else results[write.ref]
            for write in writes
        ]

    def _send(self, bodies: Mapping[RecordRef, Mapping[str, Any]]) -> dict[RecordRef, WriteResult]:
        """By Collections, and those that fail for their company in smaller ones."""
        told, later = self._halves.send(bodies)
        retries = {
            ref: WriteResult(ref, WriteOutcome.RETRY, fault.code, _where(fault), wait)
            for ref, (fault, wait) in later.items()
        }
        return self._judge(told) | retries

    def _without_status(
        self, results: Mapping[RecordRef, WriteResult], bodies: Mapping[RecordRef, dict[str, Any]], kept: Kept
    ) -> dict[RecordRef, WriteResult]:
        """Refused rows that had a Status, once more without it: what keeps a rep's field keeps no score. Notes in
        `kept` why it stays where that helped."""
        refused = [ref for ref, body in bodies.items() if STATUS.vendor in body and _is_refused(results[ref])]
        spared = {ref: {name: held for name, held in bodies[ref].items() if name != STATUS.vendor} for ref in refused}
        judged = self._send(spared)
        again = {ref: result for ref, result in judged.items() if result.outcome is WriteOutcome.WRITTEN}
        for ref in again:
            kept[ref] = {STATUS: f"Salesforce refuses it: {results[ref].message or results[ref].code}"}
        return again

    def collect(self, parcel: Cursor, refs: Sequence[RecordRef], *, call_off: bool = False) -> list[WriteResult] | None:
        """See `Crm.collect`. A young job is looked at for some seconds, an older one once after a pause; one to be
        called off once, at once, and what it has done stays done."""
        begun, jobs = instant(parcel["begun"]), [str(job) for job in parcel["jobs"]]
        age = self._session.now() - begun
        lost = False
        for job in jobs:
            pauses = FIRST_PAUSES if age < _YOUNG else LATER_PAUSES
            state = self._jobs.state(job, (0.0,) if call_off else pauses)
            if state is State.RUNNING and age < PATIENCE and not call_off:
                return None
            if state in (State.OPEN, State.RUNNING):  # left by whoever died before it was begun, or it takes too long
                self._jobs.abort(job)
            lost |= state is not State.DONE and not call_off
        told = {id: fault for job in jobs for id, fault in self._jobs.outcomes(job).items()}
        if lost or any(fault and _differs_alone(fault) for fault in told.values()):
            self._without_jobs(f"jobs that were lost: {', '.join(jobs)}" if lost else "rows to be written otherwise")
        results = self._judge({ref: told[ref.id] for ref in refs if ref.id in told}, in_job=True)
        unknown = "the job ended without a word on this record"
        return [results.get(ref) or WriteResult(ref, WriteOutcome.UNRESOLVED, "NO_OUTCOME", unknown) for ref in refs]

    def _parted(self, bodies: Mapping[RecordRef, Mapping[str, Any]]) -> tuple[list[RecordRef], list[RecordRef]]:
        """What goes in jobs, and what does not: what a CSV cannot say, what may have to be said twice, and an object
        that one call can carry."""
        by_type: defaultdict[str, list[RecordRef]] = defaultdict(list)
        odd = [ref for ref, body in bodies.items() if not fits(body) or STATUS.vendor in body]
        for ref in bodies.keys() - set(odd):
            by_type[ref.object].append(ref)
        groups = [sorted(refs) for _, refs in sorted(by_type.items())]
        large = [ref for refs in groups if len(refs) > PUSH_SIZE for ref in refs]
        return large, [*(ref for refs in groups if len(refs) <= PUSH_SIZE for ref in refs), *odd]

    def _begin(self, bodies: Mapping[RecordRef, Mapping[str, Any]], note: Note) -> dict[RecordRef, WriteResult]:
        """Have jobs made, noted and begun. Where they are refused, the records are for the next push, a small one."""
        objects = [
            (object, content)
            for object in sorted({ref.object for ref in bodies})
            for content in files([body for ref, body in bodies.items() if ref.object == object], self._largest)
        ]
        jobs: list[str] = []
        try:
            if monotonic() < self._jobs_from:
                raise Misconfigured(self._source, "ingest jobs are out of use for now")
            for object, _ in objects:
                jobs.append(self._jobs.create(object))
        except (Misconfigured, ProtocolViolation) as refusal:
            self._without_jobs(str(refusal))
            for job in jobs:
                self._jobs.abort(job)
            soon = timedelta(seconds=1)
            return {ref: WriteResult(ref, WriteOutcome.RETRY, "NO_JOB", str(refusal), soon) for ref in bodies}
        if jobs:
            note({"jobs": jobs, "begun": soql_instant(self._session.now())})
        for job, (_, content) in zip(jobs, objects, strict=True):
            self._jobs.submit(job, content)
        return {ref: WriteResult(ref, WriteOutcome.UNRESOLVED, "IN_JOB", "an ingest job is at it") for ref in bodies}

    def _without_jobs(self, why: str) -> None:
        self._jobs_from = monotonic() + NO_JOBS_FOR.total_seconds()
        extra = {"action": "bulk_write_lost", "crm": self._source, "why": why}
        log.warning("an ingest job came to nothing; for an hour records are written 200 a call", extra=extra)

    def read_back(self, refs: Sequence[RecordRef]) -> dict[RecordRef, dict[ScoreField, Value]]:
        """See `Crm.read_back`."""
        held: dict[RecordRef, dict[ScoreField, Value]] = {}
        for object, ids in by_object(refs).items():
            described = self._session.describe(object, lane=Lane.WRITE)
            columns = ["Id", *sorted(self._records.contract(object) & described.fields.keys())]
            soql = f"SELECT {', '.join(columns)} FROM {object} WHERE Id IN {{ids}}"
            for row in self._session.query_ids(soql, ids, lane=Lane.WRITE):
                if row["Id"] not in ids:  # whichever it stands for would look gone
                    raise ProtocolViolation(self._source, f"a read of {object} brought a row that was not asked for")
                held[self._records.ref(object, row["Id"])] = self._records.written(object, row)
        return held

    def _body(self, write: FieldWrite) -> dict[str, Any]:
        object = write.ref.object
        if object not in PEOPLE.values():
            raise Unfit(Fault("INVALID_TYPE", f"scores are written to Lead and Contact, not to {object}"))
        described = self._session.describe(object, lane=Lane.WRITE)
        body: dict[str, Any] = {"attributes": {"type": object}, "id": write.ref.id}
        for field, value in write.values.items():
            if name := self._mapped.get(field):
                body[name] = shaped(value, self._writable(described, name))
        return body

    def _writable(self, described: Description, name: str) -> Field:
        field = described.fields.get(name)
        if field is not None and field.updateable:
            return field
        self._session.forget(described.name)
        wrong = "does not exist or is hidden from" if field is None else "is read-only for"
        fix = "grant edit access with the permission set" if field else "create it and grant edit access"
        raise Misconfigured(
            self._source,
            f"the field {name} of {described.name} {wrong} the integration user; {fix}, or map another field",
        )

    def _judge(self, faults: Mapping[RecordRef, Fault | None], *, in_job: bool = False) -> dict[RecordRef, WriteResult]:
        results: dict[RecordRef, WriteResult] = {}
        astray: dict[RecordRef, Fault] = {}
        for ref, fault in faults.items():
            if fault is None:
                results[ref] = WriteResult(ref, WriteOutcome.WRITTEN)
                continue
            if fault.code in _REDESCRIBE:
                self._session.forget(ref.object)
            if in_job and _differs_alone(fault):
                results[ref] = WriteResult(ref, WriteOutcome.RETRY, fault.code, _where(fault))
            elif verdict(fault).lookup:
                astray[ref] = fault
            else:
                results[ref] = self._result(ref, fault)
        results.update(self._trace(astray))
        return results

    def _trace(self, astray: Mapping[RecordRef, Fault]) -> dict[RecordRef, WriteResult]:
        """What became of records that cannot be written under their own id any more."""
        trail, living = self._heirs.of(astray)
        results = {}
        for ref, fault in astray.items():
            heir = trail.get(ref)
            if heir is not None:
                results[ref] = WriteResult(ref, WriteOutcome.MOVED, fault.code, fault.message, moved_to=heir)
            elif ref in living:
                fix = f"{_where(fault)}; the record itself exists: look at what it refers to"
                results[ref] = WriteResult(ref, WriteOutcome.REFUSED, fault.code, fix)
            else:
                results[ref] = WriteResult(ref, WriteOutcome.GONE, fault.code, fault.message)
        return results

    def _result(self, ref: RecordRef, fault: Fault) -> WriteResult:
        judged = verdict(fault)
        message = "; ".join(part for part in (_where(fault), judged.fix) if part)
        return WriteResult(ref, judged.outcome, fault.code, message, judged.retry_after)


def shaped(value: Value, field: Field) -> Any:
    """`value` as JSON that `field` takes: text cut to its length in characters, numbers rounded to its scale.

    Raises `Unfit` for a value that the field cannot hold at all.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        return soql_instant(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and field.type in ("double", "int", "currency", "percent", "long"):
        return _fitted(value, field)
    text = str(value)
    if field.restricted and text not in field.values:
        raise Unfit(
            Fault("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f"{text!r} is not a value of {field.name}", (field.name,))
        )
    return text[: field.length] if field.length else text


def _fitted(value: int | float, field: Field) -> int | float:
    if not math.isfinite(value):
        raise Unfit(Fault("NUMBER_OUTSIDE_VALID_RANGE", f"{value} is no number for {field.name}", (field.name,)))
    # Through the shortest decimal text: 12.25 to one place is a tie, not a matter of its binary neighbours.
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_EVEN)
    if field.precision and abs(rounded) >= Decimal(10) ** (field.precision - field.scale):
        room = f"{field.precision - field.scale} digits before the point"
        raise Unfit(Fault("NUMBER_OUTSIDE_VALID_RANGE", f"{field.name} has {room}", (field.name,)))
    return float(rounded) if field.scale else int(rounded)


def _differs_alone(fault: Fault) -> bool:
    """Whether a row that failed so in a job may be saved by Collections."""
    return fault.code in _NOT_IN_JOBS or overrun(fault)


def _is_refused(result: WriteResult) -> bool:
    return result.outcome is WriteOutcome.REFUSED


def _where(fault: Fault) -> str:
    """What Salesforce said, and the fields it blames unless it named them itself."""
    unnamed = [name for name in fault.fields if name not in fault.message]
    return f"{', '.join(unnamed)}: {fault.message}" if unnamed else fault.message
