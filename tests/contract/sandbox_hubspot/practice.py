"""What the tests drive: a practice portal that listens on loopback over TLS."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.clock import Clock
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.settings import HubspotServer

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOKEN = "pat-eu1-00000000-1111-2222-3333-444444444444"


class Server(uvicorn.Server):
    """Says when it listens, and leaves the signals to pytest."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()  # clients keep theirs open
        await super().shutdown(sockets)


class Stage:
    """An ASGI application that is whatever was put on it last."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class Live:
    """A running server and the portal behind it."""

    url: str
    ca: str
    portal: Portal
    clock: Clock
    settings: HubspotServer
    token: str = TOKEN

    def call(self, method: str, path: str, *, token: str | None = None, **options: Any) -> requests.Response:
        """A raw request with the service key, or with another token."""
        headers = {"Authorization": f"Bearer {token or self.token}", **options.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, verify=self.ca, timeout=10, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        return self.call("POST", path, json=body, **options)

    def contact(self, email: str = "ana@acme.test", **properties: str) -> str:
        return self.portal.create("contacts", {"email": email, **properties})


Serve = Callable[..., Live]


def order(live: Live, path: str, **body: Any) -> Any:
    """Obeyed by the sandbox, not by the vendor's API."""
    answer = live.post(f"/sandbox/{path}", body)
    assert answer.status_code == 200, answer.text
    return answer.json()
