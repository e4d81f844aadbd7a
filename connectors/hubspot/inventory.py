"""What the primary store has, whatever the search shows: all ids of an object, and rows by their id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from connectors.errors import Misconfigured
from connectors.hubspot.objects import ObjectReader, Row, modified_property
from connectors.hubspot.pull import Kit, ObjectStream
from connectors.hubspot.values import instant
from connectors.port import Census, Cursor, Page
from connectors.quota import Lane
from connectors.records import Deletion, RecordRef


class Inventory:
    """Second looks at the objects of `streams`, in the lane of refreshes."""

    def __init__(self, kit: Kit, streams: Mapping[str, ObjectStream]) -> None:
        self._kit, self._streams = kit, streams

    def census(self, object: str, cursor: Cursor | None) -> Census:
        """A page of the list, 100 ids and stamps a call."""
        self._stream(object)
        kit, source, stamp = self._kit, self._kit.settings.name, modified_property(object)
        ids = ObjectReader(kit.session, object, kit.settings.page_size, [stamp])
        rows, after = ids.page(cursor["after"] if cursor else None, Lane.REFRESH)
        refs = [RecordRef(source, object, str(row["id"])) for row in rows]
        stamps = [instant(row["properties"].get(stamp) or row["updatedAt"]) for row in rows]
        return Census(refs, {"after": after}, after is None, stamps)

    def fetch(self, refs: Sequence[RecordRef], *, binned: bool = False) -> Page:
        """Rows by id as a complete pull brings them; those that were merged away lead to their survivor.

        One call more for each id that is not there: HubSpot answers for a merged one with the record that it became.
        A contact that is not in the recycle bin either was erased: on a person's request (GDPR), or as HubSpot does by
        itself after 90 days, and then its deletion was told long ago. `refs` are of one object. What is `binned` is
        looked for in the bin first, 100 ids a call, and left out if it lies there.
        """
        if not refs:
            return Page({}, done=True)
        object = refs[0].object
        reader, wanted = self._stream(object).reader, dict.fromkeys(ref.id for ref in refs)
        if binned:
            lying = {str(row["id"]) for row in reader.binned(list(wanted), Lane.REFRESH)}
            wanted = {id: None for id in wanted if id not in lying}
        read = reader.read(list(wanted), Lane.REFRESH)
        rows = [row for row in read if str(row["id"]) in wanted]  # by a merged id HubSpot gives the survivor's row
        found = {str(row["id"]) for row in rows}
        now = {id: reader.survivor(id, Lane.REFRESH) for id in wanted if id not in found}
        rows += reader.read([id for id, survivor in now.items() if survivor == id], Lane.REFRESH)  # restored meanwhile
        page = self._stream(object).page(rows, Lane.REFRESH)
        lost = [id for id, survivor in now.items() if survivor is None]
        bin = {str(row["id"]): row for row in reader.binned(lost, Lane.REFRESH)} if lost else {}
        gone = [self._gone(object, id, survivor, bin.get(id)) for id, survivor in now.items() if survivor != id]
        told = {deletion.ref for deletion in page.deletions}  # a survivor names those it took in, and when
        return replace(page, deletions=[*page.deletions, *(each for each in gone if each.ref not in told)])

    def _gone(self, object: str, id: str, survivor: str | None, row: Row | None) -> Deletion:
        """`row` is what lies in the recycle bin."""
        source = self._kit.settings.name
        into = RecordRef(source, object, survivor) if survivor is not None else None
        at = instant(row["archivedAt"]) if row and row.get("archivedAt") else self._kit.session.now()
        erased = object == "contacts" and into is None and row is None
        return Deletion(RecordRef(source, object, id), at, into, erased, binned=into is None and row is not None)

    def _stream(self, object: str) -> ObjectStream:
        stream = self._streams.get(object)
        if stream is None:
            raise Misconfigured(
                self._kit.settings.name, f"there is no object {object!r}; there are {', '.join(self._streams)}"
            )
        return stream
