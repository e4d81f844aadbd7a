"""What nightly second looks found: rows that a CRM has and that we had missed, by day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.store.database import as_json

ALLOWED = 0.01
"""Share of a day's rows that may have been missed before nobody learns from that day."""


class Kind(StrEnum):
    """How was looked: a day of a stream read once more; all ids of an object; the fields of a share of its rows."""

    DAY = "day"
    IDS = "ids"
    FIELDS = "fields"


@dataclass(frozen=True, slots=True)
class Whole:
    """Of some days together: rows looked at, those missed, the days that failed, and when the last look was."""

    source: str
    kind: Kind
    name: str
    days: int
    rows: int
    missed: int
    failing: int
    checked_at: datetime

    @property
    def share(self) -> float:
        """Of the rows that were known; 1 where there were none."""
        return 1 - self.missed / self.rows if self.rows else 1.0


def record(
    connection: Connection, source: str, kind: Kind, name: str, day: date, rows: int, missed: int, now: datetime
) -> None:
    """Add what a look at a day found; another look at the same day adds to it."""
    connection.execute(
        text("""
        INSERT INTO completeness AS c (source, kind, name, day, rows, missed, checked_at)
        VALUES (:source, :kind, :name, :day, :rows, :missed, :now)
        ON CONFLICT (source, kind, name, day) DO UPDATE SET
            rows = c.rows + excluded.rows, missed = c.missed + excluded.missed, checked_at = excluded.checked_at
        """),
        {"source": source, "kind": kind, "name": name, "day": day, "rows": rows, "missed": missed, "now": now},
    )


def note_late(connection: Connection, source: str, object: str, missed: Mapping[date, int], now: datetime) -> None:
    """Rows that only the count of all found, by the day that they were last changed, beside how many we know of it."""
    for day, number in sorted(missed.items()):
        rows = connection.execute(
            text("""
            SELECT count(*) FROM subject s JOIN record r ON r.subject_id = s.id
            WHERE s.source = :source AND s.object = :object
              AND r.modified_at >= CAST(:day AS timestamp) AT TIME ZONE 'UTC'
              AND r.modified_at < CAST(:day AS timestamp) AT TIME ZONE 'UTC' + interval '1 day'
            """),
            {"source": source, "object": object, "day": day},
        ).scalar_one()
        record(connection, source, Kind.IDS, object, day, max(int(rows), number), number, now)


def pending(connection: Connection, source: str, stream: str, first: date, last: date) -> list[date]:
    """The days of a stream that was read to its end once, from the day on after its first read began, that are not
    looked at yet."""
    rows = connection.execute(
        text("""
        SELECT CAST(day AS date) AS day FROM generate_series(CAST(:first AS date), CAST(:last AS date), '1 day') day
        WHERE EXISTS (SELECT FROM stream WHERE source = :source AND name = :stream AND complete_at IS NOT NULL
                      AND CAST(load_began_at AT TIME ZONE 'UTC' AS date) < day)
          AND NOT EXISTS (SELECT FROM completeness c WHERE c.source = :source AND kind = 'day' AND c.name = :stream
                          AND c.day = CAST(day.day AS date))
        ORDER BY 1
        """),
        {"source": source, "stream": stream, "first": first, "last": last},
    )
    return list(rows.scalars())


def share(
    connection: Connection, source: str, object: str, chosen: Sequence[int], parts: int, after: int, limit: int
) -> Sequence[tuple[int, RecordRef]]:
    """The next living rows of some of `parts` equal parts of an object, with their subjects' ids, in the order of
    these."""
    rows = connection.execute(
        text("""
        SELECT s.id, s.key FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
        WHERE s.source = :source AND s.object = :object AND s.id > :after AND s.id % :parts = ANY(:chosen)
        ORDER BY s.id LIMIT :limit
        """),
        {"source": source, "object": object, "after": after, "parts": parts, "chosen": list(chosen), "limit": limit},
    )
    return [(row.id, RecordRef(source, object, row.key)) for row in rows]


def last_compared(connection: Connection, source: str) -> date | None:
    """The newest day that fields of a source's rows were compared on."""
    query = "SELECT max(day) FROM completeness WHERE source = :source AND kind = 'fields'"
    day: date | None = connection.execute(text(query), {"source": source}).scalar_one()
    return day


def unknown_history(connection: Connection, changes: Iterable[tuple[int | None, str, str | None, datetime]]) -> int:
    """How many of these past values (subject, name, value, since when) are not known; None: nor is the subject."""
    rows = [{"id": s, "name": n, "value": v, "at": at} for s, n, v, at in changes]
    if not rows:
        return 0
    return int(
        connection.execute(
            text("""
            SELECT count(*) FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
                id bigint, name text, value text, at timestamptz)
            WHERE NOT EXISTS (SELECT FROM attribute a WHERE a.subject_id = w.id AND a.name = w.name
                              AND a.occurred_at = w.at AND a.value IS NOT DISTINCT FROM w.value)
            """),
            {"rows": as_json(rows)},
        ).scalar_one()
    )


def summary(connection: Connection, since: date) -> list[Whole]:
    """By source, kind and name, of the days since then."""
    rows = connection.execute(
        text("""
        SELECT source, kind, name, count(*) AS days, CAST(sum(rows) AS bigint) AS rows,
               CAST(sum(missed) AS bigint) AS missed, count(*) FILTER (WHERE missed > :allowed * rows) AS failing,
               max(checked_at) AS checked_at
        FROM completeness WHERE day >= :since GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """),
        {"since": since, "allowed": ALLOWED},
    )
    return [Whole(row.source, Kind(row.kind), *row[2:]) for row in rows]


GAPS = f"""
    SELECT CAST(day AS timestamp) AT TIME ZONE 'UTC' AS since, max(checked_at) AS until
    FROM completeness WHERE kind IN ('day', 'ids') AND missed > {ALLOWED} * rows GROUP BY day ORDER BY day
"""
"""SQL: from when until when facts of a day that failed were not known. What a score was made of then was not whole."""


def gaps(connection: Connection) -> list[tuple[datetime, datetime]]:
    """See `GAPS`."""
    return [(row.since, row.until) for row in connection.execute(text(GAPS))]


def settled_day(now: datetime) -> date:
    """The newest day (UTC) that has been over for a whole day: what is late in an index has come by then."""
    return (now - timedelta(days=2)).date()
