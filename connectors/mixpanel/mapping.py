"""Mixpanel's rows as our records."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from connectors.mixpanel.settings import EventPattern, MixpanelSettings
from connectors.mixpanel.values import EPOCH, instant, places, score_fields, since_epoch
from connectors.records import ActivityKind, LeadRecord, OutcomeStatus, RecordRef, RecordState, Value

log = logging.getLogger(__name__)

PROFILES = "profiles"
MARKER = "leadgauge-check"
"""The profile by which `check` proves the token; nobody."""
LAST_SEEN = "$last_seen"

TYPES: Mapping[str, type] = {
    "employees": int, "annual_revenue": float, "budget": float, "page_views": int, "opted_out": bool, "bounced": bool,
}  # fmt: skip
"""Attributes that are no texts; those of one's own are of the type that they come in."""

EVENTS: Sequence[tuple[str, ActivityKind | None]] = (
    (r"^\$(identify|merge|create_alias)$", None),
    (r"pricing|plans? page|checkout", ActivityKind.PRICING_PAGE_VIEW),
    (r"demo.?video|watch.*demo", ActivityKind.DEMO_VIDEO_VIEW),
    (r"demo|trial.*start|start.*trial", ActivityKind.DEMO_REQUEST),
    (r"webinar.*(attend|join)|(attend|join).*webinar", ActivityKind.WEBINAR_ATTENDANCE),
    (r"webinar", ActivityKind.WEBINAR_REGISTRATION),
    (r"white.?paper|e-?book|download", ActivityKind.CONTENT_DOWNLOAD),
    (r"unsubscribe|opt(ed)?.?out", ActivityKind.UNSUBSCRIBE),
    (r"e-?mail.*open|open.*e-?mail", ActivityKind.EMAIL_OPEN),
    (r"e-?mail.*click|click.*e-?mail", ActivityKind.EMAIL_CLICK),
    (r"sign(ed)?[ _-]?up|form|regist", ActivityKind.FORM_SUBMISSION),
    (r"page.?view|view.*page|visit", ActivityKind.PAGE_VIEW),
)
"""What an event's name means; the first match decides, and what matches none is left out."""


class Held(NamedTuple):
    """An event on its way from an export to the store. Times in milliseconds since 1970."""

    at: int
    ref: str
    kind: str
    person: str
    recorded: int
    detail: str | None
    amount: float | None


def anonymous(id: str, properties: Mapping[str, Any] = {}) -> bool:
    """Whether an id is a device's, of nobody who has said who they are ("Simplified ID Merge"; in older projects, an id
    that is the device's)."""
    if not id or id.startswith("$device:"):
        return True
    return id == properties.get("$device_id") and not properties.get("$user_id")


class ProfileMapper:
    """Profiles of one project as people. A value that is not of its type is left out and counted in the log."""

    def __init__(self, settings: MixpanelSettings) -> None:
        self._settings, self._source = settings, settings.name
        self.names = settings.mapped
        self.zone = ZoneInfo(settings.time_zone)
        self.attributes = {name: its for name, its in settings.attributes.items() if its is not None}
        self.stamps = [LAST_SEEN, settings.created_property]
        self._unread: Counter[str] = Counter()

    @property
    def written(self) -> list[str]:
        """The properties that we write."""
        return [place for field, name in self.names.items() for place in places(field, name)]

    @property
    def fields(self) -> frozenset[str]:
        """What is read of a profile."""
        fixed = {self._settings.email_property, self._settings.created_property}
        return frozenset({*fixed, *self.attributes.values(), *self.names.values()})

    def ref(self, id: str) -> RecordRef:
        return RecordRef(self._source, PROFILES, id)

    def created(self, properties: Mapping[str, Any]) -> datetime:
        """1970 where nobody tells: the same whenever it is asked for."""
        return instant(properties.get(self._settings.created_property), self.zone) or EPOCH

    def modified(self, properties: Mapping[str, Any]) -> datetime:
        return instant(properties.get(LAST_SEEN), self.zone) or self.created(properties)

    def people(self, rows: Mapping[str, Mapping[str, Any]]) -> list[LeadRecord]:
        """Those who are somebody."""
        found = [self._person(id, properties) for id, properties in rows.items() if is_person(id)]
        if self._unread:
            counts = dict(self._unread)
            self._unread.clear()
            extra = {"action": "values_unread", "source": self._source, "properties": counts}
            log.warning("values that are not of their type were left out", extra=extra)
        return found

    def _person(self, id: str, properties: Mapping[str, Any]) -> LeadRecord:
        attributes: dict[str, Value] = {"has_phone": bool(properties.get("$phone"))}
        for attribute, name in self.attributes.items():
            value = self._value(attribute, properties.get(name))
            if value is not None:
                attributes[attribute] = value
        parts = (properties.get("$first_name"), properties.get("$last_name"))
        email = properties.get(self._settings.email_property)
        return LeadRecord(
            ref=self.ref(id),
            state=RecordState.OPEN,
            created_at=self.created(properties),
            modified_at=self.modified(properties),
            email=email.strip() if isinstance(email, str) and email.strip() else id if "@" in id else None,
            name=str(properties.get("$name") or " ".join(str(part) for part in parts if part)) or None,
            attributes=attributes,
            written=score_fields(properties, self.names),
        )

    def _value(self, attribute: str, raw: Any) -> Value:
        """None for what is not there or cannot be read."""
        if raw is None or raw == "":
            return None
        wanted = TYPES.get(attribute)
        try:
            if isinstance(raw, list | dict):
                raise ValueError("not one value")
            if wanted is bool:
                return {"true": True, "false": False, "1": True, "0": False}[str(raw).lower()]
            if wanted is not None:
                return int(float(raw)) if wanted is int else float(raw)
            known = isinstance(raw, int | float) and attribute not in _TEXTS
            return raw if known or isinstance(raw, str) else str(raw)
        except (KeyError, ValueError, TypeError, OverflowError):
            self._unread[attribute] += 1
            return None


_TEXTS = frozenset({
    "title", "company", "industry", "country", "lead_source", "status", "lifecycle_stage", "owner", "timeline", "need",
    "authority", "website",
})  # fmt: skip


def is_person(id: str) -> bool:
    return not anonymous(id) and id != MARKER


@dataclass(frozen=True, slots=True)
class _Meaning:
    pattern: re.Pattern[str]
    kind: str
    detail: str | None = None
    amount: str | None = None


class EventMapper:
    """Events of one project as what people did, and as deals. `left_out` counts, by why."""

    def __init__(self, settings: MixpanelSettings) -> None:
        shipped = [(pattern, kind.value if kind else "", None, None) for pattern, kind in EVENTS]
        table = [*map(_row, settings.events), *shipped]
        self._meanings = [_Meaning(re.compile(row[0], re.IGNORECASE), *row[1:]) for row in table]
        self._known: dict[str, _Meaning | None] = {}
        self._zone = ZoneInfo(settings.time_zone)

    def held(self, rows: Iterable[Mapping[str, Any]]) -> Iterable[Held]:
        """The events that mean something and are somebody's. Those that cannot be read are left out."""
        for row in rows:
            name, properties = str(row.get("event") or ""), row.get("properties")
            if not isinstance(properties, Mapping) or (meaning := self._meaning(name)) is None:
                continue
            person = str(properties.get("distinct_id") or "")
            if anonymous(person, properties):
                continue
            try:
                yield self._held(name, meaning, person, properties)
            except (KeyError, ValueError, TypeError, OverflowError):
                continue  # without a time it never happened

    def _held(self, name: str, meaning: _Meaning, person: str, properties: Mapping[str, Any]) -> Held:
        at = since_epoch(float(properties["time"]), self._zone)
        told = properties.get("mp_processing_time_ms")
        millis = round(at.timestamp() * 1000)
        # Who did it may be told otherwise once Mixpanel knows them better; what it is called must not change with it.
        first = str(properties.get("$distinct_id_before_identity") or person)
        key = "\0".join((name, str(properties["time"]), first, str(properties.get("$insert_id") or "")))
        ref = blake2b(key.encode(), digest_size=16).hexdigest()
        detail = properties.get(meaning.detail) if meaning.detail else None
        amount = properties.get(meaning.amount) if meaning.amount else None
        return Held(
            millis,
            ref,
            meaning.kind,
            person,
            int(told) if isinstance(told, int | float) else millis,
            _shown(detail) if isinstance(detail, str) and detail else name,
            float(amount) if isinstance(amount, int | float | str) and amount != "" else None,
        )

    def _meaning(self, name: str) -> _Meaning | None:
        """Looked for once for each name: a project has hundreds, and millions of events."""
        if name not in self._known:
            found = next((each for each in self._meanings if each.pattern.search(name)), None)
            self._known[name] = found if found is not None and found.kind else None
        return self._known[name]


def _row(rule: EventPattern) -> tuple[str, str, str | None, str | None]:
    kind = f"{DEAL}{rule.outcome.value}" if rule.outcome else rule.kind.value if rule.kind else ""
    return rule.pattern, kind, rule.detail, rule.amount


DEAL = "deal:"
"""Begins the kind of an event that is a deal."""


def deal_status(kind: str) -> OutcomeStatus | None:
    return OutcomeStatus(kind.removeprefix(DEAL)) if kind.startswith(DEAL) else None


def _shown(detail: str) -> str:
    """Of an address its path: the rest names campaigns, and people at times."""
    return (urlsplit(detail).path or "/") if "://" in detail else detail[:255]
