"""The lead fields that an instance has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.marketo.session import Session, rows
from connectors.quota import Lane

DESCRIBE = "/rest/v1/leads/describe.json"


@dataclass(frozen=True, slots=True)
class LeadField:
    """`type` is Marketo's `dataType`."""

    name: str
    label: str
    type: str
    read_only: bool = False


class Schema:
    """Fields by REST name, trusted for a while: one call when they are due."""

    def __init__(self, session: Session, age: timedelta) -> None:
        self._session, self._age = session, age
        self._read_at: datetime | None = None
        self._fields: Mapping[str, LeadField] = {}

    def of(self, lane: Lane, *, fresh: bool = False) -> Mapping[str, LeadField]:
        """`fresh` asks whatever the age. A field that has no REST name cannot be read or written."""
        now = self._session.now()
        if fresh or self._read_at is None or now - self._read_at >= self._age:
            found: dict[str, LeadField] = {}
            for row in rows(self._session.source, self._session.get(DESCRIBE, {}, lane=lane)):
                rest = row.get("rest") or {}
                if name := rest.get("name"):
                    label, kind = str(row.get("displayName") or name), str(row.get("dataType") or "string")
                    found[str(name)] = LeadField(str(name), label, kind, bool(rest.get("readOnly")))
            self._fields, self._read_at = found, now
        return self._fields

    def forget(self) -> None:
        """The next one to ask asks Marketo."""
        self._read_at = None
