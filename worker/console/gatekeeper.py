"""In front of every request: what a browser may do with our pages, and whose requests are not answered at all."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""No script and no style but our files."""
_ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})


class Gatekeeper:
    """Adds the headers, and refuses

    - hosts that are not ours (`hosts`; None: any), so that no other site's name can be made to mean this machine;
    - changes that another site's page asks for: a browser says in `Sec-Fetch-Site` or `Origin` whose page it was. A
      program says neither, and has a token instead.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, *, strict_transport: bool) -> None:
        self._app, self._hosts = app, hosts
        self._headers = dict(_ALWAYS)
        if strict_transport:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        app = self._app if refusal is None else PlainTextResponse(*refusal)
        await app(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> tuple[str, int] | None:
        """Why, and the status."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts is not None and (urlsplit(f"//{host}").hostname or "") not in self._hosts:
            return "this host is not the console's; set console_url to the address that people use\n", 421
        if scope["method"] in _SAFE or headers.get("authorization", "").lower().startswith("bearer "):
            return None
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            return None if site == "same-origin" else ("another site's page may change nothing here\n", 403)
        if origin is not None and urlsplit(origin).netloc == host:
            return None
        return "changes are made from the console's own pages, or with a token\n", 403
