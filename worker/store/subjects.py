"""Subjects, what they claim to be, and the person that each belongs to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.people.identity import Node
from worker.store.database import as_json

# Any constant: it names the lock under which components are recomputed, one transaction at a time.
IDENTITY_LOCK = 0x1EAD1D


def ensure(connection: Connection, refs: Collection[RecordRef]) -> Mapping[RecordRef, int]:
    """The subject's id of each reference; those seen for the first time get one, in a fixed order against deadlocks."""
    rows = as_json({"source": r.source, "object": r.object, "key": r.id} for r in sorted(refs))
    connection.execute(
        text("""
        INSERT INTO subject (source, object, key)
        SELECT w.source, w.object, w.key
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, object text, key text)
        LEFT JOIN subject s USING (source, object, key)
        WHERE s.id IS NULL
        ORDER BY 1, 2, 3
        ON CONFLICT DO NOTHING
        """),
        {"rows": rows},
    )
    return find(connection, refs)


def find(connection: Connection, refs: Collection[RecordRef]) -> Mapping[RecordRef, int]:
    """The subject's id of each reference that has one."""
    found = connection.execute(
        text("""
        SELECT s.id, s.source, s.object, s.key
        FROM subject s JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, object text, key text)
        USING (source, object, key)
        """),
        {"rows": as_json({"source": r.source, "object": r.object, "key": r.id} for r in refs)},
    )
    return {RecordRef(row.source, row.object, row.key): row.id for row in found}


def claims(connection: Connection, subjects: Collection[int]) -> Mapping[int, frozenset[str]]:
    """What these subjects claim now."""
    rows = connection.execute(
        text("""
        SELECT subject_id, array_agg(key) AS keys FROM claim
        WHERE subject_id = ANY(:ids) AND withdrawn_at IS NULL GROUP BY subject_id
        """),
        {"ids": list(subjects)},
    )
    return {row.subject_id: frozenset(row.keys) for row in rows}


def revise_claims(
    connection: Connection,
    made: Iterable[tuple[int, str]],
    withdrawn: Iterable[tuple[int, str]],
    known_at: datetime,
) -> None:
    """Append new claims and withdraw old ones; the past of both stays."""
    connection.execute(
        text("""
        UPDATE claim c SET withdrawn_at = :known_at
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, key text)
        WHERE c.subject_id = w.id AND c.key = w.key AND c.withdrawn_at IS NULL
        """),
        {"rows": as_json({"id": i, "key": k} for i, k in withdrawn), "known_at": known_at},
    )
    connection.execute(
        text("""
        INSERT INTO claim (subject_id, key, known_at)
        SELECT id, key, :known_at FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, key text)
        ON CONFLICT (subject_id, key, known_at) DO UPDATE SET withdrawn_at = NULL
        """),
        {"rows": as_json({"id": i, "key": k} for i, k in made), "known_at": known_at},
    )


def lock_identity(connection: Connection) -> None:
    """Until the end of the transaction nobody else joins or parts persons."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": IDENTITY_LOCK})


def component(connection: Connection, subjects: Collection[int]) -> tuple[Sequence[Node], Mapping[int, int | None]]:
    """Everything that evidence connects with these subjects, now or in the persons they belong to so far.

    Returns the nodes, closed under shared keys, and the person that each belongs to so far.
    """
    rows = connection.execute(
        text("""
        WITH RECURSIVE reach (id) AS (
            SELECT o.id FROM subject s JOIN subject o ON o.id = s.id OR o.person_id = s.person_id
            WHERE s.id = ANY(:ids)
            UNION
            SELECT other.subject_id
            FROM reach
            JOIN claim mine ON mine.subject_id = reach.id AND mine.withdrawn_at IS NULL
            JOIN claim other ON other.key = mine.key AND other.withdrawn_at IS NULL
        )
        SELECT s.id, s.person_id, r.name, coalesce(r.kind = 'person', false) AS is_record,
               coalesce((SELECT array_agg(c.key) FROM claim c WHERE c.subject_id = s.id AND c.withdrawn_at IS NULL),
                        '{}') AS keys
        FROM reach JOIN subject s ON s.id = reach.id LEFT JOIN record r ON r.subject_id = s.id
        """),
        {"ids": list(subjects)},
    ).all()
    nodes = [Node(row.id, frozenset(row.keys), row.is_record, row.name) for row in rows]
    return nodes, {row.id: row.person_id for row in rows}


def assign(connection: Connection, person_by_subject: Mapping[int, int | None]) -> None:
    connection.execute(
        text("""
        UPDATE subject s SET person_id = w.person
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, person bigint)
        WHERE s.id = w.id
        """),
        {"rows": as_json({"id": i, "person": p} for i, p in person_by_subject.items())},
    )
