"""What somebody sees when something cannot be done: what, why, and what to do; as a page, a part of one, or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from connectors.errors import CrmError
from worker import log as logging
from worker.console.desk import console_of
from worker.console.throttle import TooManyTries
from worker.console.visitor import NotAllowed, SignInNeeded
from worker.embedded import EmbeddedError
from worker.lifecycle.policy import PolicyError
from worker.scoring.document import RulesError
from worker.settings import ConfigurationError
from worker.store.accounts import AccountError
from worker.store.database import DatabaseError
from worker.store.migrate import NotReady
from worker.store.revisions import EditConflict
from worker.training.goal import UnknownAttribute
from worker.training.refusal import ModelRefused, PromotionRefused

API = "/api/"
log = structlog.get_logger(__name__)

ANSWERS: Mapping[type[Exception], tuple[int, str]] = {
    NotAllowed: (403, "That is not yours to do"),
    TooManyTries: (429, "Too many tries"),
    EditConflict: (409, "Somebody else was faster"),
    PromotionRefused: (409, "This speaks against it"),
    ModelRefused: (409, "This model cannot be used so"),
    PolicyError: (422, "The policy is refused"),
    RulesError: (422, "The rules are refused"),
    AccountError: (422, "The account cannot be changed so"),
    ConfigurationError: (422, "That is not there"),
    UnknownAttribute: (422, "That is not there"),
    NotReady: (503, "The database is not ready"),
    DatabaseError: (503, "PostgreSQL does not answer"),
    OperationalError: (503, "PostgreSQL does not answer"),
    EmbeddedError: (503, "The embedded servers do not answer"),
    RedisError: (503, "Redis does not answer"),
    CrmError: (502, "A CRM does not answer"),
}
"""What each error of ours is answered with: the status, and a title; its own text says the rest."""


def listen(app: FastAPI) -> None:
    """Answer all of them."""
    for kind in ANSWERS:
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(SignInNeeded, _sign_in)
    app.add_exception_handler(RequestValidationError, _misspelt)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)


def said(problem: Exception) -> tuple[int, str, str]:
    """Status, title and text of an error; of one that nobody foresaw, nothing that could be somebody's data."""
    for kind, (status, title) in ANSWERS.items():
        if isinstance(problem, kind):
            text = str(problem.orig) if isinstance(problem, OperationalError) else str(problem)
            return status, title, logging.redact(text)
    return 500, "That is a fault of Leadgauge", "Nothing was lost. The log of the console has the details."


async def _known(request: Request, problem: Exception) -> Response:
    return answer(request, *said(problem))


async def _sign_in(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, SignInNeeded)
    if request.url.path.startswith(API):
        return answer(request, 401, "Sign in first", "Send a token: Authorization: Bearer ...")
    shown = request.headers.get("hx-current-url", "") or str(request.url)
    path = shown.split("//", 1)[-1].partition("/")[2]
    where = f"/sign-in?next=/{quote(path)}" + ("&ended=1" if problem.ended else "")
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": where})
    return RedirectResponse(where, 303)


async def _misspelt(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestValidationError)
    lines = [f"{'.'.join(map(str, error['loc'][1:]))}: {error['msg']}" for error in problem.errors()]
    return answer(request, 422, "That was not understood", "\n".join(lines))


async def _http(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    if problem.status_code == 404:
        return answer(request, 404, "There is no such page", "It may have had another address, or be gone.")
    return answer(request, problem.status_code, "That cannot be done", str(problem.detail))


async def _fault(request: Request, problem: Exception) -> Response:
    log.error("failed", action="console", path=request.url.path, exc_info=problem)
    return answer(request, *said(problem))


def answer(request: Request, status: int, title: str, text: str) -> Response:
    """As RFC 9457 has it for programs; in place of a part for a script of ours; else as a page."""
    if request.url.path.startswith(API):
        body = {"type": "about:blank", "title": title, "status": status, "detail": text}
        return JSONResponse(body, status, media_type="application/problem+json")
    template = "trouble_part.html" if "hx-request" in request.headers else "trouble.html"
    return console_of(request).look.response(request, template, status, None, title=title, text=text, code=status)
