"""Bulk extract jobs: made, queued, worked on two at a time, and the files that come of them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.marketo.instance import Instance
from sandbox.marketo.instants import iso, quota_day, whole
from sandbox.marketo.settings import MarketoServer

AT_ONCE, IN_QUEUE = 2, 10
MINUTE = timedelta(seconds=60)
"""The status changes no more often than this (vendor's page Bulk Extract, as all of these)."""
FILES_KEPT = timedelta(days=7)
MEDIA = {"CSV": ",", "TSV": "\t", "SSV": ";"}


@dataclass(slots=True)
class Job:
    """One extract. `write` makes its file when it is done; `fails`: it will not come to that."""

    id: str
    kind: str
    user: str
    format: str
    created: datetime
    write: Callable[[], tuple[bytes, int]] = field(repr=False)
    queued: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    canceled: bool = False
    fails: bool = False
    file: bytes = field(default=b"", repr=False)
    records: int | None = None

    def state(self, now: datetime) -> str:
        if self.canceled:
            return "Canceled"
        if self.queued is None or self.started is None or self.finished is None:
            return "Created"
        if now < self.started:
            return "Queued"
        return "Processing" if now < self.finished else "Failed" if self.fails else "Completed"


class Jobs:
    """The queue of one instance; jobs belong to the user who made them."""

    def __init__(self, instance: Instance, settings: MarketoServer) -> None:
        self._instance = instance
        self._settings = settings
        self._jobs: dict[str, Job] = {}

    def create(self, kind: str, user: str, format: str, write: Callable[[], tuple[bytes, int]]) -> Job:
        """Raises `OverflowError` when the day's bytes are used up."""
        self._check_quota()
        id = str(uuid.UUID(int=self._instance.dice.getrandbits(128), version=4))
        job = self._jobs[id] = Job(id, kind, user, format, self._instance.now(), write)
        return job

    def get(self, id: str, kind: str, user: str) -> Job | None:
        job = self._jobs.get(id)
        return job if job is not None and (job.kind, job.user) == (kind, user) else None

    def each(self, kind: str, user: str) -> Iterator[Job]:
        """Those of the last seven days."""
        since = self._instance.now() - FILES_KEPT
        return (job for job in self._jobs.values() if (job.kind, job.user) == (kind, user) and job.created >= since)

    def enqueue(self, job: Job) -> None:
        """Raises `OverflowError` with the vendor's words."""
        now, temper = self._instance.now(), self._instance.temper
        if job.queued is not None:
            raise OverflowError("Job already queued")
        self._check_quota()
        ends = sorted(
            other.finished
            for other in self._jobs.values()
            if other.finished is not None and other.finished > now and not other.canceled
        )
        if len(ends) >= IN_QUEUE:
            raise OverflowError("Too many jobs in queue")
        job.queued = now
        job.started = now if len(ends) < AT_ONCE else ends[-AT_ONCE]
        job.finished = whole(job.started + timedelta(seconds=temper.export_seconds))
        job.fails = self._instance.dice.random() < temper.failing

    def describe(self, job: Job) -> dict[str, Any]:
        """As the status endpoint shows it: the state of the last whole minute since the job was queued."""
        now = self._instance.now()
        if job.queued is not None and self._instance.temper.export_seconds:
            now = job.queued + (now - job.queued) // MINUTE * MINUTE
        state = job.state(now)
        row: dict[str, Any] = {"exportId": job.id, "format": job.format, "status": state, "createdAt": iso(job.created)}
        if job.queued is not None:
            row["queuedAt"] = iso(job.queued)
        if job.started is not None and state in {"Processing", "Completed", "Failed"}:
            row["startedAt"] = iso(job.started)
        if job.finished is not None and state in {"Completed", "Failed"}:
            row["finishedAt"] = iso(job.finished)
        if state == "Failed":
            row["errorMsg"] = "Internal error"
        if state == "Completed":
            content = self.content(job)
            checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
            row |= {"numberOfRecords": job.records, "fileSize": len(content), "fileChecksum": checksum}
        return row

    def content(self, job: Job) -> bytes:
        """The file of a finished job. Raises `LookupError` before it is done and once it is too old."""
        now = self._instance.now()
        if job.state(now) != "Completed" or job.finished is None or now > job.finished + FILES_KEPT:
            raise LookupError("Requested file not found")
        if job.records is None:
            job.file, job.records = job.write()
        return job.file

    def _check_quota(self) -> None:
        limits, today = self._instance.temper.limits or self._settings.limits, quota_day(self._instance.now())
        written = sum(len(j.file) for j in self._jobs.values() if j.finished and quota_day(j.finished) == today)
        if limits.export_bytes is not None and written >= limits.export_bytes:
            raise OverflowError("Export daily quota exceeded")
