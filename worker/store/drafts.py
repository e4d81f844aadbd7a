"""Policies in the making: one a goal and name, with the revision that each began from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from worker.store.database import as_json
from worker.store.revisions import EditConflict

_COLUMNS = "goal, name, body, based_on, version, author, updated_at"


@dataclass(frozen=True, slots=True)
class Draft:
    """`based_on`: the revision in force when it was begun. `version` grows with every edit."""

    goal: str
    name: str
    body: Any
    based_on: int
    version: int
    author: str
    updated_at: datetime


def get(connection: Connection, goal: str, name: str) -> Draft | None:
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM policy_draft WHERE goal = :goal AND name = :name"), {"goal": goal, "name": name}
    ).one_or_none()
    return Draft(*row) if row else None


def listed(connection: Connection, goal: str) -> Sequence[Draft]:
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM policy_draft WHERE goal = :goal ORDER BY updated_at DESC, name"), {"goal": goal}
    )
    return [Draft(*row) for row in rows]


def save(
    connection: Connection, goal: str, name: str, body: Any, *, based_on: int, version: int, author: str, now: datetime
) -> Draft:
    """Store an edit of the draft as it was at `version` (0: there was none). Raises `EditConflict` when somebody else
    edited it meanwhile."""
    row = connection.execute(
        text(f"""
        INSERT INTO policy_draft ({_COLUMNS})
        SELECT :goal, :name, CAST(:body AS jsonb), :based_on, 1, :author, :now WHERE :version = 0
        ON CONFLICT (goal, name) DO NOTHING RETURNING {_COLUMNS}
        """)
        if version == 0
        else text(f"""
        UPDATE policy_draft SET body = CAST(:body AS jsonb), based_on = :based_on, version = version + 1,
               author = :author, updated_at = :now
        WHERE goal = :goal AND name = :name AND version = :version RETURNING {_COLUMNS}
        """),
        {
            "goal": goal,
            "name": name,
            "body": as_json(body),
            "based_on": based_on,
            "version": version,
            "author": author,
            "now": now,
        },
    ).one_or_none()
    if row is None:
        raise EditConflict(f"draft {name} was edited by somebody else meanwhile; look at it, then edit it again")
    return Draft(*row)


def discard(connection: Connection, goal: str, name: str) -> bool:
    """False where there was none."""
    done = connection.execute(
        text("DELETE FROM policy_draft WHERE goal = :goal AND name = :name"), {"goal": goal, "name": name}
    )
    return bool(done.rowcount)
