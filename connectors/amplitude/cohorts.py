"""The users of a bucket as a cohort: it has them at once; a property shows in charts with the user's next event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.amplitude.session import Session
from connectors.amplitude.settings import AmplitudeSettings
from connectors.errors import Misconfigured, ProtocolViolation
from connectors.quota import Lane


class Cohorts:
    """Those of one project that are configured."""

    def __init__(self, settings: AmplitudeSettings, session: Session) -> None:
        self._settings, self._session = settings, session
        self._known: tuple[datetime, Mapping[str, str]] | None = None

    def ids(self, lane: Lane, *, fresh: bool = False) -> Mapping[str, str]:
        """Id by name of the configured ones that there are; as they were at most `cohort_age` ago, unless `fresh`."""
        now = self._session.now(lane)
        if fresh or self._known is None or now - self._known[0] >= self._settings.timings.cohort_age:
            rows = self._session.cohorts(lane)
            wanted = set(self._settings.cohorts.values())
            self._known = now, {str(row["name"]): str(row["id"]) for row in rows if self._usable(row, wanted)}
        return self._known[1]

    def move(self, buckets: Mapping[str, str]) -> None:
        """Put users (by id, their bucket) into the cohort of their bucket, and take them out of the others. Safe to
        repeat. Raises `Misconfigured` for a cohort that is not there."""
        if not buckets or not self._settings.cohorts:
            return
        for bucket, name in self._settings.cohorts.items():
            inside = [user for user, its in buckets.items() if its == bucket]
            outside = [user for user, its in buckets.items() if its != bucket]
            changes = [change(ids, way) for ids, way in ((outside, "REMOVE"), (inside, "ADD")) if ids]
            self._change(name, changes)

    def _change(self, name: str, changes: Sequence[Mapping[str, Any]]) -> None:
        """One that was made anew has another id."""
        id = self._id(name)
        try:
            self._session.membership(id, changes, Lane.WRITE)
        except ProtocolViolation:
            if (other := self._id(name, fresh=True)) == id:
                raise
            self._session.membership(other, changes, Lane.WRITE)

    def _id(self, name: str, *, fresh: bool = False) -> str:
        if (id := self.ids(Lane.WRITE, fresh=fresh).get(name)) is not None:
            return id
        if not fresh:
            return self._id(name, fresh=True)
        what = f"there is no cohort {name!r} that is published"
        raise Misconfigured(self._session.source, f"{what}; `leadgauge provision` makes it")

    def _usable(self, row: Mapping[str, Any], wanted: set[str]) -> bool:
        ours = row.get("appId") in (None, self._settings.project)
        return ours and not row.get("archived") and str(row.get("name")) in wanted


def change(users: Sequence[str], way: str) -> dict[str, Any]:
    """One change of a cohort's members; `BY_NAME` is by user id (Behavioral Cohorts API)."""
    return {"ids": list(users), "id_type": "BY_NAME", "operation": way}
