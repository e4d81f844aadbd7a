"""Reading: every stream in windows of (SystemModstamp, Id), deletions and merges along with the rows, purges apart."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.errors import Misconfigured, ProtocolViolation
from connectors.looked import Looked
from connectors.port import Cursor, Page, Stream, Tier
from connectors.quota import Lane
from connectors.salesforce.facts import ROLE, Assembly
from connectors.salesforce.history import stamp_of
from connectors.salesforce.horizon import Horizon
from connectors.salesforce.load import FirstLoad
from connectors.salesforce.mapping import Row
from connectors.salesforce.purges import Purges
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.values import Unreadable, instant
from connectors.salesforce.windows import Place, keyset

log = logging.getLogger(__name__)

OBJECTS: Mapping[str, str] = {
    "leads": "Lead",
    "contacts": "Contact",
    "accounts": "Account",
    "opportunities": "Opportunity",
    "tasks": "Task",
    "events": "Event",
    "email_messages": "EmailMessage",
    "campaign_members": "CampaignMember",
}
HISTORIES: Mapping[str, str] = {"lead_history": "LeadHistory", "contact_history": "ContactHistory"}
"""These, and the roles, are left out in silence where the org or the user's rights do not have them; `check` says so of
the histories."""
ROLES = "opportunity_roles"
ROLES_FROM = timedelta(days=1)
"""The first read of roles goes back so far: those from before came with the first load of the deals."""
PURGES = "purges"
LATE = timedelta(hours=2)
"""How far a look goes back at most for what was committed late: to the end of the complete read, if that fits."""
MOST_ROWS = 50_000_000
"""Nothing is counted further than this."""
STREAMS: tuple[Stream, ...] = (
    Stream("leads", timedelta(seconds=30)),
    Stream("contacts", timedelta(seconds=30)),
    Stream("campaign_members", timedelta(seconds=30)),
    Stream("tasks", timedelta(seconds=60)),
    Stream("events", timedelta(seconds=60)),
    Stream("email_messages", timedelta(seconds=60)),
    Stream("opportunities", timedelta(minutes=2)),
    Stream("accounts", timedelta(minutes=5)),
    Stream(ROLES, timedelta(minutes=5), frozenset({Tier.COMPLETE})),
    # What is known now comes with the records; this is what was before.
    *(Stream(name, timedelta(minutes=15), frozenset({Tier.COMPLETE})) for name in HISTORIES),
    Stream(PURGES, timedelta(hours=1), frozenset({Tier.COMPLETE})),
)


_OBJECTS: Mapping[str, str] = {**OBJECTS, **HISTORIES, ROLES: ROLE}


class Reader:
    """Pulls the streams of one org."""

    def __init__(self, settings: SalesforceSettings, session: Session, assembly: Assembly) -> None:
        self._settings = settings
        self._session = session
        self._assembly = assembly
        self._horizon = Horizon(session, settings.settle)
        self._load = FirstLoad(settings, session, assembly, self._horizon)
        objects = [object for name, object in OBJECTS.items() if name not in settings.without]
        self._purges = Purges(settings, session, objects)
        left_out = settings.without | ({ROLES} if "opportunities" in settings.without else set())
        self.streams = tuple(stream for stream in STREAMS if stream.name not in left_out)

    def pull(self, stream: str, cursor: Cursor | None, tier: Tier, looked: Looked | None = None) -> Page:
        """One page; see `Crm.pull`. The fast tier returns the end of its window as a cursor to throw away."""
        if stream not in {known.name for known in self.streams}:
            raise LookupError(f"{self._settings.name} has no stream {stream!r}")
        if stream == PURGES:
            return self._purges.pull(cursor)
        object = _OBJECTS[stream]
        place = Place.of(cursor)
        if stream not in OBJECTS and not self._session.readable(object, lane=Lane.REFRESH):
            return Page(place.cursor(), True)
        if stream == ROLES and place.since is None:
            place = Place(since=self._session.now().replace(microsecond=0) - ROLES_FROM)
        try:
            page = self._fast(object, place, looked) if tier is Tier.FAST else self._complete(object, place)
        except Unreadable as odd:  # a stamp or date that places the row in time, so the row cannot do without
            raise ProtocolViolation(self._settings.name, f"{stream}: {odd}") from None
        self._report_unreadable()
        return page

    def size(self, stream: str) -> int | None:
        """How many rows the object has, deleted and archived ones included; None for what is not read by rows."""
        object = HISTORIES.get(stream) or OBJECTS.get(stream)
        if object is None or not self._session.readable(object, lane=Lane.BACKFILL):
            return None
        return self._session.count(object, up_to=MOST_ROWS, lane=Lane.BACKFILL)

    def window(self, stream: str, since: datetime, until: datetime) -> Cursor | None:
        """See `Crm.window`."""
        return None if stream == PURGES else Place(since=since, until=until).cursor()

    def _report_unreadable(self) -> None:
        counts = self._assembly.records.unreadable
        if counts:
            extra = {"action": "values_left_out", "crm": self._settings.name, "fields": dict(counts)}
            log.warning("values that are not of their type were left out", extra=extra)
            counts.clear()

    # -- the two tiers -----------------------------------------------------------------------------------------------

    def _complete(self, object: str, place: Place) -> Page:
        """Up to where nothing can appear any more; the first load is one long window of this kind."""
        backfill = place.since is None
        lane = Lane.BACKFILL if backfill else Lane.REFRESH
        if place.job is not None:
            return self._load.go_on(object, place, place.job)
        if place.until is None and backfill and (begun := self._load.begin(object, place)) is not None:
            return begun
        if place.until is None:
            rows, drained, place = self._open(object, place, lane)
        else:
            rows, drained = self._read(object, lane, start=place.since, after=place.after, until=place.until)
        facts = self._assembly.facts(object, rows, lane)
        if drained:
            # The instant comes from the server's clock, never from a row: rows may still appear behind the last one.
            return facts.page(Place(since=place.until, coverage=place.coverage), done=True, backfill=backfill)
        return facts.page(replace(place, after=_key(object, rows[-1])), done=False, backfill=backfill)

    def _open(self, object: str, place: Place, lane: Lane) -> tuple[list[Row], bool, Place]:
        """The first page of a window, and the window's end.

        The end is found from the answer's own time, so that no clock but the server's matters; what in flight may hide
        is asked for before the rows are, because what is committed in between would be missed by both.
        """
        start = place.since and place.since - self._settings.overlap
        coverage = self._horizon.coverage(object, place.coverage, lane)
        rows, drained = self._read(object, lane, start=start)
        if coverage.stale(self._session.now()):  # our idea of the server's time was far behind
            coverage = self._horizon.coverage(object, coverage, lane)
            rows, drained = self._read(object, lane, start=start)
        until = self._horizon.end(coverage)
        until = max(until, place.since) if place.since else until
        settled = [row for row in rows if instant(row[stamp_of(object)]) < until]
        return settled, drained or len(settled) < len(rows), replace(place, until=until, coverage=coverage)

    def _fast(self, object: str, place: Place, looked: Looked | None) -> Page:
        """From the cursor to now, or from behind where the last look ended: what is visible already."""
        now, size = self._session.now, self._settings.page_size
        continued = place.fast
        if continued:
            rows, drained = self._read(object, Lane.INBOUND, after=place.after, until=place.until)
        else:
            start = place.until or place.since
            if looked is not None and start is not None:
                start = max(start, looked.since(now(), size, LATE))
            rows, drained = self._read(object, Lane.INBOUND, start=start)
            end = now().replace(microsecond=0) + timedelta(seconds=1)
            place = Place(since=start, until=end, fast=True)
        facts = self._assembly.facts(object, rows, Lane.INBOUND)
        after = _key(object, rows[-1]) if rows else place.after
        page = facts.page(replace(place, after=after), done=drained, backfill=False)
        if not drained or place.since is None or place.until is None:
            return page
        found = len(rows) + (size if continued else 0)
        return replace(page, looked=Looked.between(place.since, place.until, found).dump())

    def _read(
        self,
        object: str,
        lane: Lane,
        *,
        start: datetime | None = None,
        after: tuple[datetime, str] | None = None,
        until: datetime | None = None,
    ) -> tuple[list[Row], bool]:
        """A page of rows, deleted and archived ones included, and whether it was the last."""
        limit = self._settings.page_size

        def ask() -> tuple[list[Row], bool]:
            columns = self._assembly.columns(self._session.describe(object, lane=lane))
            soql = keyset(object, columns, start=start, after=after, until=until, limit=limit, stamp=stamp_of(object))
            answer = self._session.query(soql, lane=lane, everything=True)
            if not answer.records and not answer.complete:
                raise ProtocolViolation(self._settings.name, f"a query of {object} was answered with an empty page")
            # Wide rows come in smaller batches than asked for; the rest is read by the next query, not by a cursor.
            return list(answer.records), answer.complete and len(answer.records) < limit

        try:
            return ask()
        except Misconfigured:  # a field may have been removed or hidden since it was described
            self._session.forget(object)
            return ask()


def _key(object: str, row: Row) -> tuple[datetime, str]:
    return instant(row[stamp_of(object)]), row["Id"]
