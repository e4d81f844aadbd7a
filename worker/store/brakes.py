"""What holds writing back, for all workers at once and through restarts: a person's pause, and the cap of an hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from worker.store import lineage

ALL = ""
"""In place of a source: every one."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pause:
    """Writing was stopped: to `source` (empty: to all), by whom, when and why."""

    source: str
    reason: str
    author: str
    at: datetime


def pause(connection: Connection, source: str, reason: str, author: str, now: datetime) -> bool:
    """Stop writing to a source, or to all with `ALL`. False where that was stopped already: then that stands."""
    made = connection.execute(
        text("""
        INSERT INTO pause (source, reason, author, at) VALUES (:source, :reason, :author, :now) ON CONFLICT DO NOTHING
        """),
        {"source": source, "reason": reason, "author": author, "now": now},
    )
    return made.rowcount == 1


def resume(connection: Connection, source: str) -> int:
    """Write again to a source; with `ALL`, to every one that was stopped, whichever way. Returns how many pauses ended.

    One source does not go on while all are stopped.
    """
    ended = connection.execute(text("DELETE FROM pause WHERE source = :source OR :source = ''"), {"source": source})
    return ended.rowcount


def pauses(connection: Connection) -> Sequence[Pause]:
    """Those that stand, of all sources first."""
    rows = connection.execute(text("SELECT source, reason, author, at FROM pause ORDER BY source"))
    return [Pause(*row) for row in rows]


def paused(connection: Connection, source: str) -> bool:
    """Whether a person has stopped writing to the source, or a restore has until everything was compared."""
    query = "SELECT EXISTS (SELECT FROM pause WHERE source IN (:source, ''))"
    by_hand = connection.execute(text(query), {"source": source}).scalar_one()
    return bool(by_hand) or source in lineage.unproved(connection)


def room(connection: Connection, source: str, per_hour: int, now: datetime) -> int:
    """How many more records may be sent now so that no hour has more than `per_hour`, to the minute."""
    sent = connection.execute(
        text("""
        SELECT coalesce(sum(records), 0) FROM sent_count
        WHERE source = :source AND minute >= date_trunc('minute', CAST(:since AS timestamptz))
        """),
        {"source": source, "since": now - HOUR},
    )
    return max(0, per_hour - int(sent.scalar_one()))


def full_since(connection: Connection, source: str, since: datetime) -> bool:
    """Whether a full batch was sent since then: so much is to be written that the rest soon fills another."""
    query = "SELECT EXISTS (SELECT FROM sent_count WHERE source = :source AND full_at > :since)"
    return bool(connection.execute(text(query), {"source": source, "since": since}).scalar_one())


def sent(connection: Connection, source: str, records: int, now: datetime, *, full: bool) -> None:
    """Count records that are about to be sent, in the transaction that commits them to it. `full`: as many as go in
    one call."""
    connection.execute(
        text("""
        INSERT INTO sent_count (source, minute, records, full_at)
        VALUES (:source, date_trunc('minute', CAST(:now AS timestamptz)), :records, :full_at)
        ON CONFLICT (source, minute) DO UPDATE SET records = sent_count.records + excluded.records,
            full_at = coalesce(excluded.full_at, sent_count.full_at)
        """),
        {"source": source, "now": now, "records": records, "full_at": now if full else None},
    )
    connection.execute(
        text("DELETE FROM sent_count WHERE source = :source AND minute < :old"),
        {"source": source, "old": now - 2 * HOUR},
    )
