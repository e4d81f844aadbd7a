"""`/healthz`, `/readyz` and `/metrics`, in front of everything else: who asks is no browser and signs in nowhere."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from worker.bootstrap import Process
from worker.observing import probes
from worker.observing.exporter import Exporter

_CLOSED = "metrics are told to this machine, or to whoever brings the `metrics_token` as a bearer token\n"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Watched:
    """An ASGI application with the three paths added.

    `/healthz`: this process answers. `/readyz`: 200 where the database is at this version's schema and Redis answers,
    else 503 and which of them is not. `/metrics`: for Prometheus; with `metrics_token` set it must be brought, else
    only this machine may ask. The name of the host is not looked at where the token is: whoever scrapes does it by
    address.
    """

    def __init__(self, app: ASGIApp, process: Process) -> None:
        self._app, self._process, self._exporter = app, process, Exporter(process)
        self._paths: dict[str, Callable[[Scope], Response]] = {
            "/healthz": lambda _: PlainTextResponse("ok\n"), "/readyz": self._ready, "/metrics": self._metrics,
        }  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._paths.get(scope["path"]) if scope["type"] == "http" else None
        if answer is None:
            await self._app(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await PlainTextResponse("only GET\n", 405, {"allow": "GET, HEAD"})(scope, receive, send)
        else:
            response = await anyio.to_thread.run_sync(answer, scope)
            response.headers["cache-control"] = "no-store"
            response.headers["x-content-type-options"] = "nosniff"
            await response(scope, receive, send)

    def _ready(self, _: Scope) -> Response:
        said = probes.readiness(self._process)
        return JSONResponse(dict(said), 200 if set(said.values()) == {probes.OK} else 503)

    def _metrics(self, scope: Scope) -> Response:
        headers = Headers(scope=scope)
        if not self._may_read(scope, headers):
            return PlainTextResponse(_CLOSED, 401, {"www-authenticate": "Bearer"})
        body, content_type = self._exporter.answer(headers.get("accept", ""))
        return Response(body, media_type=None, headers={"content-type": content_type})

    def _may_read(self, scope: Scope, headers: Headers) -> bool:
        token = self._process.settings.metrics_token
        if token is not None:
            brought = headers.get("authorization", "").removeprefix("Bearer ")
            return hmac.compare_digest(brought.encode(), token.get_secret_value().encode())
        # The name, too: no other site's may be made to mean this machine, so that its page could read this. And no
        # proxy on this machine may let others in.
        named = urlsplit(f"//{headers.get('host', '')}").hostname
        return named in _LOCAL and _loopback(scope) and "x-forwarded-for" not in headers and "forwarded" not in headers


def _loopback(scope: Scope) -> bool:
    try:
        return ipaddress.ip_address((scope.get("client") or ("",))[0]).is_loopback
    except ValueError:
        return False
