"""Every intended write, and how it ended.

intended -> sent -> accepted -> verified, or superseded, drifted, refused, parked.

`sent` is committed before the call, so a crash leaves a row whose outcome is unknown; it is read back, not sent again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.store.database import as_json


class State(StrEnum):
    INTENDED = "intended"
    SENT = "sent"
    ACCEPTED = "accepted"
    VERIFIED = "verified"
    SUPERSEDED = "superseded"
    DRIFTED = "drifted"
    REFUSED = "refused"
    PARKED = "parked"


OPEN = (State.INTENDED, State.SENT, State.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Intention:
    """A write to be: all score fields that a record shall hold."""

    subject_id: int
    person_id: int
    source: str
    values: Mapping[str, Any]
    cause: str


@dataclass(frozen=True, slots=True)
class Row:
    """A ledger row with the record that it is for."""

    id: int
    subject_id: int
    ref: RecordRef
    state: State
    values: Mapping[str, Any]
    attempts: int
    intended_at: datetime
    accepted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """How an attempt ended: the row's new state, the vendor's code and words, and when to look at it again."""

    id: int
    state: State
    at: datetime
    code: str | None = None
    text: str | None = None


_ROW = """
    SELECT l.id, l.subject_id, s.source, s.object, s.key, l.state, l.values, l.attempts, l.intended_at, l.accepted_at
    FROM {ledger} l JOIN subject s ON s.id = l.subject_id
"""


def _rows(result: Iterable[Any]) -> list[Row]:
    return [
        Row(r.id, r.subject_id, RecordRef(r.source, r.object, r.key), State(r.state), r.values, r.attempts,
            r.intended_at, r.accepted_at)
        for r in result
    ]  # fmt: skip


def latest(connection: Connection, subjects: Collection[int]) -> Mapping[int, Row]:
    """The newest row of each record that was not superseded: what it holds, or shall hold, or refuses to."""
    query = (
        _ROW.format(ledger="ledger")
        + """
        JOIN (SELECT subject_id, max(id) AS id FROM ledger WHERE subject_id = ANY(:ids) AND state <> 'superseded'
              GROUP BY subject_id) newest ON newest.id = l.id
    """
    )
    return {row.subject_id: row for row in _rows(connection.execute(text(query), {"ids": list(subjects)}))}


def intend(
    connection: Connection,
    intentions: Sequence[Intention],
    rules: int,
    policy: int,
    now: datetime,
    champions: int = 0,
) -> None:
    """Open a row for each record; one that is open already is superseded, so the newest wins."""
    if not intentions:
        return
    connection.execute(
        text("""
        UPDATE ledger SET state = 'superseded', closed_at = :now
        WHERE subject_id = ANY(:ids) AND state IN ('intended', 'sent', 'accepted')
        """),
        {"ids": sorted(i.subject_id for i in intentions), "now": now},
    )
    connection.execute(
        text("""
        INSERT INTO ledger (source, subject_id, person_id, values, cause, rules_revision, policy_revision,
                            champions_revision, state, due_at, intended_at)
        SELECT source, subject_id, person_id, values, cause, :rules, :policy, :champions, 'intended', :now, :now
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
            source text, subject_id bigint, person_id bigint, values jsonb, cause text)
        ORDER BY subject_id
        """),
        {
            "rows": as_json(
                {
                    "source": i.source,
                    "subject_id": i.subject_id,
                    "person_id": i.person_id,
                    "values": dict(i.values),
                    "cause": i.cause,
                }
                for i in intentions
            ),
            "rules": rules,
            "policy": policy,
            "champions": champions,
            "now": now,
        },
    )


def withdraw(connection: Connection, subjects: Collection[int], now: datetime) -> None:
    """What was intended for these records is wanted no more, and was not begun."""
    connection.execute(
        text("""
        UPDATE ledger SET state = 'superseded', closed_at = :now
        WHERE subject_id = ANY(:ids) AND state = 'intended' AND attempts = 0
        """),
        {"ids": list(subjects), "now": now},
    )


def take(connection: Connection, source: str, now: datetime, limit: int) -> list[Row]:
    """Mark up to `limit` rows of a source as sent and hand them out, oldest first. The caller is the only writer."""
    query = """
        WITH due AS (
            SELECT id FROM ledger WHERE source = :source AND state = 'intended' AND due_at <= :now
            ORDER BY due_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE ledger l SET state = 'sent', attempts = l.attempts + 1, sent_at = :now
            FROM due WHERE l.id = due.id RETURNING l.*
        )
    """ + _ROW.format(ledger="taken")
    return _rows(connection.execute(text(query + " ORDER BY l.id"), {"source": source, "now": now, "limit": limit}))


def waiting(connection: Connection, source: str, now: datetime, up_to: int) -> int:
    """How many rows of a source are due to be written; counts no further than `up_to`."""
    query = "SELECT FROM ledger WHERE source = :source AND state = 'intended' AND due_at <= :now LIMIT :up_to"
    counted = connection.execute(
        text(f"SELECT count(*) FROM ({query}) due"), {"source": source, "now": now, "up_to": up_to}
    )
    return int(counted.scalar_one())


def unresolved(connection: Connection, source: str, limit: int) -> list[Row]:
    """Rows that a writer sent and did not live to tell about."""
    query = _ROW.format(ledger="ledger") + " WHERE l.source = :source AND l.state = 'sent' ORDER BY l.id LIMIT :limit"
    return _rows(connection.execute(text(query), {"source": source, "limit": limit}))


def unverified(connection: Connection, source: str, accepted_before: datetime, limit: int) -> list[Row]:
    """Rows that the CRM accepted by then and that no pull has shown since."""
    query = (
        _ROW.format(ledger="ledger")
        + """
        WHERE l.source = :source AND l.state = 'accepted' AND l.accepted_at <= :before ORDER BY l.id LIMIT :limit
    """
    )
    return _rows(connection.execute(text(query), {"source": source, "before": accepted_before, "limit": limit}))


def answer(connection: Connection, answers: Sequence[Answer], now: datetime) -> None:
    """Record how attempts ended. A row that was superseded meanwhile stays so."""
    connection.execute(
        text("""
        UPDATE ledger l SET state = w.state, due_at = w.at, code = w.code, answer = w.text,
               accepted_at = CASE WHEN w.state IN ('accepted', 'verified') THEN coalesce(l.accepted_at, :now) END,
               closed_at = CASE WHEN w.state NOT IN ('intended', 'sent', 'accepted') THEN :now END
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, state text, at timestamptz, code text, text text)
        WHERE l.id = w.id AND l.state IN ('sent', 'accepted')
        """),
        {
            "rows": as_json(
                {"id": a.id, "state": a.state, "at": a.at, "code": a.code, "text": a.text}
                for a in sorted(answers, key=lambda a: a.id)
            ),
            "now": now,
        },
    )


def verify_seen(connection: Connection, written: Mapping[int, Mapping[str, Any]], now: datetime) -> int:
    """A pull shows what records hold: close the open rows whose every value is there. Returns how many."""
    if not written:
        return 0
    return connection.execute(
        text("""
        UPDATE ledger l SET state = 'verified', closed_at = :now, accepted_at = coalesce(l.accepted_at, :now)
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, written jsonb)
        WHERE l.subject_id = w.id AND l.state IN ('intended', 'sent', 'accepted')
          AND jsonb_strip_nulls(l.values) <@ w.written
          AND NOT EXISTS (SELECT 1 FROM jsonb_each(l.values) v WHERE v.value = 'null' AND w.written ? v.key)
        """),
        {"rows": as_json({"id": i, "written": dict(w)} for i, w in sorted(written.items())), "now": now},
    ).rowcount


def due_sources(connection: Connection, now: datetime, accepted_before: datetime) -> Sequence[str]:
    """The sources with something to write, to clear up, or to read back."""
    rows = connection.execute(
        text("""
        SELECT DISTINCT source FROM ledger
        WHERE (state = 'intended' AND due_at <= :now) OR state = 'sent'
           OR (state = 'accepted' AND accepted_at <= :before)
        """),
        {"now": now, "before": accepted_before},
    )
    return rows.scalars().all()


Counts = Mapping[str, Mapping[str, int]]


def counts(connection: Connection) -> Counts:
    """Rows by source and state."""
    rows = connection.execute(text("SELECT source, state, count(*) AS n FROM ledger GROUP BY 1, 2 ORDER BY 1, 2"))
    result: dict[str, dict[str, int]] = {}
    for row in rows:
        result.setdefault(row.source, {})[row.state] = row.n
    return result


def reasons(connection: Connection) -> list[dict[str, Any]]:
    """Writes that failed or wait for another try, by what the vendor said; the commonest first."""
    rows = connection.execute(
        text("""
        SELECT source, state, code, max(answer) AS answer, count(*) AS n FROM ledger
        WHERE state IN ('refused', 'drifted', 'parked') OR (state = 'intended' AND code IS NOT NULL)
        GROUP BY source, state, code ORDER BY n DESC, source, code LIMIT 20
        """)
    )
    return [dict(row._mapping) for row in rows]


def of_person(connection: Connection, person: int, limit: int = 20) -> Sequence[Any]:
    """The newest rows of a person's records, for a person to read."""
    return connection.execute(
        text("""
        SELECT s.source, s.object, s.key, l.state, l.values, l.cause, l.attempts, l.code, l.answer,
               l.intended_at, l.accepted_at, l.closed_at
        FROM ledger l JOIN subject s ON s.id = l.subject_id WHERE s.person_id = :person ORDER BY l.id DESC LIMIT :limit
        """),
        {"person": person, "limit": limit},
    ).all()
