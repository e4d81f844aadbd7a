"""Scores out: `$identify` events in batches, one outcome a user, and what Amplitude says that a user holds.

A batch with one bad event is refused as a whole, and says which events were to blame: those get their outcome, the rest
is sent again. Cohorts go first, so that the properties, which are proved, are written last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

from connectors.amplitude.cohorts import Cohorts
from connectors.amplitude.faults import failure, flaws, key_refused
from connectors.amplitude.mapping import USERS, Mapper
from connectors.amplitude.session import BATCH, Session
from connectors.amplitude.settings import AmplitudeSettings
from connectors.quota import Lane
from connectors.records import FieldWrite, RecordRef, ScoreField, Value, WriteOutcome, WriteResult

PUSH_SIZE, LARGE = 100, 1000
"""Users of a push, and of one where as many wait. An upload has 2,000 events at most; each read-back asks for one."""


@dataclass(frozen=True, slots=True)
class _Update:
    """What one user shall hold, as an event."""

    ref: RecordRef
    body: Mapping[str, Any]


class Writer:
    """Writes to users who were seen: one whom Amplitude does not know would be made by it."""

    def __init__(self, settings: AmplitudeSettings, session: Session, mapper: Mapper, cohorts: Cohorts) -> None:
        self._names, self._session, self._mapper, self._cohorts = settings.mapped, session, mapper, cohorts

    def push(self, writes: Sequence[FieldWrite]) -> list[WriteResult]:
        """One result per write, in order. Two writes for one user are one update: the later value counts."""
        wanted: dict[RecordRef, dict[ScoreField, Value]] = {}
        foreign: dict[RecordRef, WriteResult] = {}
        for write in writes:
            if write.ref.object == USERS and write.ref.source == self._session.source and write.ref.id:
                wanted[write.ref] = {**wanted.get(write.ref, {}), **write.values}
            else:
                why = "scores are written to this project's users only"
                foreign[write.ref] = WriteResult(write.ref, WriteOutcome.REFUSED, "WRONG_OBJECT", why)
        now = self._session.now(Lane.WRITE)
        updates = [_Update(ref, self._event(ref.id, values, now)) for ref, values in wanted.items()]
        buckets = {ref.id: str(its[ScoreField.BUCKET]) for ref, its in wanted.items() if ScoreField.BUCKET in its}
        self._cohorts.move(buckets)
        results = foreign | self._send([each for each in updates if each.body["user_properties"]])
        nothing = {each.ref: WriteResult(each.ref, WriteOutcome.WRITTEN) for each in updates}
        return [(nothing | results)[write.ref] for write in writes]

    def read_back(self, refs: Sequence[RecordRef], lane: Lane = Lane.WRITE) -> dict[RecordRef, Any]:
        """What each user holds of the score fields. One whom Amplitude does not know is absent."""
        mine = [ref for ref in refs if ref.object == USERS and ref.source == self._session.source]
        held = {ref: self._session.profile(ref.id, lane) for ref in mine}
        return {ref: self._mapper.written(properties) for ref, properties in held.items() if properties is not None}

    def _event(self, user: str, values: Mapping[ScoreField, Value], now: datetime) -> dict[str, Any]:
        """Amplitude takes an event with the same `insert_id` once in 7 days. So it is the same for each attempt of a
        push, and another one for the next: a value that something else has changed must be taken once more."""
        named = {self._names[field]: value for field, value in values.items() if field in self._names}
        held = {name: rendered(value) for name, value in named.items() if value is not None}
        cleared = {name: "-" for name, value in named.items() if value is None}
        properties = {way: its for way, its in (("$set", held), ("$unset", cleared)) if its}
        time = int(now.timestamp() * 1000)
        unique = sha256(json.dumps([self._session.source, user, time, properties]).encode()).hexdigest()[:36]
        return {
            "user_id": user, "event_type": "$identify", "time": time, "insert_id": unique,
            "user_properties": properties,
        }  # fmt: skip

    def _send(self, updates: Sequence[_Update]) -> dict[RecordRef, WriteResult]:
        if not updates:
            return {}
        answer = self._session.batch([update.body for update in updates])
        if answer.status == 200:
            return {update.ref: WriteResult(update.ref, WriteOutcome.WRITTEN) for update in updates}
        if key_refused(answer):
            raise failure(self._session.source, BATCH, answer)
        found = flaws(answer.body, [update.ref.id for update in updates])
        if found:
            blamed = {updates[place].ref: flaw for place, flaw in found.items()}
            results = {
                ref: WriteResult(ref, flaw.outcome, flaw.code, flaw.message, flaw.wait) for ref, flaw in blamed.items()
            }
            return results | self._send([update for update in updates if update.ref not in blamed])
        if answer.status == 429:
            raise failure(self._session.source, BATCH, answer)
        if len(updates) == 1:
            code = "TOO_LARGE" if answer.status == 413 else "BAD_REQUEST"
            why = "Amplitude does not take the update, and does not say why; look at the user in Amplitude"
            return {updates[0].ref: WriteResult(updates[0].ref, WriteOutcome.REFUSED, code, why)}
        half = len(updates) // 2
        return self._send(updates[:half]) | self._send(updates[half:])


def rendered(value: Value) -> Value:
    """As Amplitude keeps it: it compares dates as texts, so they are ISO 8601, in UTC and whole seconds."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return value.isoformat() if isinstance(value, date) else value
