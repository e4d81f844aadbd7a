"""Streams: the pages that the application polls for.

Leads are first read one and all, with what their fields held in the last months; from then on the log tells which of
them changed, and those are read by id, 300 a call. Whoever changed them: a write of ours that comes back so is proved.
The stamp of a lead (`updatedAt`) moves with standard fields alone ("Bulk lead extract"), so a version that is stored
already says nothing of fields like ours, and nobody is spared by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connectors.looked import Looked
from connectors.marketo.activities import DONE, MERGE, SENT, ActivityMapper, ActivityTypes, guid
from connectors.marketo.leads import LeadReader
from connectors.marketo.mapping import LEADS, LeadMapper
from connectors.marketo.merges import Merges, losers
from connectors.marketo.roll import Roll, load
from connectors.marketo.session import Session
from connectors.marketo.settings import MarketoSettings
from connectors.marketo.trail import ACTIVITIES, LogStream, Place, Reason, Row, Trail, Window
from connectors.marketo.values import instant, iso
from connectors.port import Census, Cursor, Page, Tier
from connectors.quota import Lane
from connectors.records import Deletion, LeadRecord, RecordRef

CHANGES = "/rest/v1/activities/leadchanges.json"
DELETED = "/rest/v1/activities/deletedleads.json"
TOLD_FOR = timedelta(days=14)
"""How long Marketo tells at least who was deleted (its specification of Get Deleted Leads)."""
HANDED_KEPT = 50_000
"""Changes that the fast tier remembers as handed on; forgetting only costs calls."""


@dataclass(frozen=True, slots=True)
class Kit:
    """What every stream is made with."""

    settings: MarketoSettings
    session: Session
    mapper: LeadMapper
    leads: LeadReader
    trail: Trail
    types: ActivityTypes
    merges: Merges
    roll: Roll

    def people(self, ids: Iterable[str], lane: Lane) -> list[LeadRecord]:
        """The leads that are there, as they are now."""
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return []
        found = [self.mapper.lead(row, lane) for row in self.leads.read(wanted, self.mapper.read_with(lane), lane)]
        self.mapper.report_unread()
        return found

    def with_leads(self, page: Page, leads: Sequence[LeadRecord], lane: Lane) -> Page:
        return replace(page, leads=leads, fields={LEADS: self.mapper.shown(lane)} if leads else {})

    def gone(self, id: str, at: datetime, *, settled: bool = False) -> Deletion:
        """As `merges` has it, when it was refreshed. `settled`: had it been merged, the log would say so by now."""
        survivor = self.merges.survivor(id)
        into = self.mapper.ref(survivor) if survivor is not None else None
        return Deletion(self.mapper.ref(id), at, into, settled and self.settings.erase_deleted and into is None)


class Changes:
    """Leads that are new or changed."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._handed: dict[str, datetime] = {}
        self.history = kit.settings.timings.changes

    def asks(self, lane: Lane) -> tuple[str, Mapping[str, Any]]:
        return CHANGES, {"fields": ",".join(self._kit.mapper.watched(lane))}

    def page(self, found: Sequence[Row], window: Window) -> Page:
        kit, lane = self._kit, window.lane
        if window.reason is Reason.FAST:  # once a process: should it not be stored, the complete read brings it
            found = [row for row in found if guid(row) not in self._handed]
        history = [change for row in found for change in kit.mapper.changes(row, lane)]
        page = Page({}, done=True, history=history)
        if window.reason is Reason.HISTORY:  # who they are was read just before
            return page
        leads = kit.people((str(row["leadId"]) for row in found), lane)
        there = {lead.ref for lead in leads}
        page = kit.with_leads(replace(page, history=[one for one in history if one.ref in there]), leads, lane)
        if window.reason is Reason.FAST:
            self._handed |= {guid(row): instant(row["activityDate"]) for row in found}
            while len(self._handed) > HANDED_KEPT:
                del self._handed[next(iter(self._handed))]
        return page


class Leads:
    """The stream of leads: all of them, then changes."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._log = LogStream(kit.trail, kit.settings.timings, Changes(kit))

    def pull(self, cursor: Cursor | None, tier: Tier, looked: Looked | None = None) -> Page:
        timings = self._kit.settings.timings
        if cursor is None:
            began = self._kit.session.now().replace(microsecond=0) - timings.settle
            cursor = {"roll": self._kit.roll.begin().dump(), "began": iso(began)}
        if "roll" not in cursor:
            return self._log.pull(cursor, tier, looked)
        began = instant(cursor["began"])
        if tier is Tier.FAST:
            return self._log.pull(Place(began).dump(), tier, looked)
        lane = Lane.BACKFILL
        found, following = self._kit.roll.step(load(cursor["roll"]), self._kit.mapper.read_with(lane), lane)
        leads = [self._kit.mapper.lead(row, lane) for row in found]
        self._kit.mapper.report_unread()
        if following is not None:
            after: Cursor = {**cursor, "roll": following.dump()}
        else:
            after = Place(began, Window(Reason.HISTORY, began - timings.changes, began)).dump()
        return replace(self._kit.with_leads(Page({}, done=False), leads, lane), cursor=after, backfill=True)

    def census(self, cursor: Cursor | None) -> Census:
        lane = Lane.REFRESH
        at = load(cursor) if cursor is not None else self._kit.roll.begin()
        found, following = self._kit.roll.step(at, ["id", "updatedAt"], lane)
        refs = [self._kit.mapper.ref(row["id"]) for row in found]
        stamps = [instant(row["updatedAt"]) for row in found]
        return Census(refs, following.dump() if following else {}, following is None, stamps)

    def fetch(self, refs: Sequence[RecordRef]) -> Page:
        """Leads by id; those that are gone come as deletions, and those merged in the last months lead on."""
        lane, wanted = Lane.REFRESH, list(dict.fromkeys(ref.id for ref in refs))
        leads = self._kit.people(wanted, lane)
        missing = [id for id in wanted if id not in {lead.ref.id for lead in leads}]
        if missing:
            self._kit.merges.refresh(lane)
        now = self._kit.session.now()
        page = Page({}, done=True, deletions=[self._kit.gone(id, now) for id in missing])
        return self._kit.with_leads(page, leads, lane)


class Acts:
    """What people did, or what was sent to them: rows of the types that are named."""

    def __init__(self, kit: Kit, names: Iterable[str], history: timedelta) -> None:
        self._kit, self._names = kit, frozenset(names)
        self._mapper = ActivityMapper(kit.settings)
        self.history = history

    def asks(self, lane: Lane) -> tuple[str, Mapping[str, Any]] | None:
        numbers = [number for name, number in self._kit.types.of(lane).items() if name in self._names]
        return (ACTIVITIES, {"activityTypeIds": ",".join(map(str, sorted(numbers)))}) if numbers else None

    def page(self, found: Sequence[Row], window: Window) -> Page:
        names = {number: name for name, number in self._kit.types.of(window.lane).items() if name in self._names}
        read = []
        for row in found:
            if (type := names.get(int(row["activityTypeId"]))) is not None:
                read.append(self._mapper.activity(row, type, self._kit.mapper.ref(row["leadId"])))
        return Page({}, done=True, activities=[activity for activity in read if activity is not None])


class Deleted:
    """Leads that were deleted, merged ones among them."""

    history = TOLD_FOR

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def asks(self, lane: Lane) -> tuple[str, Mapping[str, Any]]:
        return DELETED, {}

    def page(self, found: Sequence[Row], window: Window) -> Page:
        if found:
            self._kit.merges.refresh(window.lane)
        at = [instant(row["activityDate"]) for row in found]
        # What is younger comes again with the next window: nobody is erased whose merge shows late.
        sure = (window.until or window.since) - self._kit.settings.timings.overlap
        gone = [
            self._kit.gone(str(row["leadId"]), when, settled=when <= sure) for row, when in zip(found, at, strict=True)
        ]
        return Page({}, done=True, deletions=gone)


class Merged:
    """Leads that were merged into others, and these as they are now: a merge need not tell what it changed."""

    history = TOLD_FOR

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def asks(self, lane: Lane) -> tuple[str, Mapping[str, Any]] | None:
        number = self._kit.types.of(lane).get(MERGE)
        return (ACTIVITIES, {"activityTypeIds": number}) if number is not None else None

    def page(self, found: Sequence[Row], window: Window) -> Page:
        kit = self._kit
        gone = [
            Deletion(kit.mapper.ref(id), instant(row["activityDate"]), kit.mapper.ref(row["leadId"]))
            for row in found
            for id in losers(row)
        ]
        winners = kit.people((str(row["leadId"]) for row in found), window.lane)
        return kit.with_leads(Page({}, done=True, deletions=gone), winners, window.lane)


class Removals:
    """Deletions, then merges; complete reads alone."""

    def __init__(self, kit: Kit) -> None:
        timings = kit.settings.timings
        self._parts = {
            "deleted": LogStream(kit.trail, timings, Deleted(kit)),
            "merged": LogStream(kit.trail, timings, Merged(kit)),
        }

    def pull(self, cursor: Cursor | None, tier: Tier, looked: Looked | None = None) -> Page:
        at: dict[str, Any] = dict(cursor or {})
        left = at.get("left") or list(self._parts)
        page = self._parts[left[0]].pull(at.get(left[0]), Tier.COMPLETE)
        at[left[0]] = page.cursor
        at["left"] = left[1:] if page.done else left
        return replace(page, cursor=at, done=not at["left"])


def streams(kit: Kit) -> dict[str, Leads | LogStream | Removals]:
    """By name, those that are not left out."""
    timings = kit.settings.timings
    made: dict[str, Leads | LogStream | Removals] = {
        "leads": Leads(kit),
        "activities": LogStream(kit.trail, timings, Acts(kit, DONE, timings.history)),
        "deliveries": LogStream(kit.trail, timings, Acts(kit, SENT, timings.deliveries)),
        "removals": Removals(kit),
    }
    return {name: stream for name, stream in made.items() if name not in kit.settings.without}
