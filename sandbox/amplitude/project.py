"""What a practice project holds: users, events by upload time, cohorts, and every write that came in."""

from __future__ import annotations

import uuid
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.clock import Clock

DAY = timedelta(days=1)
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
LONGEST_TEXT = 1024
"""Longer texts are cut (HTTP V2 API)."""


@dataclass(slots=True)
class User:
    """One user; `updates` are the instants of the last property updates."""

    id: str
    number: int
    created: datetime
    properties: dict[str, Any] = field(default_factory=dict)
    updates: deque[datetime] = field(default_factory=deque)


@dataclass(slots=True)
class Cohort:
    id: str
    name: str
    owner: str
    members: set[str]
    published: bool = True
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """An event as the export shows it, from `shown` on."""

    uploaded: datetime
    shown: datetime
    row: Mapping[str, Any]


@dataclass(slots=True)
class Job:
    """An erasure of users, by their numbers with the day on which it was asked for; it runs on `day`."""

    day: datetime
    asked: dict[int, str] = field(default_factory=dict)
    done: bool = False

    def status(self, now: datetime) -> str:
        """It can be changed until three days before it runs (User Privacy API)."""
        return "done" if self.done else "submitted" if now >= self.day - 3 * DAY else "staging"


class Project:
    """One project; `delay` is how much later than promised the export shows what is uploaded now. Nothing is taken of
    users who are `silenced`."""

    def __init__(self, clock: Clock, latency: timedelta, updates_per_hour: int) -> None:
        self.clock = clock
        self.delay = timedelta(0)
        self.users: dict[str, User] = {}
        self.cohorts: dict[str, Cohort] = {}
        self.events: list[Stored] = []
        self.writes: list[dict[str, Any]] = []
        self.silenced: set[str] = set()
        self.jobs: list[Job] = []
        self._latency, self._most = latency, updates_per_hour
        self._numbers = 9_999
        self._inserted: dict[tuple[str, str], datetime] = {}
        self._uploads: defaultdict[str, deque[datetime]] = defaultdict(deque)

    def user(self, id: str) -> User:
        """The user of this id; unknown ones are made."""
        if id not in self.users:
            self._numbers += 1
            self.users[id] = User(id, self._numbers, self.clock.now())
        return self.users[id]

    def repeated(self, user: str, insert_id: str | None) -> bool:
        """Whether the same was sent within seven days; remembers it."""
        if insert_id is None:
            return False
        now, key = self.clock.now(), (user, insert_id)
        if key in self._inserted and now - self._inserted[key] < WEEK:
            return True
        self._inserted[key] = now
        return False

    def uploads(self, user: str, within: timedelta) -> int:
        """Events of a user that came lately."""
        since = self.clock.now() - within
        return sum(at > since for at in self._uploads[user])

    def identify(self, user: str, operations: Mapping[str, Any]) -> None:
        """Change a user's properties. Beyond so many updates in an hour they are dropped, and nobody is told."""
        its, now = self.user(user), self.clock.now()
        while its.updates and its.updates[0] <= now - HOUR:
            its.updates.popleft()
        if len(its.updates) >= self._most:
            return
        its.updates.append(now)
        before = dict(its.properties)
        for way, values in operations.items():
            _OPERATIONS[way](its.properties, values)
        self.writes.append(
            {"user": user, "before": before, "after": dict(its.properties), "changed": before != its.properties}
        )

    def track(self, user: str | None, event: Mapping[str, Any]) -> None:
        """Take an event; it carries the user's properties of now."""
        now = self.clock.now()
        if user is not None:
            self._uploads[user].append(now)
        known = self.user(user) if user is not None else None
        if known is not None and event.get("user_properties"):
            self.identify(known.id, {"$set": event["user_properties"]})
        at = datetime.fromtimestamp(event["time"] / 1000, now.tzinfo) if "time" in event else now
        row = {
            "$insert_id": event.get("insert_id"), "uuid": str(uuid.uuid4()), "event_id": len(self.events),
            "amplitude_id": known.number if known else 1, "user_id": user, "device_id": event.get("device_id"),
            "event_type": event["event_type"], "event_time": stamp(at), "server_upload_time": stamp(now),
            "server_received_time": stamp(now), "processed_time": stamp(now), "country": event.get("country"),
            "user_creation_time": stamp(known.created) if known else None, "platform": event.get("platform"),
            "event_properties": dict(event.get("event_properties") or {}),
            "user_properties": dict(known.properties) if known else {}, "groups": {}, "data": {},
        }  # fmt: skip
        hour_over = now.replace(minute=0, second=0, microsecond=0) + HOUR
        self.events.append(Stored(now, hour_over + self._latency + self.delay, row))

    def forget(self, user: str) -> Job:
        """Schedule an erasure, in the job that can still be changed or a new one."""
        now = self.clock.now()
        job = next((job for job in self.jobs if job.status(now) == "staging"), None)
        if job is None:
            job = Job(now + 10 * DAY)
            self.jobs.append(job)
        job.asked[self.users[user].number] = f"{now:%F}"
        return job

    def catch_up(self) -> None:
        """Run the jobs whose day has come: nothing of their users is left."""
        for job in self.jobs:
            if not job.done and self.clock.now() >= job.day:
                job.done = True
                self.users = {id: user for id, user in self.users.items() if user.number not in job.asked}
                self.events = [each for each in self.events if each.row["amplitude_id"] not in job.asked]

    def exported(self, first: datetime, last: datetime) -> list[Mapping[str, Any]]:
        """What was uploaded in these hours and can be seen by now."""
        now = self.clock.now()
        return [each.row for each in self.events if first <= each.uploaded < last + HOUR and each.shown <= now]


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"


def cut(value: Any) -> Any:
    return value[:LONGEST_TEXT] if isinstance(value, str) else value


def _set(held: dict[str, Any], values: Mapping[str, Any]) -> None:
    held.update({name: cut(value) for name, value in values.items()})


def _set_once(held: dict[str, Any], values: Mapping[str, Any]) -> None:
    _set(held, {name: value for name, value in values.items() if name not in held})


def _add(held: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        held[name] = held.get(name, 0) + value


def _unset(held: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name in values:
        held.pop(name, None)


def _append(held: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        held[name] = [*_listed(held.get(name)), *_listed(value)]


def _prepend(held: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        held[name] = [*_listed(value), *_listed(held.get(name))]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


_OPERATIONS = {
    "$set": _set, "$setOnce": _set_once, "$add": _add, "$unset": _unset, "$append": _append, "$prepend": _prepend,
}  # fmt: skip
OPERATIONS = frozenset(_OPERATIONS)
"""What may be done to user properties; the vendor has a few more for lists."""
