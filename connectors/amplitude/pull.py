"""Events, by hours of their upload.

An hour can be exported two hours after its end. So each look reads the hours that closed since the last one, and with
them some that were read before, for what showed later. All facts of a page are in it: who was seen, and what they did.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from connectors.amplitude.archive import START, Archive, Place
from connectors.amplitude.mapping import Mapper
from connectors.amplitude.session import Session
from connectors.amplitude.settings import AmplitudeSettings
from connectors.errors import Misconfigured, Transient
from connectors.port import Cursor, Page
from connectors.quota import Lane

HOUR = timedelta(hours=1)


class Reason(StrEnum):
    """Why hours are read, and so in which lane."""

    HISTORY = "history"
    NEWS = "news"
    AGAIN = "again"


LANES: Mapping[Reason, Lane] = {
    Reason.HISTORY: Lane.BACKFILL,
    Reason.NEWS: Lane.INBOUND,
    Reason.AGAIN: Lane.REFRESH,
}


@dataclass(frozen=True, slots=True)
class Window:
    """The hours from `since` on and before `until`, exported `hours` at once; `place` is in the export."""

    since: datetime
    until: datetime
    hours: int
    reason: Reason
    place: Place = START

    @property
    def end(self) -> datetime:
        """Of the export that is read now."""
        return min(self.until, self.since + self.hours * HOUR)

    def dump(self) -> Cursor:
        return {
            "since": self.since.isoformat(), "until": self.until.isoformat(), "hours": self.hours,
            "reason": self.reason.value, "place": list(self.place),
        }  # fmt: skip

    @classmethod
    def load(cls, cursor: Cursor) -> Self:
        since, until = (datetime.fromisoformat(cursor[name]) for name in ("since", "until"))
        file, line = cursor["place"]
        return cls(since, until, int(cursor["hours"]), Reason(cursor["reason"]), (int(file), int(line)))


class Events:
    """Reads by windows. The export that was read last stays on disk until another one is: its pages are many."""

    def __init__(self, settings: AmplitudeSettings, session: Session, mapper: Mapper) -> None:
        self._settings, self._session, self._mapper = settings, session, mapper
        self._most = max(1, settings.timings.window // HOUR)
        self._held: tuple[tuple[datetime, datetime], Archive] | None = None

    def pull(self, cursor: Cursor | None) -> Page:
        """The next page; of nothing new, an empty one that has cost no call."""
        window = self._window(cursor)
        if window is None or window.since >= window.until:
            read_to = window.until.isoformat() if window is not None else (cursor or {})["to"]
            return Page({"to": read_to}, done=True)
        archive = self._archive(window)
        if archive is None:
            return self._after(window, None, {})
        if isinstance(archive, int):
            return Page(replace(window, hours=archive, place=START).dump(), done=False)
        try:
            events, place = archive.read(window.place, self._settings.page_size)
        except Transient:  # the next attempt fetches it anew
            self.close()
            raise
        acts, deals = self._mapper.facts(events)
        people = self._mapper.users(events)
        self._mapper.report_unread()
        return self._after(window, place, {"leads": people, "activities": acts, "outcomes": deals})

    def between(self, since: datetime, until: datetime) -> Cursor:
        """A cursor for a second look at whole hours."""
        return Window(_hour(since), _hour(until + HOUR - timedelta.resolution), self._most, Reason.AGAIN).dump()

    def close(self) -> None:
        if self._held is not None:
            self._held[1].close()
            self._held = None

    def _window(self, cursor: Cursor | None) -> Window | None:
        """Where to read; None: no hour has closed since."""
        if cursor is not None and "since" in cursor:
            return Window.load(cursor)
        timings = self._settings.timings
        now = self._session.now(Lane.BACKFILL if cursor is None else Lane.INBOUND)
        closed = _hour(now - timings.latency)
        if cursor is None:
            return Window(_hour(now - timings.history), closed, self._most, Reason.HISTORY)
        read_to = datetime.fromisoformat(cursor["to"])
        if closed <= read_to:
            return None
        return Window(_hour(read_to - timings.overlap), closed, self._most, Reason.NEWS)

    def _after(self, window: Window, place: Place | None, facts: Mapping[str, Any]) -> Page:
        """The page, with where to go on: in the same export, in the next one, or nowhere."""
        done = place is None and window.end >= window.until
        following: Cursor = {"to": window.until.isoformat()}
        if place is not None:
            following = replace(window, place=place).dump()
        elif not done:
            hours = min(self._most, 2 * window.hours)  # what was too much in one stretch may not be in the next
            following = replace(window, since=window.end, hours=hours, place=START).dump()
        return Page(following, done, **facts, backfill=window.reason is Reason.HISTORY)

    def _archive(self, window: Window) -> Archive | int | None:
        """The export of the window's next hours; None where there were no events; fewer hours where it is too much."""
        hours = (window.since, window.end)
        if self._held is not None and self._held[0] == hours:
            return self._held[1]
        self.close()
        source = self._session.source
        with ExitStack() as unless_held:
            file = unless_held.enter_context(tempfile.TemporaryFile(prefix="leadgauge-export-"))
            answer = self._session.export(window.since, window.end - HOUR, file, LANES[window.reason])
            if answer.status == 200:
                self._held = hours, Archive(source, file, self._mapper.unread)
                unless_held.pop_all()
                return self._held[1]
        if answer.status == 404:
            return None
        if (fewer := (window.end - window.since) // HOUR // 2) > 0:
            return fewer
        what = f"the hour from {window.since:%F %H}:00 UTC is more than Amplitude exports at once ({answer.status})"
        if answer.status == 504:
            raise Transient(source, what)
        raise Misconfigured(source, f"{what}; let Amplitude export to S3, and read that as `files`")


def _hour(at: datetime) -> datetime:
    """The beginning of the hour."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
