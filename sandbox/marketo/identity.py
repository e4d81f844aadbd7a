"""Access tokens: one a custom service until it ends, and who comes with it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.marketo.instance import Instance
from sandbox.marketo.settings import MarketoServer, Service
from sandbox.marketo.wire import Refusal


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    client: str
    until: datetime


class Gate:
    """Knows the tokens of one server; they are lost with the process."""

    def __init__(self, instance: Instance, settings: MarketoServer) -> None:
        self._instance = instance
        self._clock = instance.clock
        self._settings = settings
        self._held: dict[str, Token] = {}
        self._ended: set[str] = set()
        self.doubts = 0
        """So many calls are yet to get a 601 although their token is good, and identity hands the same out again."""
        self.issued = 0

    def token(self, client: str, secret: str) -> Token | None:
        """The service's token: the same until it ends. None for wrong credentials."""
        service = self._settings.services.get(client)
        if service is None or not secrets.compare_digest(service.secret.encode(), secret.encode()):
            return None
        held, now = self._held.get(client), self._clock.now()
        if held is None or held.until <= now:
            if held is not None:
                self._ended.add(held.text)
            self.issued += 1
            text = f"{secrets.token_hex(4)}-110d-4155-99a7-{secrets.token_hex(6)}:int"
            held = self._held[client] = Token(text, client, now + timedelta(seconds=self._settings.token_seconds))
        return held

    def identify(self, request: Request) -> Service:
        """Raises `Refusal`: 600 without the header (a token in the query is none), 601, 602."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise Refusal("600", "Access token not specified")
        ended = self._instance.temper.ended
        if ended and self._instance.dice.random() < ended:
            self._ended.update(token.text for token in self._held.values())
            self.revoke()
        held = next((token for token in self._held.values() if token.text == text), None)
        if text in self._ended or (held is not None and held.until <= self._clock.now()):
            raise Refusal("602", "Access token expired")
        if held is None or self.doubts:
            self.doubts = max(0, self.doubts - 1)
            raise Refusal("601", "Access token invalid")
        return self._settings.services[held.client]

    def revoke(self) -> None:
        """As after a change in LaunchPoint: tokens that are out are invalid, identity makes new ones."""
        self._held.clear()

    async def endpoint(self, request: Request) -> Response:
        """`/identity/oauth/token`; counts against nothing."""
        given = {**request.query_params}
        if request.method == "POST":
            given |= {name: str(value) for name, value in (await request.form()).items()}
        if given.get("grant_type") != "client_credentials":
            told = {"error": "unsupported_grant_type", "error_description": "Unsupported grant type"}
            return JSONResponse(told, 400)
        held = self.token(given.get("client_id", ""), given.get("client_secret", ""))
        if held is None:
            return JSONResponse({"error": "unauthorized", "error_description": "Bad client credentials"}, 401)
        left = int((held.until - self._clock.now()).total_seconds()) - 1
        user = self._settings.services[held.client].user
        body = {"access_token": held.text, "token_type": "bearer", "expires_in": max(0, left), "scope": user}
        return JSONResponse(body)
