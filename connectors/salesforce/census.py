"""What an org holds, by id: all rows of an object without regard to stamps, and the contents of some of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.errors import Misconfigured, ProtocolViolation
from connectors.port import Census, Cursor, Page
from connectors.quota import Lane
from connectors.records import Deletion, RecordRef
from connectors.salesforce.bulk import FIRST_PAUSES, LATER_PAUSES, BulkQueries, JobLost
from connectors.salesforce.facts import Assembly
from connectors.salesforce.mapping import PEOPLE, Row
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.values import instant
from connectors.salesforce.windows import STAMP
from connectors.understood import Misused

log = logging.getLogger(__name__)

OBJECTS: Mapping[str, str] = {"Lead": "leads", "Contact": "contacts", "Account": "accounts"}
"""Of people and accounts, with the streams that bring them."""
_MERGES_FOLLOWED = 5


class Register:
    """Reads one org by id, in the lane of refreshes."""

    def __init__(self, settings: SalesforceSettings, session: Session, assembly: Assembly) -> None:
        self._source, self._erases = settings.name, settings.erase_purged
        self._limit = settings.page_size
        self._many, self._piece_size = settings.bulk_census_from, settings.bulk_census_page_size
        self._bulk = BulkQueries(session, Lane.REFRESH, everything=False)
        self._session = session
        self._assembly = assembly
        self.objects = tuple(object for object, stream in OBJECTS.items() if stream not in settings.without)

    def census(self, object: str, cursor: Cursor | None) -> Census:
        """A page of the ids that are visible and not deleted: by a bulk query where there are many, else an Id keyset.
        No index lags behind either. A page without ids says that the bulk query is not through yet."""
        self._known(object)
        place = dict(cursor or {})
        if place.get("job"):
            return self._piece(object, place["job"])
        if cursor is None and (job := self._begun(object)) is not None:
            return Census((), {"job": [job, None, 0]}, done=False)
        return self._page(object, place.get("after"))

    def _begun(self, object: str) -> str | None:
        """A bulk query for all ids; None where there are few of them, or where it is refused."""
        counted = self._session.count(object, up_to=self._many, lane=Lane.REFRESH, everything=False)
        if counted < self._many:
            return None
        try:
            return self._bulk.start(f"SELECT Id, {STAMP} FROM {object}")
        except (Misconfigured, ProtocolViolation) as refusal:
            self._note(object, refusal)
            return None

    def _piece(self, object: str, job: Sequence[Any]) -> Census:
        """The next ids of a bulk query. One that came to nothing gives way to pages from the start."""
        id, locator, looks = str(job[0]), job[1], int(job[2])
        try:
            if locator is None and not self._bulk.finished(id, LATER_PAUSES if looks else FIRST_PAUSES):
                return Census((), {"job": [id, None, looks + 1]}, done=False)
            piece = self._bulk.piece(id, locator, self._piece_size, {})
        except (JobLost, Misconfigured, ProtocolViolation) as lost:
            self._note(object, lost)
            return Census((), {"after": None}, done=False)
        return self._counted(object, piece.rows, {"job": [id, piece.locator, looks]}, done=piece.locator is None)

    def _page(self, object: str, start: str | None) -> Census:
        after = f" WHERE Id > '{start}'" if start else ""
        soql = f"SELECT Id, {STAMP} FROM {object}{after} ORDER BY Id LIMIT {self._limit}"
        answer = self._session.query(soql, lane=Lane.REFRESH)
        if not answer.records and not answer.complete:
            raise ProtocolViolation(self._source, f"a census of {object} was answered with an empty page")
        last = str(answer.records[-1]["Id"]) if answer.records else start
        done = answer.complete and len(answer.records) < self._limit
        return self._counted(object, answer.records, {"after": last}, done=done)

    def _counted(self, object: str, rows: Sequence[Row], cursor: Cursor, *, done: bool) -> Census:
        refs = [RecordRef(self._source, object, str(row["Id"])) for row in rows]
        return Census(refs, cursor, done, [instant(row[STAMP]) for row in rows])

    def fetch(self, refs: Sequence[RecordRef], *, binned: bool = False) -> Page:
        """Rows of one object as `pull` brings them. Those in the recycle bin and those that no query shows (purged, or
        hidden by sharing) come as deletions; losers of merges name the last winner.

        What lay in the bin and is shown no more was purged: the deletion log tells that of rows that never lay there,
        and of others only when they were put in.
        """
        if not refs:
            return Page({}, True)
        object = refs[0].object
        self._known(object)
        if any(ref.object != object for ref in refs):
            raise Misused("a fetch reads rows of one object")
        rows = self._rows(object, [ref.id for ref in refs])
        facts = self._assembly.facts(object, rows, Lane.REFRESH)
        found, now = {row["Id"] for row in rows}, self._session.now().replace(microsecond=0)
        purged = binned and self._erases and object in PEOPLE.values()
        unseen = [Deletion(ref, now, erased=purged, unseen=True) for ref in refs if ref.id not in found]
        winners = self._winners(object, rows)
        settled = [
            Deletion(gone.ref, gone.deleted_at, RecordRef(self._source, object, winners[gone.ref.id]))
            if gone.ref.id in winners
            else gone
            for gone in facts.deletions
        ]
        return Page({}, True, facts.leads, facts.accounts, deletions=[*settled, *unseen], fields=facts.fields)

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

    def _note(self, object: str, why: Exception) -> None:
        extra = {"action": "bulk_census_lost", "crm": self._source, "object": object, "why": str(why)}
        log.warning("a bulk query came to nothing; the object is counted page by page", extra=extra)

    def _known(self, object: str) -> None:
        if object not in self.objects:
            raise LookupError(f"{self._source} counts no {object!r}")
