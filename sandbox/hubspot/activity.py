"""POST /sandbox/activity: one activity now, for the person with an e-mail address. Not part of the vendor's API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.hubspot.portal import Portal
from sandbox.hubspot.records import Record
from sandbox.hubspot.wire import answer

SITE = "https://www.gaugewright.example"
CAMPAIGN = 90_001

Maker = Callable[[Portal, Record, str | None], str]
"""(portal, contact, url asked for) -> id of what was made."""


def _view(path: str) -> Maker:
    def make(portal: Portal, contact: Record, url: str | None) -> str:
        portal.page_view(str(contact.id), url or SITE + path)
        return str(contact.id)

    return make


def _form(name: str, path: str) -> Maker:
    def make(portal: Portal, contact: Record, url: str | None) -> str:
        guid = portal.form_named(name)
        portal.submit_form(guid, {"email": contact.values.get("email", "")}, url or SITE + path)
        return portal.forms[guid].submissions[-1].id

    return make


def _email(type: str, path: str | None = None) -> Maker:
    def make(portal: Portal, contact: Record, url: str | None) -> str:
        target = (url or SITE + path) if path is not None else None
        return portal.email_event(type, contact.values.get("email", ""), campaign=CAMPAIGN, url=target)

    return make


def _engagement(type: str, properties: dict[str, str]) -> Maker:
    def make(portal: Portal, contact: Record, url: str | None) -> str:
        id_ = portal.create(type, {"hs_timestamp": str(portal.now_ms()), **properties})
        portal.associate(type, id_, "contacts", str(contact.id))
        return id_

    return make


KINDS: dict[str, Maker] = {
    "page_view": _view("/product"),
    "pricing_page_view": _view("/pricing"),
    "content_download": _form("Whitepaper download", "/resources/whitepaper"),
    "form_submission": _form("Contact us", "/contact"),
    "demo_request": _form("Demo request", "/demo"),
    "email_opened": _email("OPEN"),
    "email_clicked": _email("CLICK", "/product"),
    "meeting": _engagement("meetings", {"hs_meeting_title": "Intro meeting", "hs_meeting_outcome": "COMPLETED"}),
    "call": _engagement(
        "calls", {"hs_call_title": "Call", "hs_call_direction": "OUTBOUND", "hs_call_status": "COMPLETED"}
    ),
}


def activity_routes(portal: Portal) -> Sequence[Route]:
    async def make(request: Request) -> Response:
        try:
            order: Any = orjson.loads(await request.body())
        except orjson.JSONDecodeError as problem:
            return answer({"error": f"the body is not JSON: {problem}"}, 400)
        if not isinstance(order, dict) or order.get("kind") not in KINDS:
            return answer({"error": f'"kind" must be one of: {", ".join(KINDS)}'}, 400)
        contact = portal.contact_by_email(str(order.get("email", "")))
        if contact is None:
            return answer({"error": "no contact of this portal has that e-mail address"}, 404)
        made = KINDS[order["kind"]](portal, contact, order.get("url"))
        return answer({"id": str(contact.id), "object": "contacts", "activity": made})

    return [Route("/sandbox/activity", make, methods=["POST"])]
