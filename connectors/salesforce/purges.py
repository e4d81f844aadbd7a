"""Rows that are gone for good: in the deletion log, and in no query any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from connectors.errors import ProtocolViolation
from connectors.port import Cursor, Page
from connectors.quota import Lane
from connectors.records import Deletion, RecordRef
from connectors.salesforce.activities import FACTS
from connectors.salesforce.mapping import PEOPLE
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.values import instant, soql_instant

LOG_KEPT = timedelta(days=14)
"""How far back `getDeleted` reaches (15 days, SOAP API guide), with a day to spare."""
OVERLAP = timedelta(minutes=3)
"""`getDeleted` cuts both ends to the minute and wants more than one between them."""
AHEAD = timedelta(minutes=15)
"""How far the `Date` of answers may run ahead of the org's own clock: an end in its future is refused."""


class Purges:
    """Reads the deletion log, one object a page."""

    def __init__(self, settings: SalesforceSettings, session: Session, objects: Sequence[str]) -> None:
        self._source = settings.name
        self._erases = settings.erase_purged
        self._session = session
        self._objects = tuple(objects)

    def pull(self, cursor: Cursor | None) -> Page:
        """The cursor holds an instant per object, and whose turn it is while a round lasts."""
        covered: dict[str, Any] = dict(cursor or {})
        turn = covered.pop("turn", None)
        place = self._objects.index(turn) if turn in self._objects else 0
        object = self._objects[place]
        deletions, covered[object] = self._purged(object, covered.get(object))
        if place + 1 < len(self._objects):
            return Page({**covered, "turn": self._objects[place + 1]}, False, deletions=deletions)
        return Page(covered, True, deletions=deletions)

    def _purged(self, object: str, since: str | None) -> tuple[list[Deletion], str]:
        now = self._session.now()
        earliest = now - LOG_KEPT
        if not self._session.describe(object, lane=Lane.REFRESH).replicateable:
            return [], soql_instant(now)
        start = max(earliest, instant(since) - OVERLAP) if since else earliest
        answer = self._log(object, start, now)
        try:
            gone = {str(each["id"]): instant(each["deletedDate"]) for each in answer["deletedRecords"]}
            until = soql_instant(instant(answer["latestDateCovered"]))
        except KeyError as missing:
            raise ProtocolViolation(self._source, f"sobjects/{object}/deleted was answered without {missing}") from None
        return self._deletions(object, gone), until

    def _log(self, object: str, start: datetime, now: datetime) -> dict[str, Any]:
        """The deletion log from `start` on; up to an end that no clock takes for the future where `now` is refused."""
        try:
            return self._session.changed(object, "deleted", min(start, now - OVERLAP), now, lane=Lane.REFRESH)
        except ProtocolViolation as refusal:
            if "INVALID_REPLICATION_DATE" not in refusal.message:
                raise
        end = now - AHEAD
        return self._session.changed(object, "deleted", min(start, end - OVERLAP), end, lane=Lane.REFRESH)

    def _deletions(self, object: str, gone: Mapping[str, datetime]) -> list[Deletion]:
        """Only of rows that no query shows: those in the recycle bin, losers of merges too, are in their own stream.

        The org holds nothing more of them, and Salesforce has no other sign for a person's erasure than this one.
        """
        soql = f"SELECT Id FROM {object} WHERE Id IN {{ids}}"
        shown = {row["Id"] for row in self._session.query_ids(soql, gone, lane=Lane.REFRESH, everything=True)}
        return [
            Deletion(RecordRef(self._source, object, id + fact), at, erased=self._erases and object in PEOPLE.values())
            for id, at in gone.items()
            if id not in shown
            for fact in FACTS.get(object, ("",))
        ]
