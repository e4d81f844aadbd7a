"""How a goal's models are, in few words: for `status`, and as a number for metrics. Light to import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from worker.store import drifts, models, revisions, training
from worker.store.models import Event, State
from worker.store.training import Kind, RequestState
from worker.training.schedule import WATCH_EVERY

LEVELS = ("ok", "watch", "alert")
"""In order: the place of a level is its value as a metric."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A model that scores or watches. `level` is that of its newest check, "unchecked" before the first and "overdue"
    when that is more than two periods old; `value` the same as a number; `why` are the findings, gravest first."""

    number: int
    segment: str
    state: State
    level: str
    value: int
    checked_at: datetime | None
    why: Sequence[str]


@dataclass(frozen=True, slots=True)
class Summary:
    """`models`: champions first, then the challengers in the shadow. `problems` need a person. `training`: what is
    being done or waits, in words; None when nothing is."""

    models: Sequence[Watched]
    problems: Sequence[str]
    training: str | None


def summary(connection: Connection, goal: str, now: datetime) -> Summary:
    watching = models.shadowing(connection, goal)
    shown = [m for m in models.listing(connection, goal) if m.state is State.CHAMPION or m.number in watching]
    watched = []
    problems = []
    for model in sorted(shown, key=lambda m: (m.state is not State.CHAMPION, m.number)):
        check = drifts.newest(connection, goal, model.number)
        level = check.level if check else "unchecked"
        if check and check.at < now - 2 * WATCH_EVERY:
            level = "overdue"
        why = list(check.body.get("why", ())) if check else []
        watched.append(
            Watched(
                model.number, model.segment, model.state, level, level_value(level), check.at if check else None, why
            )
        )
        if model.state is State.CHAMPION and level == "alert":
            problems.append(f"model {model.number} has drifted: {why[0] if why else 'see `leadgauge model show`'}")
        newest = next(iter(models.events(connection, goal, model.number)), None)
        if newest is not None and newest.event == Event.UNUSABLE:
            problems.append(newest.reason)
    if revisions.current(connection, "policy", goal) is None:
        problems.append(f"goal {goal} has no policy yet, so nobody is scored for it: run `leadgauge migrate`")
    last = training.newest(connection, goal, Kind.TRAIN)
    if last is not None and last.state is RequestState.FAILED and now - last.created_at < timedelta(days=7):
        problems.append(f"training request {last.id} failed: {last.problem}")
    return Summary(watched, problems, _going_on(connection, goal))


def level_value(level: str) -> int:
    """0 ok, 1 watch, 2 alert; -1 where nothing was checked lately."""
    return LEVELS.index(level) if level in LEVELS else -1


def _going_on(connection: Connection, goal: str) -> str | None:
    for request in training.history(connection, goal):
        if request.state is RequestState.RUNNING:
            return f"request {request.id} ({request.kind}): {request.progress:.0%}, {request.step or 'starting'}"
        if request.state is RequestState.WAITING:
            return f"request {request.id} ({request.kind}) waits for a trainer"
    return None
