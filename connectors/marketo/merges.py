"""Which lead lives on as which: merges as the activity log tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.marketo.activities import MERGE, ActivityTypes
from connectors.marketo.faults import Rejected
from connectors.marketo.trail import ACTIVITIES, Trail
from connectors.quota import Lane

REMEMBERED = timedelta(days=90)
"""Who is found gone later than that was known to be merged long since, by the stream of removals."""
LATE = timedelta(hours=1)
"""How late the log shows a merge at most."""


class Merges:
    """Losers by winner, of the last 90 days."""

    def __init__(self, trail: Trail, types: ActivityTypes) -> None:
        self._trail, self._types = trail, types
        self._into: dict[str, str] = {}
        self._read_at: datetime | None = None

    def survivor(self, id: str) -> str | None:
        """Whom a lead lives on as; None for one that was not merged. As far as `refresh` has read."""
        seen = {id}
        now = self._into.get(id)
        while now is not None and now in self._into and now not in seen:
            seen.add(now)
            now = self._into[now]
        return now

    def refresh(self, lane: Lane) -> None:
        """Read what the log tells by now: all of it, then what may have shown since it was read last."""
        number = self._types.of(lane).get(MERGE)
        if number is None:
            return
        now = self._trail.session.now()
        since = now - REMEMBERED if self._read_at is None else self._read_at - LATE
        since = since.replace(minute=0, second=0, microsecond=0)
        asked = {"activityTypeIds": number}
        try:
            found, _ = self._trail.all(ACTIVITIES, asked, self._trail.token(since, lane), lane)
        except Rejected:  # a place in the log that Marketo does not know any more
            found, _ = self._trail.all(ACTIVITIES, asked, self._trail.token(since, lane, fresh=True), lane)
        for row in found:
            self._into |= dict.fromkeys(losers(row), str(row["leadId"]))
        self._read_at = now


def losers(row: Mapping[str, Any]) -> Iterator[str]:
    """The leads that were merged into the one whose activity this is."""
    told = {str(each["name"]): each.get("value") for each in row.get("attributes") or ()}
    winner = str(row["leadId"])
    return (id for id in re.findall(r"\d+", str(told.get("Merge IDs") or "")) if id != winner)
