"""Rules in the making: one text a goal, with the revision that it began from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from worker.store.revisions import EditConflict

_COLUMNS = "goal, name, body, based_on, version, author, updated_at"


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """`based_on`: the revision in force when it was begun (0: none). `version` grows with every edit."""

    goal: str
    name: str
    body: str
    based_on: int
    version: int
    author: str
    updated_at: datetime


def get(connection: Connection, goal: str, name: str) -> RuleDraft | None:
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM rules_draft WHERE goal = :goal AND name = :name"), {"goal": goal, "name": name}
    ).one_or_none()
    return RuleDraft(*row) if row else None


def save(
    connection: Connection, goal: str, name: str, body: str, *, based_on: int, version: int, author: str, now: datetime
) -> RuleDraft:
    """Store an edit of the draft as it was at `version` (0: there was none). Raises `EditConflict` when somebody else
    edited it meanwhile."""
    insert = f"""
        INSERT INTO rules_draft ({_COLUMNS}) VALUES (:goal, :name, :body, :based_on, 1, :author, :now)
        ON CONFLICT (goal, name) DO NOTHING RETURNING {_COLUMNS}
    """
    update = f"""
        UPDATE rules_draft SET body = :body, version = version + 1, author = :author, updated_at = :now
        WHERE goal = :goal AND name = :name AND version = :version RETURNING {_COLUMNS}
    """
    values = {"goal": goal, "name": name, "body": body, "author": author, "now": now}
    row = connection.execute(
        text(update if version else insert), values | ({"version": version} if version else {"based_on": based_on})
    ).one_or_none()
    if row is None:
        held = get(connection, goal, name)
        who = f"{held.author} has" if held else "somebody has"
        raise EditConflict(
            f"{who} changed this draft of the rules since you opened it; keep your text, load the page, and put your "
            "changes on theirs"
        )
    return RuleDraft(*row)


def discard(connection: Connection, goal: str, name: str) -> bool:
    """False where there was none."""
    done = connection.execute(
        text("DELETE FROM rules_draft WHERE goal = :goal AND name = :name"), {"goal": goal, "name": name}
    )
    return bool(done.rowcount)
