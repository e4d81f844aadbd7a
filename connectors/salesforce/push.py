"""Writing score fields: values shaped to the fields as described, 200 records a call, one outcome per record."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from connectors.errors import Misconfigured
from connectors.quota import Lane
from connectors.records import FieldWrite, RecordRef, ScoreField, Value, WriteOutcome, WriteResult
from connectors.salesforce.describe import Description, Field
from connectors.salesforce.faults import Fault, fault_of, verdict
from connectors.salesforce.mapping import PEOPLE, Records
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.values import soql_instant

PUSH_SIZE = 200
"""Records per sObject Collections request (REST API guide, "Update Multiple Records")."""
_REDESCRIBE = frozenset(
    {"STRING_TOO_LONG", "NUMBER_OUTSIDE_VALID_RANGE", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "INVALID_FIELD",
     "INVALID_FIELD_FOR_INSERT_UPDATE"}
)  # fmt: skip
"""Row errors that say that the fields are not what `describe` said when we last asked."""
_MERGES_FOLLOWED = 5


class Unfit(Exception):
    """A value that this field cannot hold: the error that Salesforce would answer with."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class Writer:
    """Pushes to one org and reads back what it holds."""

    def __init__(self, settings: SalesforceSettings, session: Session) -> None:
        self._source = settings.name
        self._session = session
        self._records = Records(settings)
        self._mapped = settings.mapped

    def push(self, writes: Sequence[FieldWrite]) -> list[WriteResult]:
        """See `Crm.push`. Raises `Misconfigured` when a mapped field is missing or read-only: no record can succeed."""
        if len(writes) > PUSH_SIZE:
            raise ValueError(f"a push carries at most {PUSH_SIZE} records, not {len(writes)}")
        results: dict[RecordRef, WriteResult] = {}
        bodies: dict[RecordRef, dict[str, Any]] = {}
        for write in writes:  # of two writes to one record the later holds: Salesforce refuses an id that comes twice
            results.pop(write.ref, None)
            try:
                bodies[write.ref] = self._body(write)
            except Unfit as unfit:
                bodies.pop(write.ref, None)
                results[write.ref] = self._result(write.ref, unfit.fault)
        # Each change of type begins a new chunk, and a request may have ten: so one type after the other.
        order = sorted(bodies, key=lambda ref: ref.object)
        if order:
            answers = self._session.update([bodies[ref] for ref in order])
            results.update(self._judge(dict(zip(order, answers, strict=True))))
        return [results[write.ref] for write in writes]

    def read_back(self, refs: Sequence[RecordRef]) -> dict[RecordRef, dict[ScoreField, Value]]:
        """See `Crm.read_back`."""
        held: dict[RecordRef, dict[ScoreField, Value]] = {}
        for object, ids in _by_object(refs).items():
            described = self._session.describe(object, lane=Lane.WRITE)
            columns = ["Id", *sorted(set(self._mapped.values()) & described.fields.keys())]
            soql = f"SELECT {', '.join(columns)} FROM {object} WHERE Id IN {{ids}}"
            for row in self._session.query_ids(soql, ids, lane=Lane.WRITE):
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

    def _judge(self, answers: Mapping[RecordRef, Mapping[str, Any]]) -> dict[RecordRef, WriteResult]:
        results: dict[RecordRef, WriteResult] = {}
        astray: dict[RecordRef, Fault] = {}
        for ref, answer in answers.items():
            if answer.get("success"):
                results[ref] = WriteResult(ref, WriteOutcome.WRITTEN)
                continue
            errors = answer.get("errors") or [{}]
            fault = fault_of(errors[0])
            if fault.code in _REDESCRIBE:
                self._session.forget(ref.object)
            if verdict(fault).lookup:
                astray[ref] = fault
            else:
                results[ref] = self._result(ref, fault)
        results.update(self._trace(astray))
        return results

    def _trace(self, astray: Mapping[RecordRef, Fault]) -> dict[RecordRef, WriteResult]:
        """What became of records that cannot be written under their own id any more."""
        trail, living = self._trail(astray)
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

    def _trail(self, refs: Iterable[RecordRef]) -> tuple[dict[RecordRef, RecordRef], set[RecordRef]]:
        """Where records live on (the winner of a merge, the contact of a converted lead, or several such steps), and
        which of them are neither deleted nor moved."""
        ends: dict[RecordRef, RecordRef] = {}
        living: set[RecordRef] = set()
        asking = {ref: ref for ref in refs}  # on whose behalf -> whom we ask for
        for _ in range(_MERGES_FOLLOWED):
            steps, alive = self._steps(asking.values())
            living |= alive
            asking = {ref: steps[at] for ref, at in asking.items() if at in steps}
            if not asking:
                break
            ends.update(asking)
        return ends, living

    def _steps(self, refs: Iterable[RecordRef]) -> tuple[dict[RecordRef, RecordRef], set[RecordRef]]:
        steps: dict[RecordRef, RecordRef] = {}
        alive: set[RecordRef] = set()
        for object, ids in _by_object(refs).items():
            columns = ["Id", "IsDeleted", "MasterRecordId", *(["ConvertedContactId"] if object == "Lead" else [])]
            soql = f"SELECT {', '.join(columns)} FROM {object} WHERE Id IN {{ids}}"
            for row in self._session.query_ids(soql, ids, lane=Lane.WRITE, everything=True):
                ref = self._records.ref(object, row["Id"])
                if row.get("MasterRecordId"):
                    steps[ref] = self._records.ref(object, row["MasterRecordId"])
                elif row.get("ConvertedContactId"):
                    steps[ref] = self._records.ref("Contact", row["ConvertedContactId"])
                elif not row.get("IsDeleted"):
                    alive.add(ref)
        return steps, alive


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


def _where(fault: Fault) -> str:
    """What Salesforce said, and the fields it blames unless it named them itself."""
    unnamed = [name for name in fault.fields if name not in fault.message]
    return f"{', '.join(unnamed)}: {fault.message}" if unnamed else fault.message


def _by_object(refs: Iterable[RecordRef]) -> dict[str, list[str]]:
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for ref in refs:
        ids[ref.object].append(ref.id)
    return dict(ids)
