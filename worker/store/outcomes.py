"""Deals, the people on them, and every change of their stage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from connectors.records import Outcome, RecordRef
from worker.store.database import as_json

_ROWS = """jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
    source text, object text, key text, account_id bigint, status text, stage text, amount double precision,
    created_at timestamptz, modified_at timestamptz, closed_at timestamptz, known_at timestamptz, people bigint[])"""


def save(
    connection: Connection,
    outcomes: Sequence[Outcome],
    subjects: Mapping[RecordRef, int],
    known_at: Mapping[RecordRef, datetime],
) -> set[int]:
    """Store deals unless what is stored is newer; returns the subjects that those concern that changed."""
    rows = as_json(
        {
            "source": o.ref.source,
            "object": o.ref.object,
            "key": o.ref.id,
            "account_id": subjects[o.account] if o.account else None,
            "status": o.status,
            "stage": o.stage,
            "amount": o.amount,
            "created_at": o.created_at,
            "modified_at": o.modified_at,
            "closed_at": o.closed_at,
            "known_at": known_at[o.ref],
            "people": sorted(subjects[person] for person in o.people),
        }
        for o in sorted(outcomes, key=lambda o: o.ref)
    )
    changed = connection.execute(
        text(f"""
        INSERT INTO outcome AS o (source, object, key, account_id, status, stage, amount, created_at, modified_at,
                                  closed_at, known_at)
        SELECT source, object, key, account_id, status, stage, amount, created_at, modified_at, closed_at, known_at
        FROM {_ROWS}
        ON CONFLICT (source, object, key) DO UPDATE SET
            account_id = excluded.account_id, status = excluded.status, stage = excluded.stage,
            amount = excluded.amount, modified_at = excluded.modified_at, closed_at = excluded.closed_at,
            deleted_at = NULL
        WHERE o.modified_at <= excluded.modified_at
          AND (o.account_id, o.status, o.stage, o.amount, o.closed_at, o.deleted_at)
              IS DISTINCT FROM (excluded.account_id, excluded.status, excluded.stage, excluded.amount,
                                excluded.closed_at, NULL)
        RETURNING o.id, (SELECT before.account_id FROM outcome before WHERE before.id = o.id) AS account_before
        """),
        {"rows": rows},
    ).all()
    ids = [row.id for row in changed]
    connection.execute(
        text("""
        INSERT INTO outcome_change (outcome_id, status, stage, amount, occurred_at, known_at)
        SELECT id, status, stage, amount, modified_at, greatest(known_at, modified_at) FROM outcome WHERE id = ANY(:ids)
        ON CONFLICT DO NOTHING
        """),
        {"ids": ids},
    )
    return _people(connection, rows, ids, [row.account_before for row in changed if row.account_before is not None])


def _people(connection: Connection, rows: str, changed: Sequence[int], before: Sequence[int]) -> set[int]:
    """`before`: the accounts that the changed deals were of."""
    wanted = f"""
        SELECT o.id AS outcome_id, unnest(w.people) AS subject_id
        FROM outcome o JOIN {_ROWS} USING (source, object, key)
    """
    removed = connection.execute(
        text(f"""
        DELETE FROM outcome_person op USING outcome o JOIN {_ROWS} USING (source, object, key)
        WHERE op.outcome_id = o.id AND NOT op.subject_id = ANY(w.people) RETURNING op.subject_id
        """),
        {"rows": rows},
    ).scalars()
    touched = set(removed)
    touched.update(
        connection.execute(
            text(f"INSERT INTO outcome_person {wanted} ON CONFLICT DO NOTHING RETURNING subject_id"), {"rows": rows}
        ).scalars()
    )
    return touched | _concerned(connection, changed, before)


def _concerned(connection: Connection, deals: Sequence[int], before: Sequence[int] = ()) -> set[int]:
    """The people on these deals; where a policy reads deals by account, all people of their accounts, and of those that
    they were of `before`."""
    rows = connection.execute(
        text("""
        SELECT subject_id FROM outcome_person WHERE outcome_id = ANY(:ids)
        UNION
        SELECT r.subject_id FROM record r WHERE r.account_id IN (
            SELECT account_id FROM outcome WHERE id = ANY(:ids) UNION SELECT unnest(CAST(:before AS bigint[])))
        AND EXISTS (
            SELECT FROM policy p WHERE p.body #>> '{sales,deals}' = 'account'
            AND p.revision = (SELECT max(revision) FROM policy newest WHERE newest.goal = p.goal))
        """),
        {"ids": list(deals), "before": list(before)},
    )
    return set(rows.scalars())


def mark_deleted(connection: Connection, deleted: Mapping[RecordRef, datetime]) -> set[int]:
    """Returns the subjects that the deals concern that are gone."""
    gone = connection.execute(
        text("""
        UPDATE outcome o SET deleted_at = w.at
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, object text, key text, at timestamptz)
        WHERE (o.source, o.object, o.key) = (w.source, w.object, w.key) AND o.deleted_at IS NULL
        RETURNING o.id
        """),
        {"rows": as_json({"source": r.source, "object": r.object, "key": r.id, "at": at} for r, at in deleted.items())},
    )
    ids = list(gone.scalars())
    return _concerned(connection, ids) if ids else set()


def versions(connection: Connection, deals: Collection[RecordRef]) -> Mapping[RecordRef, datetime]:
    """When each of the deals that are known was changed last, as far as is known."""
    rows = connection.execute(
        text("""
        SELECT o.source, o.object, o.key, o.modified_at FROM outcome o
        JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, object text, key text)
        USING (source, object, key)
        """),
        {"rows": as_json({"source": r.source, "object": r.object, "key": r.id} for r in deals)},
    )
    return {RecordRef(row.source, row.object, row.key): row.modified_at for row in rows}


def refs(connection: Connection, candidates: Collection[RecordRef]) -> set[RecordRef]:
    """Those of the references that are deals known here."""
    rows = connection.execute(
        text("""
        SELECT o.source, o.object, o.key FROM outcome o
        JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, object text, key text)
        USING (source, object, key)
        """),
        {"rows": as_json({"source": r.source, "object": r.object, "key": r.id} for r in candidates)},
    )
    return {RecordRef(*row) for row in rows}
