"""Routes under /sandbox/ that both practice CRMs share: faults, profile, clock and health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.profiles import Profile

Endpoint = Callable[[Request], Awaitable[Response]]


def control_routes(clock: Clock, faults: Faults, profile: Profile, *, crm: str) -> list[Route]:
    """Routes for one server. The clock is shared by both servers, faults and profile are this server's own."""

    def shown_clock() -> dict[str, Any]:
        return {"now": clock.now().isoformat(), "held": clock.held, "offset": clock.offset.total_seconds()}

    async def health(request: Request) -> Response:
        return JSONResponse({"crm": crm, "status": "ok", "now": clock.now().isoformat()})

    async def read_faults(request: Request) -> Response:
        return JSONResponse(faults.describe())

    async def add_faults(request: Request) -> Response:
        rules = await json_body(request)
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise ValueError("the body must be a list of fault rules")
        faults.add(rules)
        return JSONResponse(faults.describe())

    async def clear_faults(request: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    async def read_profile(request: Request) -> Response:
        return JSONResponse(profile.describe())

    async def set_profile(request: Request) -> Response:
        order = await json_body(request)
        if not isinstance(order, dict) or "name" not in order or set(order) - {"name", "seed"}:
            raise ValueError('the body must hold "name" (calm or hostile) and may hold "seed" (a whole number)')
        profile.apply(str(order["name"]), int(order.get("seed", 0)))
        return JSONResponse(profile.describe())

    async def read_clock(request: Request) -> Response:
        return JSONResponse(shown_clock())

    async def set_clock(request: Request) -> Response:
        order = await json_body(request)
        if not isinstance(order, dict) or not order or set(order) - {"hold", "advance"}:
            raise ValueError('the body must hold "hold" (ISO instant or null), "advance" (seconds), or both')
        if "hold" in order:
            if order["hold"] is None:
                clock.release()
            else:
                clock.hold(datetime.fromisoformat(order["hold"]))
        if "advance" in order:
            clock.advance(timedelta(seconds=float(order["advance"])))
        return JSONResponse(shown_clock())

    return [
        Route("/sandbox/health", health, methods=["GET"]),
        Route("/sandbox/faults", read_faults, methods=["GET"]),
        Route("/sandbox/faults", refusing(add_faults), methods=["POST"]),
        Route("/sandbox/faults", clear_faults, methods=["DELETE"]),
        Route("/sandbox/profile", read_profile, methods=["GET"]),
        Route("/sandbox/profile", refusing(set_profile), methods=["POST"]),
        Route("/sandbox/clock", read_clock, methods=["GET"]),
        Route("/sandbox/clock", refusing(set_clock), methods=["POST"]),
    ]


def refusing(endpoint: Endpoint) -> Endpoint:
    """Turn a refused order into a 400 that says why."""

    async def wrapped(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (ValueError, TypeError) as problem:
            return JSONResponse({"error": str(problem)}, status_code=400)

    return wrapped


async def json_body(request: Request) -> Any:
    """The parsed body. Raises `ValueError`."""
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as problem:
        raise ValueError(f"the body is not JSON: {problem}") from None
