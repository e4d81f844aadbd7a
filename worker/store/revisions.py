"""Revisions of the policy, the rules and the champions, per goal: appended, never changed, with author and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from worker.store.database import as_json

TABLES = ("policy", "rules", "champions")


@dataclass(frozen=True, slots=True)
class Revision:
    """`body` is JSON for a policy and for champions (model numbers by segment), the YAML text for rules."""

    goal: str
    revision: int
    body: Any
    author: str
    comment: str
    created_at: datetime


class EditConflict(Exception):
    """Somebody else published a revision meanwhile; look at theirs, then publish again."""


def _columns(table: str) -> str:
    assert table in TABLES
    return f"SELECT goal, revision, body, author, comment, created_at FROM {table} WHERE goal = :goal"


def current(connection: Connection, table: str, goal: str) -> Revision | None:
    row = connection.execute(text(_columns(table) + " ORDER BY revision DESC LIMIT 1"), {"goal": goal}).one_or_none()
    return Revision(*row) if row else None


def get(connection: Connection, table: str, goal: str, revision: int) -> Revision | None:
    row = connection.execute(
        text(_columns(table) + " AND revision = :revision"), {"goal": goal, "revision": revision}
    ).one_or_none()
    return Revision(*row) if row else None


def history(connection: Connection, table: str, goal: str) -> Sequence[Revision]:
    rows = connection.execute(text(_columns(table) + " ORDER BY revision DESC"), {"goal": goal})
    return [Revision(*row) for row in rows]


def publish(
    connection: Connection, table: str, goal: str, body: Any, *, after: int, author: str, comment: str, now: datetime
) -> Revision:
    """Append the revision after `after`. Raises `EditConflict` when that is no longer the newest."""
    assert table in TABLES
    stored = body if table == "rules" else as_json(body)
    cast = ":body" if table == "rules" else "CAST(:body AS jsonb)"
    new = Revision(goal, after + 1, body, author, comment, now)
    try:
        with connection.begin_nested():
            connection.execute(
                text(f"""
                INSERT INTO {table} (goal, revision, body, author, comment, created_at)
                VALUES (:goal, :revision, {cast}, :author, :comment, :now)
                """),
                {
                    "goal": goal,
                    "revision": new.revision,
                    "body": stored,
                    "author": author,
                    "comment": comment,
                    "now": now,
                },
            )
    except IntegrityError:
        raise EditConflict(f"{table} revision {new.revision} was published by somebody else meanwhile") from None
    return new
