"""What goes out: profiles page by page (query/engage), raw events of whole days (export)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from sandbox.mixpanel.access import Refusal
from sandbox.mixpanel.expression import Unreadable, parse
from sandbox.mixpanel.project import Event, Project

MOST_EVENTS = 100_000


async def query(project: Project, request: Request) -> Response:
    """A page of profiles. The first brings `total` and a `session_id`; the others are asked for with it."""
    form = dict(parse_qsl((await request.body()).decode()))
    with project.meter.query():
        await asyncio.sleep(project.slow)
        shown = project.shown()
        page, session = int(form.get("page") or 0), form.get("session_id")
        if session is None:
            found = [id for id in _named(form, shown) if _matches(form, shown[id])]
            session = project.session(found)
        elif session not in project.sessions:
            raise Refusal(400, {"error": "Invalid session_id", "status": "error"})  # the words are not documented
        else:
            found = project.sessions[session]
        wanted = json.loads(form["output_properties"]) if form.get("output_properties") else None
        part = found[page * project.page_size : (page + 1) * project.page_size]
        results = [{"$distinct_id": id, "$properties": _chosen(shown[id], wanted)} for id in part if id in shown]
        body: dict[str, Any] = {"page": page, "page_size": project.page_size, "session_id": session, "status": "ok"}
        if page == 0:
            body["total"] = len(found)
        return JSONResponse({**body, "computed_at": f"{project.clock.now():%Y-%m-%dT%H:%M:%S}", "results": results})


def _named(form: Mapping[str, str], shown: Mapping[str, Any]) -> list[str]:
    if form.get("distinct_ids"):
        return [id for id in dict.fromkeys(json.loads(form["distinct_ids"])) if id in shown]
    if form.get("distinct_id"):
        return [form["distinct_id"]] if form["distinct_id"] in shown else []
    return list(shown)


def _matches(form: Mapping[str, str], properties: Mapping[str, Any]) -> bool:
    try:
        return bool(parse(form.get("where", ""))(properties))
    except Unreadable as problem:
        raise Refusal(400, {"error": f"where: {problem}", "status": "error"}) from None


def _chosen(properties: Mapping[str, Any], wanted: list[str] | None) -> Mapping[str, Any]:
    return properties if wanted is None else {name: properties[name] for name in wanted if name in properties}


async def export(project: Project, request: Request) -> Response:
    """Every event as it came in, duplicates too; days are inclusive and in UTC."""
    project.meter.export()
    asked = request.query_params
    try:
        since, until = (date.fromisoformat(asked[name]) for name in ("from_date", "to_date"))
        wanted = json.loads(asked["event"]) if "event" in asked else None
        limit = int(asked.get("limit", MOST_EVENTS * 1_000))
        where = parse(asked.get("where", ""))
    except (KeyError, ValueError) as problem:
        raise Refusal(400, {"error": f"Unable to interpret {problem}", "status": "error"}) from None
    now = project.clock.now()
    if until > now.date():
        raise Refusal(400, {"error": "to_date cannot be later than today", "status": "error"})
    if "limit" in asked and limit > MOST_EVENTS:
        raise Refusal(400, {"error": "limit cannot be over 100000", "status": "error"})
    found = [
        event
        for event in sorted(project.events, key=lambda event: event.place)
        if event.shown_at <= now and since <= datetime.fromtimestamp(event.seconds, UTC).date() <= until
        and (wanted is None or event.name in wanted) and where({"$time": event.seconds, **event.properties})
    ]  # fmt: skip
    lines = _lines(project, found[:limit], whole=asked.get("time_in_ms") == "true")
    return StreamingResponse(lines, media_type="text/plain")


def _lines(project: Project, events: list[Event], *, whole: bool) -> Iterator[str]:
    for number, event in enumerate(events):
        time = event.properties["time"] if whole else int(event.seconds)
        text = json.dumps({"event": event.name, "properties": {**event.properties, "time": time}})
        if project.split_lines and number % 3 == 1:
            text = f"{text[: len(text) // 2]}\n{text[len(text) // 2 :]}"
        if project.terminated_early and number == len(events) // 2:
            yield "terminated early\n"
            return
        yield text + "\n"
