"""In and out: by password, by an OpenID provider."""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from worker.console import passwords
from worker.console.desk import Console, Viewing, console_of
from worker.console.provider import Known, Provider, ProviderError
from worker.console.throttle import TooManyTries
from worker.console.visitor import NotAllowed
from worker.store import accounts, audit, sessions
from worker.store.accounts import Account
from worker.store.audit import Via

pages = APIRouter()
log = structlog.get_logger(__name__)

_STATE = "leadgauge-oidc"
_WRONG = "This name and this password do not belong together."


@pages.get("/sign-in")
def sign_in(request: Request, next: str = "/", ended: bool = False) -> Response:
    console = console_of(request)
    if console.door.open_to_all():
        return RedirectResponse("/", 303)
    return _form(request, console, _inside(next), "Your session has ended. Sign in to go on." if ended else "")


@pages.post("/sign-in")
def enter(
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=2000)],
    next: Annotated[str, Form()] = "/",
) -> Response:
    """By password. What was wrong is not told."""
    console, after = console_of(request), _inside(next)
    try:
        console.throttle.enter(name, request.client.host if request.client else "")
    except TooManyTries as problem:
        return _form(request, console, after, f"{str(problem).capitalize()}.", 429, name)
    with console.process.engine.begin() as connection:
        found = accounts.named(connection, name.strip())
    right = passwords.right(password, found.password if found else None)
    if found is None or not right or found.account.disabled_at is not None:
        log.warning("refused", action="sign_in")
        return _form(request, console, after, _WRONG, 401, name)
    if found.password and passwords.outdated(found.password):
        with console.process.engine.begin() as connection:
            accounts.set_password(connection, found.account, passwords.hashed(password))
    return _in(request, console, found.account, after, "password")


@pages.post("/sign-out")
def leave(desk: Viewing) -> Response:
    response = RedirectResponse("/sign-in", 303)
    if desk.who.session is not None:
        with desk.engine.begin() as connection:
            sessions.end(connection, desk.who.session.id, desk.now())
    response.delete_cookie(desk.console.door.cookie(desk.request), path="/")
    return response


@pages.get("/oidc")
def at_provider(request: Request, next: str = "/") -> Response:
    """Off to the provider."""
    console = console_of(request)
    try:
        begun = _provider(console).begin(_inside(next))
    except ProviderError as problem:
        return _form(request, console, _inside(next), str(problem), 502)
    response = RedirectResponse(begun.url, 303)
    # Lax: the way back begins at the provider's site.
    response.set_cookie(
        _STATE, begun.state, max_age=600, httponly=True, samesite="lax", path="/oidc",
        secure=console.door.secure(request),
    )  # fmt: skip
    return response


@pages.get("/oidc/return")
def from_provider(request: Request) -> Response:
    """Back from the provider."""
    console = console_of(request)
    try:
        known = _provider(console).finish(str(request.url), request.cookies.get(_STATE))
    except ProviderError as problem:
        return _form(request, console, "/", str(problem), 502)
    except NotAllowed as problem:
        return _form(request, console, "/", str(problem), 403)
    account = _account(console, known)
    if account.disabled_at is not None:
        return _form(request, console, "/", "This account is disabled.", 403)
    return _in(request, console, account, known.after, "provider")


def _account(console: Console, known: Known) -> Account:
    """The provider decides what somebody may do, anew each time."""
    with console.process.engine.begin() as connection:
        account = accounts.known_as(connection, known.subject)
        if account is None:
            taken = accounts.named(connection, known.name) is not None
            name = f"{known.name} ({known.subject.rpartition('|')[2]})" if taken else known.name
            account = accounts.add(connection, name, known.role, console.process.now(), subject=known.subject)
            _note(console, connection, account, "account.add", {"role": known.role, "by": "provider"})
        elif account.role is not known.role:
            accounts.set_role(connection, account, known.role, whoever=True)
            _note(console, connection, account, "account.role", {"role": known.role, "by": "provider"})
    return account


def _note(console: Console, connection: Connection, account: Account, action: str, detail: dict[str, str]) -> None:
    entry = audit.Entry(console.process.now(), account.name, Via.CONSOLE, action, account.name, detail)
    audit.note(connection, entry)


def _in(request: Request, console: Console, account: Account, after: str, how: str) -> Response:
    """A new session, whatever there was before: an old cookie is worth nothing."""
    now, door = console.process.now(), console.door
    secret = door.let_in(account, _browser(request), now)
    with console.process.engine.begin() as connection:
        _note(console, connection, account, "session.begin", {"by": how})
    response = RedirectResponse(after, 303)
    response.delete_cookie(_STATE, path="/oidc")
    response.set_cookie(
        door.cookie(request), secret, max_age=int(console.process.settings.console.lasts.total_seconds()),
        httponly=True, samesite="lax", path="/", secure=door.secure(request),
    )  # fmt: skip
    return response


def _form(request: Request, console: Console, after: str, problem: str, status: int = 200, name: str = "") -> Response:
    return console.look.response(
        request, "sign_in.html", status, None, after=after, problem=problem, name=name,
        provider=console.provider is not None,
    )  # fmt: skip


def _provider(console: Console) -> Provider:
    if console.provider is None:
        raise ProviderError("no OpenID provider is configured (`console.oidc`)")
    return console.provider


def _inside(after: str) -> str:
    """A page of ours: nobody is sent elsewhere by what stands in an address."""
    return after if after.startswith("/") and not after.startswith(("//", "/\\")) else "/"


def _browser(request: Request) -> str:
    """What a session is called: the browser and the system, as far as they say."""
    agent = request.headers.get("user-agent", "")
    browser = next((name for name in ("Edg", "Firefox", "Chrome", "Safari") if name in agent), "a browser")
    system = next((name for name in ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux") if name in agent), "")
    return " on ".join(filter(None, (browser.replace("Edg", "Edge"), system)))
