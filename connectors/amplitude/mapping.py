"""Amplitude's events as our records; vendor names end here."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from math import isfinite
from typing import Any

from connectors.amplitude.settings import AmplitudeSettings, EventPattern
from connectors.records import (
    Activity,
    LeadRecord,
    Outcome,
    OutcomeStatus,
    RecordRef,
    RecordState,
    ScoreField,
    Value,
)

log = logging.getLogger(__name__)

USERS, EVENTS = "users", "events"

OWN = (
    "country", "region", "city", "dma", "language", "platform", "os_name", "os_version", "device_family", "device_type",
    "device_carrier", "paying", "start_version", "version_name",
)  # fmt: skip
"""Properties of Amplitude's own, which stand beside `user_properties` in an event (Export API, response schema)."""

LONGEST_ID = 255
_INSTANTS = frozenset({ScoreField.MQL_DATE, ScoreField.SCORED_AT})

Event = Mapping[str, Any]


class Mapper:
    """Reads the events of one project."""

    def __init__(self, settings: AmplitudeSettings) -> None:
        self._settings = settings
        self._rules = [(re.compile(rule.pattern, re.IGNORECASE), rule) for rule in settings.events]
        self._meanings: dict[str, EventPattern | None] = {}
        self.attributes = {name: of for name, of in settings.attributes.items() if of is not None}
        self.unread: Counter[str] = Counter()

    def ref(self, user: str) -> RecordRef:
        return RecordRef(self._settings.name, USERS, user)

    def users(self, events: Iterable[Event]) -> list[LeadRecord]:
        """Who is in these events, each as the latest uploaded one of theirs shows them."""
        newest: dict[str, tuple[tuple[datetime, int], Event]] = {}
        for event in events:
            if (user := self._user(event)) is not None and (at := self._uploaded(event)) is not None:
                number = event.get("event_id")
                order = (at, number if isinstance(number, int) else 0)
                if user not in newest or newest[user][0] < order:
                    newest[user] = order, event
        return [self._lead(user, at, event) for user, ((at, _), event) in newest.items()]

    def facts(self, events: Iterable[Event]) -> tuple[list[Activity], list[Outcome]]:
        """What known users did, as far as the patterns say what it means; each event once."""
        acts: dict[RecordRef, Activity] = {}
        deals: dict[RecordRef, Outcome] = {}
        for event in events:
            type = str(event.get("event_type") or "")
            user, key, meaning = self._user(event), _key(event), self._meaning(type)
            if user is None or key is None or meaning is None or (recorded := self._uploaded(event)) is None:
                continue
            occurred = self._instant("event_time", event.get("event_time")) or recorded
            ref, people = RecordRef(self._settings.name, EVENTS, key), (self.ref(user),)
            if meaning.kind is not None:
                acts[ref] = Activity(ref, meaning.kind, people, occurred, recorded, type)
            elif meaning.outcome is not None:
                closed = None if meaning.outcome is OutcomeStatus.OPEN else occurred
                amount = self._amount(event, meaning.amount)
                deals[ref] = Outcome(ref, meaning.outcome, type, occurred, recorded, closed, amount, None, people)
        return list(acts.values()), list(deals.values())

    def written(self, properties: Mapping[str, Any]) -> dict[ScoreField, Value]:
        """The field contract out of a user's properties, null left out. What is not of its type stays as it is."""
        found: dict[ScoreField, Value] = {}
        for field, name in self._settings.mapped.items():
            raw = properties.get(name)
            if raw is None or raw == "":
                continue
            value = _scalar(raw)
            found[field] = str(raw) if value is None else value
            if field.kind in _INSTANTS and isinstance(raw, str):
                found[field] = _parsed(raw) or raw
        return found

    def report_unread(self) -> None:
        """Log how many values of which properties were left out, and forget them."""
        counts = dict(+self.unread)
        self.unread.clear()
        if counts:
            log.warning(
                "values that cannot be read were left out",
                extra={"action": "values_unread", "source": self._settings.name, "properties": counts},
            )

    def _lead(self, user: str, at: datetime, event: Event) -> LeadRecord:
        properties = _part(event, "user_properties")
        held = {**{name: event[name] for name in OWN if name in event}, **properties}
        attributes = {
            name: value for name, of in self.attributes.items() if (value := self._value(of, held)) is not None
        }
        created = self._instant("user_creation_time", event.get("user_creation_time")) or at
        return LeadRecord(
            self.ref(user), RecordState.OPEN, min(created, at), at, self._address(user, properties),
            attributes=attributes, written=self.written(properties), past=True,
        )  # fmt: skip

    def _address(self, user: str, properties: Mapping[str, Any]) -> str | None:
        """The configured property's; many projects know their users by it."""
        name = self._settings.email_property
        given = properties.get(name) if name is not None else None
        return given if isinstance(given, str) and "@" in given else user if "@" in user else None

    def _value(self, name: str, held: Mapping[str, Any]) -> Value:
        given = held.get(name)
        if given is None or given == "":
            return None
        value = _scalar(given)
        self.unread[name] += value is None
        return value

    def _amount(self, event: Event, name: str | None) -> float | None:
        given = _part(event, "event_properties").get(name) if name is not None else None
        if given is None:
            return None
        with suppress(ValueError, TypeError, OverflowError):
            if not isinstance(given, bool) and isfinite(amount := float(given)):
                return amount
        self.unread[str(name)] += 1
        return None

    def _user(self, event: Event) -> str | None:
        """Whose it is; None of a device that nobody has signed in on."""
        given = event.get("user_id")
        if given is None or given == "":
            return None
        if isinstance(given, str | int) and len(user := str(given)) <= LONGEST_ID:
            return user
        self.unread["user_id"] += 1
        return None

    def _meaning(self, type: str) -> EventPattern | None:
        if type not in self._meanings:
            self._meanings[type] = next((rule for pattern, rule in self._rules if pattern.search(type)), None)
        return self._meanings[type]

    def _uploaded(self, event: Event) -> datetime | None:
        return self._instant("server_upload_time", event.get("server_upload_time"))

    def _instant(self, name: str, raw: Any) -> datetime | None:
        if raw is None or raw == "":
            return None
        at = _parsed(raw)
        self.unread[name] += at is None
        return at


def _parsed(raw: Any) -> datetime | None:
    """Amplitude's stamps name no zone, and are in UTC."""
    try:
        at = datetime.fromisoformat(raw)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _scalar(raw: Any) -> str | int | float | bool | None:
    """The value, if it is one that can be kept; JSON has lists, numbers of any length, and NaN."""
    if isinstance(raw, bool | str):
        return raw
    if isinstance(raw, int):
        return raw if abs(raw) < 2**63 else None
    return raw if isinstance(raw, float) and isfinite(raw) else None


def _part(event: Event, name: str) -> Mapping[str, Any]:
    given = event.get(name)
    return given if isinstance(given, Mapping) else {}


def _key(event: Event) -> str | None:
    """The sender's id, by which repetitions are told, within a user; where there is none, Amplitude's own."""
    insert, uuid = event.get("$insert_id"), event.get("uuid")
    if not insert:
        return str(uuid)[:LONGEST_ID] if uuid else None
    key = f"{event.get('amplitude_id')}:{insert}"
    return key if len(key) <= LONGEST_ID else sha256(key.encode()).hexdigest()
