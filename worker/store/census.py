"""The rows that a CRM has, collected page by page, and how they differ from what is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import zip_longest

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.store.database import as_json


def add(connection: Connection, refs: Sequence[RecordRef], stamps: Sequence[datetime] = ()) -> None:
    """Note rows that the CRM has, with when it last changed each, if it says so. A repeated one changes nothing."""
    connection.execute(
        text("""
        INSERT INTO census (source, object, key, modified_at)
        SELECT source, object, key, modified_at FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
            source text, object text, key text, modified_at timestamptz)
        ON CONFLICT DO NOTHING
        """),
        {
            "rows": as_json(
                {"source": r.source, "object": r.object, "key": r.id, "modified_at": at}
                for r, at in zip_longest(refs, stamps)
            )
        },
    )


def clear(connection: Connection, source: str, object: str) -> None:
    connection.execute(
        text("DELETE FROM census WHERE source = :source AND object = :object"), {"source": source, "object": object}
    )


def binned(connection: Connection, source: str, object: str, after: str, limit: int) -> list[RecordRef]:
    """People whose row lay in the recycle bin when it was last seen, by key and after one."""
    rows = connection.execute(
        text("""
        SELECT s.key FROM record r JOIN subject s ON s.id = r.subject_id
        WHERE r.binned AND r.kind = 'person' AND s.source = :source AND s.object = :object AND s.key > :after
        ORDER BY s.key LIMIT :limit
        """),
        {"source": source, "object": object, "after": after, "limit": limit},
    )
    return [RecordRef(source, object, key) for key in rows.scalars()]


def differences(
    connection: Connection, source: str, object: str, after: str, settled: datetime, limit: int
) -> list[RecordRef]:
    """Rows that differ, by key and after one: known here and gone there, there and unknown here, or changed there
    before `settled` and since we saw them."""
    rows = connection.execute(
        text("""
        SELECT key FROM (
            SELECT s.key FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
            WHERE s.source = :source AND s.object = :object
              AND NOT EXISTS (SELECT FROM census c WHERE (c.source, c.object, c.key) = (s.source, s.object, s.key))
            UNION ALL
            SELECT c.key FROM census c WHERE c.source = :source AND c.object = :object
              AND NOT EXISTS (SELECT FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
                              WHERE (s.source, s.object, s.key) = (c.source, c.object, c.key)
                                AND (c.modified_at IS NULL OR c.modified_at >= :settled
                                     OR r.modified_at >= c.modified_at))
        ) difference
        WHERE key > :after ORDER BY key LIMIT :limit
        """),
        {"source": source, "object": object, "after": after, "settled": settled, "limit": limit},
    )
    return [RecordRef(source, object, key) for key in rows.scalars()]
