"""Rules: edit them with every mistake shown as one types, try them on people of now, put them in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from difflib import unified_diff
from functools import partial
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response
from sqlalchemy import Connection

from worker.console import jobs
from worker.console.desk import Desk, Editing, Publishing, Viewing
from worker.console.figures import Figure
from worker.console.going import back
from worker.console.jobs import Tried
from worker.scoring.document import Mistake, RulesError
from worker.store import drafts, leads, revisions
from worker.store.drafts import Draft
from worker.store.revisions import EditConflict, Revision

pages, api = APIRouter(), APIRouter(tags=["rules"])

NAME = "draft"
Text = Annotated[str, Form(max_length=200_000)]
Version = Annotated[int, Form(ge=0)]


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with rules; without mistakes, how many there are."""

    rules: int
    guardrails: int
    mistakes: Sequence[str]


@pages.get("/rules")
def page(desk: Viewing, published: int | None = None, saved: bool = False) -> Response:
    with desk.engine.connect() as connection:
        current = revisions.current(connection, "rules", desk.goal)
        draft = _held(connection, desk)
        history = revisions.history(connection, "rules", desk.goal)[:20]
    text = draft.body if draft else current.body if current else ""
    return desk.render(
        "rules.html", current=current, draft=draft, text=text, history=history, checked=_checked(desk, text),
        diff=_diff(current, draft), published=published, saved=saved,
    )  # fmt: skip


@pages.post("/rules/check")
def check(desk: Editing, text: Text) -> Response:
    return desk.render("rules_check.html", checked=_checked(desk, text))


@pages.post("/rules/draft")
def save(desk: Editing, text: Text, version: Version) -> Response:
    """Whatever was typed is kept, right or wrong: it is only published when it is right."""
    _save(desk, text, version)
    return back(desk, "/rules?saved=1")


@pages.post("/rules/discard")
def discard(desk: Editing) -> Response:
    with desk.engine.begin() as connection:
        if drafts.discard(connection, "rules", desk.goal, NAME):
            desk.note(connection, "rules.discard", f"{desk.goal}/{NAME}")
    return back(desk, "/rules")


@pages.get("/rules/try")
def preview(desk: Editing) -> Response:
    """The draft on a sample of the people of now."""
    draft = _draft(desk)
    key = ("tried", desk.goal, draft.version, draft.updated_at)
    make = partial(desk.console.near.ask, jobs.tried, desk.goal, draft.body)
    found: Figure[Tried] | None = desk.console.figures.get(key, make, timedelta(minutes=10))
    names: dict[int, leads.Lead] = {}
    if found is not None:
        with desk.engine.connect() as connection:
            whom = leads.those(connection, desk.goal, [person for person, _, _ in found.value.most])
        names = {lead.person_id: lead for lead in whom}
    return desk.render("rules_try.html", tried=found.value if found else None, names=names)


@pages.get("/rules/replay")
def replay(desk: Editing, days: Annotated[int, Query(ge=1, le=730)] = 30) -> Response:
    return desk.render("replay.html", replayed=_replayed(desk, days), again=f"/rules/replay?days={days}", days=days)


@pages.post("/rules/publish")
def publish(desk: Publishing, version: Version, comment: Annotated[str, Form(max_length=500)] = "") -> Response:
    return back(desk, f"/rules?published={_publish(desk, version, comment).revision}")


@pages.post("/rules/revert")
def revert(desk: Publishing, revision: Annotated[int, Form(ge=1)]) -> Response:
    return back(desk, f"/rules?published={_revert(desk, revision).revision}")


# --- the same for programs


@api.get("/rules", summary="The rules in force; null where a goal has none")
def in_force(desk: Viewing) -> dict[str, Any] | None:
    with desk.engine.connect() as connection:
        current = revisions.current(connection, "rules", desk.goal)
    return asdict(current) if current else None


@api.get("/rules/history", summary="All rules that were in force, the newest first")
def history(desk: Viewing) -> list[dict[str, Any]]:
    with desk.engine.connect() as connection:
        return [asdict(each) for each in revisions.history(connection, "rules", desk.goal)]


@dataclass(frozen=True, slots=True)
class RulesText:
    """A rule file. `version`: of the draft that was edited (0: it begins)."""

    text: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class RulesPublication:
    """`version`: of the draft that was looked at."""

    version: int
    comment: str = ""


@api.post("/rules/check", summary="Every mistake of a rule file, with its line and the remedy")
def checked(desk: Editing, given: RulesText) -> dict[str, Any]:
    return asdict(_checked(desk, given.text))


@api.get("/rules/draft", summary="The draft; null where there is none")
def get_draft(desk: Viewing) -> dict[str, Any] | None:
    with desk.engine.connect() as connection:
        draft = _held(connection, desk)
    return asdict(draft) if draft else None


@api.put("/rules/draft", summary="Begin a draft, or store an edit of it")
def put_draft(desk: Editing, given: RulesText) -> dict[str, Any]:
    return asdict(_save(desk, given.text, given.version))


@api.post("/rules/draft/publish", summary="Put the draft in force")
def publish_draft(desk: Publishing, given: RulesPublication) -> dict[str, Any]:
    return {"revision": _publish(desk, given.version, given.comment).revision}


# --- what they do


def _checked(desk: Desk, text: str) -> Checked:
    if not text.strip():
        return Checked(0, 0, ("nothing is written yet",))
    try:
        rules = desk.process.vocabulary.read_rules(text, "draft")
    except RulesError as refused:
        return Checked(0, 0, [_said(mistake) for mistake in refused.mistakes])
    return Checked(len(rules.rules), len(rules.guardrails), ())


def _said(mistake: Mistake) -> str:
    return f"line {mistake.line}: {mistake.what}; {mistake.allowed}"


def _save(desk: Desk, text: str, version: int) -> Draft:
    body = text.replace("\r\n", "\n")
    with desk.engine.begin() as connection:
        held, current = _held(connection, desk), revisions.current(connection, "rules", desk.goal)
        draft = drafts.save(
            connection, "rules", desk.goal, NAME, body, version=version, author=desk.who.name, now=desk.now(),
            based_on=held.based_on if held else current.revision if current else 0,
        )  # fmt: skip
        desk.note(connection, "rules.draft", f"{desk.goal}/{NAME}", version=draft.version)
    return draft


def _held(connection: Connection, desk: Desk) -> Draft | None:
    return drafts.get(connection, "rules", desk.goal, NAME)


def _draft(desk: Desk) -> Draft:
    with desk.engine.connect() as connection:
        draft = _held(connection, desk)
    if draft is None:
        raise EditConflict("there is no draft of the rules: it was published or thrown away; load the page again")
    return draft


def _publish(desk: Desk, version: int, comment: str) -> Revision:
    """Raises `RulesError` for wrong rules, `EditConflict` where draft or rules are others than were looked at."""
    draft = _draft(desk)
    if draft.version != version:
        raise EditConflict(f"{draft.author} changed the draft since you opened it; look at it, then publish it")
    desk.process.vocabulary.read_rules(draft.body, "draft")
    with desk.engine.begin() as connection:
        current = revisions.current(connection, "rules", desk.goal)
        held = current.revision if current else 0
        if draft.based_on != held:
            raise EditConflict(
                f"this draft was begun from rules {draft.based_on}, and {current.author if current else 'somebody'} "
                f"has published rules {held} since: it would undo them unseen. Copy your changes, throw the draft "
                "away, and put them on the rules in force"
            )
        return _put(desk, connection, draft.body, held, comment.strip() or "console", "rules.publish")


def _revert(desk: Desk, number: int) -> Revision:
    with desk.engine.begin() as connection:
        old = revisions.get(connection, "rules", desk.goal, number)
        current = revisions.current(connection, "rules", desk.goal)
        if old is None or current is None:
            raise EditConflict(f"there are no rules {number}; load the page again")
        desk.process.vocabulary.read_rules(old.body, f"rules {number}")
        return _put(desk, connection, old.body, current.revision, f"revert to {number}", "rules.revert")


def _put(desk: Desk, connection: Connection, body: str, after: int, comment: str, action: str) -> Revision:
    new = revisions.publish(
        connection, "rules", desk.goal, body, after=after, author=desk.who.name, comment=comment, now=desk.now()
    )
    if action == "rules.publish":
        drafts.discard(connection, "rules", desk.goal, NAME)
    desk.note(connection, action, f"{desk.goal}/{new.revision}", comment=comment)
    return new


def _replayed(desk: Desk, days: int) -> Figure[dict[str, Any]] | None:
    draft = _draft(desk)
    desk.process.vocabulary.read_rules(draft.body, "draft")
    key = ("replay-rules", desk.goal, sha256(draft.body.encode()).hexdigest(), draft.based_on, days)
    make = partial(desk.console.far.ask, jobs.replayed, desk.goal, days, rules=draft.body)
    return desk.console.figures.get(key, make, timedelta(hours=1))


def _diff(current: Revision | None, draft: Draft | None) -> list[str]:
    """What the draft changes, line by line."""
    if draft is None:
        return []
    held = current.body.splitlines() if current else []
    lines = unified_diff(held, draft.body.splitlines(), "in force", "draft", lineterm="", n=2)
    return list(lines)[2:]
