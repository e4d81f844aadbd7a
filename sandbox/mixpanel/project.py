"""One practice project: its profiles, groups and events, and the hands of whoever works in Mixpanel itself."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from sandbox.clock import Clock
from sandbox.mixpanel.limits import Limits, Meter

TOKEN = "5d0d3d0c1f6a4e6f8b7c9d0e1f2a3b4c"  # noqa: S105 - of the practice server
ACCOUNT, ACCOUNT_SECRET = "leadgauge.8f2c1d.mp-service-account", "svc-secret"
MOST_PROPERTIES, LONGEST_NAME, LONGEST_TEXT, LARGEST = 2_000, 255, 255, 1_000_000
"""Properties of a profile, characters of a name, bytes of a text, bytes of an update (Mixpanel, "User Profiles")."""
FORBIDDEN = frozenset({
    "", "0", "-1", "00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na",
    "undefined", "unknown", "<nil>", "true", "false", "[]", "{}",
})  # fmt: skip
"""What is no distinct_id and no $insert_id (Mixpanel, "Import Events")."""
OPERATIONS = ("$set", "$set_once", "$add", "$union", "$append", "$remove", "$unset", "$delete")
_SEEN_BY = ("$set", "$append", "$add")
"""Operations that move `$last_seen`, unless `$ignore_time` is true."""
_SERVER = {"$city": "Ashburn", "$region": "Virginia", "$country_code": "US"}
"""Where a caller's machine stands, which becomes the profile's place unless the address is 0."""


@dataclass(slots=True)
class Profile:
    """`shown_at`: from when on readers see it."""

    properties: dict[str, Any]
    shown_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """As it is exported; `key` is what duplicates have in common."""

    name: str
    properties: Mapping[str, Any]
    shown_at: datetime

    @property
    def seconds(self) -> float:
        return float(self.properties["time"]) / 1000

    @property
    def place(self) -> str:
        """Where it stands in an export: in no order that says anything."""
        return blake2b(json.dumps([self.name, self.properties]).encode(), digest_size=8).hexdigest()


@dataclass(slots=True)
class Project:
    """In memory. Any token is accepted; only `token` reaches this project."""

    clock: Clock
    id: int = 2195193
    token: str = TOKEN
    region: str = "us"
    accounts: Mapping[str, str] = field(default_factory=lambda: {ACCOUNT: ACCOUNT_SECRET})
    limits: Limits = field(default_factory=Limits)
    page_size: int = 1_000
    lag: timedelta = timedelta(0)
    """How late what is written is shown to readers."""
    slow: float = 0.0
    """Seconds that a query takes."""
    split_lines: bool = False
    terminated_early: bool = False
    """Odd exports: a record over several lines, an export that ends with a line that says so (seen by Airbyte)."""
    profiles: dict[str, Profile] = field(default_factory=dict)
    groups: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    writes: list[Mapping[str, Any]] = field(default_factory=list)
    sessions: dict[str, list[str]] = field(default_factory=dict)
    meter: Meter = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False, repr=False)

    def __post_init__(self) -> None:
        self.meter = Meter(self.clock, self.limits)

    # -- what comes in over the API -----------------------------------------------------------------------------------

    def flaw(self, update: Mapping[str, Any]) -> tuple[str, str] | None:
        """(field, what) is wrong with a profile's update; a wrong token is nothing wrong."""
        id = update.get("$distinct_id")
        if not update.get("$token"):
            return "$token", "missing"
        if not isinstance(id, str | int) or str(id).lower() in FORBIDDEN:
            return "$distinct_id", "missing or not allowed"
        return self._unfit(update, self.profiles[str(id)].properties if str(id) in self.profiles else {})

    def group_flaw(self, update: Mapping[str, Any]) -> tuple[str, str] | None:
        for name in ("$token", "$group_key", "$group_id"):
            if not update.get(name):
                return name, "missing"
        return self._unfit(update, {})

    @staticmethod
    def _unfit(update: Mapping[str, Any], held: Mapping[str, Any]) -> tuple[str, str] | None:
        named = [name for name in OPERATIONS if name in update]
        if len(named) != 1:
            return "operation", "there must be exactly one"
        given = update[named[0]]
        if named[0] not in ("$unset", "$delete") and not isinstance(given, Mapping):
            return named[0], "must be an object"
        if len(json.dumps(update).encode()) >= LARGEST:
            return named[0], "larger than 1 MB"
        names = given if isinstance(given, Mapping) else ()
        if any(len(name) > LONGEST_NAME for name in names):
            return named[0], "a name is longer than 255 characters"
        if named[0] != "$unset" and len(held.keys() | set(names)) > MOST_PROPERTIES:
            return named[0], "more than 2000 properties"
        return None

    def update(self, update: Mapping[str, Any], *, located: bool) -> None:
        """Do what a valid update says. `located`: the caller's address becomes the profile's place."""
        if update["$token"] != self.token:
            return  # accepted, and another's, or nobody's
        id, now = str(update["$distinct_id"]), self.clock.now()
        before = self.profiles.get(id)
        if "$delete" in update:
            self.profiles.pop(id, None)
            self._note(id, before, None)
            return
        place = _SERVER if located and update.get("$ip") != "0" else {}
        held = _applied(dict(before.properties) if before else {}, update) | place
        if any(name in update for name in _SEEN_BY) and update.get("$ignore_time") not in (True, "true"):
            held["$last_seen"] = f"{now:%Y-%m-%dT%H:%M:%S}"
        self.profiles[id] = Profile(held, before.shown_at if before else now + self.lag)
        self._note(id, before, held)

    def _note(self, id: str, before: Profile | None, held: Mapping[str, Any] | None) -> None:
        was = before.properties if before else None
        self.writes.append({"id": id, "before": was, "after": held, "changed": was != held})

    def update_group(self, update: Mapping[str, Any]) -> None:
        if update["$token"] == self.token:
            key = (str(update["$group_key"]), str(update["$group_id"]))
            if "$delete" in update:
                self.groups.pop(key, None)
            else:
                self.groups[key] = _applied(dict(self.groups.get(key, {})), update)

    def add_event(self, name: str, at: datetime, distinct_id: str, insert_id: str | None = None, **more: Any) -> Event:
        """An event that happened at `at` and arrives now."""
        now = self.clock.now()
        properties = {
            "time": round(at.timestamp() * 1000),
            "distinct_id": distinct_id,
            "$insert_id": insert_id or f"made-{next(self._numbers)}",
            "mp_processing_time_ms": round(now.timestamp() * 1000),
            **({"$device_id": distinct_id.partition(":")[2]} if distinct_id.startswith("$device:") else {}),
            **more,
        }
        self.events.append(event := Event(name, properties, now + self.lag))
        return event

    # -- the hands of a person ----------------------------------------------------------------------------------------

    def put(self, id: str, **properties: Any) -> None:
        """Set a profile's properties, as by the product that the project watches."""
        at = f"{self.clock.now():%Y-%m-%dT%H:%M:%S}"
        held = self.profiles.get(id)
        known = held.properties if held else {"$created": at}
        shown_at = held.shown_at if held else self.clock.now() + self.lag
        self.profiles[id] = Profile({**known, "$last_seen": at, **properties}, shown_at)

    def delete(self, id: str) -> None:
        self.profiles.pop(id)

    def fill(self, id: str) -> None:
        """Bring a profile to the most properties that one may have."""
        held = self.profiles[id].properties
        held |= {f"junk {n}": n for n in range(MOST_PROPERTIES - len(held))}

    def seed_from(self, people: Sequence[Mapping[str, Any]]) -> None:
        """Profiles of plain dicts, each with its `distinct_id`."""
        for person in people:
            self.put(str(person["distinct_id"]), **{name: v for name, v in person.items() if name != "distinct_id"})

    # -- what readers see ---------------------------------------------------------------------------------------------

    def shown(self) -> dict[str, Mapping[str, Any]]:
        now = self.clock.now()
        return {id: profile.properties for id, profile in self.profiles.items() if profile.shown_at <= now}

    def session(self, ids: list[str]) -> str:
        """Keep what a query found, so that its pages do not shift."""
        name = f"{self.clock.now():%s}-{next(self._numbers)}"
        self.sessions[name] = ids
        return name


def _applied(held: dict[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    for name in update.get("$unset", ()):
        held.pop(name, None)
    for name, value in update.get("$set", {}).items():
        held[name] = _kept(value)
    for name, value in update.get("$set_once", {}).items():
        held.setdefault(name, _kept(value))
    for name, value in update.get("$add", {}).items():
        held[name] = held.get(name, 0) + value
    for name, value in update.get("$append", {}).items():
        held[name] = [*held.get(name, []), value]
    for name, values in update.get("$union", {}).items():
        held[name] = [*held.get(name, []), *(value for value in values if value not in held.get(name, []))]
    for name, value in update.get("$remove", {}).items():
        held[name] = [kept for kept in held.get(name, []) if kept != value]
    return held


def _kept(value: Any) -> Any:
    """A text is cut at 255 bytes ("Supported Properties Data Type")."""
    return value.encode()[:LONGEST_TEXT].decode(errors="ignore") if isinstance(value, str) else value
