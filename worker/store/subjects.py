"""Subjects, what they claim to be, and the person that each belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.people.identity import Node
from worker.store.database import KEYS, as_array, as_json

# Any constant: it names the lock under which components are recomputed, one transaction at a time.
IDENTITY_LOCK = 0x1EAD1D


def ensure(connection: Connection, refs: Collection[RecordRef]) -> tuple[Mapping[RecordRef, int], set[int]]:
    """The subject's id of each reference; those seen for the first time get one, in a fixed order against deadlocks.

    Returns the ids, and those of them that are new.
    """
    known = find(connection, refs)
    missing = sorted(set(refs) - known.keys())
    if not missing:
        return known, set()
    connection.execute(
        text("""
        INSERT INTO subject (source, object, key)
        SELECT source, object, key
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, object text, key text)
        ORDER BY source, object, key
        ON CONFLICT DO NOTHING
        """),
        {"rows": as_json({"source": r.source, "object": r.object, "key": r.id} for r in missing)},
    )
    made = find(connection, missing)
    return {**known, **made}, set(made.values())


def find(connection: Connection, refs: Collection[RecordRef]) -> Mapping[RecordRef, int]:
    """The subject's id of each reference that has one."""
    found: dict[RecordRef, int] = {}
    for (source, object), keys in by_object(refs).items():
        rows = connection.execute(
            text(f"SELECT key, id FROM subject WHERE source = :source AND object = :object AND key = ANY({KEYS})"),
            {"source": source, "object": object, "keys": as_json(keys)},
        ).all()
        found.update((RecordRef(source, object, key), id) for key, id in rows)
    return found


def by_object(refs: Iterable[RecordRef]) -> Mapping[tuple[str, str], Sequence[str]]:
    """The ids of references, by source and object."""
    keys: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for source, object, key in refs:
        keys[source, object].append(key)
    return keys


def claims(connection: Connection, subjects: Collection[int]) -> Mapping[int, frozenset[str]]:
    """What these subjects claim now."""
    if not subjects:
        return {}
    rows = connection.execute(
        text("""
        SELECT subject_id, array_agg(key) AS keys FROM claim
        WHERE subject_id = ANY(CAST(:ids AS bigint[])) AND withdrawn_at IS NULL GROUP BY subject_id
        """),
        {"ids": as_array(subjects)},
    )
    return {row.subject_id: frozenset(row.keys) for row in rows}


def revise_claims(
    connection: Connection,
    made: Mapping[tuple[int, str], datetime],
    withdrawn: Iterable[tuple[int, str]],
    now: datetime,
) -> None:
    """Append new claims, each with since when it is known, and withdraw old ones; the past of both stays."""
    connection.execute(
        text("""
        UPDATE claim c SET withdrawn_at = :now
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, key text)
        WHERE c.subject_id = w.id AND c.key = w.key AND c.withdrawn_at IS NULL
        """),
        {"rows": as_json({"id": i, "key": k} for i, k in withdrawn), "now": now},
    )
    connection.execute(
        text("""
        INSERT INTO claim (subject_id, key, known_at, observed_at)
        SELECT id, key, at, :now
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, key text, at timestamptz)
        ON CONFLICT (subject_id, key, observed_at) DO UPDATE SET withdrawn_at = NULL
        """),
        {"rows": as_json({"id": i, "key": k, "at": at} for (i, k), at in made.items()), "now": now},
    )


def lock_identity(connection: Connection) -> None:
    """Until the end of the transaction nobody else joins or parts persons."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": IDENTITY_LOCK})


def component(connection: Connection, subjects: Collection[int]) -> tuple[Sequence[Node], Mapping[int, int | None]]:
    """Everything that evidence connects with these subjects, now or in the persons they belong to so far.

    Returns the nodes, closed under shared keys, and the person that each belongs to so far. Followed step by step, as a
    recursive query over tables that are being loaded has no statistics to be planned by.
    """
    keys: dict[int, set[str]] = {}
    followed: set[str] = set()
    frontier = set(subjects) | _companions(connection, subjects)
    while frontier:
        keys |= {subject: set() for subject in frontier}
        rows = connection.execute(
            text("""
            SELECT subject_id, key FROM claim WHERE subject_id = ANY(CAST(:ids AS bigint[])) AND withdrawn_at IS NULL
            """),
            {"ids": as_array(frontier)},
        )
        for subject, key in rows.all():
            keys[subject].add(key)
        fresh = {key for subject in frontier for key in keys[subject]} - followed
        followed |= fresh
        sharing = connection.execute(
            text(f"SELECT DISTINCT subject_id FROM claim WHERE key = ANY({KEYS}) AND withdrawn_at IS NULL"),
            {"keys": as_json(fresh)},
        )
        frontier = set(sharing.scalars()) - keys.keys()
    known = connection.execute(
        text("""
        SELECT s.id, s.person_id, r.name, coalesce(r.kind = 'person', false) AS is_record
        FROM subject s LEFT JOIN record r ON r.subject_id = s.id WHERE s.id = ANY(CAST(:ids AS bigint[]))
        """),
        {"ids": as_array(keys)},
    ).all()
    nodes = [Node(row.id, frozenset(keys[row.id]), row.is_record, row.name) for row in known]
    return nodes, {row.id: row.person_id for row in known}


def _companions(connection: Connection, subjects: Collection[int]) -> set[int]:
    """The subjects of the persons that these belong to so far: what loses a link leaves somebody behind."""
    rows = connection.execute(
        text("""
        SELECT id FROM subject
        WHERE person_id IN (
            SELECT person_id FROM subject WHERE id = ANY(CAST(:ids AS bigint[])) AND person_id IS NOT NULL)
        """),
        {"ids": as_array(subjects)},
    )
    return set(rows.scalars())


def assign(connection: Connection, person_by_subject: Mapping[int, int | None], now: datetime) -> None:
    """From `now` on these subjects belong to these persons. Whom they belonged to before is kept."""
    connection.execute(
        text("""
        INSERT INTO membership (subject_id, person_id, since, until)
        SELECT id, person_id, since, :now FROM subject
        WHERE id = ANY(CAST(:ids AS bigint[])) AND person_id IS NOT NULL AND since < :now
        """),
        {"ids": as_array(person_by_subject), "now": now},
    )
    connection.execute(
        text("""
        UPDATE subject s SET person_id = w.person, since = :now
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, person bigint)
        WHERE s.id = w.id
        """),
        {"rows": as_json({"id": i, "person": p} for i, p in person_by_subject.items()), "now": now},
    )
