"""Threshold: where the line lies, what another one would mean, and putting it in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response
from sqlalchemy import Connection

from worker.console import jobs
from worker.console.desk import Desk, Editing, Publishing, Viewing
from worker.console.figures import Figure
from worker.console.going import back
from worker.console.jobs import Curve
from worker.lifecycle import policy as policy_of
from worker.lifecycle.document import read, write
from worker.lifecycle.machine import Stage
from worker.lifecycle.policy import Policy
from worker.lifecycle.rollout import Rollout
from worker.steering import policies
from worker.steering.policies import Draft, Published, Revision
from worker.store import leads, rollouts
from worker.store.leads import Lead, Spread

pages, api = APIRouter(), APIRouter(tags=["policy"])

NAME = "draft"
WEEKS = 13
SHOWN = 25
"""So many people are named on each side of a line that moves."""
Name = Annotated[str, Form(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]{0,39}$")]
Version = Annotated[int, Form(ge=0, description="Of the draft that was edited; 0 where there is none yet.")]
Points = Annotated[int, Query(ge=0, le=100)]


@dataclass(frozen=True, slots=True)
class Flips:
    """Who would stand elsewhere at once: over the new line, or below the new lower one. By today's scores alone:
    cooldown, dwell and gates may hold some of them back, which a replay tells."""

    becoming: int
    ceasing: int


@pages.get("/threshold")
def page(desk: Viewing, draft: str = NAME, published: int | None = None, saved: bool = False) -> Response:
    with desk.engine.connect() as connection:
        current = policies.current(connection, desk.goal)
        drafts = policies.drafts(connection, desk.goal)
        history = policies.history(connection, desk.goal)[:20]
    held = next((each for each in drafts if each.name == draft), None)
    policy = policy_of.parse(current.body)
    edited = policy_of.parse(held.body) if held else policy
    return desk.render(
        "threshold.html", current=current, policy=policy, drafts=drafts, draft=held, name=draft, edited=edited,
        changed=policies.difference(current.body, held.body) if held else {}, history=history, yaml=write(edited),
        spread=_spread(desk), floors=[(each.name, each.at_least) for each in policy.buckets], published=published,
        rollout=_rollout(desk) if published else None, saved=saved,
        **_meaning(desk, policy, edited.mql.enter, edited.capacity.reps, edited.capacity.leads_a_week),
    )  # fmt: skip


@pages.get("/threshold/spread")
def spread(desk: Viewing, enter: Points) -> Response:
    """The scores of everybody, and the slider's line where it is."""
    with desk.engine.connect() as connection:
        policy = policy_of.parse(policies.current(connection, desk.goal).body)
    floors = [(each.name, each.at_least) for each in policy.buckets]
    return desk.render("threshold_spread.html", policy=policy, floors=floors, spread=_spread(desk), enter=enter)


@pages.get("/threshold/what-if")
def what_if(
    desk: Viewing, enter: Points, reps: Annotated[int, Query(ge=0, le=100_000)] = 0,
    each: Annotated[float, Query(gt=0, le=10_000)] = 15,
) -> Response:  # fmt: skip
    """What the slider's line would mean."""
    with desk.engine.connect() as connection:
        policy = policy_of.parse(policies.current(connection, desk.goal).body)
    return desk.render("threshold_what_if.html", **_meaning(desk, policy, enter, reps, each))


@pages.get("/threshold/people")
def people(desk: Viewing, enter: Points) -> Response:
    """Who would flip, by name."""
    with desk.engine.connect() as connection:
        policy = policy_of.parse(policies.current(connection, desk.goal).body)
        sides = _people(connection, desk.goal, policy, enter)
    return desk.render("threshold_people.html", becoming=sides[0], ceasing=sides[1], shown=SHOWN)


@pages.get("/threshold/replay")
def replay(desk: Editing, name: str = NAME, days: Annotated[int, Query(ge=1, le=730)] = 90) -> Response:
    """What the draft would have done: made once for each version of it, and shown when it is."""
    found = _replayed(desk, name, days)
    return desk.render("threshold_replay.html", replayed=found, name=name, days=days)


@pages.get("/threshold/rollout")
def rollout(desk: Viewing) -> Response:
    return desk.render("threshold_rollout.html", rollout=_rollout(desk))


@pages.post("/threshold/draft")
def save(
    desk: Editing, version: Version, enter: Annotated[int, Form(ge=0, le=100)],
    reps: Annotated[int, Form(ge=0, le=100_000)] = 0, each: Annotated[float, Form(gt=0, le=10_000)] = 15,
    name: Name = NAME,
) -> Response:  # fmt: skip
    """The slider's line and the capacity into the draft; the two lines keep their distance."""
    with desk.engine.begin() as connection:
        mql = policy_of.parse(policies.current(connection, desk.goal).body).mql
        wanted = [
            f"mql.enter={enter}", f"mql.leave={max(0, enter - (mql.enter - mql.leave))}", f"capacity.reps={reps}",
            f"capacity.leads_a_week={each:g}",
        ]  # fmt: skip
        _save(desk, connection, name, version, lambda held: policy_of.change(held, *wanted))
    return back(desk, f"/threshold?draft={name}&saved=1")


@pages.post("/threshold/document")
def save_document(desk: Editing, version: Version, text: Annotated[str, Form()], name: Name = NAME) -> Response:
    """The whole policy as it was typed. Every mistake is told with its line."""
    with desk.engine.begin() as connection:
        _save(desk, connection, name, version, lambda held: read(text, name, held))
    return back(desk, f"/threshold?draft={name}&saved=1")


@pages.post("/threshold/discard")
def discard(desk: Editing, name: Name = NAME) -> Response:
    with desk.engine.begin() as connection:
        policies.discard(connection, desk.goal, name)
        desk.note(connection, "policy.discard", f"{desk.goal}/{name}")
    return back(desk, "/threshold")


@pages.post("/threshold/rebase")
def rebase(desk: Editing, name: Name = NAME) -> Response:
    """Put the draft's changes on what is in force now."""
    with desk.engine.begin() as connection:
        draft = policies.rebase(connection, desk.goal, name, desk.who.name, desk.now())
        desk.note(connection, "policy.rebase", f"{desk.goal}/{name}", based_on=draft.based_on)
    return back(desk, f"/threshold?draft={name}")


@pages.post("/threshold/publish")
def publish(
    desk: Publishing, version: Version, comment: Annotated[str, Form(max_length=500)] = "", name: Name = NAME
) -> Response:
    done = _publish(desk, name, comment, version)
    return back(desk, f"/threshold?published={done.revision.revision}")


@pages.post("/threshold/revert")
def revert(desk: Publishing, revision: Annotated[int, Form(ge=1)]) -> Response:
    done = _revert(desk, revision)
    return back(desk, f"/threshold?published={done.revision.revision}")


# --- the same for programs


@api.get("/policy", summary="The policy in force")
def policy_in_force(desk: Viewing) -> dict[str, Any]:
    with desk.engine.connect() as connection:
        return _plain(policies.current(connection, desk.goal))


@api.get("/policy/history", summary="All policies that were in force, the newest first")
def policy_history(desk: Viewing) -> list[dict[str, Any]]:
    with desk.engine.connect() as connection:
        return [_plain(each) for each in policies.history(connection, desk.goal)]


@api.get("/policy/drafts", summary="The drafts there are")
def policy_drafts(desk: Viewing) -> list[dict[str, Any]]:
    with desk.engine.connect() as connection:
        return [asdict(each) for each in policies.drafts(connection, desk.goal)]


@dataclass(frozen=True, slots=True)
class Edit:
    """A draft's whole body, as edited from `version` of it (0: it begins)."""

    body: dict[str, Any]
    version: int


@api.put("/policy/drafts/{name}", summary="Begin a draft, or store an edit of it")
def put_draft(desk: Editing, name: str, edit: Edit) -> dict[str, Any]:
    with desk.engine.begin() as connection:
        return asdict(_save(desk, connection, name, edit.version, lambda _: policy_of.parse(edit.body)))


@api.delete("/policy/drafts/{name}", summary="Throw a draft away", status_code=204)
def delete_draft(desk: Editing, name: str) -> None:
    discard(desk, name)


@api.get("/policy/drafts/{name}/replay", summary="What a draft would have done; 202 while it is being made")
def replay_draft(
    desk: Editing, response: Response, name: str, days: Annotated[int, Query(ge=1, le=730)] = 90
) -> dict[str, Any] | None:
    found = _replayed(desk, name, days)
    if found is None:
        response.status_code = 202
        return None
    return {"at": found.at, **found.value}


@dataclass(frozen=True, slots=True)
class Publication:
    """`version`: of the draft that was looked at, so that nobody publishes what they have not seen."""

    version: int
    comment: str = ""


@api.post("/policy/drafts/{name}/publish", summary="Put a draft in force")
def publish_draft(desk: Publishing, name: str, publication: Publication) -> dict[str, Any]:
    done = _publish(desk, name, publication.comment, publication.version)
    return {"revision": done.revision.revision, "changes": done.changes}


@api.post("/policy/history/{revision}/revert", summary="Put an old policy's settings in force again")
def revert_to(desk: Publishing, revision: int) -> dict[str, Any]:
    done = _revert(desk, revision)
    return {"revision": done.revision.revision, "changes": done.changes}


@api.get("/policy/what-if", summary="What a threshold would mean; null parts are still being made")
def threshold_what_if(
    desk: Viewing, enter: Points, reps: Annotated[int, Query(ge=0)] = 0, each: Annotated[float, Query(gt=0)] = 15
) -> dict[str, Any]:
    with desk.engine.connect() as connection:
        policy = policy_of.parse(policies.current(connection, desk.goal).body)
    found = _meaning(desk, policy, enter, reps, each)
    return {
        "enter": enter, "capacity": found["capacity"], "fitting": found["fitting"],
        "outlook": asdict(found["outlook"]) if found["outlook"] else None,
        "in_force": asdict(found["held"]) if found["held"] else None,
        "flips": asdict(found["flips"]) if found["flips"] else None,
    }  # fmt: skip


# --- what they do


def _save(desk: Desk, connection: Connection, name: str, version: int, edited: Any) -> Draft:
    held = next((each for each in policies.drafts(connection, desk.goal) if each.name == name), None)
    base = held.body if held else policies.current(connection, desk.goal).body
    body = edited(policy_of.parse(base)).model_dump(mode="json")
    draft = policies.save(connection, desk.goal, name, body, version, desk.who.name, desk.now())
    changes = policies.difference(base, draft.body)
    desk.note(connection, "policy.draft", f"{desk.goal}/{name}", version=draft.version, changes=changes)
    return draft


def _publish(desk: Desk, name: str, comment: str, version: int) -> Published:
    with desk.engine.begin() as connection:
        done = policies.publish_draft(
            connection, desk.goal, name, desk.who.name, comment.strip(), desk.now(), desk.process.agree, version=version
        )
        _told(desk, connection, "policy.publish", done)
    return done


def _revert(desk: Desk, revision: int) -> Published:
    with desk.engine.begin() as connection:
        done = policies.revert(connection, desk.goal, revision, desk.who.name, desk.now(), desk.process.agree)
        _told(desk, connection, "policy.revert", done)
    return done


def _told(desk: Desk, connection: Connection, action: str, done: Published) -> None:
    new = done.revision
    desk.note(connection, action, f"{desk.goal}/{new.revision}", comment=new.comment, changes=done.changes)


def _plain(revision: Revision) -> dict[str, Any]:
    return asdict(revision)


def _spread(desk: Desk) -> Figure[Spread] | None:
    process, goal = desk.process, desk.goal

    def make() -> Spread:
        with process.engine.connect() as connection:
            return leads.spread(connection, goal)

    return desk.console.figures.get(("spread", goal), make, timedelta(seconds=20))


def _curve(desk: Desk, policy: Policy) -> Figure[Curve] | None:
    body = policy.model_dump(mode="json")
    key = ("curve", desk.goal, policy.mql.model_dump_json(), str(policy.scale), policy.capacity.zone)
    make = partial(desk.console.far.ask, jobs.curve, desk.goal, body, WEEKS)
    return desk.console.figures.get(key, make, timedelta(minutes=15))


def _rollout(desk: Desk) -> Figure[Rollout] | None:
    process, goal = desk.process, desk.goal

    def make() -> Rollout:
        with process.engine.connect() as connection:
            scale = process.goals.scale(connection, goal)
            return rollouts.rollout(connection, scale, process.now())

    return desk.console.figures.get(("rollout", goal), make, timedelta(seconds=2))


def _replayed(desk: Desk, name: str, days: int) -> Figure[dict[str, Any]] | None:
    with desk.engine.connect() as connection:
        current = policies.current(connection, desk.goal)
        draft = policies.draft(connection, desk.goal, name)
    key = ("replay", desk.goal, name, draft.version, draft.updated_at, current.revision, days)
    make = partial(desk.console.far.ask, jobs.replayed, desk.goal, days, policy=draft.body)
    return desk.console.figures.get(key, make, timedelta(hours=1))


def _meaning(desk: Desk, policy: Policy, enter: int, reps: int, each: float) -> dict[str, Any]:
    """What a line would mean, beside the one in force; None where that is still being made."""
    curve, spread = _curve(desk, policy), _spread(desk)
    outlooks = curve.value.outlooks if curve else None
    capacity = reps * each
    fitting = None
    if outlooks is not None and capacity:
        fits = (its.threshold for its in outlooks if its.weekly is not None and its.weekly.expected <= capacity)
        fitting = next(fits, None)
    return {
        "enter": enter, "reps": reps, "each": each, "capacity": capacity, "fitting": fitting,
        "outlook": outlooks[enter] if outlooks else None, "held": outlooks[policy.mql.enter] if outlooks else None,
        "curve": curve.value if curve else None, "line": policy.mql.enter,
        "flips": _flips(spread.value, policy, enter) if spread else None,
    }  # fmt: skip


def _lines(policy: Policy, enter: int) -> tuple[int, int]:
    """The new upper and lower line."""
    return enter, max(0, enter - (policy.mql.enter - policy.mql.leave))


def _flips(spread: Spread, policy: Policy, enter: int) -> Flips:
    _, leave = _lines(policy, enter)
    below, qualified = (spread.by_stage.get(stage.value, [0] * 101) for stage in (Stage.NURTURING, Stage.MQL))
    return Flips(sum(below[enter : policy.mql.enter]), sum(qualified[policy.mql.leave : leave]))


def _people(connection: Connection, goal: str, policy: Policy, enter: int) -> tuple[Sequence[Lead], Sequence[Lead]]:
    _, leave = _lines(policy, enter)
    return (
        leads.between(connection, goal, enter, policy.mql.enter, [Stage.NURTURING.value], SHOWN),
        leads.between(connection, goal, policy.mql.leave, leave, [Stage.MQL.value], SHOWN),
    )
