"""A TLS socket in a thread of the test's process, behind which each test puts a practice CRM of its own.

A test can so reach into the CRM's store while the connector talks to it over the wire.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.clock import Clock
from sandbox.faults import FaultMiddleware, Faults
from sandbox.server import Connection, Dated, Server
from sandbox.tls import certificates


@dataclass(slots=True)
class Host:
    """Where it is and whom to trust. `show` puts a CRM behind it, with faults of its own, in place of the last one."""

    url: str
    ca: Path
    _app: ASGIApp | None = field(default=None, repr=False)

    def show(self, vendor: ASGIApp, clock: Clock) -> Faults:
        """Serve `vendor` with the clock's `Date` and spoilt by the faults returned, as `python -m sandbox` does."""
        faults = Faults()
        self._app = Dated(FaultMiddleware(vendor, faults), clock)
        return faults

    def put(self, app: ASGIApp) -> None:
        """Serve `app` as it is."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._app is not None, "no practice CRM is shown"
        await self._app(scope, receive, send)


@contextmanager
def hosted(directory: Path) -> Iterator[Host]:
    """A host on a free port; its certificates lie in `directory`."""
    trust = certificates(directory)
    context = trust.server_context()
    # With the protocol named, asyncio turns Nagle's algorithm off; else every answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    host = Host(f"https://localhost:{listener.getsockname()[1]}", trust.ca)
    config = uvicorn.Config(
        host,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        ssl_context_factory=lambda _config, _default: context,
    )
    server = Server(config)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(sockets=[listener]),))
    thread.start()

    def hang_up() -> None:
        for connection in list(server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        server.should_exit = True

    try:
        yield host
    finally:
        loop.call_soon_threadsafe(hang_up)
        thread.join()
        loop.close()
        listener.close()
