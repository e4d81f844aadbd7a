"""Product events as what people did, and as deals: exported by days, the last hours again at each look, the last days
once a day."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from typing import Any, Self
from zoneinfo import ZoneInfo

from connectors.errors import Transient
from connectors.mixpanel.faults import Full
from connectors.mixpanel.mapping import PROFILES, EventMapper, Held, deal_status
from connectors.mixpanel.profiles import LANES
from connectors.mixpanel.session import Session
from connectors.mixpanel.settings import MixpanelSettings
from connectors.mixpanel.spool import Spool
from connectors.mixpanel.values import seconds
from connectors.port import Cursor, Page
from connectors.records import Activity, ActivityKind, Outcome, OutcomeStatus, RecordRef

DAY = timedelta(days=1)
KINDS: Mapping[str, ActivityKind] = {kind.value: kind for kind in ActivityKind}
FEW, MANY = 20_000, 500_000
"""Events of an export below which the next one takes twice the days, above which it takes half of them."""
MOST_DAYS = 31


@dataclass(frozen=True, slots=True)
class Place:
    """All before `read_to` is read. While `end` is set, what lies between is being read: by exports of `days` days, of
    which the first is handed on up to `after`. `deep`: the day on which late events were looked for last."""

    read_to: datetime
    why: str = "forward"
    end: datetime | None = None
    days: int = 1
    deep: str = ""
    after: tuple[int, str] | None = None

    def dump(self) -> Cursor:
        kept: dict[str, Any] = {"read_to": self.read_to.isoformat(), "why": self.why, "days": self.days}
        kept |= {"deep": self.deep}
        if self.end is not None:
            kept |= {"end": self.end.isoformat(), "after": self.after}
        return kept

    @classmethod
    def load(cls, kept: Cursor) -> Self:
        given = dict(kept)
        for name in ("read_to", "end"):
            given[name] = datetime.fromisoformat(given[name]) if given.get(name) else None
        given["after"] = tuple(given["after"]) if given.get("after") else None
        return cls(**given)


class Events:
    """Those of one project."""

    def __init__(self, settings: MixpanelSettings, session: Session) -> None:
        self._settings, self._session = settings, session
        self._mapper, self._spool = EventMapper(settings), Spool(settings.name, settings.spool)
        self._zone = ZoneInfo(settings.time_zone)

    def pull(self, cursor: Cursor | None) -> Page:
        """A page; events of the time before `read_to` come again."""
        place = self._begun(cursor)
        assert place.end is not None
        until = self._until(place, place.end)
        size, name = self._settings.page_size, self._name(place, until)
        backfill = place.why == "history"
        rows = self._spool.page(name, place.after, size)
        if rows is None:
            try:
                self._export(place, until, name)
            except Transient as problem:
                if place.days == 1 or isinstance(problem, Full):
                    raise
                return Page(replace(place, days=place.days // 2).dump(), done=False, backfill=backfill)  # too much?
            rows = self._spool.page(name, place.after, size) or []
        if len(rows) == size:
            after, done = replace(place, after=(rows[-1].at, rows[-1].ref)), False
        else:
            after, done = self._behind(place, until, self._spool.drop(name))
        following = cursor if done and place.why == "window" and cursor else after.dump()
        acts, deals = self._told(rows)
        return Page(following, done, activities=acts, outcomes=deals, backfill=backfill)

    @staticmethod
    def window(since: datetime, until: datetime) -> Cursor:
        return Place(since, "window", until, days=2).dump()  # a day of one zone is in two of another

    def _begun(self, cursor: Cursor | None) -> Place:
        now, timings = self._session.now(), self._settings.timings
        today = now.astimezone(self._zone).date()
        if cursor is None:
            first = self._midnight((now - timings.history).astimezone(self._zone).date())
            return Place(first, "history", now, deep=today.isoformat())
        place = Place.load(cursor)
        if place.end is not None:
            return place
        back = place.read_to - timings.overlap
        if place.deep != today.isoformat():  # the first look of a day
            back = min(back, self._midnight((now - timings.late).astimezone(self._zone).date()))
        return replace(place, read_to=back, end=max(now, place.read_to), deep=today.isoformat())

    def _until(self, place: Place, end: datetime) -> datetime:
        """The end of the export that `place` is in."""
        first = place.read_to.astimezone(self._zone).date()
        return min(self._midnight(first + place.days * DAY), end)

    @staticmethod
    def _behind(place: Place, until: datetime, lines: int) -> tuple[Place, bool]:
        """Where the next export begins, and whether there is none. `lines`: those of this one."""
        days = min(MOST_DAYS, place.days * 2) if lines < FEW else place.days
        days = max(1, place.days // 2) if lines > MANY else days
        done = place.end is None or until >= place.end
        rest = replace(place, read_to=until, after=None, days=days)
        return (replace(rest, end=None, why="forward") if done else rest), done

    def _name(self, place: Place, until: datetime) -> str:
        """That of an export: the same for whoever comes to the same place, as long as events mean what they mean."""
        what = (place.why, place.read_to, until, self._settings.events, self._settings.event_names, self._zone.key)
        return blake2b(repr(what).encode(), digest_size=12).hexdigest()

    def _export(self, place: Place, until: datetime, name: str) -> None:
        """Bring events into the spool: those from `read_to` on, and in a window or before the last export only those
        before `until`. The last one takes in what devices date a little ahead."""
        assert place.end is not None
        first = place.read_to.astimezone(self._zone).date()
        last = (until - timedelta(microseconds=1)).astimezone(self._zone).date()
        asked = {"from_date": first.isoformat(), "to_date": max(first, last).isoformat()}
        if self._settings.event_names:
            asked["event"] = json.dumps(list(self._settings.event_names))
        if place.read_to > self._midnight(first):
            asked["where"] = f'properties["$time"]>=datetime({seconds(place.read_to, self._zone)})'
        bounded = place.why == "window" or until < place.end
        below = _millis(until) if bounded else 2**62

        def take(rows: Iterator[Mapping[str, Any]]) -> None:
            counted = _Counted(rows)
            wanted = (h for h in self._mapper.held(counted) if _millis(place.read_to) <= h.at < below)
            self._spool.fill(name, wanted, lambda: counted.lines)

        self._session.export(asked, take, LANES[place.why])

    def _told(self, rows: Iterable[Held]) -> tuple[list[Activity], list[Outcome]]:
        acts, deals, source = [], [], self._settings.name
        for row in rows:
            person, at, recorded = RecordRef(source, PROFILES, row.person), _instant(row.at), _instant(row.recorded)
            status = deal_status(row.kind)
            if status is not None:
                ref = RecordRef(source, "deals", row.ref)
                closed = None if status is OutcomeStatus.OPEN else at
                told = max(at, recorded)
                deals.append(Outcome(ref, status, row.detail or "", at, told, closed, row.amount, people=(person,)))
                continue
            ref = RecordRef(source, "events", row.ref)
            acts.append(Activity(ref, KINDS[row.kind], (person,), at, recorded, row.detail))
        return acts, deals

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone).astimezone(UTC)


class _Counted:
    """Counts what it hands on."""

    def __init__(self, rows: Iterator[Mapping[str, Any]]) -> None:
        self._rows, self.lines = rows, 0

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for row in self._rows:
            self.lines += 1
            yield row


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _millis(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _instant(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)
