"""Checks of models against the world, one row a model and check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from worker.store.database import as_json


@dataclass(frozen=True, slots=True)
class Check:
    """`level`: ok, watch or alert. `body` is what `worker.training.drift` found."""

    number: int
    at: datetime
    level: str
    body: Mapping[str, Any]


def save(connection: Connection, goal: str, check: Check) -> None:
    connection.execute(
        text("""
        INSERT INTO drift (goal, number, at, level, body) VALUES (:goal, :number, :at, :level, CAST(:body AS jsonb))
        ON CONFLICT (goal, number, at) DO UPDATE SET level = excluded.level, body = excluded.body
        """),
        {
            "goal": goal,
            "number": check.number,
            "at": check.at,
            "level": check.level,
            "body": as_json(check.body),
        },
    )


def newest(connection: Connection, goal: str, number: int) -> Check | None:
    return next(iter(history(connection, goal, number, 1)), None)


def history(connection: Connection, goal: str, number: int, limit: int = 52) -> Sequence[Check]:
    """Newest first."""
    rows = connection.execute(
        text("""
        SELECT number, at, level, body FROM drift WHERE goal = :goal AND number = :number
        ORDER BY at DESC LIMIT :limit
        """),
        {"goal": goal, "number": number, "limit": limit},
    )
    return [Check(*row) for row in rows]
