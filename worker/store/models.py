"""Trained models: their artefacts, who scores and who only watches, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from worker.store import revisions
from worker.store.database import as_json


class State(StrEnum):
    CHALLENGER = "challenger"
    CHAMPION = "champion"
    RETIRED = "retired"


class Event(StrEnum):
    REGISTERED = "registered"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    REFUSED = "refused"
    RETIRED = "retired"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Registered:
    """A model without its bytes. `segment` is empty for the model of everybody who has none of their own."""

    goal: str
    number: int
    segment: str
    kind: str
    state: State
    digest: str
    manifest: Mapping[str, Any]
    author: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """An artefact as it was stored: its bytes, the SHA-256 that it should have, and its seal if it got one."""

    body: bytes
    digest: str
    seal: str | None


_COLUMNS = "goal, number, segment, kind, state, digest, manifest, author, created_at"


def _registered(row: Any) -> Registered:
    return Registered(
        row.goal, row.number, row.segment, row.kind, State(row.state), row.digest, row.manifest, row.author,
        row.created_at,
    )  # fmt: skip


def register(
    connection: Connection,
    goal: str,
    segment: str,
    kind: str,
    artefact: Stored,
    manifest: Mapping[str, Any],
    report: bytes | None,
    author: str,
    reason: str,
    now: datetime,
) -> int:
    """Append a challenger; returns its number, which is the next of the goal."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('model:' || :goal))"), {"goal": goal})
    number: int = connection.execute(
        text("""
        INSERT INTO model (goal, number, segment, kind, state, digest, seal, artefact, manifest, report, author,
                           created_at)
        SELECT :goal, coalesce(max(number), 0) + 1, :segment, :kind, 'challenger', :digest, :seal, :artefact,
               CAST(:manifest AS jsonb), :report, :author, :now
        FROM model WHERE goal = :goal RETURNING number
        """),
        {
            "goal": goal,
            "segment": segment,
            "kind": kind,
            "digest": artefact.digest,
            "seal": artefact.seal,
            "artefact": artefact.body,
            "manifest": as_json(manifest),
            "report": report,
            "author": author,
            "now": now,
        },
    ).scalar_one()
    record(connection, goal, number, Event.REGISTERED, author, reason, now)
    return number


def listing(connection: Connection, goal: str) -> Sequence[Registered]:
    """All models of a goal, newest first."""
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM model WHERE goal = :goal ORDER BY number DESC"), {"goal": goal}
    )
    return [_registered(row) for row in rows]


def get(connection: Connection, goal: str, number: int) -> Registered | None:
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM model WHERE goal = :goal AND number = :number"), {"goal": goal, "number": number}
    ).one_or_none()
    return _registered(row) if row else None


def stored(connection: Connection, goal: str, number: int) -> Stored | None:
    row = connection.execute(
        text("SELECT artefact, digest, seal FROM model WHERE goal = :goal AND number = :number"),
        {"goal": goal, "number": number},
    ).one_or_none()
    return Stored(bytes(row.artefact), row.digest, row.seal) if row else None


def champions(connection: Connection, goal: str, revision: int | None = None) -> tuple[int, Mapping[str, int]]:
    """The revision of who scores (the newest, or this one), and their numbers by segment; (0, {}) before any model."""
    if revision == 0:
        return 0, {}
    found = (
        revisions.current(connection, "champions", goal)
        if revision is None
        else revisions.get(connection, "champions", goal, revision)
    )
    return (found.revision, found.body) if found else (0, {})


def shadowing(connection: Connection, goal: str) -> Sequence[int]:
    """The challengers that score in the shadow: the newest of each segment, if it is newer than the champion."""
    rows = connection.execute(
        text("""
        SELECT DISTINCT ON (m.segment) m.number FROM model m
        LEFT JOIN model c ON c.goal = m.goal AND c.segment = m.segment AND c.state = 'champion'
        WHERE m.goal = :goal AND m.state = 'challenger' AND m.number > coalesce(c.number, 0)
        ORDER BY m.segment, m.number DESC
        """),
        {"goal": goal},
    )
    return sorted(rows.scalars())


def appoint(
    connection: Connection,
    goal: str,
    segment: str,
    number: int | None,
    *,
    event: Event,
    author: str,
    reason: str,
    figures: Mapping[str, Any],
    now: datetime,
) -> int:
    """Make `number` the champion of its segment (None: rules score again); returns the new revision.

    Everybody who was scored under an older revision is due. Raises `EditConflict` when somebody else appointed one
    meanwhile.
    """
    revision, roster = champions(connection, goal)
    held = roster.get(segment)
    following = {name: its for name, its in roster.items() if name != segment}
    if number is not None:
        following[segment] = number
    new = revisions.publish(
        connection, "champions", goal, following, after=revision, author=author, comment=reason, now=now
    )
    connection.execute(
        text("UPDATE model SET state = 'retired' WHERE goal = :goal AND segment = :segment AND state = 'champion'"),
        {"goal": goal, "segment": segment},
    )
    connection.execute(
        text("UPDATE model SET state = 'champion' WHERE goal = :goal AND number = :number"),
        {"goal": goal, "number": number},
    )
    # From now on it is in `score`; what it said in the shadow would count twice.
    connection.execute(
        text("DELETE FROM shadow_score WHERE goal = :goal AND number = :number"), {"goal": goal, "number": number}
    )
    named = number if number is not None else held
    if named is not None:
        record(connection, goal, named, event, author, reason, now, figures)
    return new.revision


def retire(connection: Connection, goal: str, number: int, author: str, reason: str, now: datetime) -> None:
    """A challenger that shall not score, not even in the shadow."""
    connection.execute(
        text("UPDATE model SET state = 'retired' WHERE goal = :goal AND number = :number AND state = 'challenger'"),
        {"goal": goal, "number": number},
    )
    record(connection, goal, number, Event.RETIRED, author, reason, now)


def record(
    connection: Connection,
    goal: str,
    number: int,
    event: Event,
    author: str,
    reason: str,
    now: datetime,
    figures: Mapping[str, Any] | None = None,
) -> None:
    connection.execute(
        text("""
        INSERT INTO model_event (goal, number, event, author, reason, figures, at)
        VALUES (:goal, :number, :event, :author, :reason, CAST(:figures AS jsonb), :now)
        """),
        {
            "goal": goal,
            "number": number,
            "event": event.value,
            "author": author,
            "reason": reason,
            "figures": as_json(figures or {}),
            "now": now,
        },
    )


def record_unusable(connection: Connection, goal: str, number: int, reason: str, now: datetime) -> None:
    """Say once, not with every batch, that a model cannot be used."""
    newest = connection.execute(
        text("SELECT event, reason FROM model_event WHERE goal = :goal AND number = :n ORDER BY id DESC LIMIT 1"),
        {"goal": goal, "n": number},
    ).one_or_none()
    if newest is None or tuple(newest) != (Event.UNUSABLE, reason):
        record(connection, goal, number, Event.UNUSABLE, "leadgauge", reason, now)


def events(connection: Connection, goal: str, number: int | None = None) -> Sequence[Any]:
    """What happened to the goal's models (or to one), newest first: number, event, author, reason, figures, at."""
    return connection.execute(
        text("""
        SELECT number, event, author, reason, figures, at FROM model_event
        WHERE goal = :goal AND (CAST(:number AS int) IS NULL OR number = :number) ORDER BY id DESC LIMIT 100
        """),
        {"goal": goal, "number": number},
    ).all()
