"""Routes under /sandbox/ that change how the instance behaves. Not part of the vendor's API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.control import json_body, refusing
from sandbox.marketo.call import Server
from sandbox.marketo.instance import Instance
from sandbox.marketo.temper import Temper

Order = Callable[[dict[str, Any]], Any]
"""Obeys a JSON order and says what stands now. Raises `ValueError` or `TypeError` for a wrong one."""


def control_routes(server: Server) -> Sequence[Route]:
    """Temper, tokens, usage, and the hands of somebody who works in the vendor's own pages."""
    instance = server.instance

    def set_temper(order: dict[str, Any]) -> Any:
        instance.set_temper(Temper.parse(order))
        return instance.temper.describe()

    def tokens(order: dict[str, Any]) -> Any:
        """{"revoke": true}: all are invalid from now on; {"doubt": n}: the next n calls get a 601 for good ones."""
        if order.get("revoke"):
            server.gate.revoke()
        server.gate.doubts = int(order.get("doubt", 0))
        return {"issued": server.gate.issued}

    def spend(order: dict[str, Any]) -> Any:
        """{"calls": n}: so many calls of another integration."""
        server.meter.spend(int(order["calls"]))
        return used()

    def used() -> dict[str, Any]:
        meter = server.meter
        return {"today": meter.used_today, "refused": dict(meter.refused), "under_way": meter.under_way}

    async def read_temper(request: Request) -> Response:
        return JSONResponse(instance.temper.describe())

    async def read_usage(request: Request) -> Response:
        return JSONResponse(used())

    async def read_writes(request: Request) -> Response:
        return JSONResponse(list(instance.writes))

    return [
        Route("/sandbox/temper", read_temper, methods=["GET"]),
        _ordered("/sandbox/temper", set_temper),
        Route("/sandbox/usage", read_usage, methods=["GET"]),
        _ordered("/sandbox/usage", spend),
        _ordered("/sandbox/tokens", tokens),
        Route("/sandbox/writes", read_writes, methods=["GET"]),
        _ordered("/sandbox/lead", lambda order: obey_lead(instance, order)),
        _ordered("/sandbox/activity", lambda order: obey_activity(instance, order)),
        _ordered("/sandbox/field", lambda order: obey_field(instance, order)),
        _ordered("/sandbox/campaign", lambda order: {"id": instance.add_campaign(**order)}),
        _ordered("/sandbox/list", lambda order: {"id": instance.add_list(**order)}),
        _ordered("/sandbox/purge", lambda order: {"gone": purge(instance, float(order["days"]))}),
    ]


def obey_lead(instance: Instance, order: dict[str, Any]) -> Any:
    """{"add": values}, or {"id"} and one of {"change": values}, {"delete": true}, {"merge": [losers]}."""
    if "add" in order:
        return {"id": instance.add_lead(dict(order["add"]))}
    id = int(order["id"])
    if "change" in order:
        return {"id": id, "changed": instance.change(id, dict(order["change"]))}
    if "merge" in order:
        return {"id": instance.merge(id, *map(int, order["merge"]))}
    if order.get("delete"):
        instance.delete(id)
        return {"id": id, "deleted": True}
    raise ValueError('the order must hold "add", or "id" and "change", "merge" or "delete"')


def obey_activity(instance: Instance, order: dict[str, Any]) -> Any:
    """{"lead", "type"} and perhaps {"primary", "value", "attributes", "campaign"}; now."""
    given = dict(order)
    entry = instance.happen(int(given.pop("lead")), int(given.pop("type")), **given)
    return {"marketoGUID": str(entry.number)}


def obey_field(instance: Instance, order: dict[str, Any]) -> Any:
    """{"name"} and {"label", "type"} to make one, {"hide": bool}, or {"remove": true}, as only an admin can."""
    name = str(order["name"])
    if "type" in order:
        instance.schema.add(name, str(order.get("label", name)), str(order["type"]))
    elif order.get("remove"):
        instance.remove_field(name)
    elif "hide" in order:
        instance.schema.change(name, hidden=bool(order["hide"]))
    else:
        raise ValueError('the order must hold "type", "hide" or "remove"')
    return {"name": name, "exists": instance.schema.get(name) is not None}


def purge(instance: Instance, days: float) -> int:
    """Activities older than so many days are gone; how many."""
    return instance.log.purge(instance.now() - timedelta(days=days))


def _ordered(path: str, obey: Order) -> Route:
    async def obeyed(request: Request) -> Response:
        order = await json_body(request)
        if not isinstance(order, dict):
            raise ValueError("the body must be an object")
        try:
            return JSONResponse(obey(order))
        except KeyError as missing:
            raise ValueError(f"there is no {missing.args[0]}") from None

    return Route(path, refusing(obeyed), methods=["POST"])
