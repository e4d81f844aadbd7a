"""People whose data a CRM erased: everything of theirs goes, and a replayed stream does not bring it back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, text

from connectors.records import EMAIL, RecordRef
from worker.store import reports
from worker.store.database import KEYS, as_json


def digest(ref: RecordRef, salt: bytes) -> bytes:
    """One way: the tombstone knows a record again without naming it. With the salt of this database alone, so that it
    cannot be looked up in a list of all addresses made elsewhere."""
    return hmac.digest(salt, "\0".join((ref.source, ref.object, ref.id)).encode(), hashlib.sha256)


def erased(connection: Connection, refs: Collection[RecordRef]) -> Mapping[RecordRef, datetime]:
    """Those of the references that were erased, and when."""
    salt = connection.execute(text("SELECT salt FROM erasure_salt WHERE EXISTS (SELECT FROM erasure)")).scalar()
    if salt is None:
        return {}
    by_digest = {digest(ref, bytes(salt)).hex(): ref for ref in refs}
    rows = connection.execute(
        text(f"""
        SELECT encode(digest, 'hex') AS digest, erased_at FROM erasure
        WHERE digest = ANY(ARRAY(SELECT decode(hex, 'hex') FROM unnest({KEYS}) AS hex))
        """),
        {"keys": as_json(by_digest.keys())},
    )
    return {by_digest[row.digest]: row.erased_at for row in rows}


def erase(connection: Connection, refs: Collection[RecordRef], now: datetime, *, bury: bool = True) -> set[int]:
    """Erase these records, the addresses their events came by, the scores of persons that nothing is left of, and what
    models' reports and past writes say of any of them.

    Returns the persons that lost a record and live on. The address may come back under a new record: only facts from
    before now are refused for it. Without `bury` the records may come back, too: their CRM does not show them, and does
    not say why.
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
    if bury:
        salt = bytes(connection.execute(text("SELECT salt FROM erasure_salt")).scalar_one())
        connection.execute(
            text("""
            INSERT INTO erasure (digest, erased_at) SELECT unnest(CAST(:digests AS bytea[])), :now
            ON CONFLICT (digest) DO UPDATE SET erased_at = excluded.erased_at
            """),
            {"digests": [digest(ref, salt) for ref in gone], "now": now},
        )
    counted = f"DELETE FROM census c USING {_WANTED} WHERE (c.source, c.object, c.key) = (w.s, w.o, w.k)"
    connection.execute(text(counted), _columns(gone))
    people = connection.execute(
        text(f"""
        DELETE FROM subject s USING {_WANTED} WHERE (s.source, s.object, s.key) = (w.s, w.o, w.k) RETURNING s.person_id
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
    _forget_reasons(connection, left)
    reports.forget(connection, touched)
    return left


def _forget_reasons(connection: Connection, people: Collection[int]) -> None:
    """What was written of people who live on, in words: it may speak of what was erased. They are scored anew."""
    connection.execute(
        text("""
        UPDATE ledger l SET values = (
            SELECT coalesce(jsonb_object_agg(v.key, v.value), '{}') FROM jsonb_each(l.values) v
            WHERE v.key !~ '(^|[.])(reasons|bant)$')
        WHERE l.state IN ('verified', 'unprovable', 'superseded')
          AND l.subject_id IN (SELECT id FROM subject WHERE person_id = ANY(:people))
        """),
        {"people": list(people)},
    )


_WANTED = "unnest(CAST(:s AS text[]), CAST(:o AS text[]), CAST(:k AS text[])) AS w (s, o, k)"


def _columns(refs: Collection[RecordRef]) -> dict[str, list[str]]:
    ordered = sorted(refs)
    return {"s": [r.source for r in ordered], "o": [r.object for r in ordered], "k": [r.id for r in ordered]}
