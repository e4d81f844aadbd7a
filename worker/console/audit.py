"""Audit: who changed what, when, and from where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import AwareDatetime

from worker.console.desk import Desk, Viewing
from worker.store import audit
from worker.store.audit import Entry

pages, api = APIRouter(), APIRouter(tags=["audit"])

PAGE = 50
ABOUT = ("policy", "rules", "model", "writes", "account", "session", "token")
Who = Annotated[str | None, Query(max_length=200)]
About = Annotated[str | None, Query(pattern=r"^[a-z_.]{0,40}$", description="The beginning of actions.")]
Before = Annotated[AwareDatetime | None, Query(description="`next` of the page before.")]


@pages.get("/audit")
def page(desk: Viewing, who: Who = None, about: About = None) -> Response:
    found = _found(desk, who, about, None)
    with desk.engine.connect() as connection:
        authors = audit.authors(connection)
    return desk.render(
        "audit.html",
        entries=found,
        who=who,
        about=about,
        authors=authors,
        abouts=ABOUT,
        after=_next(found),
        later=False,
    )


@pages.get("/audit/list")
def more(desk: Viewing, who: Who = None, about: About = None, before: Before = None) -> Response:
    found = _found(desk, who, about, before)
    return desk.render(
        "audit_list.html", entries=found, who=who, about=about, after=_next(found), later=before is not None
    )


@api.get("/audit", summary="Changes, the newest first")
def listed(desk: Viewing, who: Who = None, about: About = None, before: Before = None) -> dict[str, Any]:
    found = _found(desk, who, about, before)
    return {"entries": [asdict(entry) for entry in found], "next": _next(found)}


def _found(desk: Desk, who: str | None, about: str | None, before: datetime | None) -> Sequence[Entry]:
    with desk.engine.connect() as connection:
        return audit.changes(connection, before=before, who=who or None, about=about or None, limit=PAGE)


def _next(found: Sequence[Entry]) -> datetime | None:
    return found[-1].at if len(found) == PAGE else None
