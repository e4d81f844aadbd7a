"""Bulk API 2.0 jobs: what query and ingest jobs have in common."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from io import StringIO
from typing import Any, TypeVar

from sandbox.salesforce.faults import ApiError, not_found
from sandbox.salesforce.router import CSV, Call, Reply
from sandbox.salesforce.values import stamp

LIFE = timedelta(days=7)
DELIMITERS = {"COMMA": ",", "TAB": "\t", "SEMICOLON": ";", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}


class JobState(StrEnum):
    OPEN = "Open"
    UPLOAD_COMPLETE = "UploadComplete"
    IN_PROGRESS = "InProgress"
    JOB_COMPLETE = "JobComplete"
    FAILED = "Failed"
    ABORTED = "Aborted"


RUNNING = frozenset({JobState.OPEN, JobState.UPLOAD_COMPLETE, JobState.IN_PROGRESS})


@dataclass(kw_only=True)
class Job:
    """A job and what is known of it. Subclasses add what they process."""

    id: str
    operation: str
    object: str
    version: str
    created_by: str
    created: datetime
    modified: datetime
    state: JobState
    delimiter: str = "COMMA"
    line_ending: str = "LF"
    processed: int = 0
    milliseconds: int = 0
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields that both kinds of job show."""
        body = {
            "id": self.id, "operation": self.operation, "object": self.object, "createdById": self.created_by,
            "createdDate": stamp(self.created), "systemModstamp": stamp(self.modified), "state": str(self.state),
            "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": float(self.version),
            "lineEnding": self.line_ending, "columnDelimiter": self.delimiter,
        }  # fmt: skip
        if self.error is not None:
            body["errorMessage"] = self.error
        return body

    def csv(self, rows: Iterable[Sequence[str]]) -> bytes:
        """Rows as CSV in the job's dialect, every cell in quotes."""
        text = StringIO(newline="")
        writer = csv.writer(
            text,
            delimiter=DELIMITERS[self.delimiter],
            lineterminator=LINE_ENDINGS[self.line_ending],
            quoting=csv.QUOTE_ALL,
        )
        writer.writerows(rows)
        return text.getvalue().encode()


J = TypeVar("J", bound=Job)


def dialect(body: dict[str, Any]) -> tuple[str, str]:
    """Delimiter and line ending of a new job. Raises ApiError for unknown ones and for content other than CSV."""
    delimiter, ending = body.get("columnDelimiter") or "COMMA", body.get("lineEnding") or "LF"
    if delimiter not in DELIMITERS or ending not in LINE_ENDINGS or (body.get("contentType") or "CSV") != "CSV":
        raise ApiError(400, "INVALIDJOB", "Unknown columnDelimiter, lineEnding or contentType")
    return delimiter, ending


def find(jobs: dict[str, J], call: Call) -> J:
    """The job of the path. Raises ApiError: 404 if it is gone, 409 if another API version created it."""
    job = jobs.get(call.args[0])
    if job is None or call.service.org.clock.now() - job.created > LIFE:
        raise not_found()
    if float(job.version) != float(call.version):
        raise ApiError(409, "API_ERROR", f"The job was created with API version {job.version}; use that version")
    return job


def listed(jobs: Iterable[Job]) -> Reply:
    return Reply(body={"done": True, "records": [job.as_json() for job in jobs], "nextRecordsUrl": None})


def remove(jobs: dict[str, J], call: Call) -> Reply:
    """DELETE a finished job."""
    job = find(jobs, call)
    if job.state in RUNNING:
        raise ApiError(400, "INVALIDJOBSTATE", "Deleting a job is only allowed once it has finished or was aborted")
    del jobs[job.id]
    return Reply(204)


def abort(job: Job, now: datetime) -> None:
    """Raises ApiError if the job has finished."""
    if job.state not in RUNNING:
        raise ApiError(400, "INVALIDJOBSTATE", f"Aborting already {job.state} Job not allowed")
    job.state, job.modified = JobState.ABORTED, now


def csv_reply(content: bytes, headers: dict[str, str] | None = None) -> Reply:
    return Reply(200, content, headers or {}, CSV)
