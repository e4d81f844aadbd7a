"""What an org holds, by id: all rows of an object without regard to stamps, and the contents of some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.errors import Misconfigured, ProtocolViolation
from connectors.port import Census, Cursor, Page
from connectors.quota import Lane
from connectors.records import Deletion, RecordRef
from connectors.salesforce.facts import Assembly
from connectors.salesforce.mapping import Row
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings

OBJECTS: Mapping[str, str] = {"Lead": "leads", "Contact": "contacts", "Account": "accounts"}
"""Of people and accounts, with the streams that bring them."""
_MERGES_FOLLOWED = 5


class Register:
    """Reads one org by id, in the lane of refreshes."""

    def __init__(self, settings: SalesforceSettings, session: Session, assembly: Assembly) -> None:
        self._source = settings.name
        self._limit = settings.page_size
        self._session = session
        self._assembly = assembly
        self.objects = tuple(object for object, stream in OBJECTS.items() if stream not in settings.without)

    def census(self, object: str, cursor: Cursor | None) -> Census:
        """A page of the ids that are visible and not deleted, by an Id keyset: no index lags behind it."""
        self._known(object)
        after = f" WHERE Id > '{cursor['after']}'" if cursor else ""
        soql = f"SELECT Id FROM {object}{after} ORDER BY Id LIMIT {self._limit}"
        answer = self._session.query(soql, lane=Lane.REFRESH)
        if not answer.records and not answer.complete:
            raise ProtocolViolation(self._source, f"a census of {object} was answered with an empty page")
        ids = [str(row["Id"]) for row in answer.records]
        done = answer.complete and len(ids) < self._limit
        return Census(self._refs(object, ids), {"after": ids[-1]} if ids else dict(cursor or {}), done)

    def fetch(self, refs: Sequence[RecordRef]) -> Page:
        """Rows of one object as `pull` brings them. Those in the recycle bin and those that no query shows (purged, or
        hidden by sharing) come as deletions; losers of merges name the last winner."""
        if not refs:
            return Page({}, True)
        object = refs[0].object
        self._known(object)
        if any(ref.object != object for ref in refs):
            raise ValueError("a fetch reads rows of one object")
        rows = self._rows(object, [ref.id for ref in refs])
        facts = self._assembly.facts(object, rows, Lane.REFRESH)
        found, now = {row["Id"] for row in rows}, self._session.now().replace(microsecond=0)
        unseen = [Deletion(ref, now) for ref in refs if ref.id not in found]
        winners = self._winners(object, rows)
        settled = [
            Deletion(gone.ref, gone.deleted_at, RecordRef(self._source, object, winners[gone.ref.id]))
            if gone.ref.id in winners
            else gone
            for gone in facts.deletions
        ]
        return Page({}, True, facts.leads, facts.accounts, deletions=[*settled, *unseen])

    def _rows(self, object: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        def ask() -> list[dict[str, Any]]:
            columns = self._assembly.columns(self._session.describe(object, lane=Lane.REFRESH))
            soql = f"SELECT {', '.join(columns)} FROM {object} WHERE Id IN {{ids}}"
            return list(self._session.query_ids(soql, ids, lane=Lane.REFRESH, everything=True))

        try:
            return ask()
        except Misconfigured:  # a field may have been removed or hidden since it was described
            self._session.forget(object)
            return ask()

    def _winners(self, object: str, rows: Sequence[Row]) -> dict[str, str]:
        """Of each loser of a merge, who stays in the end: a winner may have lost since."""
        ends = {row["Id"]: str(row["MasterRecordId"]) for row in rows if row.get("MasterRecordId")}
        asking = set(ends.values())
        for _ in range(_MERGES_FOLLOWED):
            if not asking:
                break
            soql = f"SELECT Id, MasterRecordId FROM {object} WHERE Id IN {{ids}}"
            answers = self._session.query_ids(soql, asking, lane=Lane.REFRESH, everything=True)
            further = {row["Id"]: str(row["MasterRecordId"]) for row in answers if row.get("MasterRecordId")}
            ends = {loser: further.get(winner, winner) for loser, winner in ends.items()}
            asking = set(further.values())
        return ends

    def _refs(self, object: str, ids: Sequence[str]) -> list[RecordRef]:
        return [RecordRef(self._source, object, id) for id in ids]

    def _known(self, object: str) -> None:
        if object not in self.objects:
            raise LookupError(f"{self._source} counts no {object!r}")
