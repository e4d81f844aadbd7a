"""All leads there are, page by page: for the first load, and for the nightly count.

By bulk extract in stretches of the time they were made in. Where the subscription or the role does not allow that, by
their ids, 300 a call, downward from the newest lead's: until so many calls in a row found nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connectors.errors import Misconfigured, Transient
from connectors.marketo.activities import ActivityTypes
from connectors.marketo.bulk import SPAN, Exports, JobLost
from connectors.marketo.faults import Denied, Rejected
from connectors.marketo.leads import LeadReader
from connectors.marketo.trail import ACTIVITIES, Trail
from connectors.marketo.values import instant, iso
from connectors.port import Cursor
from connectors.quota import Lane

log = logging.getLogger(__name__)

AHEAD = 3
"""Exports asked for at once: two run, and the queue of ten is everybody's."""
JOBS_LOST = 3
"""After so many exports in a row that came to nothing the rest is read by ids."""
EMPTY_CALLS = 100
"""Calls by id that find nobody, after which there is nobody below: 30,000 ids."""
LOOKS_BACK = tuple(timedelta(days=days) for days in (1, 30, 365, 800))
"""How far back the newest lead is looked for; the log keeps some two years ("Activity data retention")."""
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Job:
    """An export of the leads made in a stretch of time."""

    id: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Files:
    """`jobs` are under way, the first of them read up to byte `start`; leads made from `following` on are not asked for
    yet."""

    until: datetime
    following: datetime
    jobs: tuple[Job, ...] = ()
    size: int | None = None
    start: int = 0
    columns: tuple[str, ...] = ()
    lost: int = 0

    def dump(self) -> Cursor:
        jobs = [[job.id, iso(job.since), iso(job.until)] for job in self.jobs]
        return {
            "until": iso(self.until), "following": iso(self.following), "jobs": jobs, "size": self.size,
            "start": self.start, "columns": list(self.columns), "lost": self.lost,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ids:
    """Leads of ids below `below` are not read yet; the last `empty` calls found nobody."""

    below: int
    empty: int = 0

    def dump(self) -> Cursor:
        return {"below": self.below, "empty": self.empty}


def load(cursor: Cursor) -> Files | Ids:
    if "below" in cursor:
        return Ids(int(cursor["below"]), int(cursor["empty"]))
    jobs = tuple(Job(str(id), instant(since), instant(until)) for id, since, until in cursor["jobs"])
    return Files(
        instant(cursor["until"]), instant(cursor["following"]), jobs, cursor["size"], cursor["start"],
        tuple(cursor["columns"]), cursor["lost"],
    )  # fmt: skip


class Roll:
    """The leads of one instance, made since `since`."""

    def __init__(
        self, exports: Exports, leads: LeadReader, trail: Trail, types: ActivityTypes, since: datetime
    ) -> None:
        self._exports, self._leads, self._trail, self._types, self._since = exports, leads, trail, types, since

    def begin(self) -> Files:
        """Where to begin; calls nobody."""
        now = self._trail.session.now().replace(microsecond=0)
        return Files(until=now, following=min(self._since, now))

    def step(
        self, at: Files | Ids, fields: Sequence[str], lane: Lane
    ) -> tuple[Sequence[Mapping[str, Any]], Files | Ids | None]:
        """Some leads with these fields, maybe none, and where to go on; None at the end. Raises `Transient` while an
        export is being written."""
        if isinstance(at, Ids):
            return self._by_ids(at, fields, lane)
        if not at.jobs:
            asked = self._asked(at, fields, lane)
            if asked is None:
                return [], Ids(self._newest(lane) + 1)
            return [], asked if asked.jobs else None
        return self._by_file(at, fields, lane)

    def _asked(self, at: Files, fields: Sequence[str], lane: Lane) -> Files | None:
        """With as many exports under way as may be. None where there can be none."""
        while len(at.jobs) < AHEAD and at.following <= at.until:
            end = min(at.following + SPAN, at.until)
            try:
                job = Job(self._exports.start(at.following, end, fields, lane), at.following, end)
            except (Denied, Rejected) as refusal:
                if at.jobs:
                    break
                self._note("bulk_refused", refusal)
                return None
            except Transient:
                if at.jobs:
                    break
                raise
            at = replace(at, jobs=(*at.jobs, job), following=end + _SECOND)
        return at

    def _by_file(
        self, at: Files, fields: Sequence[str], lane: Lane
    ) -> tuple[Sequence[Mapping[str, Any]], Files | Ids | None]:
        job = at.jobs[0]
        try:
            size = at.size if at.size is not None else self._exports.size(job.id, lane)
            piece = self._exports.piece(job.id, at.start, size, at.columns, lane)
        except JobLost as lost:
            self._note("bulk_lost", lost)
            if at.lost + 1 >= JOBS_LOST:
                return [], Ids(self._newest(lane) + 1)
            try:
                again = Job(self._exports.start(job.since, job.until, fields, lane), job.since, job.until)
            except (Denied, Rejected) as refusal:
                self._note("bulk_refused", refusal)
                return [], Ids(self._newest(lane) + 1)
            begun = replace(at, jobs=(again, *at.jobs[1:]), size=None, start=0, columns=(), lost=at.lost + 1)
            return [], begun
        if piece.following is not None:
            return piece.rows, replace(at, size=size, start=piece.following, columns=tuple(piece.columns))
        rest = self._asked(replace(at, jobs=at.jobs[1:], size=None, start=0, columns=(), lost=0), fields, lane)
        if rest is None:  # allowed until now, and refused for the rest
            return piece.rows, Ids(self._newest(lane) + 1)
        return piece.rows, rest if rest.jobs else None

    def _by_ids(
        self, at: Ids, fields: Sequence[str], lane: Lane
    ) -> tuple[Sequence[Mapping[str, Any]], Files | Ids | None]:
        lowest = max(1, at.below - self._leads.at_once)
        ids = [str(id) for id in range(lowest, at.below)]
        found = self._leads.read(ids, fields, lane) if ids else []
        empty = 0 if found else at.empty + 1
        return found, None if lowest == 1 or empty >= EMPTY_CALLS else Ids(lowest, empty)

    def _newest(self, lane: Lane) -> int:
        """The newest lead's id; ids grow. Raises `Misconfigured` where the log tells of no new lead at all."""
        number = self._types.of(lane).get("New Lead")
        now = self._trail.session.now().replace(minute=0, second=0, microsecond=0)
        for back in LOOKS_BACK if number is not None else ():
            token = self._trail.token(now - back, lane)
            found, _ = self._trail.all(ACTIVITIES, {"activityTypeIds": number}, token, lane)
            if found:
                return max(int(row["leadId"]) for row in found)
        what = "Marketo refuses bulk extracts, and its log tells of no new lead from whose id the others could be found"
        raise Misconfigured(self._trail.session.source, f"{what}: let the role of the API-only user extract leads")

    def _note(self, action: str, why: Exception) -> None:
        extra = {"action": action, "crm": self._trail.session.source, "why": str(why)}
        log.warning("an export of leads came to nothing; they are read otherwise", extra=extra)
