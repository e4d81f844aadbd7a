"""Policies and rules in the making: by goal and name, each with the revision that it began from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from worker.store.database import as_json
from worker.store.revisions import EditConflict

_BODY = {"policy": "CAST(:body AS jsonb)", "rules": ":body"}
_COLUMNS = "goal, name, body, based_on, version, author, updated_at"


@dataclass(frozen=True, slots=True)
class Draft:
    """`body` is JSON for a policy, the YAML text for rules. `based_on`: the revision in force when it was begun (0:
    none). `version` grows with every edit."""

    goal: str
    name: str
    body: Any
    based_on: int
    version: int
    author: str
    updated_at: datetime


def get(connection: Connection, table: str, goal: str, name: str) -> Draft | None:
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM {_named(table)} WHERE goal = :goal AND name = :name"),
        {"goal": goal, "name": name},
    ).one_or_none()
    return Draft(*row) if row else None


def listed(connection: Connection, table: str, goal: str) -> Sequence[Draft]:
    """The one edited last first."""
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM {_named(table)} WHERE goal = :goal ORDER BY updated_at DESC, name"),
        {"goal": goal},
    )
    return [Draft(*row) for row in rows]


def save(
    connection: Connection, table: str, goal: str, name: str, body: Any, *, based_on: int, version: int, author: str,
    now: datetime,
) -> Draft:  # fmt: skip
    """Store an edit of the draft as it was at `version` (0: there was none). Raises `EditConflict` when somebody else
    edited it meanwhile."""
    insert = f"""
        INSERT INTO {_named(table)} ({_COLUMNS}) VALUES (:goal, :name, {_BODY[table]}, :based_on, 1, :author, :now)
        ON CONFLICT (goal, name) DO NOTHING RETURNING {_COLUMNS}
    """
    update = f"""
        UPDATE {_named(table)} SET body = {_BODY[table]}, based_on = :based_on, version = version + 1,
               author = :author, updated_at = :now
        WHERE goal = :goal AND name = :name AND version = :version RETURNING {_COLUMNS}
    """
    values = {
        "goal": goal, "name": name, "body": body if table == "rules" else as_json(body), "based_on": based_on,
        "author": author, "now": now,
    }  # fmt: skip
    row = connection.execute(
        text(update if version else insert), values | ({"version": version} if version else {})
    ).one_or_none()
    if row is None:
        held = get(connection, table, goal, name)
        raise EditConflict(
            f"{held.author if held else 'somebody'} has changed this draft of the {table} since you opened it; keep "
            "what you wrote, load the draft again, and put your changes on it"
        )
    return Draft(*row)


def discard(connection: Connection, table: str, goal: str, name: str) -> bool:
    """False where there was none."""
    done = connection.execute(
        text(f"DELETE FROM {_named(table)} WHERE goal = :goal AND name = :name"), {"goal": goal, "name": name}
    )
    return bool(done.rowcount)


def _named(table: str) -> str:
    assert table in _BODY
    return f"{table}_draft"
