"""The console as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from worker.console import (
    audit,
    leads,
    model,
    overview,
    people,
    results,
    rules,
    signing_in,
    threshold,
    troubles,
    writes,
)
from worker.console.desk import Console
from worker.console.gatekeeper import Gatekeeper
from worker.console.look import STATIC
from worker.observing.web import Watched

ROOMS = (overview, threshold, results, leads, model, rules, writes, audit, people)


class Kept(StaticFiles):
    """Files whose address changes with them: a browser need not ask again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def create(console: Console, hosts: Collection[str] | None) -> FastAPI:
    """`hosts`: the names that it answers to; None: any."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        console.close()

    app = FastAPI(
        title="Leadgauge",
        version=version("leadgauge"),
        summary="What the console shows and does, for programs.",
        description="Send a token of `leadgauge user token NAME` as `Authorization: Bearer ...`; what its account may "
        "do, it may do. Errors are `application/problem+json`.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.console = console
    app.include_router(signing_in.pages, include_in_schema=False)
    for room in ROOMS:
        app.include_router(room.pages, include_in_schema=False)
        app.include_router(room.api, prefix="/api/v1")
    app.mount("/static", Kept(directory=STATIC), name="static")
    troubles.listen(app)
    url = console.process.settings.console_url
    app.add_middleware(Gatekeeper, hosts=hosts, strict_transport=url is not None and url.startswith("https://"))
    app.add_middleware(Watched, process=console.process)
    return app
