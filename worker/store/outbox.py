"""Which ledger rows are sent next, and which wait although they are due.

Three things hold a row back. *Storm*: its record was written to too often within the hour; it waits until that has
passed. *Contest*: something else keeps changing what is written to the record; after some rounds it is parked, and
tried once a day. *Refusal*: the CRM said no; one row of each kind of refusal is tried a day, and once that succeeds
all of its kind are, since whoever mended the cause tells nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from worker.store.database import as_json
from worker.store.ledger import OVERWRITTEN, ROW, Row, rows_of

STORM, CONTESTED = "STORM", "CONTESTED"
"""Our own codes beside the vendor's: too many writes to one record in an hour, and another writer on its fields."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """Writes to one record in an hour at most, and the rounds after which a contest is given up."""

    per_record: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows to send, and how many that were due were held back instead."""

    rows: Sequence[Row]
    held: int


_READY = f"""
    (state IN ('intended', 'parked') OR (state = 'drifted' AND code = '{OVERWRITTEN}'))
    AND due_at <= :now AND dismissed_at IS NULL
"""
_DUE = f"""
    SELECT id, subject_id, state, rounds, contested_at FROM ledger
    WHERE source = :source AND {_READY} ORDER BY lane, due_at, id LIMIT :limit
"""


def take(connection: Connection, source: str, limits: Limits, now: datetime, limit: int) -> Taken:
    """Mark up to `limit` due rows of a source as sent and hand them out, lane by lane and the oldest first. The caller
    is the only writer of the source."""
    due = connection.execute(
        text(f"""
        WITH due AS ({_DUE} FOR UPDATE SKIP LOCKED)
        SELECT due.*, recent.writes, recent.oldest FROM due CROSS JOIN LATERAL (
            SELECT count(*) AS writes, min(coalesce(accepted_at, sent_at)) AS oldest FROM ledger l
            WHERE l.subject_id = due.subject_id
              AND (l.accepted_at > :since OR l.accepted_at IS NULL AND l.state = 'superseded' AND l.sent_at > :since)
        ) recent
        """),
        {"source": source, "now": now, "since": now - HOUR, "limit": limit},
    ).all()
    wait = {row.id: until for row in due if (until := _waits(row, limits, now))}
    _hold_back(connection, wait)
    taken = connection.execute(
        text(f"""
        WITH taken AS (
            UPDATE ledger SET state = 'sent', attempts = attempts + 1, sent_at = :now, closed_at = NULL
            WHERE id = ANY(:ids) RETURNING *
        ) {ROW.format(ledger="taken")} ORDER BY l.id
        """),
        {"ids": [row.id for row in due if row.id not in wait], "now": now},
    )
    return Taken(rows_of(taken), len(wait))


@dataclass(frozen=True, slots=True)
class _Wait:
    state: str
    until: datetime
    code: str
    text: str


def _waits(row: Any, limits: Limits, now: datetime) -> _Wait | None:
    """Why a due row is not sent, and until when."""
    if row.state == "intended" and row.rounds >= limits.rounds and row.contested_at > now - DAY:
        said = f"something else changed this record's fields {row.rounds} times; it is tried again once a day"
        return _Wait("parked", row.contested_at + DAY, CONTESTED, said)
    if row.writes >= limits.per_record:
        said = f"written {row.writes} times within an hour already; the newest values go out when the hour has passed"
        return _Wait(row.state, row.oldest + HOUR, STORM, said)
    return None


def _hold_back(connection: Connection, waits: dict[int, _Wait]) -> None:
    if not waits:
        return
    connection.execute(
        text("""
        UPDATE ledger l SET state = w.state, due_at = w.until, code = w.code, answer = w.text
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, state text, until timestamptz, code text,
                                                            text text)
        WHERE l.id = w.id
        """),
        {
            "rows": as_json(
                {"id": i, "state": w.state, "until": w.until, "code": w.code, "text": w.text}
                for i, w in sorted(waits.items())
            )
        },
    )


def waiting(connection: Connection, source: str, now: datetime, up_to: int) -> tuple[int, int]:
    """How many rows of a source are due in the lane that goes first, and in the others; counts no further than
    `up_to`."""
    due = _DUE.replace("SELECT id,", "SELECT lane, id,").replace(":limit", ":up_to")
    counted = connection.execute(
        text(f"SELECT lane, count(*) AS n FROM ({due}) due GROUP BY lane ORDER BY lane"),
        {"source": source, "now": now, "up_to": up_to},
    )
    first, *others = [int(row.n) for row in counted] or [0]
    return first, sum(others)


def any_due(connection: Connection, source: str, now: datetime) -> bool:
    """Whether a row of a source is due, as far as time is concerned."""
    query = f"SELECT EXISTS (SELECT FROM ledger WHERE source = :source AND {_READY})"
    return bool(connection.execute(text(query), {"source": source, "now": now}).scalar_one())


def probe(connection: Connection, source: str, now: datetime) -> None:
    """Look whether refusals still stand. Where one of a code is due, the row of that code that was tried longest ago
    goes out again and all others wait for another day, due or not, so a code costs one write a day however many it
    refused; where one of an earlier day went through, all of its code go out."""
    parameters = {"source": source, "now": now, "tomorrow": now + DAY}
    connection.execute(
        text("""
        WITH mended AS (
            UPDATE ledger l SET probe = NULL FROM (
                SELECT id, probe AS code FROM ledger
                WHERE source = :source AND probe IS NOT NULL AND state IN ('verified', 'unprovable') FOR UPDATE
            ) through WHERE l.id = through.id RETURNING through.code
        )
        UPDATE ledger SET state = 'intended', due_at = :now, closed_at = NULL
        WHERE source = :source AND state = 'refused' AND dismissed_at IS NULL AND code IN (SELECT code FROM mended)
        """),
        parameters,
    )
    connection.execute(
        text("""
        UPDATE ledger l SET
            state = CASE WHEN due.place = 1 THEN 'intended' ELSE 'refused' END,
            due_at = CASE WHEN due.place = 1 THEN CAST(:now AS timestamptz) ELSE :tomorrow END,
            closed_at = CASE WHEN due.place = 1 THEN NULL ELSE l.closed_at END,
            probe = CASE WHEN due.place = 1 THEN coalesce(l.code, '') END
        FROM (
            SELECT id, row_number() OVER (PARTITION BY code ORDER BY sent_at NULLS FIRST, id) AS place FROM ledger
            WHERE source = :source AND state = 'refused' AND dismissed_at IS NULL AND due_at < :tomorrow
              AND coalesce(code, '') IN (
                  SELECT coalesce(code, '') FROM ledger
                  WHERE source = :source AND state = 'refused' AND dismissed_at IS NULL AND due_at <= :now)
        ) due WHERE l.id = due.id
        """),
        parameters,
    )


def due_sources(
    connection: Connection,
    sources: Collection[str],
    now: datetime,
    accepted_before: datetime,
    held: Collection[str] = (),
) -> Sequence[str]:
    """Those of the sources with something to write, to clear up, or to read back; only the latter two of those `held`.

    Each is an index scan that ends with its first row, however many wait.
    """
    rows = connection.execute(
        text(f"""
        SELECT asked.source FROM unnest(CAST(:sources AS text[])) AS asked (source) CROSS JOIN LATERAL (
            SELECT EXISTS (SELECT FROM ledger WHERE source = asked.source AND state = 'sent')
                OR EXISTS (SELECT FROM ledger WHERE source = asked.source AND state = 'accepted'
                           AND accepted_at <= :before)
                OR EXISTS (SELECT FROM ledger WHERE source = asked.source AND suspected_at <= :before)
                OR NOT asked.source = ANY(:held) AND (
                    EXISTS (SELECT FROM ledger WHERE source = asked.source AND {_READY})
                    OR EXISTS (SELECT FROM ledger WHERE source = asked.source AND state = 'refused'
                               AND due_at <= :now AND dismissed_at IS NULL)
                    OR EXISTS (SELECT FROM ledger WHERE source = asked.source AND probe IS NOT NULL
                               AND state IN ('verified', 'unprovable'))) AS due
        ) found WHERE found.due ORDER BY 1
        """),
        {"sources": list(sources), "now": now, "before": accepted_before, "held": list(held)},
    )
    return rows.scalars().all()
