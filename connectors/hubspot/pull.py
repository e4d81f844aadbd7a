"""Streams: the pages that the application polls for.

An object stream first goes through the full list (its rows are facts of the past: `backfill`), then reads windows of
what was modified, see `windows`. The complete tier does the delayed second pass too: at most once an hour it goes on
into a sweep before it is done.

Histories halve the rows of a call. So the complete tier alone asks for the attributes' (50 contacts a call; a contact
that changed may have changed in any of them, and the search does not say in which), while the fast one asks for page
views only, of contacts that had one of late where that saves calls. Neither reads a contact or company whose found
version is stored already: what an attribute was for less than the time between two fast reads is not asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from connectors.hubspot import activities
from connectors.hubspot.mapping import RecordMapper
from connectors.hubspot.objects import (
    READ_BATCH,
    WITH_HISTORY,
    ObjectReader,
    Row,
    calls,
    linked,
    listed,
    modified_property,
    unshown,
)
from connectors.hubspot.schema import Schemas
from connectors.hubspot.session import Session
from connectors.hubspot.settings import HubspotSettings
from connectors.hubspot.values import MILLISECOND, instant, millis
from connectors.hubspot.windows import Place, Reason, Window, advance, begin, due, end, look, newest
from connectors.looked import Looked
from connectors.port import Cursor, Known, Page, Tier, nothing_known
from connectors.quota import Lane
from connectors.records import Activity, AttributeChange, Deletion, RecordRef

CREATED = "createdate"
_FOUND_WITH = (activities.TIME_HISTORY, CREATED)
"""What a search shows of contacts beside their stamps."""
VIEWS = (activities.URL_HISTORY, activities.TIME_HISTORY)
LINKED: Mapping[str, tuple[str, ...]] = {
    "contacts": ("companies",), "companies": (), "deals": ("contacts", "companies"),
    **dict.fromkeys(activities.ENGAGEMENTS, ("contacts",)),
}  # fmt: skip
"""What the records of a type are read with."""
KEPT = ("contacts", "companies")
"""Types whose rows are kept as they were read last, so that what a later one shows besides is noticed."""
ON_ITS_WAY = timedelta(minutes=5)
"""A property that came back so lately may not have been there when rows were read."""
HANDED_KEPT = 50_000
"""Rows of the time since the last complete read that the fast tier remembers; forgetting only costs calls."""

TOGETHER = 5
"""Pages of hits that the fast tier hydrates at once: as many rows as one call tells the links of."""


class Reader(Protocol):
    """One stream."""

    def pull(self, cursor: Cursor | None, tier: Tier, *, looked: Looked | None = None) -> Page: ...


Links = Callable[[Session, str, str, Sequence[Row], Lane], dict[str, list[str]]]
"""(session, of, to, rows, lane) -> the ids that each row is linked to."""


def read_links(session: Session, of: str, to: str, rows: Sequence[Row], lane: Lane) -> dict[str, list[str]]:
    """Asked for, one call for 1,000 rows."""
    return linked(session, of, to, [str(row["id"]) for row in rows], lane)


@dataclass(frozen=True, slots=True)
class Kit:
    """What every stream is made with."""

    settings: HubspotSettings
    session: Session
    mapper: RecordMapper
    schemas: Schemas

    def people(self, ids: Sequence[str]) -> tuple[RecordRef, ...]:
        return tuple(RecordRef(self.settings.name, "contacts", id) for id in ids)


class ObjectStream:
    """Contacts, companies, deals or one type of engagement.

    The fast tier hands a version of a row on once a process: should it not be stored, the complete read brings it.
    """

    def __init__(self, kit: Kit, type: str) -> None:
        self._kit, self._type = kit, type
        history = (*VIEWS, *kit.mapper.historic) if type == "contacts" else ()
        engaged = type in activities.ENGAGEMENTS
        properties = activities.engagement_properties(type) if engaged else kit.mapper.properties(type)
        self.reader = ObjectReader(kit.session, type, kit.settings.page_size, properties, history)
        self._pages = activities.patterns(kit.settings.pages, activities.PAGES)
        # Whoever made a deal or logged a call associates it afterwards, which moves no stamp: the sweep reads it again.
        self._sweeps_unseen_only = type in KEPT
        self._viewed = type == "contacts"
        self._handed: dict[str, int] = {}
        self._undefined: frozenset[str] = frozenset()

    def pull(
        self, cursor: Cursor | None, tier: Tier, known: Known = nothing_known, looked: Looked | None = None
    ) -> Page:
        if cursor is None:
            settle = self._kit.settings.timings.settle // MILLISECOND
            cursor = {"list": None, "began": self._kit.session.now_ms() - settle}
        if "list" not in cursor:
            return self._window(Place.load(cursor), tier, known, looked)
        if tier is Tier.FAST:
            return self._window(begin(cursor["began"]), tier, known, looked)
        return self._list(cursor)

    def _list(self, cursor: Cursor) -> Page:
        rows, after = self.reader.page(cursor["list"], Lane.BACKFILL, to=LINKED[self._type])
        page = self.page(rows, Lane.BACKFILL, links=listed)
        following = begin(cursor["began"]).dump() if after is None else {**cursor, "list": after}
        return replace(page, cursor=following, done=after is None, backfill=True)

    def _window(self, place: Place, tier: Tier, known: Known, looked: Looked | None) -> Page:
        session, settings = self._kit.session, self._kit.settings
        timings, fast = settings.timings, tier is Tier.FAST
        # People and companies that are stored are found again at no cost.
        most = timings.settle + (timings.overlap if self._sweeps_unseen_only else timedelta(0))
        ahead = looked.since(session.now(), settings.page_size, most) if looked else None
        window = due(place, timings, tier, ahead)
        rows, position = self._search(window)
        now = session.now_ms()
        until = end(place, window, now, timings)
        while fast and position is not None and len(rows) <= (TOGETHER - 1) * settings.page_size:
            more, position = self._search(replace(window, until=until, position=position))
            rows = [*rows, *more]
        stamps = {str(row["id"]): self._stamp(row) for row in rows}
        if not fast:  # the rest comes with a later window, when it is settled
            stamps = {id: stamp for id, stamp in stamps.items() if stamp <= until}
        seen = {**place.seen, **self._handed} if fast else place.seen
        stored = self._stored(rows, stamps, seen, known, now)
        wanted = self._unread(stamps, {**seen, **stored}, window)
        found = self._glance(rows, wanted, window) if fast else self.reader.read(wanted, window.lane)
        page = self.page(found, window.lane)
        marks = dict(self._marks(stamps, seen, wanted, self._unlinked(page, wanted, now)))
        if fast:
            handed = {id: stamp for id, stamp in (self._handed | marks).items() if abs(stamp) >= place.read_to}
            self._handed = newest(handed, HANDED_KEPT)
        after, done = advance(place, window, until, position, marks.items(), now, timings)
        page = replace(page, cursor=after.dump(), done=done)
        if not (fast and done):
            return page
        before = 0 if window.position is None else TOGETHER * settings.page_size
        late = looked.lateness(instant(stamps[id]) for id in wanted) if looked else 0.0
        return replace(page, looked=look(window, until, before + len(rows), late).dump())

    def _search(self, window: Window) -> tuple[list[Row], str | None]:
        return self.reader.search(window, _FOUND_WITH if self._viewed else ())

    def _stored(
        self, rows: Sequence[Row], stamps: Mapping[str, int], seen: Mapping[str, int], known: Known, now: int
    ) -> dict[str, int]:
        """Those of the rows whose version is stored, with their stamps. A new contact is not among them: HubSpot may
        have found its company since."""
        if not self._sweeps_unseen_only:
            return {}
        new = now - self._kit.settings.timings.overlap // MILLISECOND
        born = {str(row["id"]): row["properties"].get(CREATED) for row in rows} if self._viewed else {}
        old = [id for id in stamps if id not in seen and (not (at := born.get(id)) or millis(instant(at)) < new)]
        refs = {RecordRef(self._kit.settings.name, self._type, id): id for id in old}
        versions = {refs[ref]: millis(at) for ref, at in known(list(refs)).items()} if refs else {}
        return {id: stamps[id] for id, at in versions.items() if at >= stamps[id]}

    def _glance(self, rows: Sequence[Row], wanted: Sequence[str], window: Window) -> list[Row]:
        """The wanted rows as they are now, without their attributes' history, in as few calls as can be."""
        if not self._viewed:
            return self.reader.read(wanted, window.lane)
        late = window.since - self._kit.settings.timings.sweep // MILLISECOND  # HubSpot may count a view late
        views = {str(row["id"]): row["properties"].get(activities.TIME_HISTORY) for row in rows}
        viewed = [id for id in wanted if (at := views[id]) and millis(instant(at)) >= late]
        others = [id for id in wanted if id not in set(viewed)]
        if calls(len(wanted), WITH_HISTORY) <= calls(len(viewed), WITH_HISTORY) + calls(len(others), READ_BATCH):
            return self.reader.read(wanted, window.lane, history=VIEWS)
        found = self.reader.read(viewed, window.lane, history=VIEWS)
        return found + self.reader.read(others, window.lane, history=())

    def _stamp(self, row: Row) -> int:
        return millis(instant(row["properties"][modified_property(self._type)]))

    def _unread(self, stamps: Mapping[str, int], seen: Mapping[str, int], window: Window) -> list[str]:
        """What to read of the rows found: not what was read as it is, unless a link that it lacked is there now."""
        if window.reason is Reason.SWEEP and not self._sweeps_unseen_only:
            return list(stamps)
        unread = [id for id, stamp in stamps.items() if abs(seen.get(id, 0)) < stamp]
        lacking = [id for id in stamps.keys() - unread if seen[id] < 0]
        if lacking:
            to = "companies" if self._type == "contacts" else "contacts"
            unread += linked(self._kit.session, self._type, to, lacking, window.lane)
        return unread

    def _unlinked(self, page: Page, wanted: Sequence[str], now: int) -> set[str]:
        """Rows that may get the link they lack without a new stamp.

        Engagements and deals without people; contacts without a company while they are new, because HubSpot looks for
        it by the address's domain after it has made the contact.
        """
        if self._type == "companies":
            return set()
        if self._type == "contacts":
            new = now - self._kit.settings.timings.overlap // MILLISECOND
            return {lead.ref.id for lead in page.leads if lead.account is None and millis(lead.created_at) >= new}
        found = {activity.ref.id for activity in page.activities}
        return set(wanted) - found - {deal.ref.id for deal in page.outcomes if deal.people}

    def _marks(
        self, stamps: Mapping[str, int], seen: Mapping[str, int], wanted: Sequence[str], unlinked: set[str]
    ) -> Iterator[tuple[str, int]]:
        """What to remember of each row: its stamp, negative while it lacks its link."""
        for id, stamp in stamps.items():
            lacks = id in unlinked if id in wanted else seen.get(id, 0) < 0
            yield id, -stamp if lacks else stamp

    def page(self, rows: Sequence[Row], lane: Lane, links: Links = read_links) -> Page:
        """The records of `rows`; cursor and end are for the caller to set. `links` says what they are linked to."""
        empty = Page({}, done=True)
        if not rows:
            return empty
        kit, found = self._kit, {}
        for to in LINKED[self._type]:
            found[to] = links(kit.session, self._type, to, rows, lane)
        if self._type in KEPT:
            empty = replace(empty, fields={self._type: self._fields(rows, lane)})
        if self._type == "contacts":
            page = replace(self._contacts(rows, found["companies"], lane), fields=empty.fields)
        elif self._type == "companies":
            page = replace(empty, accounts=[kit.mapper.company(row) for row in rows])
        elif self._type == "deals":
            deals = [
                kit.mapper.deal(
                    row, _first(found["companies"], row), kit.people(found["contacts"].get(str(row["id"]), ()))
                )
                for row in rows
            ]
            page = replace(empty, outcomes=deals)
        else:
            page = replace(empty, activities=list(self._engagements(rows, found["contacts"])))
        kit.mapper.report_unread()
        return page

    def _fields(self, rows: Sequence[Row], lane: Lane) -> frozenset[str]:
        """What the rows were read with. The definitions are asked of what they do not show, one call: once, and for
        each page only where HubSpot leaves out empty properties."""
        kit, wanted = self._kit, frozenset(self.reader.properties)
        lacking, empty_shown = unshown(wanted, rows)
        if lacking and not (empty_shown and lacking <= self._undefined):
            defined, settled = kit.schemas.of(self._type, lane, fresh=True), kit.session.now() - ON_ITS_WAY
            self._undefined = lacking - defined.keys()
            late = {name for name, its in defined.items() if its.changed_at and its.changed_at >= settled}
            lacking &= self._undefined | late
        if self._type == "contacts":
            kit.schemas.confirm(self._type, kit.mapper.untyped - lacking, lane)
        return kit.mapper.fields(self._type, wanted - lacking)

    def _contacts(self, rows: Sequence[Row], companies: Mapping[str, list[str]], lane: Lane) -> Page:
        kit = self._kit
        leads = [
            kit.mapper.contact(row, _first(companies, row), lambda: kit.schemas.of("contacts", lane)) for row in rows
        ]
        views: list[Activity] = []
        merged: list[Deletion] = []
        changes: list[AttributeChange] = []
        for lead, row in zip(leads, rows, strict=True):
            gone = kit.mapper.merged(row)
            oldest = min((deletion.ref.id for deletion in gone), key=int, default=None)
            history = row.get("propertiesWithHistory") or {}
            seen = list(activities.page_views(lead.ref, history, self._pages, oldest))
            views += seen
            merged += [*gone, *_renamed(seen, gone, oldest)]
            changes += kit.mapper.changes(lead.ref, history, lambda: kit.schemas.of("contacts", lane))
        return Page({}, done=True, leads=leads, activities=views, deletions=merged, history=changes)

    def _engagements(self, rows: Sequence[Row], people: Mapping[str, list[str]]) -> Iterator[Activity]:
        """Those that are linked to someone: what happened to nobody says nothing."""
        for row in rows:
            if ids := people.get(str(row["id"])):
                try:
                    yield activities.engagement(self._kit.settings.name, self._type, row, self._kit.people(ids))
                except ValueError:
                    self._kit.mapper.unread[self._type] += 1


def _renamed(views: Sequence[Activity], merged: Sequence[Deletion], oldest: str | None) -> Iterator[Deletion]:
    """What the views of a merged contact were called where a younger one of those that it was made of had them: whose
    they were is not told any more."""
    for contact in merged:
        if contact.ref.id != oldest:
            for view in views:
                old = f"{contact.ref.id}:{millis(view.occurred_at)}"
                yield Deletion(RecordRef(view.ref.source, view.ref.object, old), contact.deleted_at)


def _first(links: Mapping[str, list[str]], row: Row) -> str | None:
    return next(iter(links.get(str(row["id"]), ())), None)
