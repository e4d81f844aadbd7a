"""The HTTP application of a practice project: three kinds of hosts in three regions, all on one socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.mixpanel import ingestion, reading
from sandbox.mixpanel.access import Refusal, basic
from sandbox.mixpanel.limits import TooMany
from sandbox.mixpanel.project import Project

HOSTS: Mapping[str, tuple[str, str]] = {
    "api.mixpanel.com": ("us", "ingest"), "api-eu.mixpanel.com": ("eu", "ingest"),
    "api-in.mixpanel.com": ("in", "ingest"), "data.mixpanel.com": ("us", "export"),
    "data-eu.mixpanel.com": ("eu", "export"), "data-in.mixpanel.com": ("in", "export"),
    "mixpanel.com": ("us", "query"), "eu.mixpanel.com": ("eu", "query"), "in.mixpanel.com": ("in", "query"),
}  # fmt: skip
"""Host -> region and what it does. Any other name stands for all of the project's own."""

Handler = Callable[[Project, Request], Awaitable[Response]]


def build_app(project: Project) -> Starlette:
    """The vendor's API over `project`."""
    return Starlette(
        routes=[
            Route("/engage", _endpoint(project, "ingest", ingestion.engage), methods=["POST"]),
            Route("/groups", _endpoint(project, "ingest", ingestion.groups), methods=["POST"]),
            Route("/import", _endpoint(project, "ingest", ingestion.import_events), methods=["POST"]),
            Route("/api/2.0/export", _endpoint(project, "export", reading.export, login=True), methods=["GET"]),
            Route("/api/query/engage", _endpoint(project, "query", reading.query, login=True), methods=["POST"]),
        ]
    )


def _endpoint(
    project: Project, role: str, handler: Handler, *, login: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        try:
            here = _here(project, role, request)
            if login:
                _admit(project, request, here=here)
            return await handler(project if here else _elsewhere(project), request)
        except TooMany:
            limit = "Project exceeded rate limits. Please retry the request with exponential backoff."
            return JSONResponse({"code": 429, "error": limit, "status": "Too Many Requests"}, 429)
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status)

    return respond


def _here(project: Project, role: str, request: Request) -> bool:
    """Whether the host that was asked keeps this project. Raises `Refusal` for one that does something else."""
    named = HOSTS.get(request.headers.get("host", "").partition(":")[0])
    if named is None:
        return True
    if named[1] != role:
        raise Refusal(404, {"error": "not found", "status": "error"})
    return named[0] == project.region


def _elsewhere(project: Project) -> Project:
    """What another region knows of the project: nothing; and whoever writes there hears no word of it."""
    return Project(project.clock, region="nowhere", accounts={})


def _admit(project: Project, request: Request, *, here: bool) -> None:
    """Raises `Refusal` for wrong credentials, a project that they do not reach, and none named."""
    user, secret = basic(request)
    if not here or not user or project.accounts.get(user) != secret:
        raise Refusal(401, {"request": request.url.path, "error": "Invalid service account credentials"})
    named = request.query_params.get("project_id")
    if named is None:
        raise Refusal(400, {"error": "project_id is a required parameter", "status": "error"})
    if named != str(project.id):
        raise Refusal(403, {"error": "User does not have access to this project", "status": "error"})
