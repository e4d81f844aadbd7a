"""The HTTP application of a practice portal."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.hubspot.activity import activity_routes
from sandbox.hubspot.auth import Gate, require
from sandbox.hubspot.bodies import Malformed
from sandbox.hubspot.call import Call, Server
from sandbox.hubspot.controls import control_routes
from sandbox.hubspot.limits import Meter
from sandbox.hubspot.pages import page_routes
from sandbox.hubspot.paths import PREFIXES, Family
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.routes import ENDPOINTS, Endpoint
from sandbox.hubspot.schema import object_type
from sandbox.hubspot.settings import HubspotServer
from sandbox.hubspot.unrest import Unrest
from sandbox.hubspot.wire import Refusal, bad_json, cloudflare, refused

__all__ = ["HubspotServer", "build_app"]


def build_app(portal: Portal, settings: HubspotServer) -> Starlette:
    """The vendor's API over `portal`, and the pages and controls under /sandbox/."""
    server = Server(portal, settings, Gate(portal, settings), Meter(portal, settings), Unrest(portal))
    routes = [*_vendor_routes(server), *page_routes(portal), *activity_routes(portal), *control_routes(server)]
    return Starlette(routes=routes, exception_handlers={HTTPException: _unknown_path})


def _vendor_routes(server: Server) -> list[Route]:
    """Each endpoint under every prefix of its area, with and without a slash at the end of a bare prefix."""
    return [
        Route(path, _endpoint(server, endpoint, family), methods=[endpoint.method])
        for endpoint in ENDPOINTS
        for family, prefix in PREFIXES[endpoint.area]
        for path in ([prefix + endpoint.tail] if endpoint.tail else [prefix, prefix + "/"])
    ]


def _endpoint(server: Server, endpoint: Endpoint, family: Family) -> Callable[[Request], Awaitable[Response]]:
    portal = server.portal

    async def respond(request: Request) -> Response:
        headers: dict[str, str] = {}
        try:
            scopes, headers = _admit(server, endpoint, request)
            body = await _body(request, form=endpoint.form)
            server.unrest.catch_up()
            path, query = request.path_params, request.query_params
            response = endpoint.handler(Call(server, family, path, query, request.url.path, body, scopes))
            if endpoint.writes and portal.dice.random() < portal.temper.given_up:
                raise Refusal(524, "", html=cloudflare(524, "A timeout occurred"))
        except Refusal as refusal:
            response = refused(refusal)
        except Malformed as problem:
            response = refused(bad_json(problem))
        response.headers.update(headers)
        response.headers.setdefault("X-HubSpot-Correlation-Id", str(uuid.uuid4()))
        return response

    return respond


def _admit(server: Server, endpoint: Endpoint, request: Request) -> tuple[frozenset[str], dict[str, str]]:
    """(scopes of the caller, rate headers of the answer). Raises `Refusal` (530, 401, 429, 403, in this order)."""
    if endpoint.open:
        return frozenset(), {}
    caller = server.gate.identify(request.headers.get("authorization"))
    headers = server.meter.admit(caller.token, endpoint.bucket, oauth=caller.oauth)
    kind = object_type(request.path_params.get("type", "contacts"))
    family = kind.scope if kind is not None else "contacts"
    require(caller, tuple(scope.format(family) for scope in endpoint.scopes))
    return caller.scopes, headers


async def _body(request: Request, *, form: bool) -> object:
    """The parsed body, None when there is none. Raises `Malformed`."""
    raw = await request.body()
    if form:
        return dict(parse_qsl(raw.decode("utf-8", "replace")))
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise Malformed(f"Cannot deserialize: {problem}") from None


async def _unknown_path(request: Request, problem: Exception) -> Response:
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    return refused(Refusal(status, "resource not found" if status == 404 else "Method not allowed"))
