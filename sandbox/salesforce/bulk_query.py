"""Bulk API 2.0 query jobs: a snapshot of the answer, downloaded as CSV in pieces that a locator leads through."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from sandbox.salesforce import bulk_jobs
from sandbox.salesforce.aggregation import is_aggregate, is_plain_count
from sandbox.salesforce.bulk_jobs import Job, JobState
from sandbox.salesforce.execution import Result, run_parsed
from sandbox.salesforce.faults import ApiError
from sandbox.salesforce.projection import Dirt, refuse_for_bulk
from sandbox.salesforce.router import Call, Reply, Route, route
from sandbox.salesforce.service import Service
from sandbox.salesforce.soql import Query, parse

DEFAULT_PIECE = 50_000


@dataclass(kw_only=True)
class QueryJob(Job):
    query: Query
    result: Result | None = None

    def as_json(self) -> dict[str, Any]:
        body = {**super().as_json(), "jobType": "V2Query"}
        if self.state is JobState.JOB_COMPLETE or self.state is JobState.FAILED:
            body |= {
                "numberRecordsProcessed": self.processed, "retries": 0, "totalProcessingTime": self.milliseconds,
                "isPkChunkingSupported": not (self.query.order or self.query.limit),
            }  # fmt: skip
        return body


class QueryJobs:
    """The query jobs of one org."""

    def __init__(self) -> None:
        self.jobs: dict[str, QueryJob] = {}

    def routes(self) -> list[Route]:
        return [
            route("jobs/query", get=self._list, post=self._create),
            route("jobs/query/{}", get=self._read, patch=self._change, delete=self._delete),
            route("jobs/query/{}/results", get=self._results),
        ]

    def _list(self, call: Call) -> Reply:
        return bulk_jobs.listed(self.jobs.values())

    def _create(self, call: Call) -> Reply:
        service, body = call.service, call.json()
        operation, text = body.get("operation"), body.get("query")
        if operation not in ("query", "queryAll") or not isinstance(text, str) or not text:
            raise ApiError(400, "API_ERROR", "A query job needs operation (query or queryAll) and query")
        query = parse(text)
        if is_aggregate(query) or is_plain_count(query):
            raise ApiError(400, "API_ERROR", "Aggregate queries are not supported in Bulk Query")
        sobject = service.org.sobject(query.object.text)
        if sobject is not None and not sobject.bulk:
            raise ApiError(400, "INVALIDENTITY", f"Entity '{sobject.name}' is not supported by the Bulk API.")
        # Running it without rows tells of unknown names at once, as the vendor does.
        checked = run_parsed(service.org, _without_rows(query), all_rows=False)
        refuse_for_bulk(query, checked.columns)
        (delimiter, ending), now = bulk_jobs.dialect(body), service.org.clock.now()
        job = QueryJob(
            id=service.org.mint("750"), operation=operation, object=checked.columns.scope.sobject.name,
            version=call.version, created_by=service.org.integration_user, created=now, modified=now,
            state=JobState.UPLOAD_COMPLETE, query=query, delimiter=delimiter, line_ending=ending,
        )  # fmt: skip
        self.jobs[job.id] = job
        service.spawn(_process(service, job))
        return Reply(body=job.as_json())

    def _read(self, call: Call) -> Reply:
        return Reply(body=bulk_jobs.find(self.jobs, call).as_json())

    def _change(self, call: Call) -> Reply:
        job = bulk_jobs.find(self.jobs, call)
        if call.json().get("state") != JobState.ABORTED:
            raise ApiError(400, "INVALIDJOBSTATE", "A query job can only be changed to Aborted")
        bulk_jobs.abort(job, call.service.org.clock.now())
        return Reply(body=job.as_json())

    def _delete(self, call: Call) -> Reply:
        return bulk_jobs.remove(self.jobs, call)

    def _results(self, call: Call) -> Reply:
        job = bulk_jobs.find(self.jobs, call)
        if job.result is None or job.state is not JobState.JOB_COMPLETE:
            raise ApiError(400, "INVALIDJOBSTATE", f"Results are not available: the job is {job.state}")
        start, size = _start(call), _size(call)
        result = job.result
        projection = result.columns
        if start > result.total:
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        rows = result.rows[start : start + size]
        end = start + len(rows)
        locator = "null" if end >= result.total else b64encode(str(end).encode()).decode().rstrip("=")
        org = call.service.org
        dirt = Dirt(decimal_ints=org.behaviour.decimal_ints, nul_bytes=org.behaviour.nul_bytes)
        content = job.csv([projection.header(), *(projection.cells(row, dirt) for row in rows)])
        if not rows and org.behaviour.empty_results:
            content = b""
        return bulk_jobs.csv_reply(content, {"Sforce-NumberOfRecords": str(len(rows)), "Sforce-Locator": locator})


def _without_rows(query: Query) -> Query:
    return replace(query, limit=0, offset=0)


async def _process(service: Service, job: QueryJob) -> None:
    """Wait, run, complete; an abort in between wins."""
    await asyncio.sleep(service.settings.bulk_delay)
    if job.state is not JobState.UPLOAD_COMPLETE:
        return
    job.state = JobState.IN_PROGRESS
    await asyncio.sleep(service.settings.bulk_delay)
    if job.state is not JobState.IN_PROGRESS:
        return
    began = monotonic()
    try:
        job.result = run_parsed(service.org, job.query, all_rows=job.operation == "queryAll")
        job.processed, job.state = job.result.total, JobState.JOB_COMPLETE
    except ApiError as refusal:
        job.state, job.error = JobState.FAILED, f"{refusal.code}: {refusal.message}"
    job.milliseconds = int((monotonic() - began) * 1000)
    job.modified = service.org.clock.now()


def _start(call: Call) -> int:
    locator = call.params.get("locator")
    if not locator:
        return 0
    try:
        return int(b64decode(locator + "=" * (-len(locator) % 4), validate=True))
    except ValueError:
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator") from None


def _size(call: Call) -> int:
    asked = call.params.get("maxRecords", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else DEFAULT_PIECE
