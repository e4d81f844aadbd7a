"""Signing in at an OpenID provider: the code flow with PKCE, and what a person's groups let them do."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.integrations.base_client.sync_openid import OpenIDMixin  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import OAuth2Client, oauth2_client  # type: ignore[import-untyped]
from redis import Redis

from worker.console.provider import Begun, Known, ProviderError, role_of
from worker.console.visitor import NotAllowed
from worker.console_settings import Oidc

_MINUTES = 10
"""How long somebody may take to sign in there."""
_TIMEOUT = 10.0
_HTTPError: type[Exception] = oauth2_client.httpx2.HTTPError  # of httpx2, or of httpx where Authlib falls back to it


class OpenIdProvider(OpenIDMixin):  # type: ignore[misc]
    """One OpenID provider. Thread-safe: what it keeps is what the provider publishes."""

    def __init__(self, settings: Oidc, redis: Redis, returns_to: str) -> None:
        self._settings, self._redis, self._returns_to = settings, redis, returns_to
        self.client_id = settings.client_id
        self.server_metadata: dict[str, Any] = {}

    def begin(self, after: str) -> Begun:
        """`after`: the page to show then. Raises `ProviderError`, `RedisError`."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with self._get_session() as client:
            url, _ = client.create_authorization_url(
                self._published("authorization_endpoint"), state=state, nonce=nonce, code_verifier=verifier
            )
        kept = json.dumps({"nonce": nonce, "verifier": verifier, "after": after})
        self._redis.set(_key(state), kept, ex=_MINUTES * 60)
        return Begun(url, state)

    def finish(self, url: str, state: str | None) -> Known:
        """`url`: what the provider sent the browser back to; `state`: what this browser kept. Works once.

        Raises `ProviderError`, and `NotAllowed` for somebody whose groups let them do nothing here.
        """
        kept = self._redis.getdel(_key(state)) if state else None
        if not isinstance(kept, bytes):
            raise ProviderError("signing in took too long, or began in another browser; begin again")
        begun = json.loads(kept)
        try:
            with self._get_session() as client:
                token = client.fetch_token(
                    self._published("token_endpoint"), authorization_response=url, state=state,
                    code_verifier=begun["verifier"],
                )  # fmt: skip
            claims = self.parse_id_token(token, nonce=begun["nonce"])
        except (AuthlibBaseError, _HTTPError, ValueError, KeyError) as problem:
            raise ProviderError(f"{self._settings.issuer} vouched for nobody: {type(problem).__name__}") from None
        except Exception as problem:  # joserfc's errors have no base but this
            if type(problem).__module__.partition(".")[0] != "joserfc":
                raise
            raise ProviderError(f"what {self._settings.issuer} signed is not right: {type(problem).__name__}") from None
        if claims is None:
            raise ProviderError(f"{self._settings.issuer} sent no ID token; is `openid` in the scope?")
        return self._known(claims, begun["after"])

    def _known(self, claims: Mapping[str, Any], after: str) -> Known:
        subject = f"{claims['iss']}|{claims['sub']}"
        name = str(claims.get(self._settings.name_claim) or claims["sub"])
        role = role_of(claims.get(self._settings.role_claim), self._settings)
        if role is None:
            raise NotAllowed(
                f"{name} is in none of the groups that may use this console; its admin maps groups to roles under "
                "`console.oidc.roles`"
            )
        return Known(subject, name, role, after)

    def load_server_metadata(self) -> dict[str, Any]:
        """The discovery document, read once. Its issuer must be the one that was asked."""
        if not self.server_metadata:
            address = f"{self._settings.issuer}/.well-known/openid-configuration"
            try:
                with self._get_session() as client:
                    answer = client.request("GET", address, withhold_token=True)
                    answer.raise_for_status()
                    found = answer.json()
            except (_HTTPError, ValueError) as problem:
                raise ProviderError(f"{address} cannot be read: {type(problem).__name__}") from None
            if str(found.get("issuer", "")).rstrip("/") != self._settings.issuer:
                raise ProviderError(f"{address} is that of another issuer; correct `console.oidc.issuer`")
            self.server_metadata = found
        return self.server_metadata

    def _published(self, name: str) -> str:
        found = self.load_server_metadata().get(name)
        if not found:
            raise ProviderError(f"{self._settings.issuer} publishes no {name}")
        return str(found)

    def _get_session(self) -> OAuth2Client:
        return OAuth2Client(
            self.client_id, self._settings.client_secret.read(), scope=self._settings.scope,
            redirect_uri=self._returns_to, code_challenge_method="S256", timeout=_TIMEOUT,
        )  # fmt: skip


def _key(state: str) -> str:
    return f"leadgauge:oidc:{state}"
