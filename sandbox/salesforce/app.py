"""The practice Salesforce as an ASGI application."""

from __future__ import annotations

import re
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.salesforce import (
    activity,
    collections,
    composite,
    controls,
    describe,
    layouts,
    oauth,
    pages,
    queries,
    replication,
    rights,
    rows,
    tooling,
)
from sandbox.salesforce.bulk_ingest import IngestJobs
from sandbox.salesforce.bulk_query import QueryJobs
from sandbox.salesforce.faults import ApiError, not_found
from sandbox.salesforce.org import Org
from sandbox.salesforce.router import Call, Reply, Router, route
from sandbox.salesforce.service import Service
from sandbox.salesforce.settings import NEWEST_VERSION, OLDEST_VERSION, SalesforceServer

__all__ = ["SalesforceServer", "build_app"]

LONGEST_URI = 16_384
_DATA = re.compile(r"/services/data/v(\d{2}\.0)(?:/(.*))?", re.IGNORECASE)


def build_app(org: Org, settings: SalesforceServer) -> Starlette:
    """The whole server: token endpoint, REST, Bulk and Tooling APIs, and the pages under /sandbox/. The `Service`
    behind it is `app.state.service`."""
    service = Service(org, settings)
    queries_in_bulk, ingests = QueryJobs(), IngestJobs()

    def limits(call: Call) -> Reply:
        if not org.access.views_setup:
            raise ApiError(403, "INSUFFICIENT_ACCESS", "View Setup and Configuration is needed to see the limits")
        return Reply(body=service.quota.as_json(len(queries_in_bulk.jobs)))

    service.router = Router(
        [
            route("", get=_resources),
            route("limits", get=limits),
            *rights.routes(),
            *queries.routes(),
            *queries_in_bulk.routes(),
            *ingests.routes(),
            *composite.routes(),
            *collections.routes(),
            *tooling.routes(),
            *replication.routes(),
            *layouts.routes(),
            *describe.routes(),
            *rows.routes(),
        ]
    )

    async def versions(request: Request) -> Response:
        return _response(Reply(body=_versions()), {})

    async def data(request: Request) -> Response:
        return await _serve(service, request)

    app = Starlette(
        routes=[
            *oauth.routes(service),
            *pages.routes(org),
            *activity.routes(org),
            *controls.routes(org),
            Route("/services/data", versions, methods=["GET"]),
            Route("/services/data/", versions, methods=["GET"]),
            Route("/services/data/{path:path}", data, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1000, compresslevel=1)],
    )
    app.state.service = service
    return app


async def _serve(service: Service, request: Request) -> Response:
    """One call to the data API: version, session, quota, then the handler. Every answer tells the usage so far."""
    try:
        with service.running.one():
            call = await _admitted(service, request)
            reply = service.router.dispatch(call)
    except ApiError as refusal:
        reply = Reply(refusal.status, refusal.body)
    headers = {"Sforce-Limit-Info": service.quota.header}
    if skew := service.org.behaviour.date_skew:
        headers["Date"] = format_datetime(service.org.clock.now() + timedelta(seconds=skew), usegmt=True)
    return _response(reply, headers)


async def _admitted(service: Service, request: Request) -> Call:
    """The call, if its version is served and its session is live. Raises ApiError."""
    path = request.scope.get("raw_path", request.scope["path"].encode()).decode("ascii", "replace").split("?")[0]
    found = _DATA.fullmatch(unquote(path))
    if found is None or float(found[1]) > NEWEST_VERSION:
        raise not_found()
    if float(found[1]) < OLDEST_VERSION:
        raise ApiError(410, "UNSUPPORTED_API_VERSION", "The requested API version has been retired")
    if len(str(request.url)) > LONGEST_URI:
        raise ApiError(414, "URI_TOO_LONG", "The URI is too long")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    behaviour = service.org.behaviour
    live = (
        scheme.lower() in ("bearer", "oauth")
        and service.is_at_home(request.headers.get("host", ""))
        and service.sessions.is_live(token.strip(), most_calls=behaviour.calls_per_session)
    )
    if behaviour.refusal or not live:
        raise ApiError(401, "INVALID_SESSION_ID", behaviour.refusal or "Session expired or invalid")
    service.quota.spend()
    return Call(
        service=service,
        method=request.method,
        version=found[1],
        path=found[2] or "",
        params=dict(request.query_params),
        headers={name.lower(): value for name, value in request.headers.items()},
        content=await request.body(),
        user=service.sessions.user(token.strip()) or service.org.integration_user,
    )


def _response(reply: Reply, headers: dict[str, str]) -> Response:
    if reply.body is None:
        content = b""
    elif isinstance(reply.body, bytes):
        content = reply.body
    else:
        content = orjson.dumps(reply.body)
    media = {"Content-Type": reply.media} if content else {}
    return Response(content, reply.status, {**media, **headers, **reply.headers})


def _versions() -> list[dict[str, str]]:
    """Every served version with its release: three a year, v41.0 being Winter '18."""
    listed = []
    for version in range(OLDEST_VERSION, NEWEST_VERSION + 1):
        since_winter_18 = version - 41
        season = ("Winter", "Spring", "Summer")[since_winter_18 % 3]
        label = f"{season} '{18 + since_winter_18 // 3}"
        listed.append({"label": label, "url": f"/services/data/v{version}.0", "version": f"{version}.0"})
    return listed


def _resources(call: Call) -> Reply:
    names = ("query", "queryAll", "sobjects", "limits", "composite", "tooling", "jobs")
    body: dict[str, Any] = {name: f"{call.base}/{name}" for name in names}
    return Reply(body=body)
