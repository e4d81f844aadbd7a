"""What challengers say of the people whom others score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from worker.store.database import as_json


class Said(NamedTuple):
    """Of one person: the log-odds that a challenger gives, and the score that they would have with it, whatever rules
    still have to say beside it and guardrails included; None: none."""

    log_odds: float
    score: int | None


class Pair(NamedTuple):
    """One person: the score that they would have with the challenger, and how they stand."""

    person_id: int
    challenger: int
    score: int
    bucket: str


def save(connection: Connection, goal: str, number: int, said: Mapping[int, Said], as_of: datetime) -> None:
    """Replace a challenger's scores of these people; those whom nobody knows any more are passed over."""
    connection.execute(
        text("""
        INSERT INTO shadow_score (goal, number, person_id, log_odds, score, as_of)
        SELECT :goal, :number, p.id, w.log_odds, w.score, :as_of
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (person_id bigint, log_odds double precision, score smallint)
        JOIN person p ON p.id = w.person_id ORDER BY p.id
        ON CONFLICT (goal, number, person_id) DO UPDATE
        SET log_odds = excluded.log_odds, score = excluded.score, as_of = excluded.as_of
        WHERE shadow_score.as_of <= excluded.as_of
        """),
        {
            "goal": goal,
            "number": number,
            "as_of": as_of,
            "rows": as_json({"person_id": person, **its._asdict()} for person, its in said.items()),
        },
    )


def pairs(connection: Connection, goal: str, number: int, limit: int = 100_000) -> Sequence[Pair]:
    """Scored people with the scores that they would have with a challenger, as far as both are known."""
    rows = connection.execute(
        text("""
        SELECT w.person_id, w.score, s.score, s.bucket
        FROM shadow_score w JOIN score s ON s.goal = w.goal AND s.person_id = w.person_id
        WHERE w.goal = :goal AND w.number = :number AND s.score IS NOT NULL AND w.score IS NOT NULL
        ORDER BY w.person_id LIMIT :limit
        """),
        {"goal": goal, "number": number, "limit": limit},
    )
    return [Pair(*row) for row in rows]


def log_odds(connection: Connection, goal: str, number: int, limit: int = 100_000) -> Sequence[float]:
    """What a model gives the people of today, whether it scores them or watches."""
    rows: Sequence[Any] = (
        connection.execute(
            text("""
            SELECT log_odds FROM shadow_score WHERE goal = :goal AND number = :number
            UNION ALL
            SELECT log_odds FROM score WHERE goal = :goal AND model = :number AND log_odds IS NOT NULL
            LIMIT :limit
            """),
            {"goal": goal, "number": number, "limit": limit},
        )
        .scalars()
        .all()
    )
    return [float(value) for value in rows]
