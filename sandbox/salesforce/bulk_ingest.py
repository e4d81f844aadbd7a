"""Bulk API 2.0 ingest jobs: one CSV in, processed in chunks of 200, the outcome of each row as CSV."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from random import Random
from time import monotonic
from typing import Any

from sandbox.salesforce import bulk_jobs
from sandbox.salesforce.bulk_jobs import DELIMITERS, Job, JobState
from sandbox.salesforce.dml import Order, Saved, Saver, Write, read_fields, target, upsert
from sandbox.salesforce.faults import ApiError, RowError
from sandbox.salesforce.router import Call, Reply, Route, route
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.service import Service

OPERATIONS = frozenset({"insert", "update", "upsert", "delete", "hardDelete"})
CHUNK = 200
LARGEST_UPLOAD = 150 * 1024 * 1024
NULL = "#N/A"
LONGEST_CELL = 131_072


@dataclass(kw_only=True)
class IngestJob(Job):
    key: str | None = None
    content: bytes | None = None
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    outcomes: list[tuple[list[str], Saved]] = field(default_factory=list)
    counted: bool = False
    """Whether a client was told of the end with counters that lag."""

    @property
    def failed(self) -> int:
        return sum(not saved.success for _, saved in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        body = {**super().as_json(), "jobType": "V2Ingest"}
        if self.key is not None:
            body["externalIdFieldName"] = self.key
        if self.state is JobState.OPEN:
            body["contentUrl"] = f"services/data/v{self.version}/jobs/ingest/{self.id}/batches"
        if self.outcomes or self.state in (JobState.JOB_COMPLETE, JobState.FAILED):
            body |= {
                "numberRecordsProcessed": self.processed, "numberRecordsFailed": self.failed, "retries": 0,
                "totalProcessingTime": self.milliseconds, "apiActiveProcessingTime": self.milliseconds,
                "apexProcessingTime": 0,
            }  # fmt: skip
        return body


class IngestJobs:
    """The ingest jobs of one org."""

    def __init__(self) -> None:
        self.jobs: dict[str, IngestJob] = {}

    def routes(self) -> list[Route]:
        return [
            route("jobs/ingest", get=self._list, post=self._create),
            route("jobs/ingest/{}", get=self._read, patch=self._change, delete=self._delete),
            route("jobs/ingest/{}/batches", put=self._upload),
            route("jobs/ingest/{}/successfulResults", get=self._successful),
            route("jobs/ingest/{}/failedResults", get=self._failed),
            route("jobs/ingest/{}/unprocessedrecords", get=self._unprocessed),
        ]

    def _list(self, call: Call) -> Reply:
        return bulk_jobs.listed(self.jobs.values())

    def _create(self, call: Call) -> Reply:
        org, body = call.service.org, call.json()
        operation, sobject = body.get("operation"), org.sobject(str(body.get("object", "")))
        if sobject is None:
            raise ApiError(400, "INVALIDENTITY", f"Unable to find object: {body.get('object')}")
        if not sobject.bulk:
            raise ApiError(400, "INVALIDENTITY", f"Entity '{sobject.name}' is not supported by the Bulk API.")
        if operation not in OPERATIONS:
            raise ApiError(400, "INVALIDJOB", f"Unknown operation: {operation}")
        key = body.get("externalIdFieldName")
        if operation == "upsert" and not key:
            raise ApiError(400, "INVALIDJOB", "External ID was blank for upsert")
        (delimiter, ending), now = bulk_jobs.dialect(body), org.clock.now()
        job = IngestJob(
            id=org.mint("750"), operation=operation, object=sobject.name, version=call.version, key=key,
            created_by=org.integration_user, created=now, modified=now, state=JobState.OPEN, delimiter=delimiter,
            line_ending=ending,
        )  # fmt: skip
        self.jobs[job.id] = job
        return Reply(body=job.as_json())

    def _read(self, call: Call) -> Reply:
        job = bulk_jobs.find(self.jobs, call)
        body = job.as_json()
        if call.service.org.behaviour.late_counters and job.state is JobState.JOB_COMPLETE and not job.counted:
            seen = max(0, len(job.outcomes) - CHUNK)
            body |= {
                "numberRecordsProcessed": seen,
                "numberRecordsFailed": sum(not saved.success for _, saved in job.outcomes[:seen]),
            }
            job.counted = True
        return Reply(body=body)

    def _upload(self, call: Call) -> Reply:
        job = bulk_jobs.find(self.jobs, call)
        if job.state is not JobState.OPEN:
            raise ApiError(400, "INVALIDJOBSTATE", f"Data can only be uploaded to an Open job, this one is {job.state}")
        if job.content is not None:
            raise ApiError(400, "INVALIDJOBSTATE", "Only one upload is allowed per job")
        if len(call.content) > LARGEST_UPLOAD:
            raise ApiError(413, "EXCEEDED_MAX_SIZE", "The upload exceeds 150 MB")
        job.content, job.modified = call.content, call.service.org.clock.now()
        return Reply(201)

    def _change(self, call: Call) -> Reply:
        service, job, state = call.service, bulk_jobs.find(self.jobs, call), call.json().get("state")
        if state == JobState.ABORTED:
            bulk_jobs.abort(job, service.org.clock.now())
        elif state == JobState.UPLOAD_COMPLETE and job.state is JobState.OPEN:
            job.state, job.modified = JobState.UPLOAD_COMPLETE, service.org.clock.now()
            service.spawn(_process(service, job))
        else:
            raise ApiError(400, "INVALIDJOBSTATE", f"A job that is {job.state} cannot be changed to {state}")
        return Reply(body=job.as_json())

    def _delete(self, call: Call) -> Reply:
        return bulk_jobs.remove(self.jobs, call)

    def _successful(self, call: Call) -> Reply:
        job = bulk_jobs.find(self.jobs, call)
        rows = [
            [saved.id or "", "true" if saved.created or job.operation == "insert" else "false", *row]
            for row, saved in _shuffled(job)
            if saved.success
        ]
        return _results(call, job, ["sf__Id", "sf__Created", *job.columns], rows)

    def _failed(self, call: Call) -> Reply:
        job = bulk_jobs.find(self.jobs, call)
        rows = [
            [saved.id or _named(job, row), _error(saved.errors[0]), *row]
            for row, saved in _shuffled(job)
            if saved.errors
        ]
        return _results(call, job, ["sf__Id", "sf__Error", *job.columns], rows)

    def _unprocessed(self, call: Call) -> Reply:
        job = bulk_jobs.find(self.jobs, call)
        left = job.rows[len(job.outcomes) :] if job.state not in bulk_jobs.RUNNING else []
        return _results(call, job, job.columns, left)


def _results(call: Call, job: IngestJob, columns: list[str], rows: list[list[str]]) -> Reply:
    """Without rows there is a header or nothing at all: both have been seen."""
    nothing = not columns or (not rows and call.service.org.behaviour.empty_results)
    return bulk_jobs.csv_reply(b"" if nothing else job.csv([columns, *rows]))


def _shuffled(job: IngestJob) -> list[tuple[list[str], Saved]]:
    """Chunks are saved in parallel, so the order of the results says nothing; it is the same at every reading."""
    outcomes = list(job.outcomes)
    Random(job.id).shuffle(outcomes)
    return outcomes


def _error(error: RowError) -> str:
    return (
        f"{error.code}:{error.message}:{' '.join(error.fields)} --"
        if error.fields
        else f"{error.code}:{error.message}:--"
    )


def _named(job: IngestJob, row: list[str]) -> str:
    """The Id that the row itself gave, if any."""
    position = next((n for n, column in enumerate(job.columns) if column.lower() == "id"), None)
    return "" if position is None or position >= len(row) else row[position]


async def _process(service: Service, job: IngestJob) -> None:
    """Parse, then save chunk by chunk, letting other requests in between; an abort in between wins."""
    await asyncio.sleep(service.settings.bulk_delay)
    if job.state is not JobState.UPLOAD_COMPLETE:
        return
    job.state = JobState.IN_PROGRESS
    await asyncio.sleep(service.settings.bulk_delay)
    began, org = monotonic(), service.org
    try:
        _parse(job)
        sobject = org.schema[job.object]
        _check_columns(service, sobject, job)
        for start in range(0, len(job.rows), CHUNK):
            if job.state is not JobState.IN_PROGRESS:
                return
            if 0 < org.behaviour.bulk_fails_after * CHUNK <= start:
                # What was saved stays saved (Bulk API 2.0 Developer Guide, "Get Information About an Ingest Job").
                raise ApiError(500, "InternalServerError", "Unable to process this job")
            chunk = job.rows[start : start + CHUNK]
            saved = Saver(org, auto_assign=False).save_all(_writes(service, sobject, job, chunk), all_or_none=False)
            job.outcomes.extend(zip(chunk, saved, strict=True))
            job.processed = len(job.outcomes)
            await asyncio.sleep(0)
        if job.state is JobState.IN_PROGRESS:
            job.state = JobState.JOB_COMPLETE
    except ApiError as refusal:
        job.state, job.error = JobState.FAILED, f"{refusal.code} : {refusal.message}"
    job.milliseconds = int((monotonic() - began) * 1000)
    job.modified = org.clock.now()


def _parse(job: IngestJob) -> None:
    """Raises ApiError (ClientInputError, InvalidBatch) for a file that fails as a whole."""
    try:
        text = (job.content or b"").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ApiError(400, "ClientInputError", "The file is not UTF-8") from None
    header_end = text.find("\n")
    is_crlf = header_end > 0 and text[header_end - 1] == "\r"
    if header_end >= 0 and is_crlf != (job.line_ending == "CRLF"):
        message = f"LineEnding is invalid on user data. Current LineEnding setting is {job.line_ending}"
        raise ApiError(400, "ClientInputError", message)
    csv.field_size_limit(LONGEST_CELL)  # of the whole process, so others may have set it since
    try:
        table = list(csv.reader(StringIO(text, newline=""), delimiter=DELIMITERS[job.delimiter], strict=True))
    except csv.Error as problem:
        raise ApiError(400, "InvalidBatch", f"Failed to parse CSV: {problem}") from None
    if not table:
        raise ApiError(400, "InvalidBatch", "The file has no header row")
    job.columns, job.rows = table[0], [row for row in table[1:] if row]


def _check_columns(service: Service, sobject: SObject, job: IngestJob) -> None:
    for column in job.columns:
        if column.lower() != "id" and service.org.access.field(sobject, column) is None:
            raise ApiError(400, "InvalidBatch", f"Field name not found : {column}")


def _writes(service: Service, sobject: SObject, job: IngestJob, rows: list[list[str]]) -> Iterator[Order]:
    org = service.org
    for row in rows:
        if len(row) != len(job.columns):
            yield Saved(None, (RowError("INVALID_CSV_ROW", f"expected {len(job.columns)} columns, found {len(row)}"),))
            continue
        cells = dict(zip(job.columns, row, strict=True))
        # An empty cell leaves the field unchanged; only #N/A clears it.
        raw = {name: None if cell == NULL else cell for name, cell in cells.items() if cell}
        try:
            fields = read_fields(org, sobject, raw)
        except ApiError as refusal:
            yield Saved(None, (RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", refusal.message),))
            continue
        yield _write(service, sobject, job, raw, fields)


def _write(
    service: Service, sobject: SObject, job: IngestJob, raw: Mapping[str, Any], fields: Mapping[str, Any]
) -> Order:
    if job.operation == "insert":
        return Write(sobject, None, fields, "insert")
    if job.operation == "upsert" and (job.key or "").lower() != "id":
        key = job.key or ""
        value = next((value for name, value in raw.items() if name.lower() == key.lower()), None)
        return partial(upsert, service.org, sobject, key, value, fields)
    named = next((value for name, value in raw.items() if name.lower() == "id"), None)
    if named is None:
        return Saved(None, (RowError("MISSING_ARGUMENT", "Id not specified"),))
    id = target(service.org, sobject, named)
    if isinstance(id, Saved):
        return id
    if job.operation in ("delete", "hardDelete"):
        return Write(sobject, id, {"purge": job.operation == "hardDelete"}, "delete")
    return Write(sobject, id, fields)
