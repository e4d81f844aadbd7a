"""What is kept for so long and no longer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.store import erasures

BATCH = 10_000
"""Rows of a kind that go at once: nobody waits long for their locks."""

_OLD: Mapping[str, str] = {
    # A record's newest row says what it holds.
    "ledger": """
        DELETE FROM ledger WHERE id IN (
            SELECT l.id FROM ledger l WHERE l.closed_at < :before AND l.state IN ('verified', 'superseded')
              AND EXISTS (SELECT FROM ledger n WHERE n.subject_id = l.subject_id AND n.id > l.id
                          AND n.state <> 'superseded') LIMIT :batch)
    """,
    # So does a person's newest row of how they stand.
    "history": """
        DELETE FROM score_history WHERE (goal, person_id, as_of) IN (
            SELECT h.goal, h.person_id, h.as_of FROM score_history h WHERE h.as_of < :before
              AND EXISTS (SELECT FROM score_history n WHERE n.goal = h.goal AND n.person_id = h.person_id
                          AND n.as_of > h.as_of) LIMIT :batch)
    """,
    "activities": "DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE occurred_at < :before LIMIT :batch)",
    "audit": "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < :before LIMIT :batch)",
}
_GONE = """
    SELECT s.source, s.object, s.key FROM record r JOIN subject s ON s.id = r.subject_id
    WHERE r.deleted_at < :before AND r.kind = 'person' ORDER BY s.id LIMIT :batch
"""


def sweep(connection: Connection, limits: Mapping[str, timedelta | None], now: datetime) -> Mapping[str, int]:
    """Delete what is older than its limit (by kind; None: kept for ever), one batch of each; returns how many of each.

    `deleted`: people whose record was deleted in its CRM so long ago; all that is known of them goes, as if they had
    been erased, but they may come back.
    """
    went: dict[str, int] = {}
    for kind, query in _OLD.items():
        if (limit := limits.get(kind)) is not None:
            done = connection.execute(text(query), {"before": now - limit, "batch": BATCH})
            went[kind] = done.rowcount
    if (limit := limits.get("deleted")) is not None:
        rows = connection.execute(text(_GONE), {"before": now - limit, "batch": BATCH // 10}).all()
        gone = [RecordRef(*row) for row in rows]
        if gone:
            erasures.erase(connection, gone, now, bury=False)
        went["deleted"] = len(gone)
    return went
