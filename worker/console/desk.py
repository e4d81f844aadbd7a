"""What every page and every call of the API works at: who asks, about which goal, and what there is to ask."""

from __future__ import annotations

import multiprocessing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, Engine

from worker.bootstrap import Process
from worker.console.aside import Aside
from worker.console.figures import Figures
from worker.console.look import Look
from worker.console.provider import Provider
from worker.console.throttle import Throttle
from worker.console.visitor import Door, Visitor, check_csrf, check_role
from worker.settings import Settings
from worker.store import audit
from worker.store.accounts import Role

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Console:
    """What one process of the console works with. `near`: for what somebody waits for; `far`: for what takes long."""

    process: Process
    door: Door
    throttle: Throttle
    near: Aside
    far: Aside
    provider: Provider | None = None
    look: Look = field(default_factory=Look)
    figures: Figures = field(default_factory=Figures)

    def close(self) -> None:
        """Nobody waits for a figure any more: whatever still computes is ended."""
        self.figures.close()
        self.near.close()
        self.far.close()
        for child in multiprocessing.active_children():
            child.terminate()


@dataclass(frozen=True, slots=True)
class Desk:
    """One request's view of the console."""

    request: Request
    console: Console
    who: Visitor
    goal: str

    @property
    def process(self) -> Process:
        return self.console.process

    @property
    def settings(self) -> Settings:
        return self.console.process.settings

    @property
    def engine(self) -> Engine:
        return self.console.process.engine

    @property
    def primary(self) -> bool:
        """Whether the goal is the one that has stages."""
        return self.goal == self.settings.goal

    def now(self) -> datetime:
        return self.console.process.now()

    def note(self, connection: Connection, action: str, subject: str, **detail: Any) -> None:
        """Tell of a change, in its transaction."""
        audit.note(connection, audit.Entry(self.now(), self.who.name, self.who.via, action, subject, detail))

    def render(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page, or a part of one."""
        return self.console.look.response(self.request, template, status, self, **values)


def console_of(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


def visitor(request: Request) -> Visitor:
    """Raises `SignInNeeded`."""
    console = console_of(request)
    return console.door.visitor(request, console.process.now())


def _seat(least: Role) -> Callable[..., Awaitable[Desk]]:
    async def seat(
        request: Request,
        who: Annotated[Visitor, Depends(visitor)],
        goal: Annotated[str | None, Query(description="One of the goals; left out: the primary one.")] = None,
    ) -> Desk:
        check_role(who, least)
        if request.method not in _SAFE:
            brought = request.headers.get("x-csrf-token")
            if brought is None and who.csrf is not None and "form" in request.headers.get("content-type", ""):
                form = await request.form()
                brought = str(form.get("csrf", ""))
            check_csrf(who, brought)
        console = console_of(request)
        return Desk(request, console, who, console.process.settings.goal_named(goal)[0])

    return seat


Viewing = Annotated[Desk, Depends(_seat(Role.VIEWER))]
Editing = Annotated[Desk, Depends(_seat(Role.EDITOR))]
Publishing = Annotated[Desk, Depends(_seat(Role.PUBLISHER))]
Administering = Annotated[Desk, Depends(_seat(Role.ADMIN))]
