"""The token that a call carries, and its renewal.

A token lives for an hour, and until it ends Marketo answers every login with the same one ("Authentication"). So asking
again after a refusal may bring back what was refused: then there is nothing but to wait for its end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property

from connectors.errors import AuthFailed, Misconfigured, Transient
from connectors.http import Answer, Http
from connectors.marketo.faults import failure
from connectors.marketo.settings import MarketoSettings
from connectors.tokens import Tokens

IDENTITY = "/identity/oauth/token"
MARGIN = timedelta(seconds=60)
"""A token is asked for again this long before it ends."""
_SECOND = timedelta(seconds=1)


class Bearer:
    """Tokens of one custom service, shared by all processes: one logs in, under a lock, and the others wait for it."""

    def __init__(self, settings: MarketoSettings, tokens: Tokens, http: Http, midnight: Callable[[], datetime]) -> None:
        self._settings, self._tokens, self._http, self._midnight = settings, tokens, http, midnight

    def token(self) -> str:
        return self._tokens.get(self._key) or self._renewed(None)

    def renew(self, refused: str) -> str:
        """Another token than the one that was refused. Raises `Transient` with the wait until there can be one."""
        return self._renewed(refused)

    @cached_property
    def _secret(self) -> str:
        """Read by the first call, so that one that cannot be read is a failure of that call."""
        try:
            return self._settings.auth.client_secret.read()
        except LookupError as problem:
            raise Misconfigured(self._settings.name, str(problem)) from problem

    @cached_property
    def _key(self) -> str:
        """A token belongs to a service and what it was given for: a new secret must not meet the old one's."""
        named = "\0".join((self._settings.host, self._settings.auth.client_id, self._secret))
        return f"marketo:{hashlib.sha256(named.encode()).hexdigest()[:32]}"

    def _renewed(self, refused: str | None) -> str:
        with self._tokens.lock(self._key):
            held = self._tokens.get(self._key)
            if held is not None and held != refused:
                return held
            token, lives = self._login()
            if token == refused:
                why = "Marketo does not accept the token that it gives out; there is another when that one has ended"
                raise Transient(self._settings.name, why, lives + _SECOND)
            self._tokens.put(self._key, token, max(lives - MARGIN, lives / 2, _SECOND))
            return token

    def _login(self) -> tuple[str, timedelta]:
        """A token and how long it lives. Not gated: logins do not count against the quota."""
        source, auth = self._settings.name, self._settings.auth
        form = {"grant_type": "client_credentials", "client_id": auth.client_id, "client_secret": self._secret}
        answer = self._http.send("POST", self._settings.host + IDENTITY, endpoint=IDENTITY, data=form)
        if answer.status in (400, 401):
            fix = "client_id or client_secret is wrong (Admin > Integration > LaunchPoint > View Details)"
            raise AuthFailed(source, f"Marketo answered {answer.status} to the login: {fix}")
        if answer.status != 200:
            raise failure(source, IDENTITY, answer, self._midnight())
        return self._read(answer)

    def _read(self, answer: Answer) -> tuple[str, timedelta]:
        body = answer.body
        if not isinstance(body, Mapping) or not isinstance(body.get("access_token"), str):
            raise Transient(self._settings.name, "the answer to the login was cut off or holds no token")
        try:
            lives = timedelta(seconds=max(0.0, float(body.get("expires_in", 0))))
        except (TypeError, ValueError, OverflowError):
            lives = timedelta(0)
        return body["access_token"], lives
