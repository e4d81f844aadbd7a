"""One TLS server of the sandbox: the vendor's app, the control routes beside it, faults and date around both."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from email.utils import format_datetime
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.clock import Clock
from sandbox.control import control_routes
from sandbox.faults import TRANSPORT, FaultMiddleware, Faults
from sandbox.profiles import CALM, Bites, Profile


class Connection(HttpToolsProtocol):
    """Leaves its transport in the scope, so that a fault can drop the connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[TRANSPORT] = self.transport


class Server(uvicorn.Server):
    """Leaves signals to the process, which serves two of these."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def make_app(crm: str, vendor: ASGIApp, clock: Clock, bites: Bites, *, profile: str = CALM, seed: int = 0) -> ASGIApp:
    """`vendor` and its controls, with faults of its own, under the named profile."""
    faults = Faults()
    under = Profile(bites, faults)
    under.apply(profile, seed)
    app = Starlette(routes=[*control_routes(clock, faults, under, crm=crm), Mount("/", app=vendor)])
    return Dated(FaultMiddleware(app, faults), clock)


def make_server(
    crm: str,
    vendor: ASGIApp,
    clock: Clock,
    context: ssl.SSLContext,
    bites: Bites,
    *,
    profile: str = CALM,
    seed: int = 0,
) -> Server:
    """A server of such an app that has yet to be started."""
    config = uvicorn.Config(
        make_app(crm, vendor, clock, bites, profile=profile, seed=seed),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
        ssl_context_factory=lambda _config, _default: context,
    )
    return Server(config)


class Dated:
    """Gives every answer the `Date` of the practice clock, which is how a client learns the CRM's time."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if not any(name.lower() == b"date" for name, _ in headers):
                    headers.append((b"date", format_datetime(self._clock.now(), usegmt=True).encode()))
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, dated)
