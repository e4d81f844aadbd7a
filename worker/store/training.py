"""Requests to a trainer: asked for once, taken by one, fenced by an epoch, and ended with a result or a problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from worker.store.database import as_json


class Kind(StrEnum):
    TRAIN = "train"
    WATCH = "watch"


class Cause(StrEnum):
    """Who asked."""

    SCHEDULE = "schedule"
    DRIFT = "drift"
    CLI = "cli"
    CONSOLE = "console"


class RequestState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class RequestLost(Exception):
    """Another trainer has the request now: this run's work is dropped."""


@dataclass(frozen=True, slots=True)
class Request:
    id: int
    goal: str
    kind: Kind
    cause: Cause
    author: str
    state: RequestState
    epoch: int
    attempts: int
    progress: float
    step: str
    result: Mapping[str, Any] | None
    problem: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


_COLUMNS = (
    "id, goal, kind, cause, author, state, epoch, attempts, progress, step, result, problem, created_at, started_at, "
    "ended_at"
)


def _request(row: Any) -> Request:
    return Request(row.id, row.goal, Kind(row.kind), Cause(row.cause), row.author, RequestState(row.state), *row[6:])


def ask(connection: Connection, goal: str, kind: Kind, cause: Cause, author: str, now: datetime) -> tuple[int, bool]:
    """The id of the open request of this goal and kind, made if there is none; and whether it was made."""
    made = connection.execute(
        text("""
        INSERT INTO training_request (goal, kind, cause, author, state, created_at)
        VALUES (:goal, :kind, :cause, :author, 'waiting', :now)
        ON CONFLICT (goal, kind) WHERE state IN ('waiting', 'running') DO NOTHING RETURNING id
        """),
        {"goal": goal, "kind": kind.value, "cause": cause.value, "author": author, "now": now},
    ).scalar_one_or_none()
    if made is not None:
        return made, True
    open_one = connection.execute(
        text("""
        SELECT id FROM training_request WHERE goal = :goal AND kind = :kind AND state IN ('waiting', 'running')
        """),
        {"goal": goal, "kind": kind.value},
    ).scalar_one()
    return open_one, False


def take(
    connection: Connection, owner: str, now: datetime, length: timedelta, *, only: int | None = None
) -> Request | None:
    """Lease the oldest request (or `only` this one) that waits, or whose trainer's lease has run out."""
    row = connection.execute(
        text(f"""
        UPDATE training_request SET state = 'running', owner = :owner, lease_until = :until, epoch = epoch + 1,
               attempts = attempts + 1, progress = 0, step = '', started_at = :now
        WHERE id = (SELECT id FROM training_request
                    WHERE (state = 'waiting' OR (state = 'running'
                           AND (lease_until <= :now OR lease_until > :now + 2 * CAST(:length AS interval))))
                      AND (CAST(:only AS bigint) IS NULL OR id = :only)
                    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING {_COLUMNS}
        """),
        {"owner": owner, "until": now + length, "length": length, "now": now, "only": only},
    ).one_or_none()
    return _request(row) if row else None


def hold(connection: Connection, request: int, epoch: int, now: datetime, length: timedelta) -> None:
    """Lock the request for this transaction and prolong the lease. Raises `RequestLost`."""
    held = connection.execute(
        text("""
        UPDATE training_request SET lease_until = :until WHERE id = :id AND epoch = :epoch AND state = 'running'
        """),
        {"until": now + length, "id": request, "epoch": epoch},
    )
    if held.rowcount != 1:
        raise RequestLost(f"training request {request}: epoch {epoch} no longer has it")


def progress(connection: Connection, request: int, epoch: int, done: float, step: str) -> None:
    """Say how far it is, 0 to 1. Raises `RequestLost`."""
    told = connection.execute(
        text("""
        UPDATE training_request SET progress = :done, step = :step
        WHERE id = :id AND epoch = :epoch AND state = 'running'
        """),
        {"done": done, "step": step, "id": request, "epoch": epoch},
    )
    if told.rowcount != 1:
        raise RequestLost(f"training request {request}: epoch {epoch} no longer has it")


def finish(connection: Connection, request: int, epoch: int, result: Mapping[str, Any], now: datetime) -> None:
    """Done; in the transaction that stores what was made, so that a stale run stores nothing. Raises `RequestLost`."""
    _end(connection, request, epoch, RequestState.DONE, result, None, now)


def fail(connection: Connection, request: int, epoch: int, problem: str, now: datetime) -> None:
    """Ended for good, with what was wrong and what to do. Raises `RequestLost`."""
    _end(connection, request, epoch, RequestState.FAILED, None, problem, now)


def _end(
    connection: Connection,
    request: int,
    epoch: int,
    state: RequestState,
    result: Mapping[str, Any] | None,
    problem: str | None,
    now: datetime,
) -> None:
    ended = connection.execute(
        text("""
        UPDATE training_request SET state = :state, owner = NULL, lease_until = NULL, result = CAST(:result AS jsonb),
               problem = :problem, ended_at = :now, progress = CASE WHEN :state = 'done' THEN 1 ELSE progress END
        WHERE id = :id AND epoch = :epoch AND state = 'running'
        """),
        {
            "state": state.value,
            "result": None if result is None else as_json(result),
            "problem": problem,
            "now": now,
            "id": request,
            "epoch": epoch,
        },
    )
    if ended.rowcount != 1:
        raise RequestLost(f"training request {request}: epoch {epoch} no longer has it")


def release(connection: Connection, request: int, epoch: int) -> None:
    """Give it back to be taken up again, by anybody."""
    connection.execute(
        text("""
        UPDATE training_request SET state = 'waiting', owner = NULL, lease_until = NULL
        WHERE id = :id AND epoch = :epoch AND state = 'running'
        """),
        {"id": request, "epoch": epoch},
    )


def get(connection: Connection, request: int) -> Request | None:
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM training_request WHERE id = :id"), {"id": request}
    ).one_or_none()
    return _request(row) if row else None


def newest(connection: Connection, goal: str, kind: Kind) -> Request | None:
    """The request that was asked for last."""
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM training_request WHERE goal = :goal AND kind = :kind ORDER BY id DESC LIMIT 1"),
        {"goal": goal, "kind": kind.value},
    ).one_or_none()
    return _request(row) if row else None


def history(connection: Connection, goal: str, limit: int = 20) -> Sequence[Request]:
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM training_request WHERE goal = :goal ORDER BY id DESC LIMIT :limit"),
        {"goal": goal, "limit": limit},
    )
    return [_request(row) for row in rows]


def seen(connection: Connection, owner: str, now: datetime) -> None:
    """A trainer says that it lives; those not heard of for a day are forgotten."""
    connection.execute(
        text("""
        INSERT INTO trainer (owner, seen_at) VALUES (:owner, :now) ON CONFLICT (owner) DO UPDATE SET seen_at = :now
        """),
        {"owner": owner, "now": now},
    )
    connection.execute(text("DELETE FROM trainer WHERE seen_at < :then"), {"then": now - timedelta(days=1)})


def gone(connection: Connection, owner: str) -> None:
    """A trainer stops."""
    connection.execute(text("DELETE FROM trainer WHERE owner = :owner"), {"owner": owner})


def alive(connection: Connection, since: datetime) -> bool:
    """Whether any trainer was seen since."""
    return bool(
        connection.execute(
            text("SELECT EXISTS (SELECT FROM trainer WHERE seen_at >= :since)"), {"since": since}
        ).scalar_one()
    )
