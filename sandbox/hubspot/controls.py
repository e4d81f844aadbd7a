"""Routes under /sandbox/ that change how the portal behaves. Not part of the vendor's API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.control import json_body, refusing
from sandbox.hubspot.call import Server
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.schema import Option, object_type
from sandbox.hubspot.temper import Temper
from sandbox.hubspot.unrest import batch_job
from sandbox.hubspot.webhooks import Sender, Subscription
from sandbox.hubspot.wire import answer, no_content

Order = Callable[[dict[str, Any]], Any]
"""Obeys a JSON order and says what stands now. Raises `ValueError` or `TypeError` for a wrong one."""


def control_routes(server: Server) -> Sequence[Route]:
    """Temper, schema drift, batch jobs, webhooks; and the pages that links to records lead to."""
    portal, hooks = server.portal, _Hooks(server)

    def set_temper(order: dict[str, Any]) -> Any:
        portal.set_temper(Temper.parse(order))
        return portal.temper.describe()

    async def read_temper(request: Request) -> Response:
        return answer(portal.temper.describe())

    async def read_usage(request: Request) -> Response:
        return answer({"today": server.meter.used_today(), "refused": server.meter.refused})

    async def read_hooks(request: Request) -> Response:
        return answer(list(hooks.sender.deliveries) if hooks.sender is not None else [])

    def stop_hooks(request: Request) -> Response:
        hooks.stop()
        return no_content()

    async def page(request: Request) -> Response:
        kind = object_type(request.path_params["type"])
        name = kind.name if kind is not None else request.path_params["type"]
        return RedirectResponse(f"/sandbox/record/{name}/{request.path_params['id']}", 302)

    return [
        Route("/sandbox/temper", read_temper, methods=["GET"]),
        _ordered("/sandbox/temper", set_temper),
        Route("/sandbox/usage", read_usage, methods=["GET"]),
        _ordered("/sandbox/schema", lambda order: _drift(portal, order)),
        _ordered("/sandbox/batch-job", lambda order: {"touched": batch_job(portal, **order)}),
        Route("/sandbox/webhooks", read_hooks, methods=["GET"]),
        _ordered("/sandbox/webhooks", hooks.start),
        Route("/sandbox/webhooks", stop_hooks, methods=["DELETE"]),
        Route(f"/contacts/{portal.portal_id}/record/{{type}}/{{id}}", page, methods=["GET"]),
    ]


class _Hooks:
    """The one webhook subscription of the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.sender: Sender | None = None

    def start(self, order: dict[str, Any]) -> Any:
        """Deliver to a new address, signed with the app's client secret unless another is given."""
        settings, names = self._server.settings, order.get("properties")
        given = {**order, "properties": None if names is None else frozenset(map(str, names))}
        subscription = Subscription(**{"secret": settings.client_secret, "app_id": settings.app_id, **given})
        self.stop()
        self.sender = Sender(self._server.portal, subscription)
        return {"url": subscription.url}

    def stop(self) -> None:
        if self.sender is not None:
            self.sender.close()
            self.sender = None


def _drift(portal: Portal, order: dict[str, Any]) -> Any:
    """What an admin may do to a property any day: new options, archive it, take it back.

    {"object", "property", "options": [values] | "archive": true | "restore": true}
    """
    type, name = str(order.get("object")), str(order.get("property"))
    schema = portal.schemas.get(type)
    held = next((one for one in (*schema, *schema.archived()) if one.name == name), None) if schema else None
    if schema is None or held is None:
        raise ValueError(f"there is no property {name} of {type}")
    if "options" in order:
        values = [str(value) for value in order["options"]]
        labels = {option.value: option.label for option in held.options}
        options = tuple(Option(labels.get(value, value), value, n) for n, value in enumerate(values))
        schema.put(replace(held, options=options, updated_at=portal.now_ms()))
    elif order.get("archive"):
        schema.archive(name, portal.now_ms())
    elif order.get("restore"):
        schema.put(replace(held, archived_at=None, updated_at=portal.now_ms()))
    else:
        raise ValueError('the order must hold "options", "archive" or "restore"')
    return {"object": type, "property": name, "archived": schema.get(name) is None}


def _ordered(path: str, obey: Order) -> Route:
    async def obeyed(request: Request) -> Response:
        order = await json_body(request)
        if not isinstance(order, dict):
            raise ValueError("the body must be an object")
        return answer(obey(order))

    return Route(path, refusing(obeyed), methods=["POST"])
