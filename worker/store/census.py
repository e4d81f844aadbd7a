"""The rows that a CRM has, collected page by page, and how they differ from what is known."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.store.database import as_json


def add(connection: Connection, refs: Sequence[RecordRef]) -> None:
    """Note rows that the CRM has. A repeated one changes nothing."""
    connection.execute(
        text("""
        INSERT INTO census (source, object, key)
        SELECT source, object, key
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, object text, key text)
        ON CONFLICT DO NOTHING
        """),
        {"rows": as_json({"source": r.source, "object": r.object, "key": r.id} for r in refs)},
    )


def clear(connection: Connection, source: str, object: str) -> None:
    connection.execute(
        text("DELETE FROM census WHERE source = :source AND object = :object"), {"source": source, "object": object}
    )


def differences(connection: Connection, source: str, object: str, after: str, limit: int) -> list[RecordRef]:
    """Rows that only one side has, by key and after one: known here and gone there, or there and unknown here."""
    rows = connection.execute(
        text("""
        SELECT key FROM (
            SELECT s.key FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
            WHERE s.source = :source AND s.object = :object
              AND NOT EXISTS (SELECT FROM census c WHERE (c.source, c.object, c.key) = (s.source, s.object, s.key))
            UNION ALL
            SELECT c.key FROM census c WHERE c.source = :source AND c.object = :object
              AND NOT EXISTS (SELECT FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
                              WHERE (s.source, s.object, s.key) = (c.source, c.object, c.key))
        ) difference
        WHERE key > :after ORDER BY key LIMIT :limit
        """),
        {"source": source, "object": object, "after": after, "limit": limit},
    )
    return [RecordRef(source, object, key) for key in rows.scalars()]
