"""The activity log, read by windows of time.

The log shows what happened late, and a token names a place in it rather than a version: what shows behind a place that
was read is not seen from there. So the complete read stops `settle` behind now and begins `overlap` before the last
one's end, each time with a token of its own; the fast one begins where the complete one ended, or a little behind where
the last fast one did. A page may be short or empty and yet not the last ("Activities": `moreResult`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from connectors.errors import ProtocolViolation
from connectors.looked import Looked
from connectors.marketo.faults import Rejected
from connectors.marketo.session import Session, rows
from connectors.marketo.settings import Timings
from connectors.marketo.values import instant, iso
from connectors.port import Cursor, Page, Tier
from connectors.quota import Lane

TOKEN = "/rest/v1/activities/pagingtoken.json"  # noqa: S105 - a path
ACTIVITIES = "/rest/v1/activities.json"
MOST_EMPTY = 20
"""Calls of one page at most: where few of many rows are wanted, most answers are empty."""
QUIET = timedelta(minutes=5)
"""Looks at a quiet log begin at a few instants, whose places need not be asked for each time."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_TOKENS_KEPT = 16

Row = Mapping[str, Any]


class Reason(StrEnum):
    """Why a window is read."""

    HISTORY = "history"
    FORWARD = "forward"
    FAST = "fast"
    AGAIN = "again"


LANES: Mapping[Reason, Lane] = {
    Reason.HISTORY: Lane.BACKFILL,
    Reason.FORWARD: Lane.INBOUND,
    Reason.FAST: Lane.INBOUND,
    Reason.AGAIN: Lane.REFRESH,
}


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, both ends included; `until` is frozen by the first answer. `token` says how far it is read,
    `rows` how many that brought."""

    reason: Reason
    since: datetime
    until: datetime | None = None
    token: str | None = None
    rows: int = 0

    @property
    def lane(self) -> Lane:
        return LANES[self.reason]


@dataclass(frozen=True, slots=True)
class Place:
    """All that showed up to `read_to` was read. `window` is under way."""

    read_to: datetime
    window: Window | None = None

    def dump(self) -> Cursor:
        held: dict[str, Any] = {"read_to": iso(self.read_to)}
        if (window := self.window) is not None:
            until = iso(window.until) if window.until else None
            held["window"] = [window.reason.value, iso(window.since), until, window.token, window.rows]
        return held

    @classmethod
    def load(cls, cursor: Cursor) -> Place:
        held = cursor.get("window")
        window = None
        if held:
            reason, since, until, token, count = held
            window = Window(Reason(reason), instant(since), instant(until) if until else None, token, count)
        return cls(instant(cursor["read_to"]), window)


def begin(now: datetime, timings: Timings, history: timedelta) -> Place:
    """A place at which the past is read first."""
    settled = now.replace(microsecond=0) - timings.settle
    return Place(settled, Window(Reason.HISTORY, settled - history, settled))


def between(since: datetime, until: datetime) -> Place:
    """A place at which [since, until) is read once more, and nothing after it."""
    return Place(until, Window(Reason.AGAIN, since, until - _SECOND))


class Trail:
    """Calls of the log of one instance."""

    def __init__(self, session: Session, page_size: int) -> None:
        self.session, self.page_size = session, page_size
        self._tokens: dict[datetime, str] = {}

    def token(self, since: datetime, lane: Lane, *, fresh: bool = False) -> str:
        """One for what happened at `since` and after it. The same instant has the same place, so it is asked for
        once, unless a `fresh` one is wanted."""
        if fresh or since not in self._tokens:
            # Whether the instant itself belongs to it is not said.
            body = self.session.get(TOKEN, {"sinceDatetime": iso(since - _SECOND)}, lane=lane)
            while len(self._tokens) >= _TOKENS_KEPT:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[since] = str(body["nextPageToken"])
        return self._tokens[since]

    def scan(self, path: str, params: Mapping[str, Any], token: str, lane: Lane) -> tuple[list[Row], str, bool]:
        """The rows of one page, the token behind them, and whether there is more. Without rows: for now."""
        for _ in range(MOST_EMPTY):
            asked = {"nextPageToken": token, "batchSize": self.page_size, **params}
            body = self.session.get(path, asked, lane=lane)
            found, more, before = rows(self.session.source, body), bool(body.get("moreResult")), token
            token = str(body.get("nextPageToken") or token)
            if more and token == before:
                raise ProtocolViolation(self.session.source, "a page of the activity log leads to itself")
            if found or not more:
                return found, token, more
        return [], token, True

    def all(self, path: str, params: Mapping[str, Any], token: str, lane: Lane) -> tuple[list[Row], str]:
        """All rows behind a token, and the token behind them."""
        found: list[Row] = []
        more = True
        while more:
            page, token, more = self.scan(path, params, token, lane)
            found += page
        return found, token


class LogSource(Protocol):
    """What one stream reads of the log, and what it makes of rows. `history`: how far back its first load goes."""

    @property
    def history(self) -> timedelta: ...

    def asks(self, lane: Lane) -> tuple[str, Mapping[str, Any]] | None:
        """Path and parameters; None where the instance has nothing of the kind."""

    def page(self, found: Sequence[Row], window: Window) -> Page:
        """What rows stand for; cursor and end are the caller's."""


class LogStream:
    """A stream of the log."""

    def __init__(self, trail: Trail, timings: Timings, source: LogSource) -> None:
        self._trail, self._timings, self._source = trail, timings, source

    def pull(self, cursor: Cursor | None, tier: Tier, looked: Looked | None = None) -> Page:
        now = self._trail.session.now()
        place = begin(now, self._timings, self._source.history) if cursor is None else Place.load(cursor)
        window = self._due(place, tier, looked, now)
        asks = self._source.asks(window.lane)
        if asks is None:
            return Page(replace(place, window=None).dump(), done=True)
        found, token, more = self._read(asks, window)
        until = self._end(place, window)
        at = [instant(row["activityDate"]) for row in found]
        if window.reason is not Reason.FAST:  # the rest comes with a later window, when it is settled
            kept = [row for row, when in zip(found, at, strict=True) if when <= until]
        else:
            kept = list(found)
        page = self._source.page(kept, replace(window, until=until))
        page = replace(page, backfill=window.reason is Reason.HISTORY)
        read = window.rows + len(found)
        if more and not (at and min(at) > until):
            following = replace(place, window=replace(window, until=until, token=token, rows=read))
            return replace(page, cursor=following.dump(), done=False)
        if window.reason is Reason.FAST:
            look = Looked.between(window.since, until, read).dump()
            return replace(page, cursor=replace(place, window=None).dump(), done=True, looked=look)
        return replace(page, cursor=Place(max(place.read_to, until)).dump(), done=True)

    def _read(self, asks: tuple[str, Mapping[str, Any]], window: Window) -> tuple[list[Row], str, bool]:
        """A page; a place in the log that Marketo does not know any more is looked for again."""
        try:
            token = window.token or self._trail.token(window.since, window.lane)
            return self._trail.scan(*asks, token, window.lane)
        except Rejected:
            token = self._trail.token(window.since, window.lane, fresh=True)
            return self._trail.scan(*asks, token, window.lane)

    def _due(self, place: Place, tier: Tier, looked: Looked | None, now: datetime) -> Window:
        window = place.window
        if window is not None and (window.reason is Reason.FAST) is (tier is Tier.FAST):
            return window
        if tier is Tier.COMPLETE:
            return Window(Reason.FORWARD, place.read_to - self._timings.overlap)
        since, quiet = place.read_to, False
        if looked is not None:
            most = self._timings.settle + self._timings.overlap
            since = max(since, looked.since(now, self._trail.page_size, most))
            quiet = looked.rate * QUIET.total_seconds() < self._trail.page_size / 4
        grid = QUIET if quiet else timedelta(minutes=1)
        return Window(Reason.FAST, since - (since - EPOCH) % grid)

    def _end(self, place: Place, window: Window) -> datetime:
        """Where the window ends: as it was frozen, or by Marketo's time as its last answer tells it."""
        if window.until is not None:
            return window.until
        now = self._trail.session.now().replace(microsecond=0)
        return max(now if window.reason is Reason.FAST else now - self._timings.settle, place.read_to)
