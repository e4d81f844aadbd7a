"""CRM rows of people and accounts as last seen, how they stood before, and the history of every attribute."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.store.database import as_array, as_json


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """What is known of one CRM row. Attributes are in their textual form."""

    kind: str
    state: str
    email: str | None
    name: str | None
    account_id: int | None
    attributes: Mapping[str, str]
    written: Mapping[str, Any]
    created_at: datetime
    modified_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """A record that scores are written to. `customer`: only those of goals that are about customers, too."""

    subject_id: int
    person_id: int
    ref: RecordRef
    written: Mapping[str, Any]
    customer: bool = False
    created_at: datetime | None = None


def load(connection: Connection, subjects: Collection[int]) -> Mapping[int, StoredRecord]:
    if not subjects:
        return {}
    rows = connection.execute(
        text("""
        SELECT subject_id, kind, state, email, name, account_id, attributes, written, created_at, modified_at,
               deleted_at
        FROM record WHERE subject_id = ANY(CAST(:ids AS bigint[]))
        """),
        {"ids": as_array(subjects)},
    ).all()
    return {row[0]: StoredRecord(*row[1:]) for row in rows}


def versions(connection: Connection, refs: Collection[RecordRef]) -> Mapping[RecordRef, datetime]:
    """When each of the rows that are stored and not deleted was changed last, as far as is known."""
    rows = connection.execute(
        text("""
        SELECT s.source, s.object, s.key, r.modified_at
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, object text, key text)
        JOIN subject s USING (source, object, key) JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
        """),
        {"rows": as_json({"source": r.source, "object": r.object, "key": r.id} for r in refs)},
    )
    return {RecordRef(row.source, row.object, row.key): row.modified_at for row in rows}


def save(connection: Connection, records: Mapping[int, StoredRecord], now: datetime) -> None:
    """Insert or replace; the caller has made sure that none of them is older than what is stored, and has set aside how
    those stood that now stand otherwise."""
    if not records:
        return
    rows = as_json(
        {
            "subject_id": subject,
            "kind": r.kind,
            "state": r.state,
            "email": r.email,
            "name": r.name,
            "account_id": r.account_id,
            "attributes": dict(r.attributes),
            "written": dict(r.written),
            "created_at": r.created_at,
            "modified_at": r.modified_at,
            "deleted_at": r.deleted_at,
        }
        for subject, r in sorted(records.items())
    )
    connection.execute(
        text("""
        INSERT INTO record (subject_id, kind, state, email, name, account_id, attributes, written,
                            created_at, modified_at, deleted_at, observed_at, since)
        SELECT w.*, :now, :now FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
            subject_id bigint, kind text, state text, email text, name text, account_id bigint, attributes jsonb,
            written jsonb, created_at timestamptz, modified_at timestamptz, deleted_at timestamptz)
        ON CONFLICT (subject_id) DO UPDATE SET
            state = excluded.state, email = excluded.email, name = excluded.name, account_id = excluded.account_id,
            attributes = excluded.attributes, written = excluded.written, modified_at = excluded.modified_at,
            deleted_at = excluded.deleted_at, binned = false
        """),
        {"rows": rows, "now": now},
    )


def set_aside(connection: Connection, subjects: Collection[int], now: datetime) -> None:
    """Keep how these records stood until `now`; call it before they change."""
    if not subjects:
        return
    parameters = {"ids": sorted(subjects), "now": now}
    connection.execute(
        text("""
        INSERT INTO record_past (subject_id, state, account_id, deleted, since, until)
        SELECT subject_id, state, account_id, deleted_at IS NOT NULL, since, :now
        FROM record WHERE subject_id = ANY(:ids) AND since < :now
        """),
        parameters,
    )
    connection.execute(text("UPDATE record SET since = :now WHERE subject_id = ANY(:ids) AND since < :now"), parameters)


def append_attributes(
    connection: Connection, changes: Iterable[tuple[int, str, str | None, datetime, datetime]], now: datetime
) -> None:
    """Append (subject, name, value, occurred_at, known_at) facts, observed `now`."""
    _append(connection, changes, now, "")


def append_history(
    connection: Connection, changes: Iterable[tuple[int, str, str | None, datetime, datetime]], now: datetime
) -> None:
    """The same for what a CRM's own history tells: a change that is already known adds nothing, whoever told it."""
    known = """
        WHERE NOT EXISTS (
            SELECT 1 FROM attribute a WHERE a.subject_id = w.subject_id AND a.name = w.name
            AND a.occurred_at = w.occurred_at AND a.value IS NOT DISTINCT FROM w.value)
    """
    _append(connection, changes, now, known)


def _append(
    connection: Connection,
    changes: Iterable[tuple[int, str, str | None, datetime, datetime]],
    now: datetime,
    condition: str,
) -> None:
    rows = [{"subject_id": s, "name": n, "value": v, "occurred_at": o, "known_at": k} for s, n, v, o, k in changes]
    if not rows:
        return
    connection.execute(
        text(f"""
        INSERT INTO attribute (subject_id, name, value, occurred_at, known_at, observed_at)
        SELECT w.*, :now FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
            subject_id bigint, name text, value text, occurred_at timestamptz, known_at timestamptz)
        {condition} ON CONFLICT DO NOTHING
        """),
        {"rows": as_json(rows), "now": now},
    )


def mark_deleted(
    connection: Connection, deleted: Mapping[int, datetime], binned: Collection[int], now: datetime
) -> set[int]:
    """These were deleted, each at its time; those `binned` lie in a recycle bin now, the others do not. Returns the
    subjects that were not deleted before."""
    standing = connection.execute(
        text("SELECT subject_id FROM record WHERE subject_id = ANY(:ids) AND deleted_at IS NULL ORDER BY 1 FOR UPDATE"),
        {"ids": sorted(deleted)},
    )
    gone = set(standing.scalars())
    set_aside(connection, gone, now)
    connection.execute(
        text("""
        UPDATE record r SET deleted_at = w.at
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, at timestamptz) WHERE r.subject_id = w.id
        """),
        {"rows": as_json({"id": i, "at": deleted[i]} for i in gone)},
    )
    connection.execute(
        text("""
        UPDATE record SET binned = NOT binned WHERE subject_id = ANY(:ids) AND deleted_at IS NOT NULL
            AND binned <> (subject_id = ANY(:binned))
        """),
        {"ids": sorted(deleted), "binned": sorted(binned)},
    )
    return gone


def open_of(connection: Connection, people: Sequence[int], *, customers: bool = False) -> Sequence[OpenRecord]:
    """The records of these people that scores go to: open and not deleted; with `customers` those of customers, too."""
    rows = connection.execute(
        text("""
        SELECT s.id, s.person_id, s.source, s.object, s.key, r.written, r.state = 'customer' AS customer,
               r.created_at
        FROM subject s JOIN record r ON r.subject_id = s.id
        WHERE s.person_id = ANY(:ids) AND r.kind = 'person' AND r.state = ANY(:states) AND r.deleted_at IS NULL
        ORDER BY s.id
        """),
        {"ids": list(people), "states": ["open", "customer"] if customers else ["open"]},
    )
    return [
        OpenRecord(r.id, r.person_id, RecordRef(r.source, r.object, r.key), r.written, r.customer, r.created_at)
        for r in rows
    ]


def standings(connection: Connection, people: Sequence[int]) -> Mapping[int, frozenset[str]]:
    """For each person the states of all records that are not deleted, and `customer` where a deal of theirs is won."""
    rows = connection.execute(
        text("""
        SELECT s.person_id, array_agg(DISTINCT x.state) AS states
        FROM subject s CROSS JOIN LATERAL (
            SELECT r.state FROM record r WHERE r.subject_id = s.id AND r.kind = 'person' AND r.deleted_at IS NULL
            UNION
            SELECT 'customer' FROM outcome_person op JOIN outcome o ON o.id = op.outcome_id
            WHERE op.subject_id = s.id AND o.status = 'won' AND o.deleted_at IS NULL
        ) x
        WHERE s.person_id = ANY(:ids) GROUP BY s.person_id
        """),
        {"ids": list(people)},
    )
    return {row.person_id: frozenset(row.states) for row in rows}
