"""Tasks for the owners of hot leads: one for each time that a person enters what is told, and how it ended.

intended -> sent -> made, or refused. `sent` is committed before the call, so a crash leaves a row of which nobody knows
whether there is a task: it is looked for before one is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.store.database import as_json

DAY = timedelta(days=1)
TOO_MANY = "TOO_MANY"
"""Our code for an entry beyond what a source allows in a day."""


class State(StrEnum):
    INTENDED = "intended"
    SENT = "sent"
    MADE = "made"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Entry:
    """A person entered a stage or bucket. `body`: what the owner of the record is to read."""

    source: str
    subject_id: int
    person_id: int
    entered: str
    entered_at: datetime
    body: str


@dataclass(frozen=True, slots=True)
class Row:
    """An alert to make, of that record. `tried`: it may have been made before, at `sent_at`."""

    id: int
    ref: RecordRef
    person_id: int
    entered: str
    entered_at: datetime
    body: str
    attempts: int
    intended_at: datetime
    tried: bool
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """How an attempt ended: the new state, what there is now, the vendor's code and words, when to try again."""

    id: int
    state: State
    at: datetime
    made: RecordRef | None = None
    code: str | None = None
    text: str | None = None


def intend(connection: Connection, entries: Sequence[Entry], a_day: Mapping[str, int], now: datetime) -> None:
    """Note them, each once however often it is told. Those beyond what a source allows in a day are refused at once."""
    if not entries:
        return
    connection.execute(
        text("""
        INSERT INTO alert (source, subject_id, person_id, entered, entered_at, body, state, due_at, intended_at,
                           closed_at, code, answer)
        SELECT w.source, w.subject_id, w.person_id, w.entered, w.entered_at, w.body,
               CASE WHEN room.left >= w.place THEN 'intended' ELSE 'refused' END, :now, :now,
               CASE WHEN room.left < w.place THEN CAST(:now AS timestamptz) END,
               CASE WHEN room.left < w.place THEN :too_many END,
               CASE WHEN room.left < w.place THEN 'more than ' || w.a_day || ' in a day: raise alert.a_day' END
        FROM (
            SELECT *, row_number() OVER (PARTITION BY source ORDER BY subject_id) AS place
            FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
                source text, subject_id bigint, person_id bigint, entered text, entered_at timestamptz, body text,
                a_day int)
        ) w CROSS JOIN LATERAL (
            SELECT w.a_day - count(*) AS left FROM alert a
            WHERE a.source = w.source AND a.intended_at > :yesterday AND a.code IS DISTINCT FROM :too_many
        ) room
        ON CONFLICT DO NOTHING
        """),
        {
            "rows": as_json(
                {name: getattr(entry, name) for name in Entry.__slots__} | {"a_day": a_day[entry.source]}
                for entry in entries
            ),
            "now": now,
            "yesterday": now - DAY,
            "too_many": TOO_MANY,
        },
    )


def take(connection: Connection, source: str, now: datetime, limit: int) -> list[Row]:
    """Mark up to `limit` rows as sent and hand them out, the oldest first; those that a dead owner left come first.
    One that is intended again was refused: it was not made. The caller is the only one who makes alerts for the
    source."""
    rows = connection.execute(
        text("""
        WITH due AS (
            SELECT id, state = 'sent' AS tried, CASE WHEN state = 'sent' THEN sent_at ELSE :now END AS sent_at
            FROM alert
            WHERE source = :source AND state IN ('intended', 'sent') AND due_at <= :now
            ORDER BY state = 'sent' DESC, due_at, id LIMIT :limit FOR UPDATE
        ), taken AS (
            UPDATE alert a SET state = 'sent', attempts = a.attempts + 1, sent_at = due.sent_at
            FROM due WHERE a.id = due.id RETURNING a.*, due.tried
        )
        SELECT t.id, s.source, s.object, s.key, t.person_id, t.entered, t.entered_at, t.body, t.attempts, t.intended_at,
               t.tried, t.sent_at
        FROM taken t JOIN subject s ON s.id = t.subject_id ORDER BY t.id
        """),
        {"source": source, "now": now, "limit": limit},
    )
    return [
        Row(r.id, RecordRef(r.source, r.object, r.key), r.person_id, r.entered, r.entered_at, r.body, r.attempts,
            r.intended_at, r.tried, r.sent_at)
        for r in rows
    ]  # fmt: skip


def answer(connection: Connection, answers: Iterable[Answer], now: datetime) -> None:
    """Record how attempts ended. What was made is ours: where a pull brought it already, it is no act of sales'."""
    rows = [
        {"id": a.id, "state": a.state, "at": a.at, "code": a.code, "text": a.text,
         "object": a.made.object if a.made else None, "key": a.made.id if a.made else None}
        for a in answers
    ]  # fmt: skip
    connection.execute(
        text("""
        UPDATE alert a SET state = w.state, due_at = w.at, code = w.code, answer = w.text, object = w.object,
               key = w.key, closed_at = CASE WHEN w.state IN ('made', 'refused') THEN CAST(:now AS timestamptz) END
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
            id bigint, state text, at timestamptz, code text, text text, object text, key text)
        WHERE a.id = w.id
        """),
        {"rows": as_json(rows), "now": now},
    )
    connection.execute(
        text("""
        UPDATE activity SET retracted_at = :now FROM alert a
        WHERE a.id = ANY(:ids) AND (activity.source, activity.object, activity.key) = (a.source, a.object, a.key)
          AND activity.retracted_at IS NULL
        """),
        {"ids": [row["id"] for row in rows if row["key"]], "now": now},
    )


def ours(connection: Connection, refs: Collection[RecordRef]) -> set[RecordRef]:
    """Those of the activities that are tasks of our own making."""
    if not refs:
        return set()
    rows = connection.execute(
        text("""
        SELECT a.source, a.object, a.key FROM alert a
        JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, object text, key text)
        USING (source, object, key)
        """),
        {"rows": as_json({"source": r.source, "object": r.object, "key": r.id} for r in refs)},
    )
    return {RecordRef(*row) for row in rows}


def due_sources(connection: Connection, now: datetime) -> Sequence[str]:
    """The sources with an alert to make or to look for."""
    query = "SELECT DISTINCT source FROM alert WHERE state IN ('intended', 'sent') AND due_at <= :now"
    return connection.execute(text(query), {"now": now}).scalars().all()


def counts(connection: Connection, since: datetime) -> Mapping[str, Mapping[str, int]]:
    """Rows by source and state, of those intended since then."""
    rows = connection.execute(
        text("SELECT source, state, count(*) AS n FROM alert WHERE intended_at >= :since GROUP BY 1, 2"),
        {"since": since},
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row.source, {})[row.state] = row.n
    return found


def of_person(connection: Connection, person: int, limit: int = 5) -> Sequence[Any]:
    """The newest of a person, for a person to read."""
    return connection.execute(
        text("""
        SELECT a.source, s.object AS record_object, s.key AS record_key, a.entered, a.entered_at, a.state, a.object,
               a.key, a.code, a.answer, a.attempts
        FROM alert a JOIN subject s ON s.id = a.subject_id WHERE s.person_id = :person ORDER BY a.id DESC LIMIT :limit
        """),
        {"person": person, "limit": limit},
    ).all()
