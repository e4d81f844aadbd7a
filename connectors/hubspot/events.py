"""Form submissions and marketing e-mail events: they know a person by e-mail address only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from connectors.hubspot import activities
from connectors.hubspot.faults import Rejected
from connectors.hubspot.objects import ObjectReader
from connectors.hubspot.paths import EMAIL_EVENTS, FORMS, Paths
from connectors.hubspot.pull import Kit
from connectors.hubspot.values import MILLISECOND, millis
from connectors.hubspot.windows import Place, Reason, Window, advance, begin, due, end, look
from connectors.looked import Looked
from connectors.port import Cursor, Page, Tier
from connectors.quota import Lane
from connectors.records import Activity

EVENT_PAGE = 1_000
SUBMISSION_PAGE = 50
FEW = 2
"""Forms that are as quickly read as asked about."""
CONVERTED_AT = "recent_conversion_date"
"""The contact property that a submission moves."""
ENOUGH = 200
"""Submissions after which a page is handed on; most forms have none that are new."""


class EventSource(Protocol):
    """Where one kind of events is read. `late`: how far back a look may begin for what HubSpot adds late."""

    @property
    def late(self) -> timedelta: ...

    def beginning(self, now: int) -> int:
        """Where the first load begins."""

    def read(self, window: Window) -> tuple[Sequence[Activity], str | None]:
        """A page of the window and the position of the next one."""


class EventStream:
    """A stream of things that never change, read by windows of when they happened."""

    def __init__(self, kit: Kit, events: EventSource) -> None:
        self._kit, self._events = kit, events

    def pull(self, cursor: Cursor | None, tier: Tier, *, looked: Looked | None = None) -> Page:
        session, timings = self._kit.session, self._kit.settings.timings
        now = session.now_ms()
        settled = now - timings.settle // MILLISECOND
        place = begin(settled, history=self._events.beginning(now)) if cursor is None else Place.load(cursor)
        ahead = looked.since(session.now(), EVENT_PAGE, self._events.late) if looked else None
        window = due(place, timings, tier, ahead)
        found, position = self._events.read(window)
        now = session.now_ms()
        until = end(place, window, now, timings)
        if tier is Tier.COMPLETE:  # the rest comes with a later window, when it is settled
            found = [activity for activity in found if millis(activity.occurred_at) <= until]
        after, done = advance(place, window, until, position, (), now, timings)
        page = Page(after.dump(), done, activities=found, backfill=window.reason is Reason.HISTORY)
        looked_on = tier is Tier.FAST and done
        return replace(page, looked=look(window, until, len(found)).dump()) if looked_on else page


class EmailEvents:
    """Marketing e-mail events, newest first; HubSpot adds some of them late. Both bounds are inclusive."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.late = kit.settings.timings.sweep

    def beginning(self, now: int) -> int:
        return now - self._kit.settings.timings.history // MILLISECOND

    def read(self, window: Window) -> tuple[Sequence[Activity], str | None]:
        query: list[tuple[str, str | int]] = [("limit", EVENT_PAGE), ("startTimestamp", window.since)]
        # The offset counts from the newest event: an end that is set between two pages would shift it.
        query += [("endTimestamp", window.until)] if window.reason is Reason.SWEEP and window.until else []
        query += [("offset", window.position)] if window.position else []
        answer = self._kit.session.get(EMAIL_EVENTS, query, lane=window.lane)
        events = (activities.email_event(self._kit.settings.name, row) for row in answer["events"])
        more = answer.get("hasMore") and answer.get("offset")
        return [event for event in events if event is not None], str(answer["offset"]) if more else None


class FormSubmissions:
    """Submissions of every form of every type, form by form, newest first, down to the window's beginning.

    The position is `form|after`: forms come in the order of their ids, so one that is added meanwhile loses nothing.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.late = kit.settings.timings.settle  # while there is one, every form is asked
        self._patterns = activities.patterns(kit.settings.forms, activities.FORMS)
        self._forms: tuple[datetime, dict[str, str]] | None = None

    def beginning(self, now: int) -> int:
        return 0

    def read(self, window: Window) -> tuple[Sequence[Activity], str | None]:
        forms = self._names(window.lane)
        if window.reason is Reason.FAST and window.position is None and len(forms) > FEW and not self._any(window):
            return [], None
        start, _, after = (window.position or "|").partition("|")
        found: list[Activity] = []
        for form in sorted(form for form in forms if form >= start):
            more = after if form == start else ""
            while True:
                page, more = self._page(form, forms[form], more, window)
                found += page
                if not more:
                    break
                if len(found) >= ENOUGH:
                    return found, f"{form}|{more}"
        return found, None

    def _any(self, window: Window) -> bool:
        """Whether a contact sent a form since the window began: one call for the fast tier instead of one a form."""
        if "contacts" in self._kit.settings.without:
            return True
        since = {"propertyName": CONVERTED_AT, "operator": "GTE", "value": str(window.since)}
        rows, _ = ObjectReader(self._kit.session, "contacts", 1).find([since], [], None, window.lane)
        return bool(rows)

    def _page(self, form: str, name: str, after: str, window: Window) -> tuple[list[Activity], str]:
        """A page of one form; the second part is empty when the rest is older than the window."""
        query: list[tuple[str, str | int]] = [("limit", SUBMISSION_PAGE)]
        query += [("after", after)] if after else []
        try:
            answer = self._kit.session.get(Paths.submissions(form), query, lane=window.lane)
        except Rejected as refusal:
            if refusal.status in (400, 404):  # blog comment forms have no submissions to read, deleted ones none left
                return [], ""
            raise
        rows = answer["results"]
        wanted = [row for row in rows if row["submittedAt"] >= window.since]
        read = (activities.submission(self._kit.settings.name, form, name, row, self._patterns) for row in wanted)
        following = (answer.get("paging") or {}).get("next")
        further = str(following["after"]) if following and len(wanted) == len(rows) else ""
        return [activity for activity in read if activity is not None], further

    def _names(self, lane: Lane) -> dict[str, str]:
        """Name by form id; asked for again when it is as old as a property definition may get."""
        now = self._kit.session.now()
        if self._forms is None or now - self._forms[0] >= self._kit.settings.timings.schema_age:
            names: dict[str, str] = {}
            after: str | None = None
            while True:
                query: list[tuple[str, str | int]] = [("limit", 100), ("formTypes", "all")]
                query += [("after", after)] if after else []
                answer = self._kit.session.get(FORMS, query, lane=lane)
                names |= {str(row["id"]): str(row.get("name") or "") for row in answer["results"]}
                following = (answer.get("paging") or {}).get("next")
                if not following:
                    break
                after = str(following["after"])
            self._forms = now, names
        return self._forms[1]
