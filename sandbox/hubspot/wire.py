"""The vendor's envelope: answers and refusals."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from starlette.responses import Response

from sandbox.hubspot.bodies import Malformed
from sandbox.hubspot.schema import ObjectType
from sandbox.hubspot.values import InvalidProperties, Problem

JSON = "application/json;charset=utf-8"


class Refusal(Exception):
    """An error answer. `body` is merged into the envelope, which adds `status` and `correlationId`.

    With `html` that page is the whole answer, as when something in front of the API gives it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        category: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        html: str = "",
        **body: Any,
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.headers = dict(headers or {})
        self.html = html
        self.body = {"status": "error", "message": message, "correlationId": "", **body}
        if category is not None:
            self.body["category"] = category


def cloudflare(status: int, reason: str) -> str:
    """The page that Cloudflare, in front of the API, shows in place of an answer."""
    title = f"api.hubapi.com | {status}: {reason}"
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>Error {status}</h1></body></html>"


def answer(data: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, media_type=JSON)


def no_content() -> Response:
    return Response(status_code=204)


def refused(refusal: Refusal) -> Response:
    """The error envelope, with a correlation id of its own."""
    if refusal.html:
        return Response(refusal.html, refusal.status, refusal.headers, "text/html;charset=UTF-8")
    correlation = str(uuid.uuid4())
    body = {**refusal.body, "correlationId": correlation}
    headers = {**refusal.headers, "X-HubSpot-Correlation-Id": correlation}
    return Response(orjson.dumps(body), refusal.status, headers, JSON)


def bad_json(problem: Malformed) -> Refusal:
    return Refusal(400, f"Invalid input JSON on line 1, column 1: {problem}", "VALIDATION_ERROR")


def bare_problem() -> Refusal:
    """What search says to a request beyond its limits: no category, no reason."""
    return Refusal(400, "There was a problem with the request.")


def invalid_properties(portal_id: int, problem: InvalidProperties) -> Refusal:
    """A write refused as a whole; the body names properties, never records."""
    embedded = orjson.dumps([_embedded(portal_id, one) for one in problem.problems]).decode()
    errors = [
        {"message": one.message, "code": one.code, "context": {"propertyName": [one.name]}} for one in problem.problems
    ]
    return Refusal(400, f"Property values were not valid: {embedded}", "VALIDATION_ERROR", errors=errors)


def _embedded(portal_id: int, problem: Problem) -> dict[str, Any]:
    return {
        "isValid": False,
        "message": problem.message,
        "error": problem.code,
        "name": problem.name,
        "localizedErrorMessage": problem.message,
        "portalId": portal_id,
    }


def missing(kind: ObjectType, ids: Iterable[str], **context: Any) -> dict[str, Any]:
    """The one row of a batch's `errors` that lists every id that could not be found."""
    who = kind.singular.upper()
    message = f"Could not get some {who} objects, they may be deleted or not exist. Check that ids are valid."
    context = {"ids": list(ids), **{name: value for name, value in context.items() if value}}
    return {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": context}
