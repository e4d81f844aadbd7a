"""CRM objects: found by search, read from the primary store, linked to their people."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from connectors.errors import ProtocolViolation
from connectors.hubspot.faults import Rejected
from connectors.hubspot.session import Session
from connectors.hubspot.windows import Window
from connectors.quota import Lane

LIST_PAGE = READ_BATCH = 100
WITH_HISTORY = 50
"""HubSpot refuses more rows than this in a list or a batch when a property history is asked for."""
LINK_BATCH = 1_000

PRIMARY_TYPES = frozenset({1, 5})
"""Association types of the company labelled "Primary", of a contact and of a deal."""
PRIMARY_NAMES = frozenset({"contact_to_company", "deal_to_company"})
"""The same as a list names them; beside it stands the plain one, `..._unlabeled`."""

Row = Mapping[str, Any]


def modified_property(type: str) -> str:
    """The property that every write moves; contacts alone call it otherwise."""
    return "lastmodifieddate" if type == "contacts" else "hs_lastmodifieddate"


class ObjectReader:
    """Reads of one object type. `page_size` rows a page at most; a search gives 200, a list 100."""

    def __init__(
        self, session: Session, type: str, page_size: int, properties: Sequence[str] = (), history: Sequence[str] = ()
    ) -> None:
        self._session, self.type, self._page_size = session, type, page_size
        self.properties, self._history = list(properties), list(history)

    def search(self, window: Window, properties: Sequence[str] = ()) -> tuple[list[Row], str | None]:
        """A page of rows modified within the window, ascending id, and where the next page starts.

        They come with their stamp, and `properties` beside it.

        Pages are cut by id, never by offset: offsets end at 10,000, and more rows than that can share one millisecond
        (github.com/airbytehq/airbyte/issues/43317). A row is found by its indexed stamp but shown with the newer one,
        so its stamp may lie behind the window's end; in the first page, whose answer sets that end, any may.
        """
        stamp = modified_property(self.type)
        within = {"propertyName": stamp, "operator": "GTE", "value": str(window.since)}
        if window.until is not None:
            within |= {"operator": "BETWEEN", "highValue": str(window.until)}
        return self.find([within], [stamp, *properties], window.position, window.lane)

    def total(self, lane: Lane) -> int:
        """How many rows there are, as far as the search has indexed them."""
        body = {"filterGroups": [], "properties": [], "limit": 1}
        return int(self._session.post(self._session.paths.objects(self.type, "search"), body, lane=lane)["total"])

    def find(
        self, filters: Sequence[Mapping[str, str]], properties: Sequence[str], after: str | None, lane: Lane
    ) -> tuple[list[Row], str | None]:
        """A page of rows that pass all filters and whose id is greater than `after`, ascending id."""
        further = [{"propertyName": "hs_object_id", "operator": "GT", "value": after}] if after else []
        body = {
            "filterGroups": [{"filters": [*filters, *further]}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": ["hs_object_id", *properties],
            "limit": self._page_size,
        }
        answer = self._session.post(self._session.paths.objects(self.type, "search"), body, lane=lane)
        rows = answer["results"]
        if not rows or not (answer.get("paging") or {}).get("next"):
            return rows, None
        last = max((str(row["id"]) for row in rows), key=int)
        if after is not None and int(last) <= int(after):
            raise ProtocolViolation(
                self._session.source, f"the search for {self.type} does not advance beyond id {after}"
            )
        return rows, last

    def page(
        self, after: str | None, lane: Lane, *, archived: bool = False, to: Sequence[str] = ()
    ) -> tuple[list[Row], str | None]:
        """A page of the full list, ascending id, and where the next one starts. `archived`: the recycle bin instead.

        The rows come with their associations `to` other types, see `listed`.
        """
        wanted = [] if archived else self.properties
        history = [] if archived else self._history
        query: list[tuple[str, str | int]] = [("limit", min(self._page_size, WITH_HISTORY if history else LIST_PAGE))]
        query += [("properties", ",".join(wanted))] if wanted else []
        query += [("propertiesWithHistory", ",".join(history))] if history else []
        query += [("associations", ",".join(to))] if to else []
        query += [("archived", "true")] if archived else []
        query += [("after", after)] if after else []
        answer = self._session.get(self._session.paths.objects(self.type), query, lane=lane)
        following = (answer.get("paging") or {}).get("next")
        return answer["results"], following["after"] if following else None

    def read(
        self, ids: Sequence[str], lane: Lane, properties: Sequence[str] | None = None,
        history: Sequence[str] | None = None,
    ) -> list[Row]:  # fmt: skip
        """Rows by id from the primary store, in no order; an id that is gone is left out.

        `properties` instead of the usual ones come without history, or with that of the properties in `history`; so
        few rows fit a call then that it takes twice as many.
        """
        if history is None:
            history = self._history if properties is None else ()
        path = self._session.paths.objects(self.type, "batch/read")
        found: list[Row] = []
        for batch in batches(ids, WITH_HISTORY if history else READ_BATCH):
            body: dict[str, Any] = {
                "properties": list(self.properties if properties is None else properties),
                "propertiesWithHistory": list(history),
                "inputs": [{"id": id} for id in batch],
            }
            found += self._session.post(path, body, lane=lane)["results"]
        return found

    def binned(self, ids: Sequence[str], lane: Lane) -> list[Row]:
        """Those of the ids that lie in the recycle bin, where HubSpot keeps a deleted record for 90 days."""
        path = self._session.paths.objects(self.type, "batch/read")
        found: list[Row] = []
        for batch in batches(ids, READ_BATCH):
            body = {"properties": [], "propertiesWithHistory": [], "inputs": [{"id": id} for id in batch]}
            found += self._session.post(path, body, [("archived", "true")], lane=lane)["results"]
        return found

    def survivor(self, id: str, lane: Lane) -> str | None:
        """The id that the record has now, another one if it was merged away; None if it is gone."""
        try:
            answer = self._session.get(
                self._session.paths.objects(self.type, id), [("properties", "hs_object_id")], lane=lane
            )
        except Rejected as refusal:
            if refusal.status == 404:
                return None
            raise
        return str(answer["id"])


def unshown(properties: Collection[str], rows: Sequence[Row]) -> tuple[frozenset[str], bool]:
    """Those of the properties that these rows do not show, and whether they show empty ones.

    HubSpot leaves out in silence what is archived, hidden from us or unknown. What a record has no value of it shows as
    null, or leaves out as well: its pages on contacts say the one, those on objects the other.
    """
    shown = [row["properties"] for row in rows]
    if nulls := [each for each in shown if None in each.values()]:
        return frozenset(properties).difference(frozenset(properties).intersection(*nulls)), True
    return frozenset(properties).difference(*shown), False


def linked(session: Session, of: str, to: str, ids: Sequence[str], lane: Lane) -> dict[str, list[str]]:
    """Ids of the records that each row is associated with, a company labelled "Primary" first; rows without are absent.

    An association moves no modified stamp, so what is read here holds for now.
    """
    found: dict[str, list[tuple[bool, str]]] = {}
    waiting = [{"id": id} for id in ids]
    path = session.paths.associations(of, to)
    while waiting:
        batch, waiting = waiting[:LINK_BATCH], waiting[LINK_BATCH:]
        # The `errors` of the answer are rows without associations: nothing is wrong with them.
        for row in session.post(path, {"inputs": batch}, lane=lane)["results"]:
            id = str(row["from"]["id"])
            for other in row["to"]:
                types = {kind["typeId"] for kind in other.get("associationTypes") or ()}
                found.setdefault(id, []).append((not types & PRIMARY_TYPES, str(other["toObjectId"])))
            if following := (row.get("paging") or {}).get("next"):
                waiting.append({"id": id, "after": following["after"]})
    return {id: [other for _, other in sorted(others, key=lambda other: other[0])] for id, others in found.items()}


def listed(session: Session, of: str, to: str, rows: Sequence[Row], lane: Lane) -> dict[str, list[str]]:
    """As `linked`, out of rows that came with their associations; asks for those of rows that have too many."""
    found: dict[str, list[str]] = {}
    more: list[str] = []
    for row in rows:
        held = (row.get("associations") or {}).get(to) or {"results": []}
        if held.get("paging"):
            more.append(str(row["id"]))
        elif others := sorted(held["results"], key=lambda other: other.get("type") not in PRIMARY_NAMES):
            found[str(row["id"])] = list(dict.fromkeys(str(other["id"]) for other in others))
    return found | (linked(session, of, to, more, lane) if more else {})


def calls(rows: int, size: int) -> int:
    """Batches of `size` that `rows` take."""
    return -(-rows // size)


def batches(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    rest = iter(ids)
    while batch := list(islice(rest, size)):
        yield batch
