"""What is watched of the state and told nowhere else, in few cheap queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Failed:
    """How many writes of a source failed for good for one reason."""

    source: str
    state: str
    code: str
    writes: int


@dataclass(frozen=True, slots=True)
class Champion:
    """A model that scores, and its newest check."""

    goal: str
    segment: str
    number: int
    created_at: datetime
    check: Mapping[str, Any] | None


def oldest_dirty(connection: Connection) -> datetime | None:
    """Since when the person waits that waits longest to be scored."""
    since: datetime | None = connection.execute(text("SELECT min(dirty_at) FROM person")).scalar_one()
    return since


def oldest_writes(connection: Connection) -> Mapping[str, datetime]:
    """By source, since when the oldest write waits that is under way or may go out now."""
    rows = connection.execute(
        text("""
        SELECT source, min(intended_at) AS since FROM ledger WHERE state IN ('intended', 'sent', 'accepted')
        GROUP BY source
        """)
    )
    return {row.source: row.since for row in rows}


def failed(connection: Connection) -> Sequence[Failed]:
    """By source, state and code; what people have dismissed is left out."""
    rows = connection.execute(
        text("""
        SELECT source, state, coalesce(code, ''), count(*) FROM ledger
        WHERE state IN ('refused', 'drifted', 'parked') AND dismissed_at IS NULL GROUP BY 1, 2, 3
        """)
    )
    return [Failed(*row) for row in rows]


def champions(connection: Connection) -> Sequence[Champion]:
    rows = connection.execute(
        text("""
        SELECT m.goal, m.segment, m.number, m.created_at, d.body FROM model m
        LEFT JOIN LATERAL (
            SELECT body FROM drift WHERE goal = m.goal AND number = m.number ORDER BY at DESC LIMIT 1
        ) d ON true
        WHERE m.state = 'champion' ORDER BY 1, 2
        """)
    )
    return [Champion(*row) for row in rows]


def trainings(connection: Connection) -> Sequence[tuple[str, str, str, int]]:
    """Goal, kind, state and how many of the requests that wait or run."""
    rows = connection.execute(
        text("""
        SELECT goal, kind, state, count(*) FROM training_request WHERE state IN ('waiting', 'running') GROUP BY 1, 2, 3
        """)
    )
    return [tuple(row) for row in rows]


def trainings_failed(connection: Connection) -> Mapping[str, bool]:
    """By goal, whether the newest training that ended failed."""
    rows = connection.execute(
        text("""
        SELECT DISTINCT ON (goal) goal, state FROM training_request WHERE kind = 'train' AND ended_at IS NOT NULL
        ORDER BY goal, id DESC
        """)
    )
    return {row.goal: row.state == "failed" for row in rows}


def trainer_seen(connection: Connection) -> datetime | None:
    """When a trainer was last seen; None where there never was one, or all left in order."""
    seen: datetime | None = connection.execute(text("SELECT max(seen_at) FROM trainer")).scalar_one()
    return seen
