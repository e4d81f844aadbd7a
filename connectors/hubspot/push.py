"""Scores out: one batch, one outcome per record, and what the primary store holds afterwards.

A batch answers in more ways than yes and no (rudder-transformer pulls 5147 and 5167, hubspot-api-nodejs issue 548,
HubSpot developer Slack). It is decided by the body, never by 200 or 207: the dated paths have no 207.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from connectors.errors import Misconfigured
from connectors.hubspot.faults import ROW_ERRORS, VALIDATION, Rejected, validation_errors
from connectors.hubspot.mapping import RecordMapper
from connectors.hubspot.objects import ObjectReader
from connectors.hubspot.schema import Property, Schemas
from connectors.hubspot.session import Session
from connectors.hubspot.settings import LIFECYCLE
from connectors.hubspot.stages import OwnProperties
from connectors.hubspot.values import render, score_fields
from connectors.quota import Lane
from connectors.records import FieldWrite, RecordRef, ScoreField, Value, WriteOutcome, WriteResult

PUSH_SIZE = 100
LATER = timedelta(minutes=1)
UNFIT = frozenset({"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"})
"""Troubles of a property, not of a value."""


@dataclass(frozen=True, slots=True)
class _Update:
    """What one record shall hold, in HubSpot's terms. `kept`: what stays as it is, and why."""

    ref: RecordRef
    properties: Mapping[str, str]
    trace: str
    kept: Mapping[ScoreField, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.ref.id

    def keeping(self, name: str, why: str) -> _Update:
        """The same without a property of HubSpot's own."""
        properties = {other: value for other, value in self.properties.items() if other != name}
        return replace(self, properties=properties, kept={**self.kept, ScoreField.follower(name): why})

    @property
    def input(self) -> dict[str, Any]:
        return {"id": self.id, "properties": dict(self.properties), "objectWriteTraceId": self.trace or self.id}


class Writer:
    """Writes to contacts, by record id: by e-mail HubSpot would answer yes and change nothing."""

    def __init__(
        self, session: Session, mapper: RecordMapper, schemas: Schemas, contacts: ObjectReader, own: OwnProperties
    ) -> None:
        self._session, self._mapper, self._schemas, self._contacts = session, mapper, schemas, contacts
        self._own = own

    def push(self, writes: Sequence[FieldWrite]) -> list[WriteResult]:
        """One result per write, in order. Two writes for one record are one update: the later value counts."""
        foreign = {
            write.ref: _refused(write.ref, "WRONG_OBJECT", "scores are written to this account's contacts only")
            for write in writes
            if write.ref.object != "contacts"
            or write.ref.source != self._session.source
            or not write.ref.id.isdecimal()
        }
        merged: dict[RecordRef, _Update] = {}
        for write in writes:
            if write.ref not in foreign:
                known = merged[write.ref].properties if write.ref in merged else {}
                merged[write.ref] = _Update(write.ref, {**known, **self._rendered(write.values)}, write.trace)
        kept, cleared = self._own.settled([write for write in writes if write.ref not in foreign])
        for ref, names in kept.items():
            for name, why in names.items():
                merged[ref] = merged[ref].keeping(name.vendor, why)
        if back := [merged[ref] for ref in cleared]:  # to go back, a lifecycle stage must be cleared first
            self._checked([replace(update, properties={LIFECYCLE: ""}) for update in back])
        results = foreign | self._checked(list(merged.values()))
        return [results[write.ref] for write in writes]

    def read_back(self, refs: Sequence[RecordRef]) -> dict[RecordRef, Mapping[ScoreField, Value]]:
        """The score fields from the primary store. A record that lives under another id now is absent."""
        mine = {ref.id: ref for ref in refs if ref.object == "contacts" and ref.source == self._session.source}
        names = self._mapper.names
        rows = self._contacts.read(list(mine), Lane.WRITE, list(names.values()))
        return {mine[id]: score_fields(row["properties"], names) for row in rows if (id := str(row["id"])) in mine}

    def _rendered(self, values: Mapping[ScoreField, Value]) -> dict[str, str]:
        names = self._mapper.names
        return {names[field]: render(value) for field, value in values.items() if field in names}

    def _checked(self, updates: Sequence[_Update], *, fresh: bool = False) -> dict[RecordRef, WriteResult]:
        """Send what the property definitions allow: one bad value would reject the whole batch.

        What they do not allow is looked at once more under definitions read now. Raises `Misconfigured` for a property
        that is gone or cannot be written, because then no record can succeed.
        """
        schema = self._schemas.of("contacts", Lane.WRITE, fresh=fresh)
        if fresh:
            updates = [self._spared(update, schema) for update in updates]
        troubles = {update.ref: trouble for update in updates if (trouble := _trouble(update, schema)) is not None}
        if troubles and not fresh:
            return self._checked(updates, fresh=True)
        for code, name in troubles.values():
            if code in UNFIT:
                raise Misconfigured(self._session.source, f"contact property {name}: {code}; {VALIDATION[code]}")
        refused = {
            ref: _refused(ref, code, f"property {name}: {VALIDATION[code]}") for ref, (code, name) in troubles.items()
        }
        return refused | self._send([update for update in updates if update.ref not in refused], fresh=fresh)

    def _spared(self, update: _Update, schema: Mapping[str, Property]) -> _Update:
        """Without the properties of HubSpot's own that cannot take their value: what keeps them keeps no score."""
        own = [name.vendor for name in self._mapper.names if name.native and name.vendor in update.properties]
        for name in own:
            if (trouble := _trouble(replace(update, properties={name: update.properties[name]}), schema)) is not None:
                update = update.keeping(name, f"HubSpot cannot take {update.properties[name]!r}: {trouble[0]}")
        return update

    def _send(self, updates: Sequence[_Update], *, fresh: bool = False) -> dict[RecordRef, WriteResult]:
        """A 400 means that nothing was written and names no record: definitions may have changed, else it is halved."""
        if not updates:
            return {}
        path = self._session.paths.objects("contacts", "batch/update")
        try:
            answer = self._session.post(path, {"inputs": [update.input for update in updates]}, lane=Lane.WRITE)
        except Rejected as refusal:
            if refusal.status == 409:
                return {update.ref: _retry(update.ref, "CONFLICT") for update in updates}
            if refusal.status != 400:
                raise
            if not fresh and any(name for _, name in validation_errors(refusal.body)):
                return self._checked(updates, fresh=True)
            if len(updates) == 1:
                return {updates[0].ref: _refused(updates[0].ref, *_complaint(refusal))}
            half = len(updates) // 2
            return self._send(updates[:half], fresh=True) | self._send(updates[half:], fresh=True)
        return self._settled(updates, answer)

    def _settled(self, updates: Sequence[_Update], answer: Mapping[str, Any]) -> dict[RecordRef, WriteResult]:
        """Each record's outcome out of an answer that is not an error as a whole."""
        written = {str(row["id"]): row.get("properties") or {} for row in answer.get("results") or ()}
        by_id = {update.id: update for update in updates}
        by_trace = {update.input["objectWriteTraceId"]: update.id for update in updates}
        results: dict[RecordRef, WriteResult] = {}
        for error in answer.get("errors") or ():
            for id in _ids(error, by_trace):
                if id in by_id and id not in written:
                    results[by_id[id].ref] = _row_error(by_id[id].ref, error)
        silent = [update for update in updates if update.id not in written and update.ref not in results]
        follows = self._own.lifecycle_follows
        results |= {
            by_id[id].ref: _accepted(by_id[id], echo, follows=follows) for id, echo in written.items() if id in by_id
        }
        return results | self._resolved(silent, swallowed=not written and not results)

    def _resolved(self, silent: Sequence[_Update], *, swallowed: bool) -> dict[RecordRef, WriteResult]:
        """What became of records that the answer does not mention at all: a batch update skips ids that were merged.

        `swallowed`: it mentions none, which it also does when it took no notice of the request. Once one record turns
        out to be where it was, the others are not looked for one by one.
        """
        results: dict[RecordRef, WriteResult] = {}
        for place, update in enumerate(silent):
            now = self._contacts.survivor(update.id, Lane.WRITE)
            if now is None:
                results[update.ref] = WriteResult(
                    update.ref, WriteOutcome.GONE, "OBJECT_NOT_FOUND", "the contact is gone"
                )
            elif now != update.id:
                moved = RecordRef(update.ref.source, update.ref.object, now)
                results[update.ref] = WriteResult(
                    update.ref, WriteOutcome.MOVED, "MERGED", "the contact was merged into another", moved_to=moved
                )
            elif swallowed:
                return results | {left.ref: _retry(left.ref, "EMPTY_RESULT") for left in silent[place:]}
            else:
                results[update.ref] = _retry(update.ref, "NOT_IN_RESULT")
        return results


def _trouble(update: _Update, schema: Mapping[str, Property]) -> tuple[str, str] | None:
    """(code, property) of why HubSpot would reject the update, as far as its property definitions tell."""
    for name, value in update.properties.items():
        definition = schema.get(name)
        if definition is None:
            return "PROPERTY_DOESNT_EXIST", name
        if definition.read_only:
            return "READ_ONLY_VALUE", name
        if value and definition.options and value not in definition.options:
            return "INVALID_OPTION", name
    return None


def _accepted(update: _Update, echo: Mapping[str, Any], *, follows: bool) -> WriteResult:
    """A lifecycle stage that would go backward is answered with yes and left as it is. Where it `follows` our stage,
    HubSpot moved it meanwhile."""
    held, kept = echo.get(LIFECYCLE), dict(update.kept)
    if LIFECYCLE in update.properties and held not in (None, update.properties[LIFECYCLE]):
        if not follows:
            why = "HubSpot moves lifecyclestage forward only; it stays as it is"
            return _refused(update.ref, "LIFECYCLE_BACKWARD", why)
        kept[ScoreField.follower(LIFECYCLE)] = f"HubSpot moves it forward only, and it is {held} by now"
    return WriteResult(update.ref, WriteOutcome.WRITTEN, kept=kept)


def _row_error(ref: RecordRef, error: Mapping[str, Any]) -> WriteResult:
    category = str(error.get("category") or error.get("subCategory") or "UNKNOWN")
    outcome = ROW_ERRORS.get(category, WriteOutcome.RETRY)
    if outcome is WriteOutcome.RETRY:
        return _retry(ref, category)
    if outcome is WriteOutcome.GONE:
        return WriteResult(ref, outcome, category, "the contact is gone")
    code, name = next(validation_errors({"errors": [error], **error}), (category, ""))
    return _refused(
        ref, code, f"property {name or 'not named'}: {VALIDATION.get(code, 'look at the record in HubSpot')}"
    )


def _ids(error: Mapping[str, Any], by_trace: Mapping[str, str]) -> Iterable[str]:
    """The records that a row of `errors` is about: by id, else by the trace that was sent along."""
    context = error.get("context") or {}
    if ids := context.get("ids") or context.get("id"):
        return [str(id) for id in ids]
    return [by_trace[trace] for trace in context.get("objectWriteTraceId") or () if trace in by_trace]


def _complaint(refusal: Rejected) -> tuple[str, str]:
    code, name = next(validation_errors(refusal.body), (str(refusal.body.get("category") or refusal.status), ""))
    where = f"property {name}: " if name else ""
    return code, f"{where}{VALIDATION.get(code, 'HubSpot rejects this update; try the same change by hand in HubSpot')}"


def _refused(ref: RecordRef, code: str, message: str) -> WriteResult:
    return WriteResult(ref, WriteOutcome.REFUSED, code, message)


def _retry(ref: RecordRef, code: str) -> WriteResult:
    return WriteResult(ref, WriteOutcome.RETRY, code, "HubSpot did not write it; it is tried again", LATER)
