"""What a search never shows: archived records, and merges that moved no stamp."""

from __future__ import annotations

from dataclasses import replace

from connectors.hubspot.mapping import MERGED, MERGED_AT
from connectors.hubspot.objects import ObjectReader
from connectors.hubspot.pull import Kit, ObjectStream
from connectors.hubspot.values import MILLISECOND, instant, millis
from connectors.looked import Looked
from connectors.port import Cursor, Page, Tier
from connectors.quota import Lane
from connectors.records import Deletion, RecordRef

TYPES = ("contacts", "companies", "deals", "calls", "emails", "meetings", "notes", "tasks")
MERGES = "merges"


class Removals:
    """The recycle bin of each object type, then the merged contacts; again from the start each time.

    Deletions come from the bin's `archivedAt`, where a pass hands on what is newer than the pass before it began, less
    an hour. A record that was erased for good, or purged from the bin, is seen by nothing but a comparison of all ids,
    see `Inventory.fetch`.
    """

    def __init__(self, kit: Kit, contacts: ObjectStream) -> None:
        self._kit, self._contacts = kit, contacts
        self._steps = [*(type for type in TYPES if type not in kit.settings.without), MERGES]
        self._bins = {type: ObjectReader(kit.session, type, kit.settings.page_size) for type in self._steps[:-1]}

    def pull(self, cursor: Cursor | None, tier: Tier, *, looked: Looked | None = None) -> Page:
        now = self._kit.session.now_ms()
        at = cursor or {"since": 0, "began": now, "step": self._steps[0], "after": None}
        began = at["began"] if at["began"] is not None else now
        step = at["step"] if at["step"] in self._steps else self._steps[0]
        lane = Lane.REFRESH if at["since"] else Lane.BACKFILL
        since = at["since"] - self._kit.settings.timings.sweep // MILLISECOND
        page, after = (self._merges if step == MERGES else self._bin)(step, at["after"], since, lane)
        following = step if after is not None else self._next(step)
        if following is None:
            rest = {"since": began, "began": None, "step": self._steps[0], "after": None}
            return replace(page, cursor=rest, done=True)
        return replace(
            page, cursor={"since": at["since"], "began": began, "step": following, "after": after}, done=False
        )

    def _next(self, step: str) -> str | None:
        place = self._steps.index(step) + 1
        return self._steps[place] if place < len(self._steps) else None

    def _bin(self, type: str, after: str | None, since: int, lane: Lane) -> tuple[Page, str | None]:
        rows, following = self._bins[type].page(after, lane, archived=True)
        gone = (
            Deletion(
                RecordRef(self._kit.settings.name, type, str(row["id"])),
                instant(row.get("archivedAt") or row["updatedAt"]),
                binned=True,
            )
            for row in rows
        )
        return Page({}, True, deletions=[row for row in gone if millis(row.deleted_at) >= since]), following

    def _merges(self, step: str, after: str | None, since: int, lane: Lane) -> tuple[Page, str | None]:
        """Merges of late, with the survivor as it is now: a merge does not always move its modified stamp."""
        has = {"propertyName": MERGED, "operator": "HAS_PROPERTY"}
        rows, following = self._contacts.reader.find([has], [MERGED, MERGED_AT, "lastmodifieddate"], after, lane)
        mapper = self._kit.mapper
        late = [row for row in rows if any(millis(old.deleted_at) >= since for old in mapper.merged(row))]
        survivors = self._contacts.reader.read([str(row["id"]) for row in late], lane)
        return self._contacts.page(survivors, lane), following
