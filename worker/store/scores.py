"""Scores as they stand, their history where something shown changed, and every change of stage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from worker.store.database import as_json


@dataclass(frozen=True, slots=True)
class Standing:
    """A person's score for one goal. Only the primary goal has stages."""

    person_id: int
    score: int | None
    status: str
    bucket: str
    stage: str | None
    stage_since: datetime | None
    mql_at: datetime | None
    as_of: datetime
    rules_revision: int
    policy_revision: int
    champions_revision: int = 0
    model: int | None = None
    log_odds: float | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)
    """What the next decision on the stage needs of the last one."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A decision that changed a person's stage, or what is remembered for the next: its inputs, and what it left."""

    person_id: int
    at: datetime
    from_stage: str | None
    to_stage: str
    cause: str
    score: int | None
    policy_revision: int
    evidence: Mapping[str, Any]
    memory: Mapping[str, Any]


_COLUMNS = (
    "person_id, score, status, bucket, stage, stage_since, mql_at, as_of, rules_revision, policy_revision, "
    "champions_revision, model, log_odds, memory"
)
_SHOWN = "score, status, bucket, stage, rules_revision, policy_revision, champions_revision, model"
"""What is worth a row of history when it changes."""


def load(connection: Connection, goal: str, people: Collection[int]) -> Mapping[int, Standing]:
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM score WHERE goal = :goal AND person_id = ANY(:ids)"),
        {"goal": goal, "ids": list(people)},
    )
    return {row.person_id: Standing(*row) for row in rows}


def save(connection: Connection, goal: str, standings: Sequence[Standing]) -> None:
    """Replace how these people stand, and append to the history where the score, bucket, stage or revision differs."""
    rows = {
        "goal": goal,
        "rows": as_json({name: getattr(s, name) for name in Standing.__slots__} for s in standings),
    }
    recordset = """jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
        person_id bigint, score smallint, status text, bucket text, stage text, stage_since timestamptz,
        mql_at timestamptz, as_of timestamptz, rules_revision int, policy_revision int, champions_revision int,
        model int, log_odds double precision, memory jsonb)"""
    shown = _SHOWN.split(", ")
    connection.execute(
        text(f"""
        INSERT INTO score_history (goal, person_id, as_of, {_SHOWN})
        SELECT :goal, w.person_id, w.as_of, {", ".join(f"w.{name}" for name in shown)}
        FROM {recordset} LEFT JOIN score s ON s.goal = :goal AND s.person_id = w.person_id
        WHERE ({", ".join(f"s.{name}" for name in shown)})
              IS DISTINCT FROM ({", ".join(f"w.{name}" for name in shown)})
        ON CONFLICT (goal, person_id, as_of) DO UPDATE SET
            {", ".join(f"{name} = excluded.{name}" for name in shown)}
        """),
        rows,
    )
    replaced = [name for name in _COLUMNS.split(", ") if name != "person_id"]
    connection.execute(
        text(f"""
        INSERT INTO score (goal, {_COLUMNS}) SELECT :goal, {_COLUMNS} FROM {recordset} ORDER BY person_id
        ON CONFLICT (goal, person_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in replaced)}
        """),
        rows,
    )


def record_transitions(connection: Connection, goal: str, transitions: Sequence[Transition]) -> None:
    """Append them. A repeated one changes nothing."""
    if not transitions:
        return
    names = ", ".join(Transition.__slots__)
    connection.execute(
        text(f"""
        INSERT INTO transition (goal, {names}) SELECT :goal, {names}
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
            person_id bigint, at timestamptz, from_stage text, to_stage text, cause text, score smallint,
            policy_revision int, evidence jsonb, memory jsonb)
        ON CONFLICT DO NOTHING
        """),
        {"goal": goal, "rows": as_json({n: getattr(t, n) for n in Transition.__slots__} for t in transitions)},
    )


def moves(connection: Connection, goal: str, person: int) -> Sequence[Transition]:
    """A person's, the oldest first."""
    rows = connection.execute(
        text(f"""
        SELECT {", ".join(Transition.__slots__)} FROM transition
        WHERE goal = :goal AND person_id = :person ORDER BY at
        """),
        {"goal": goal, "person": person},
    )
    return [Transition(*row) for row in rows]


def drop(connection: Connection, people: Collection[int]) -> None:
    """Those of whom no record is left have no score, and are due under no revision; their history stays."""
    if people:
        connection.execute(text("DELETE FROM score WHERE person_id = ANY(:ids)"), {"ids": sorted(people)})


def ensure_partitions(connection: Connection, now: datetime) -> None:
    """Make the history's partitions of this month and the next; rows of other months lie in the default one."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(2):
        following = (first + timedelta(days=32)).replace(day=1)
        name = f"score_history_{first:%Y_%m}"
        exists = connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar()
        if exists is None:
            # The bounds are two dates that were computed here; identifiers and bounds take no parameters.
            connection.execute(
                text(
                    f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF score_history "
                    f"FOR VALUES FROM ('{first:%Y-%m-%d}+00') TO ('{following:%Y-%m-%d}+00')"
                )
            )
        first = following


def history(connection: Connection, goal: str, person: int, limit: int = 20) -> Sequence[Any]:
    return connection.execute(
        text("""
        SELECT as_of, score, status, bucket, stage, rules_revision, policy_revision, champions_revision, model
        FROM score_history WHERE goal = :goal AND person_id = :person ORDER BY as_of DESC LIMIT :limit
        """),
        {"goal": goal, "person": person, "limit": limit},
    ).all()


def held_at(connection: Connection, goal: str, person: int, at: datetime) -> Any | None:
    """The newest row of a person's history by `at`; None before the first."""
    return connection.execute(
        text("""
        SELECT as_of, score, status, rules_revision, policy_revision, champions_revision, model
        FROM score_history WHERE goal = :goal AND person_id = :person AND as_of <= :at ORDER BY as_of DESC LIMIT 1
        """),
        {"goal": goal, "person": person, "at": at},
    ).one_or_none()


def buckets(connection: Connection, goal: str) -> Mapping[str, int]:
    """People by bucket."""
    rows = connection.execute(
        text("SELECT bucket, count(*) AS n FROM score WHERE goal = :goal GROUP BY bucket"), {"goal": goal}
    )
    return {row.bucket: row.n for row in rows}


def parked(connection: Connection, goal: str) -> int:
    """People whose reasons did not add up: they have no score, and nothing is written for them."""
    query = text("SELECT count(*) FROM score WHERE goal = :goal AND status = 'mismatch'")
    return int(connection.execute(query, {"goal": goal}).scalar_one())


def first(connection: Connection, goal: str) -> datetime | None:
    """Since when people are scored for a goal; None before the first was."""
    began: datetime | None = connection.execute(
        text("SELECT greatest(l.since, p.created_at) FROM live l, policy p WHERE p.goal = :goal AND p.revision = 1"),
        {"goal": goal},
    ).scalar_one_or_none()
    return began
