"""What comes in: profiles (/engage), groups (/groups), events (/import)."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.mixpanel.access import Refusal, basic
from sandbox.mixpanel.project import FORBIDDEN, LARGEST, Project

MOST, MOST_BYTES = 2_000, 2_097_152
"""Records and bytes of a request (the bytes as its 413 says them; the guide says 10 MB)."""
_INSERT_ID = re.compile(r"[A-Za-z0-9-]{1,36}")
_FAILED = "some data points in the request failed validation"


async def engage(project: Project, request: Request) -> Response:
    """Every valid update is done, whatever becomes of the others, and the status is 200. Without `strict` and
    `verbose` the body is 1 if one was valid, else 0."""
    located = request.query_params.get("ip") != "0"
    return await _updates(project, request, project.flaw, lambda update: project.update(update, located=located))


async def groups(project: Project, request: Request) -> Response:
    return await _updates(project, request, project.group_flaw, project.update_group)


async def _updates(
    project: Project,
    request: Request,
    flaw: Callable[[Mapping[str, Any]], tuple[str, str] | None],
    update: Callable[[Mapping[str, Any]], None],
) -> Response:
    if request.headers.get("content-encoding"):
        return _said(request, ["data, missing or empty"], done=0)  # no compression here
    rows = _rows(project, await request.body())
    failed = []
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            failed.append({"index": index, "field": "", "message": "must be an object"})
        elif (wrong := flaw(row)) is not None:
            shown = {"$distinct_id": row.get("$distinct_id")} if "$distinct_id" in row else {}
            failed.append({"index": index, **shown, "field": wrong[0], "message": f"{wrong[0]}: {wrong[1]}"})
        else:
            update(row)
    if failed and request.query_params.get("strict") == "1":
        # The documentation does not show this body; it is that of /import, at a status of 200 [memory].
        body = {"code": 400, "error": _FAILED, "failed_records": failed, "num_good_events": len(rows) - len(failed)}
        return JSONResponse({**body, "status": "Bad Request"})
    return _said(request, [str(each["message"]) for each in failed], done=len(rows) - len(failed))


def _said(request: Request, wrong: list[str], *, done: int) -> Response:
    good = done > 0 or not wrong
    if request.query_params.get("verbose") == "1":
        return JSONResponse({"status": int(good), "error": None if good else wrong[0]})
    return PlainTextResponse(str(int(good)))


async def import_events(project: Project, request: Request) -> Response:
    """Strict: what is valid is taken in though the answer is 400."""
    user, secret = basic(request)
    by_token = user == project.token and not secret
    if not by_token and (not user or project.accounts.get(user) != secret):
        raise Refusal(401, {"code": 401, "error": "Invalid credentials", "status": "Unauthorized"})
    if not by_token and request.query_params.get("project_id") != str(project.id):
        raise Refusal(400, {"code": 400, "error": "project_id does not match", "status": "Bad Request"})
    raw = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    lines = request.headers.get("content-type") == "application/x-ndjson"
    rows = _rows(project, b"[" + b",".join(raw.split(b"\n")).rstrip(b",") + b"]" if lines else raw)
    failed = []
    for index, row in enumerate(rows):
        if (wrong := _event_flaw(project, row)) is not None:
            insert_id = row.get("properties", {}).get("$insert_id") if isinstance(row, Mapping) else None
            failed.append({"index": index, "$insert_id": insert_id, "field": wrong[0], "message": " ".join(wrong)})
        else:
            _take_in(project, row)
    body: dict[str, Any] = {"num_records_imported": len(rows) - len(failed)}
    if not failed:
        return JSONResponse({"code": 200, **body, "status": "OK"})
    return JSONResponse({"code": 400, "error": _FAILED, "failed_records": failed, **body, "status": "Bad Request"}, 400)


def _event_flaw(project: Project, row: Any) -> tuple[str, str] | None:
    properties = row.get("properties") if isinstance(row, Mapping) else None
    if not isinstance(properties, Mapping) or not row.get("event"):
        return "event", "is missing"
    at = properties.get("time")
    if not isinstance(at, int | float) or not (seconds := _seconds(at)) >= 31_536_000:
        return "properties.time", "is invalid: must be specified as seconds since epoch"
    if seconds > (project.clock.now() + timedelta(hours=1)).timestamp():
        return "properties.time", "is invalid: must not be more than an hour in the future"
    insert_id = str(properties.get("$insert_id", ""))
    if not _INSERT_ID.fullmatch(insert_id) or insert_id.lower() in FORBIDDEN:
        return "properties.$insert_id", "is invalid: at most 36 characters of A-Z, a-z, 0-9 and -"
    if "distinct_id" not in properties or str(properties["distinct_id"]).lower() in FORBIDDEN - {""}:
        return "properties.distinct_id", "is invalid"
    if len(properties) >= 255 or len(json.dumps(row).encode()) >= LARGEST:
        return "properties", "are too many or too large"
    return None


def _take_in(project: Project, row: Mapping[str, Any]) -> None:
    given = dict(row["properties"])
    at = datetime.fromtimestamp(_seconds(given.pop("time")), UTC)
    id, insert_id = str(given.pop("distinct_id")), str(given.pop("$insert_id"))
    project.add_event(str(row["event"]), at, id, insert_id, **given)


def _seconds(at: float) -> float:
    """Of a time in seconds or milliseconds."""
    return at / 1000 if at > 100_000_000_000 else at


def _rows(project: Project, raw: bytes) -> list[Any]:
    """The records of a body: JSON, or a form with `data`. Raises `Refusal`."""
    if len(raw) > MOST_BYTES:
        error = f"request exceeds max limit of {MOST_BYTES} bytes"
        raise Refusal(413, {"code": 413, "error": error, "status": "Request Entity Too Large"})
    project.meter.ingest(len(raw))
    if raw.startswith(b"data="):
        raw = parse_qs(raw.decode())["data"][0].encode()
    try:
        body = json.loads(raw or b"[]")
    except ValueError:
        raise Refusal(400, {"code": 400, "error": "invalid JSON", "status": "Bad Request"}) from None
    rows = body if isinstance(body, list) else [body]
    if len(rows) > MOST:
        error = f"request exceeds max limit of {MOST} records"  # the words are not documented
        raise Refusal(400, {"code": 400, "error": error, "status": "Bad Request"})
    return rows
