"""The token that a call carries, and its renewal."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation
from connectors.hubspot.settings import HubspotSettings, OAuthAuth, TokenAuth
from connectors.hubspot.wire import Answer
from connectors.secret import SecretRef
from connectors.tokens import Tokens

MARGIN = timedelta(minutes=2)
"""A token is renewed this long before it ends."""

_FOREVER = timedelta(days=3650)

REFUSALS: Mapping[str, str] = {
    "BAD_REFRESH_TOKEN": "the refresh token is revoked or not this app's: install the app in the account again",
    "BAD_HUB": "the app may not be used with this account: install it again",
    "BAD_CLIENT_ID": "client_id is not that of an app: correct it in the configuration",
    "BAD_CLIENT_SECRET": "client_secret is not the app's: correct it in the configuration",
    "invalid_grant": "the refresh token is revoked or not this app's: install the app in the account again",
    "invalid_client": "client_id or client_secret is wrong: correct them in the configuration",
    "access_denied": "the app may not be used with this account: install it again",
}
"""`status`, else `error`, of a refused refresh (HubSpot's OAuth guide) -> what to do."""


class Bearer(Protocol):
    def token(self) -> str: ...

    def renew(self, refused: str) -> str | None:
        """Another token than the one that was refused, or None where there is no other."""


def open_bearer(
    settings: HubspotSettings, tokens: Tokens, exchange: Callable[[Mapping[str, str]], Answer],
    explain: Callable[[Answer], CrmError],
) -> Bearer:  # fmt: skip
    """The bearer for the configured way to log in.

    `exchange` posts a form to the token endpoint; `explain` says which error a failed answer is.
    """
    if isinstance(settings.auth, TokenAuth):
        return StaticBearer(settings.name, settings.auth)
    return OAuthBearer(settings.name, settings.auth, tokens, exchange, explain)


class StaticBearer:
    """A token that does not expire; read once."""

    def __init__(self, source: str, auth: TokenAuth) -> None:
        self._token = _read(source, auth.token)

    def token(self) -> str:
        return self._token

    def renew(self, refused: str) -> str | None:
        return None


class OAuthBearer:
    """Access tokens of 30 minutes, shared by all processes: one refreshes, under a lock, and the others wait for it.

    A token is renewed by its time to live; a 401 renews it once more, unless another process already has.
    """

    def __init__(
        self, source: str, auth: OAuthAuth, tokens: Tokens, exchange: Callable[[Mapping[str, str]], Answer],
        explain: Callable[[Answer], CrmError],
    ) -> None:  # fmt: skip
        self._source, self._tokens, self._exchange, self._explain = source, tokens, exchange, explain
        self._client = {"client_id": auth.client_id, "client_secret": _read(source, auth.client_secret)}
        self._refresh = _read(source, auth.refresh_token)
        # A newly configured refresh token must not meet what was stored under the old one.
        self._key = f"hubspot:{source}:{hashlib.sha256(self._refresh.encode()).hexdigest()[:16]}"

    def token(self) -> str:
        return self._tokens.get(self._key) or self._renewed(None)

    def renew(self, refused: str) -> str | None:
        return self._renewed(refused)

    def _renewed(self, refused: str | None) -> str:
        with self._tokens.lock(self._key):
            held = self._tokens.get(self._key)
            if held is not None and held != refused:
                return held
            refresh = self._tokens.get(f"{self._key}:refresh") or self._refresh
            form = {"grant_type": "refresh_token", "refresh_token": refresh, **self._client}
            answer = self._exchange(form)
            body = answer.body if isinstance(answer.body, Mapping) else {}
            if answer.status != 200:
                for code in (str(body.get("status")), str(body.get("error"))):
                    if code in REFUSALS:
                        raise AuthFailed(self._source, REFUSALS[code])
                raise self._explain(answer)
            try:
                token, lives = str(body["access_token"]), timedelta(seconds=float(body["expires_in"]))
            except (KeyError, TypeError, ValueError) as problem:
                raise ProtocolViolation(self._source, "the token endpoint's answer holds no token") from problem
            self._tokens.put(self._key, token, max(lives - MARGIN, lives / 2))
            if body.get("refresh_token", refresh) != refresh:
                self._tokens.put(f"{self._key}:refresh", str(body["refresh_token"]), _FOREVER)
            return token


def _read(source: str, secret: SecretRef) -> str:
    try:
        return secret.read()
    except LookupError as problem:
        raise Misconfigured(source, str(problem)) from problem
