"""The HTTP application of a practice instance."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.marketo.call import Call, Server
from sandbox.marketo.controls import control_routes
from sandbox.marketo.identity import Gate
from sandbox.marketo.instance import Instance
from sandbox.marketo.jobs import Jobs
from sandbox.marketo.limits import Meter
from sandbox.marketo.routes import ENDPOINTS, Endpoint
from sandbox.marketo.settings import MarketoServer
from sandbox.marketo.wire import HttpRefusal, Refusal, refused

__all__ = ["MarketoServer", "build_app"]

LONGEST_URI = 8 * 1024
BIGGEST_BODY = {"/rest/": 1024 * 1024, "/bulk/": 10 * 1024 * 1024}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def build_app(instance: Instance, settings: MarketoServer | None = None) -> Starlette:
    """The vendor's API over `instance`, and the controls under /sandbox/."""
    chosen = settings or MarketoServer()
    gate, meter, jobs = Gate(instance, chosen), Meter(instance, chosen), Jobs(instance, chosen)
    server = Server(instance, chosen, gate, meter, jobs)
    routes = [Route("/identity/oauth/token", gate.endpoint, methods=["GET", "POST"]), *_vendor_routes(server)]
    return Starlette(routes=[*routes, *control_routes(server)], exception_handlers={HTTPException: _unknown_path})


def _vendor_routes(server: Server) -> list[Route]:
    """One route a path: which method is meant may stand in the query."""
    paths: defaultdict[str, dict[str, Endpoint]] = defaultdict(dict)
    for endpoint in ENDPOINTS:
        paths[endpoint.path][endpoint.method] = endpoint
    return [Route(path, _endpoint(server, methods), methods=_METHODS) for path, methods in paths.items()]


def _endpoint(server: Server, methods: Mapping[str, Endpoint]) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        try:
            raw = await _body(request)
            service = server.gate.identify(request)
            with server.meter.entered(service.user):
                endpoint, params = _meant(methods, request, raw)
                if endpoint.permissions and not service.permissions.intersection(endpoint.permissions):
                    raise Refusal("603", "Access denied")
                body = None if endpoint.method == "GET" else _json(request, raw)
                call = Call(server, service, request.path_params, params, body, request.headers, request.url.path)
                response = endpoint.handler(call)
                if server.instance.temper.latency:
                    await asyncio.sleep(server.instance.temper.latency)
                return response
        except Refusal as refusal:
            server.meter.note(refusal.code)
            return refused(refusal.code, refusal.message)
        except HttpRefusal as refusal:
            return PlainTextResponse(refusal.text, refusal.status)

    return respond


async def _body(request: Request) -> bytes:
    """Raises `HttpRefusal` for what the gateway in front of the API does not let through."""
    query = request.scope["query_string"]
    if len(request.scope["raw_path"]) + 1 + len(query) > LONGEST_URI:
        raise HttpRefusal(414, "Request URI Too Long")
    raw = await request.body()
    if len(raw) > BIGGEST_BODY[request.url.path[:6]]:
        raise HttpRefusal(413, "Request Entity Too Large")
    return raw


def _meant(methods: Mapping[str, Endpoint], request: Request, raw: bytes) -> tuple[Endpoint, dict[str, list[str]]]:
    """The endpoint and its parameters: a POST with `_method=GET` has them in a form (vendor's page Error Codes)."""
    params, method = parse_qs(request.scope["query_string"].decode()), request.method
    if method == "POST" and "_method" in params:
        if request.headers.get("content-type", "").partition(";")[0] != FORM:
            raise Refusal("612", "Invalid Content Type")
        method = params.pop("_method")[0].upper()
        params = {**parse_qs(raw.decode("utf-8", "replace")), **params}
    if method not in methods:
        raise Refusal("605", f"HTTP Method '{method}' not supported")
    return methods[method], params


def _json(request: Request, raw: bytes) -> object:
    """None without a body; a POST needs the content type all the same (observed). Raises `Refusal`."""
    if (raw or request.method == "POST") and request.headers.get("content-type", "").partition(";")[0] != JSON:
        raise Refusal("612", "Invalid Content Type")
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Refusal("609", "Invalid JSON") from None


async def _unknown_path(request: Request, problem: Exception) -> Response:
    return refused("610", "Requested resource not found")
