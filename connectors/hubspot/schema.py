"""Property definitions as the account has them now: people edit, archive and restore them at any time."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.hubspot.session import Session
from connectors.hubspot.values import instant
from connectors.quota import Lane


@dataclass(frozen=True, slots=True)
class Property:
    """One live property. `options` are the values that an enumeration takes with their labels, in the order in which
    HubSpot shows them (that of lifecycle stages is the one that they are gone through in); empty for other types.
    `changed_at`: when it was made, edited or taken out of the archive last."""

    name: str
    type: str
    options: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    vendor: bool = False
    changed_at: datetime | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Property:
        locked = bool((row.get("modificationMetadata") or {}).get("readOnlyValue") or row.get("calculated"))
        shown = sorted(row.get("options") or (), key=_place)
        options = {str(option["value"]): str(option.get("label") or option["value"]) for option in shown}
        changed = instant(str(row["updatedAt"])) if row.get("updatedAt") else None
        return cls(str(row["name"]), str(row["type"]), options, locked, bool(row.get("hubspotDefined")), changed)


def _place(option: Mapping[str, Any]) -> float:
    """Where an option stands: -1, or nothing, is behind all that have a place."""
    place = option.get("displayOrder")
    return float(place) if place is not None and int(place) >= 0 else math.inf


class Schemas:
    """The properties of each object type, trusted for a while. One call a type when they are due."""

    def __init__(self, session: Session, age: timedelta) -> None:
        self._session, self._age = session, age
        self._held: dict[str, tuple[datetime, Mapping[str, Property]]] = {}
        self._undefined: dict[str, frozenset[str]] = {}

    def of(self, type: str, lane: Lane, *, fresh: bool = False) -> Mapping[str, Property]:
        """Live properties of an object type by name. `fresh` asks HubSpot whatever the age."""
        now = self._session.now()
        read_at, properties = self._held.get(type, (None, {}))
        if fresh or read_at is None or now - read_at >= self._age:
            body = self._session.get(self._session.paths.properties(type), lane=lane)
            rows = (row for row in body["results"] if not row.get("archived"))
            properties = {row["name"]: Property.of(row) for row in rows}
            self._held[type] = now, properties
        return properties

    def confirm(self, type: str, names: Collection[str], lane: Lane) -> None:
        """Rows show these properties. Where what is held does not define one, it is too old, and asked for anew: once,
        since HubSpot may show what it does not define."""
        _, properties = self._held.get(type, (None, dict.fromkeys(names)))
        if not set(names) <= properties.keys() | self._undefined.get(type, frozenset()):
            self._undefined[type] = frozenset(names) - self.of(type, lane, fresh=True).keys()
