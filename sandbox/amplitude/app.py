"""The HTTP application of a practice project: all hosts of its region behind one address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.amplitude.analytics import Analytics, Profiles
from sandbox.amplitude.ingestion import Ingestion
from sandbox.amplitude.project import Project
from sandbox.amplitude.settings import AmplitudeServer
from sandbox.amplitude.wire import Refusal

Call = Callable[[Request, bytes], Response]
"""The answer to a request and its body. May raise `Refusal`."""


def build_app(project: Project, settings: AmplitudeServer) -> Starlette:
    """The vendor's APIs over `project`."""
    ingestion, analytics = Ingestion(project, settings), Analytics(project, settings)

    def identify(request: Request, body: bytes) -> Response:
        if request.method == "GET":
            return PlainTextResponse("request_uri_too_large", 414)
        return ingestion.identify(body, request.headers.get("content-type", ""))

    open_to_all: dict[tuple[str, str], Call] = {
        ("GET", "/identify"): identify,
        ("POST", "/identify"): identify,
        ("POST", "/2/httpapi"): lambda _, body: ingestion.upload(body, ingestion.http),
        ("POST", "/batch"): lambda _, body: ingestion.upload(body, ingestion.batch),
    }
    with_keys: dict[tuple[str, str], Call] = {
        ("GET", "/api/2/export"): lambda r, _: analytics.export(_asked(r, "start"), _asked(r, "end")),
        ("GET", "/api/2/usersearch"): lambda r, _: analytics.search(_asked(r, "user")),
        ("GET", "/api/2/deletions/users"): lambda r, _: analytics.deletions(
            _asked(r, "start_day"), _asked(r, "end_day")
        ),
        ("POST", "/api/2/deletions/users"): lambda _, body: analytics.forget(body),
        ("GET", "/api/3/cohorts"): lambda _, __: analytics.cohorts(),
        ("POST", "/api/3/cohorts/upload"): lambda _, body: analytics.upload(body),
        ("POST", "/api/3/cohorts/membership"): lambda _, body: analytics.membership(body),
    }
    if not settings.eu:
        profiles = Profiles(project, settings)
        open_to_all["GET", "/v1/userprofile"] = lambda r, _: profiles.profile(_authorization(r), r.query_params)

    def endpoint(call: Call, *, keys: bool) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            project.catch_up()
            try:
                if keys:
                    analytics.admit(_authorization(request))
                return call(request, await request.body())
            except Refusal as refusal:
                return refusal.response()

        return respond

    tables = ((open_to_all, False), (with_keys, True))
    return Starlette(
        routes=[
            Route(path, endpoint(call, keys=keys), methods=[method])
            for table, keys in tables
            for (method, path), call in table.items()
        ]
    )


def _asked(request: Request, name: str) -> str:
    return request.query_params.get(name, "")


def _authorization(request: Request) -> str | None:
    return request.headers.get("authorization")
