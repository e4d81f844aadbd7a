"""Under /sandbox/: the switches of the org's behaviour, and what its administrator does to fields."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.control import json_body, refusing
from sandbox.salesforce.drift import drift
from sandbox.salesforce.org import Org


def routes(org: Org) -> list[Route]:
    async def read_behaviour(request: Request) -> Response:
        return JSONResponse(org.behaviour.as_json())

    async def change_behaviour(request: Request) -> Response:
        order = await json_body(request)
        if not isinstance(order, dict):
            raise ValueError("the body must be an object of switches")
        org.behaviour.change(order)
        return JSONResponse(org.behaviour.as_json())

    async def change_schema(request: Request) -> Response:
        order = await json_body(request)
        if not isinstance(order, dict):
            raise ValueError("the body must be one order")
        drift(org, order)
        return Response(status_code=204)

    return [
        Route("/sandbox/behaviour", read_behaviour, methods=["GET"]),
        Route("/sandbox/behaviour", refusing(change_behaviour), methods=["POST"]),
        Route("/sandbox/schema", refusing(change_schema), methods=["POST"]),
    ]
