"""People whose data a CRM erased: everything of theirs goes, and a replayed stream does not bring it back."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, text

from connectors.records import EMAIL, RecordRef
from worker.store import reports
from worker.store.database import KEYS, as_json


def digest(ref: RecordRef) -> bytes:
    """One way: the tombstone knows a record again without naming it."""
    return hashlib.sha256("\0".join(("leadgauge erasure", ref.source, ref.object, ref.id)).encode()).digest()


def erased(connection: Connection, refs: Collection[RecordRef]) -> Mapping[RecordRef, datetime]:
    """Those of the references that were erased, and when."""
    if not connection.execute(text("SELECT EXISTS (SELECT FROM erasure)")).scalar_one():
        return {}
    by_digest = {digest(ref).hex(): ref for ref in refs}
    rows = connection.execute(
        text(f"""
        SELECT encode(digest, 'hex') AS digest, erased_at FROM erasure
        WHERE digest = ANY(ARRAY(SELECT decode(hex, 'hex') FROM unnest({KEYS}) AS hex))
        """),
        {"keys": as_json(by_digest.keys())},
    )
    return {by_digest[row.digest]: row.erased_at for row in rows}


def erase(connection: Connection, refs: Collection[RecordRef], now: datetime) -> set[int]:
    """Erase these records, the addresses their events came by, the scores of persons that nothing is left of, and what
    models' reports say of any of them.

    Returns the persons that lost a record and live on. The address may come back under a new record: only facts from
    before now are refused for it.
    """
    emails = connection.execute(
        text("""
        SELECT DISTINCT s.source, substr(c.key, length('mailbox:' || s.source || '/') + 1) AS email
        FROM subject s JOIN claim c ON c.subject_id = s.id AND c.withdrawn_at IS NULL
        WHERE (s.source, s.object, s.key) IN (SELECT * FROM unnest(CAST(:s AS text[]), CAST(:o AS text[]),
                                                                   CAST(:k AS text[])))
          AND starts_with(c.key, 'mailbox:' || s.source || '/')
        """),
        _columns(refs),
    ).all()
    gone = {*refs, *(RecordRef(row.source, EMAIL, row.email) for row in emails)}
    connection.execute(
        text("""
        INSERT INTO erasure (digest, erased_at) SELECT unnest(CAST(:digests AS bytea[])), :now
        ON CONFLICT (digest) DO UPDATE SET erased_at = excluded.erased_at
        """),
        {"digests": [digest(ref) for ref in gone], "now": now},
    )
    people = connection.execute(
        text("""
        DELETE FROM subject s USING unnest(CAST(:s AS text[]), CAST(:o AS text[]), CAST(:k AS text[])) AS w (s, o, k)
        WHERE (s.source, s.object, s.key) = (w.s, w.o, w.k) RETURNING s.person_id
        """),
        _columns(gone),
    ).scalars()
    touched = {person for person in people if person is not None}
    left = set(
        connection.execute(
            text("""
            SELECT DISTINCT s.person_id FROM subject s JOIN record r ON r.subject_id = s.id
            WHERE s.person_id = ANY(:ids)
            """),
            {"ids": list(touched)},
        ).scalars()
    )
    for table in ("score_history", "transition", "feedback"):
        connection.execute(text(f"DELETE FROM {table} WHERE person_id = ANY(:ids)"), {"ids": list(touched - left)})
    connection.execute(text("DELETE FROM person WHERE id = ANY(:ids)"), {"ids": list(touched - left)})
    reports.forget(connection, touched)
    return left


def _columns(refs: Collection[RecordRef]) -> dict[str, list[str]]:
    ordered = sorted(refs)
    return {"s": [r.source for r in ordered], "o": [r.object for r in ordered], "k": [r.id for r in ordered]}
