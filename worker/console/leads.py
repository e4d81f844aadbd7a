"""Leads: find one, and see why it has the score that it has, since when, and what its CRM was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import Response
from sqlalchemy import Connection

from connectors.errors import CrmError
from connectors.records import RecordRef
from worker.console import jobs
from worker.console.desk import Desk, Viewing
from worker.lifecycle import policy as policy_of
from worker.lifecycle.machine import Stage
from worker.settings import ConfigurationError
from worker.steering import policies
from worker.store import leads, ledger, people, scores
from worker.store.leads import PAGE, UNSCORED, After, Lead

pages, api = APIRouter(), APIRouter(tags=["leads"])

SPANS = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}
Person = Annotated[int, Path(ge=1, description="A person's number; `GET /leads` finds it.")]
Search = Annotated[str, Query(max_length=200, description="Beginnings of names' words, an address, or a record's id.")]
Bucket = Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Cursor = Annotated[str | None, Query(pattern=r"^(\d{1,3}|-):\d{1,19}$", description="`next` of the page before.")]
Span = Annotated[str, Query(pattern="^(1d|7d|30d|90d)$")]


@pages.get("/leads")
def page(desk: Viewing, q: Search = "", bucket: Bucket = None, stage: Stage | None = None) -> Response:
    with desk.engine.connect() as connection:
        names = [b.name for b in policy_of.parse(policies.current(connection, desk.goal).body).buckets]
        found = _found(desk, connection, q, bucket, stage, None)
    return desk.render(
        "leads.html", q=q, bucket=bucket, stage=stage, buckets=[*names, UNSCORED], stages=list(Stage),
        leads=found, after=_next(found, q), later=False,
    )  # fmt: skip


@pages.get("/leads/list")
def more(
    desk: Viewing, q: Search = "", bucket: Bucket = None, stage: Stage | None = None, after: Cursor = None
) -> Response:
    """The list as one types, or its next page."""
    with desk.engine.connect() as connection:
        found = _found(desk, connection, q, bucket, stage, after)
    return desk.render(
        "leads_list.html", q=q, bucket=bucket, stage=stage, leads=found, after=_next(found, q), later=after is not None
    )


@pages.get("/leads/{person}")
def lead(desk: Viewing, person: Person) -> Response:
    return desk.render("lead.html", **_lead(desk, person))


@pages.get("/leads/{person}/live")
def live(desk: Viewing, person: Person) -> Response:
    return desk.render("lead_live.html", **_lead(desk, person))


@pages.get("/leads/{person}/reasons")
def reasons(desk: Viewing, person: Person) -> Response:
    """Recomputed from the facts known when the score was made; the same function gave the score."""
    told = desk.console.near.ask(jobs.explained, desk.goal, person)
    # The starting score would dwarf what the person is and does: its bar is as long as the longest of these.
    most = max((abs(reason["points"]) for reason in told["reasons"] if reason["group"] != "base"), default=1) or 1
    return desk.render("lead_reasons.html", told=told, standing=told["standing"], reasons=told["reasons"], most=most)


@pages.get("/leads/{person}/change")
def change(desk: Viewing, person: Person, span: Span = "7d") -> Response:
    told = desk.console.near.ask(jobs.change, desk.goal, person, SPANS[span])
    moves = sorted(told["change"]["moves"], key=lambda move: -abs(move["points"])) if told and told["change"] else ()
    return desk.render("lead_change.html", told=told, moves=moves, span=span, spans=list(SPANS), person=person)


@api.get("/leads", summary="People by score, by bucket or stage, or by words of their names")
def listed(
    desk: Viewing, q: Search = "", bucket: Bucket = None, stage: Stage | None = None, after: Cursor = None
) -> dict[str, Any]:
    with desk.engine.connect() as connection:
        found = _found(desk, connection, q, bucket, stage, after)
    return {"leads": [asdict(each) for each in found], "next": _next(found, q)}


@api.get("/leads/{person}", summary="A person's score with its reasons, history, records and writes")
def explained(desk: Viewing, person: Person) -> dict[str, Any]:
    _lead(desk, person)
    return desk.console.near.ask(jobs.explained, desk.goal, person)


@api.get("/leads/{person}/change", summary="Why the score is another one than it was")
def changed(desk: Viewing, person: Person, span: Span = "7d") -> dict[str, Any] | None:
    _lead(desk, person)
    return desk.console.near.ask(jobs.change, desk.goal, person, SPANS[span])


def _found(
    desk: Desk, connection: Connection, q: str, bucket: str | None, stage: Stage | None, after: str | None
) -> Sequence[Lead]:
    if q.strip():
        found = leads.matching(connection, desk.goal, q)
        return [its for its in found if bucket in (None, its.bucket) and stage in (None, its.stage)]
    within = None
    if bucket not in (None, UNSCORED):
        policy = policy_of.parse(policies.current(connection, desk.goal).body)
        within = _within(policy, bucket)
    begin = None
    if after is not None:
        score, _, person = after.partition(":")
        begin = After(None if score == "-" else int(score), int(person))
    return leads.ranked(
        connection, desk.goal, bucket=bucket, within=within, stage=stage.value if stage else None, after=begin
    )


def _within(policy: policy_of.Policy, bucket: str | None) -> tuple[int, int] | None:
    """Which scores people of a bucket can have; None where that is not known."""
    if any("buckets" in own or "bucket_hysteresis" in own for own in policy.segments.of.values()):
        return None
    upper = 101
    for each in policy.buckets:
        if each.name == bucket:
            return each.at_least - policy.bucket_hysteresis, upper
        upper = each.at_least
    return None


def _next(found: Sequence[Lead], q: str) -> str | None:
    """Where the next page begins; a search has one page."""
    if q.strip() or len(found) < PAGE:
        return None
    last = found[-1]
    return f"{'-' if last.score is None else last.score}:{last.person_id}"


def _lead(desk: Desk, person: int) -> dict[str, Any]:
    """All that is quick to tell of a person."""
    with desk.engine.connect() as connection:
        records = people.records_of(connection, person)
        standing = scores.load(connection, desk.goal, [person]).get(person)
        if not records and standing is None:
            raise HTTPException(404)
        policy = policy_of.parse(policies.current(connection, desk.goal).body)
        history = scores.history(connection, desk.goal, person, 500)
        moves = scores.moves(connection, desk.goal, person)
        writes = ledger.of_person(connection, person)
        shown = leads.shown(connection, person)
    others = [name for name in desk.settings.goal_names if name != desk.goal]
    return {
        "person": person, "shown": shown, "standing": standing, "policy": policy, "history": history,
        "records": [dict(row._mapping) | {"page": _crm_page(desk, row)} for row in records],
        "moves": _told(moves), "writes": writes, "others": others,
        "line": policy.mql.enter if desk.primary else None,
    }  # fmt: skip


def _told(moves: Sequence[scores.Transition]) -> Sequence[scores.Transition]:
    """Changes of stage, the newest first; what only changed the memory is nobody's business."""
    return [move for move in reversed(moves) if move.from_stage != move.to_stage][:50]


def _crm_page(desk: Desk, row: Any) -> str | None:
    """Where the record is seen in its CRM; None where that is not known."""
    if row.source not in desk.process.sources:
        return None
    try:
        return desk.process.crm(row.source).location(RecordRef(row.source, row.object, row.key))
    except (CrmError, ConfigurationError):
        return None
