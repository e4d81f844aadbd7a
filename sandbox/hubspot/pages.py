"""The pages a sales rep would see: people by score, and one record with its score panel, fields and timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sandbox.hubspot.catalog import SCORE_GROUP, SCORE_PROPERTIES
from sandbox.hubspot.instants import from_ms, parse_ms
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.records import Record
from sandbox.hubspot.schema import TYPES, object_type
from sandbox.hubspot.timeline import timeline
from sandbox.hubspot.wire import answer

PAGE = 50


@dataclass(frozen=True, slots=True)
class ScoreCard:
    """The score fields of a contact, as written back."""

    score: str | None
    probability: str | None
    bucket: str | None
    action: str | None
    stage: str | None
    grade: str | None
    bant: str | None
    status: str | None
    version: str | None
    reasons: tuple[str, ...]
    scored_at: str | None
    mql_date: str | None

    @classmethod
    def of(cls, record: Record) -> ScoreCard:
        held = {name.removeprefix("lead_gauge_"): record.values.get(name) for name in SCORE_PROPERTIES}
        reasons = [reason.strip() for reason in (held["reasons"] or "").replace("\n", ";").split(";")]
        stamps = {name: _readable(held[name]) for name in ("scored_at", "mql_date")}
        return cls(**{**held, **stamps, "reasons": tuple(filter(None, reasons))})  # type: ignore[arg-type]


def _readable(text: str | None) -> str | None:
    ms = parse_ms(text) if text else None
    return from_ms(ms).strftime("%d %b %Y %H:%M UTC") if ms is not None else text


def display_name(record: Record) -> str:
    """What a rep calls the record."""
    values = record.values
    named = " ".join(filter(None, (values.get("firstname"), values.get("lastname"))))
    return named or values.get("name") or values.get("dealname") or values.get("email") or str(record.id)


def _score(record: Record) -> float:
    return float(record.values.get("lead_gauge_score", "-1"))


def _templates() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["display_name"] = display_name
    environment.filters["instant"] = lambda at: at.strftime("%d %b %Y %H:%M")
    return environment


def page_routes(portal: Portal) -> Sequence[Route]:
    """The HTML pages and the write log, under /sandbox/."""
    templates = _templates()

    def html(template: str, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(templates.get_template(template).render(portal=portal, **values), status)

    async def people(request: Request) -> Response:
        asked = request.query_params.get("q", "").strip()
        found = [record for record in portal.objects("contacts") if _answers(record, asked)]
        found.sort(key=lambda record: (-_score(record), record.id))
        number = request.query_params.get("page", "1")
        last = max(1, -(-len(found) // PAGE))
        page = min(max(1, int(number) if number.isdecimal() else 1), last)
        shown = found[(page - 1) * PAGE : page * PAGE]
        rows = [(record, ScoreCard.of(record)) for record in shown]
        return html("people.html", rows=rows, asked=asked, page=page, last=last, total=len(found))

    async def one(request: Request) -> Response:
        kind = object_type(request.path_params["object"])
        record = portal.get(kind.name, request.path_params["id"]) if kind is not None else None
        if record is None:
            return html("missing.html", 404)
        card = ScoreCard.of(record) if record.kind.name == "contacts" else None
        return html(
            "record.html",
            record=record,
            card=card,
            fields=_fields(portal, record),
            linked=_linked(portal, record),
            entries=timeline(portal, record),
        )

    async def writes(request: Request) -> Response:
        after = request.query_params.get("after", "0")
        start = int(after) if after.isdecimal() else 0
        return answer([row for row in portal.writes if row["n"] > start])

    return [
        Route("/sandbox/", people),
        Route("/sandbox/record/{object}/{id}", one),
        Route("/sandbox/writes", writes),
    ]


def _answers(record: Record, asked: str) -> bool:
    values = record.values
    words = " ".join(values.get(name, "") for name in ("firstname", "lastname", "company", "email")).lower()
    return asked.lower() in words


def _fields(portal: Portal, record: Record) -> list[tuple[str, str]]:
    """(label, value) of every filled property but the score's, the portal's bookkeeping last."""
    schema = portal.schemas[record.kind.name]
    filled = [one for one in schema if one.group != SCORE_GROUP and record.read(one.name)]
    filled.sort(key=lambda one: (one.read_only, one.label))
    return [(one.label, record.read(one.name) or "") for one in filled]


def _linked(portal: Portal, record: Record) -> list[Record]:
    found = []
    for name in ("companies", "deals", "contacts"):
        held = (portal.exact(name, str(id_)) for id_, _ in portal.live_links(record, TYPES[name].name))
        found += [other for other in held if other is not None]
    return found[:PAGE]
