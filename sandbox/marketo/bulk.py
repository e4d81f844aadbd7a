"""Bulk extract over REST, of leads and of activities."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from starlette.responses import Response

from sandbox.marketo.call import Call
from sandbox.marketo.instance import Lead
from sandbox.marketo.instants import iso, read
from sandbox.marketo.jobs import MEDIA, Job
from sandbox.marketo.log import DELETE, Entry
from sandbox.marketo.wire import HttpRefusal, Refusal, answer

SPAN = timedelta(days=31)
COLUMNS = (
    "marketoGUID", "leadId", "activityDate", "activityTypeId", "campaignId", "primaryAttributeValueId",
    "primaryAttributeValue", "attributes",
)  # fmt: skip
_NEEDS_INFRASTRUCTURE = frozenset({"updatedAt", "smartListId", "smartListName"})
_FILTERS = frozenset({"createdAt", "updatedAt", "staticListId", "staticListName", "smartListId", "smartListName"})
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")

Write = Callable[[], tuple[bytes, int]]


def create(call: Call) -> Response:
    """`POST /bulk/v1/{kind}/export/create.json`."""
    if not call.instance.temper.bulk:
        raise Refusal("703", "The feature is not enabled for the subscription")
    kind, format = kind_of(call), str(call.given.get("format", "CSV")).upper()
    if format not in MEDIA:
        raise Refusal("1003", f"Invalid value '{format}' for format")
    write = (_leads if kind == "leads" else _activities)(call, format)
    try:
        job = call.server.jobs.create(kind, call.service.user, format, write)
    except OverflowError as problem:
        raise Refusal("1029", str(problem)) from None
    return answer([call.server.jobs.describe(job)])


def enqueue(call: Call) -> Response:
    """`POST /bulk/v1/{kind}/export/{id}/enqueue.json`."""
    job = _job(call)
    try:
        call.server.jobs.enqueue(job)
    except OverflowError as problem:
        raise Refusal("1029", str(problem)) from None
    told = call.server.jobs.describe(job)
    kept = {name: told[name] for name in ("exportId", "format", "createdAt", "queuedAt")}
    return answer([kept | {"status": "Queued"}])


def status(call: Call) -> Response:
    """`GET /bulk/v1/{kind}/export/{id}/status.json`."""
    return answer([call.server.jobs.describe(_job(call))])


def cancel(call: Call) -> Response:
    """`POST /bulk/v1/{kind}/export/{id}/cancel.json`: spelt otherwise than in the status (vendor's page)."""
    job = _job(call)
    if job.state(call.instance.now()) in {"Completed", "Failed"}:
        raise Refusal("1003", "Job has ended")
    job.canceled = True
    return answer([call.server.jobs.describe(job) | {"status": "Cancelled"}])


def listed(call: Call) -> Response:
    """`GET /bulk/v1/{kind}/export.json`."""
    wanted = set(call.each("status"))
    rows = [call.server.jobs.describe(job) for job in call.server.jobs.each(kind_of(call), call.service.user)]
    return answer([row for row in rows if not wanted or row["status"] in wanted][: call.size()])


def file(call: Call) -> Response:
    """`GET /bulk/v1/{kind}/export/{id}/file.json`, or a part of it by `Range`."""
    job = call.server.jobs.get(call.path["id"], kind_of(call), call.service.user)
    try:
        if job is None:
            raise LookupError("Requested file not found")
        content = call.server.jobs.content(job)
    except LookupError as problem:
        raise HttpRefusal(404, str(problem)) from None
    part = _RANGE.fullmatch(call.headers.get("range", ""))
    if part is None:
        return Response(content, media_type="text/csv", headers={"Accept-Ranges": "bytes"})
    first, last = int(part[1]), min(int(part[2] or len(content) - 1), len(content) - 1)
    if first > last:
        raise HttpRefusal(416, "Requested range not satisfiable")
    told = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {first}-{last}/{len(content)}"}
    return Response(content[first : last + 1], 206, media_type="text/csv", headers=told)


def kind_of(call: Call) -> str:
    """`leads` or `activities`."""
    return call.url.split("/")[3]


def _job(call: Call) -> Job:
    job = call.server.jobs.get(call.path["id"], kind_of(call), call.service.user)
    if job is None:
        raise Refusal("1013", "Export job not found")
    return job


def _leads(call: Call, format: str) -> Write:
    """What writes the file of leads. Raises `Refusal` for what cannot be asked."""
    if not call.given.get("fields"):
        raise Refusal("1002", "Missing value for the required parameter 'fields'")
    names = [str(name) for name in call.given["fields"]]
    if wrong := next((name for name in names if call.instance.schema.get(name) is None), None):
        raise Refusal("1006", f"Field '{wrong}' not found")
    given = _filter(call)
    if set(given) - _FILTERS or len(given) != 1:
        raise Refusal("1003", "Exactly one filter type may be specified")
    ((kind, value),) = given.items()
    if kind in _NEEDS_INFRASTRUCTURE and not (kind == "updatedAt" and call.instance.temper.updated_filter):
        raise Refusal("1035", "Unsupported filter type for target subscription")
    chosen = _chosen(call, kind, value)

    def write() -> tuple[bytes, int]:
        rows = [[_text(lead.get(name)) for name in names] for lead in call.instance.leads() if chosen(lead)]
        return _file(format, _header(call, names), rows), len(rows)

    return write


def _chosen(call: Call, kind: str, value: Any) -> Callable[[Lead], bool]:
    if kind.startswith("staticList"):
        lists = call.instance.lists.values()
        found = next((one for one in lists if value in (one.id, one.name)), None)
        if found is None:
            raise Refusal("1013", "List not found")
        return lambda lead: lead.id in found.members
    first, last = _span(value)
    return lambda lead: first <= (lead.created if kind == "createdAt" else lead.touched) <= last


def _activities(call: Call, format: str) -> Write:
    given = _filter(call)
    if "createdAt" not in given:
        raise Refusal("1002", "Missing value for the required parameter 'createdAt'")
    first, last = _span(given["createdAt"])
    kinds = set(given.get("activityTypeIds") or set(call.instance.log.types) - {DELETE})
    if DELETE in kinds or kinds - set(call.instance.log.types):
        raise Refusal("1003", "Invalid activityTypeIds")
    names = [str(name) for name in call.given.get("fields") or COLUMNS]
    if wrong := next((name for name in names if name not in COLUMNS), None):
        raise Refusal("1006", f"Field '{wrong}' not found")

    def write() -> tuple[bytes, int]:
        now, log = call.instance.now(), call.instance.log
        entries = [e for e in log if e.type in kinds and first <= e.at <= last and e.shows <= now]
        return _file(format, _header(call, names), ([_cell(e, name) for name in names] for e in entries)), len(entries)

    return write


def _filter(call: Call) -> dict[str, Any]:
    given = call.given.get("filter")
    if not isinstance(given, dict) or not given:
        raise Refusal("1002", "Missing value for the required parameter 'filter'")
    return given


def _span(value: Any) -> tuple[datetime, datetime]:
    """Both ends belong to it. Raises `Refusal`."""
    try:
        first, last = read(str(value["startAt"])), read(str(value["endAt"]))
    except (KeyError, TypeError, ValueError):
        raise Refusal("1003", "startAt and endAt must be ISO-8601 datetimes") from None
    if last < first or last - first > SPAN:
        raise Refusal("1003", "The date range must be 31 days or fewer")
    return first, last


def _header(call: Call, names: Sequence[str]) -> list[str]:
    renamed = call.given.get("columnHeaderNames") or {}
    return [str(renamed.get(name, name)) for name in names]


def _cell(entry: Entry, name: str) -> str:
    attributes = {key: value for key, value in entry.attributes.items() if value is not None}
    values: dict[str, Any] = {
        "marketoGUID": entry.number, "leadId": entry.lead, "activityDate": iso(entry.at), "activityTypeId": entry.type,
        "campaignId": entry.campaign, "primaryAttributeValueId": entry.primary, "primaryAttributeValue": entry.value,
        "attributes": orjson.dumps(attributes).decode(),
    }  # fmt: skip
    return _text(values[name])


def _text(value: Any) -> str:
    """An empty field is the word null, which nothing tells from the text."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def _file(format: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=MEDIA[format], lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
