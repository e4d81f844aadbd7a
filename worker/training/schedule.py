"""When models are trained and watched unasked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from worker.lifecycle.policy import Retraining
from worker.store import models, training
from worker.store.training import Cause, Kind, RequestState

WATCH_EVERY = timedelta(days=7)
AFTER_FAILURE = timedelta(days=1)
BETWEEN = timedelta(days=28)
"""A drift that alerts asks for no second training within this time: the first has not had its effect yet."""

AUTHOR = "leadgauge"


def ask_for_what_is_due(connection: Connection, goal: str, rules: Retraining, now: datetime) -> Sequence[int]:
    """Ask for the weekly check and the periodic training of a goal that has models; returns the ids of new requests."""
    if not models.listing(connection, goal):
        return []  # the first model is a person's wish
    asked = []
    if _due(connection, goal, Kind.WATCH, WATCH_EVERY, now):
        asked.append(training.ask(connection, goal, Kind.WATCH, Cause.SCHEDULE, AUTHOR, now))
    every = timedelta(days=rules.every_days)
    if every and models.champions(connection, goal)[1] and _due(connection, goal, Kind.TRAIN, every, now):
        asked.append(training.ask(connection, goal, Kind.TRAIN, Cause.SCHEDULE, AUTHOR, now))
    return [request for request, made in asked if made]


def ask_for_drift(connection: Connection, goal: str, rules: Retraining, now: datetime) -> int | None:
    """A champion has drifted: ask for a training, if the policy wants one and there was none lately."""
    if not rules.on_drift or not _due(connection, goal, Kind.TRAIN, BETWEEN, now):
        return None
    request, made = training.ask(connection, goal, Kind.TRAIN, Cause.DRIFT, AUTHOR, now)
    return request if made else None


def _due(connection: Connection, goal: str, kind: Kind, every: timedelta, now: datetime) -> bool:
    last = training.newest(connection, goal, kind)
    if last is None:
        return True
    wait = min(every, AFTER_FAILURE) if last.state is RequestState.FAILED else every
    return last.created_at + wait <= now
