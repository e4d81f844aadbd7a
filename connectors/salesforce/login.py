"""The three OAuth flows, and one login for any number of processes."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from datetime import timedelta

import jwt
import requests

from connectors.errors import AuthFailed, Misconfigured, ProtocolViolation
from connectors.salesforce.settings import ClientCredentials, JwtBearer, Password, SalesforceSettings
from connectors.salesforce.wire import Wire
from connectors.secret import SecretRef
from connectors.tokens import Tokens

_ASSERTION_LIFE = timedelta(minutes=3)
"""Salesforce refuses a longer one; machines' clocks differ, so the instant is the server's own where it is known."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and the only host it is good for. `ours`: this process asked for it, so a refusal means refusal. `user`:
    the id of the user that it acts for, where the login told."""

    token: str
    instance: str
    ours: bool = False
    user: str = ""

    def __repr__(self) -> str:
        return f"Grant(instance={self.instance!r}, ours={self.ours})"


class Login:
    """Gets a grant from the shared store, or logs in under the store's lock."""

    def __init__(self, settings: SalesforceSettings, wire: Wire, tokens: Tokens) -> None:
        self._settings = settings
        self._wire = wire
        self._tokens = tokens
        self._threads = threading.Lock()
        auth = settings.auth
        identity = (settings.login_url, auth.type, auth.consumer_key, getattr(auth, "username", ""))
        # Other credentials under the same name must not meet the old token.
        self._key = f"salesforce:{settings.name}:{hashlib.sha256(repr(identity).encode()).hexdigest()[:16]}"

    def grant(self, refused: Grant | None = None) -> Grant:
        """A grant other than `refused`: what another process got meanwhile, else a new login.

        Raises `AuthFailed`, `Transient`, `Misconfigured`.
        """
        with self._threads:
            if (held := self._held(refused)) is not None:
                return held
            with self._tokens.lock(self._key):
                if (held := self._held(refused)) is not None:
                    return held
                fresh = self._log_in()
                stored = json.dumps({"token": fresh.token, "instance": fresh.instance, "user": fresh.user})
                self._tokens.put(self._key, stored, self._settings.token_for)
                return fresh

    def _held(self, refused: Grant | None) -> Grant | None:
        stored = self._tokens.get(self._key)
        if stored is None:
            return None
        held = json.loads(stored)
        same = refused is not None and held["token"] == refused.token
        return None if same else Grant(held["token"], held["instance"], user=held.get("user", ""))

    def _log_in(self) -> Grant:
        url = f"{self._settings.login_url}/services/oauth2/token"
        blind = self._wire.now() is None and isinstance(self._settings.auth, JwtBearer)
        try:
            answer = self._wire.log_in(url, *self._form())
        except AuthFailed:
            if not blind:
                raise
            answer = self._wire.log_in(url, *self._form())  # the refusal told the server's time
        try:
            user = str(answer.get("id") or "").rpartition("/")[2]  # https://HOST/id/ORGANIZATION/USER
            return Grant(str(answer["access_token"]), str(answer["instance_url"]).rstrip("/"), ours=True, user=user)
        except KeyError as missing:
            raise ProtocolViolation(self._settings.name, f"login answered without {missing}") from None

    def _form(self) -> tuple[dict[str, str], requests.auth.AuthBase | None]:
        match self._settings.auth:
            case JwtBearer() as auth:
                grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer"
                return {"grant_type": grant_type, "assertion": self._assertion(auth)}, None
            case ClientCredentials() as auth:
                basic = requests.auth.HTTPBasicAuth(auth.consumer_key, self._secret(auth.consumer_secret))
                return {"grant_type": "client_credentials"}, basic
            case Password() as auth:
                token = self._secret(auth.security_token) if auth.security_token else ""
                return {
                    "grant_type": "password",
                    "client_id": auth.consumer_key,
                    "client_secret": self._secret(auth.consumer_secret),
                    "username": auth.username,
                    "password": self._secret(auth.password) + token,
                }, None

    def _assertion(self, auth: JwtBearer) -> str:
        now = self._wire.now() or self._wire.clock()
        claims = {
            "iss": auth.consumer_key,
            "sub": auth.username,
            "aud": self._settings.token_audience,
            "exp": int((now + _ASSERTION_LIFE).timestamp()),
        }
        try:
            return jwt.encode(claims, self._secret(auth.private_key), algorithm="RS256")
        except (jwt.InvalidKeyError, ValueError, TypeError):
            raise AuthFailed(self._settings.name, "private_key is not an RSA private key in PEM form") from None

    def _secret(self, ref: SecretRef) -> str:
        try:
            return ref.read()
        except LookupError as problem:
            raise Misconfigured(self._settings.name, str(problem)) from None
