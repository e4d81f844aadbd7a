"""Who is asking: somebody who signed in, a program with a token, or whoever sits at this machine."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Engine
from starlette.requests import Request

from worker.settings import Settings
from worker.store import accounts, sessions
from worker.store.accounts import Account, Role
from worker.store.audit import Via
from worker.store.sessions import Kind, Session

LOCAL = "local"
"""Who somebody is who did not have to say."""
TOKEN_DAYS = 365


@dataclass(frozen=True, slots=True)
class Visitor:
    """`csrf` stands in every form that we make for them; a program has none, and needs none. `session`: None where
    nobody has to sign in."""

    name: str
    role: Role
    via: Via
    csrf: str | None
    session: Session | None


class SignInNeeded(Exception):
    """Nobody has said who they are. `ended`: they had, and that is over."""

    def __init__(self, ended: bool) -> None:
        super().__init__("your session has ended; sign in again" if ended else "sign in first")
        self.ended = ended


class NotAllowed(Exception):
    """Whoever it is may not do this. The text says who may."""


@dataclass(frozen=True, slots=True)
class Door:
    """Who comes in, and as whom. `loopback`: only this machine reaches the console."""

    engine: Engine
    settings: Settings
    loopback: bool
    local_csrf: str

    @classmethod
    def of(cls, engine: Engine, settings: Settings, *, loopback: bool) -> Door:
        return cls(engine, settings, loopback, secrets.token_urlsafe(32))

    @property
    def idle(self) -> timedelta:
        return self.settings.console.idle

    def cookie(self, request: Request) -> str:
        """The name of the cookie. With the prefix a browser takes it from this host alone, over TLS alone."""
        return "__Host-leadgauge" if self.secure(request) else "leadgauge"

    def secure(self, request: Request) -> bool:
        url = self.settings.console_url
        return request.url.scheme == "https" or (url is not None and url.startswith("https://"))

    def open_to_all(self) -> bool:
        """Nobody has to sign in: this machine alone reaches the console, and there is nobody to sign in as."""
        if not self.loopback or self.settings.console.oidc is not None:
            return False
        with self.engine.connect() as connection:
            return not accounts.exist(connection)

    def visitor(self, request: Request, now: datetime) -> Visitor:
        """Raises `SignInNeeded`."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(token.strip(), now)
        secret = request.cookies.get(self.cookie(request))
        # A page that asks for what is new is nobody's doing: left open, it keeps nobody signed in.
        by_somebody = "x-polling" not in request.headers
        session = self._session(secret, now, by_somebody=by_somebody) if secret else None
        if secret and session is not None and session.kind is Kind.BROWSER:
            return Visitor(session.account.name, session.account.role, Via.CONSOLE, csrf(secret), session)
        if self.open_to_all():
            return Visitor(LOCAL, Role.ADMIN, Via.CONSOLE, self.local_csrf, None)
        raise SignInNeeded(ended=bool(secret))

    def _by_token(self, token: str, now: datetime) -> Visitor:
        session = self._session(token, now)
        if session is None or session.kind is not Kind.TOKEN:
            raise SignInNeeded(ended=True)
        return Visitor(session.account.name, session.account.role, Via.API, None, session)

    def _session(self, secret: str, now: datetime, *, by_somebody: bool = True) -> Session | None:
        with self.engine.begin() as connection:
            return sessions.use(connection, secret, now, self.idle, by_somebody=by_somebody)

    def let_in(self, account: Account, label: str, now: datetime) -> str:
        """Begin a browser's session; returns its secret, for the cookie alone."""
        secret = secrets.token_urlsafe(32)
        with self.engine.begin() as connection:
            ends_at = now + self.settings.console.lasts
            sessions.begin(connection, account, Kind.BROWSER, secret, label, now, ends_at)
        return secret


def csrf(secret: str) -> str:
    """What a form must bring along; it tells nothing of the session's secret."""
    return hmac.new(secret.encode(), b"csrf", sha256).hexdigest()


def check_csrf(visitor: Visitor, brought: str | None) -> None:
    """Raises `NotAllowed` for a request that none of our pages made."""
    if visitor.csrf is None:
        return
    if not brought or not hmac.compare_digest(visitor.csrf, brought):
        raise NotAllowed("this form is too old, or comes from elsewhere; load the page again")


def check_role(visitor: Visitor, least: Role) -> None:
    """Raises `NotAllowed` for somebody who may less."""
    if not visitor.role.may(least):
        raise NotAllowed(
            f"this needs the role {least}, and you are {visitor.role}; an admin can change that with "
            f"`leadgauge user role {visitor.name} {least}`"
        )
