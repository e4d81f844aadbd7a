"""Every intended write, and how it ended.

intended -> sent -> accepted -> verified, or superseded, drifted, refused, parked; or unprovable, where the CRM said yes
and cannot be asked what it holds.

`sent` is committed before the call, so a crash leaves a row whose outcome is unknown; it is read back, not sent again.
A record has at most one row that is neither proved nor superseded: a newer intention supersedes whatever became of the
older one. Which row is sent when is the business of `outbox`, and what people do to rows that of `entries`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.log import redact
from worker.store.database import as_json


class State(StrEnum):
    INTENDED = "intended"
    SENT = "sent"
    ACCEPTED = "accepted"
    VERIFIED = "verified"
    UNPROVABLE = "unprovable"
    SUPERSEDED = "superseded"
    DRIFTED = "drifted"
    REFUSED = "refused"
    PARKED = "parked"


OPEN = (State.INTENDED, State.SENT, State.ACCEPTED)
FAILED = (State.DRIFTED, State.REFUSED, State.PARKED)
"""What is not on its way and did not land: told until a person has dismissed it or a newer row supersedes it."""

OVERWRITTEN, SET_BY_USER = "OVERWRITTEN", "SET_BY_USER"
"""Our codes of a drifted row: something changed what was written, again and again; or a person did, once."""
FORGOTTEN = timedelta(days=7)
"""A contest that has rested for so long is over."""
INBOUND, REFRESH, BACKFILL = range(3)
"""Lanes of the ledger: what a new fact caused goes before what time or a revision did, and that before history."""


Kept = Mapping[str, Any]
"""Of a native field that stays as it is: `value`, `over`, `why`, and `by`: crm, where the CRM itself refused it."""


@dataclass(frozen=True, slots=True)
class Intention:
    """A write to be: all score fields that a record shall hold. `urgent`: because of something that just happened.

    `over`: what each native field may replace; `kept`: native fields that stay as they are, by name, each with `value`
    (what the stage would have there), `over` (what is there) and `why`.
    """

    subject_id: int
    person_id: int
    source: str
    values: Mapping[str, Any]
    cause: str
    urgent: bool = True
    over: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, Kept] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """A ledger row with the record that it is for. `rounds`: how often another writer was found on the record's fields
    of late. `suspected`: it was verified, and a pull showed something else since."""

    id: int
    subject_id: int
    ref: RecordRef
    state: State
    values: Mapping[str, Any]
    attempts: int
    intended_at: datetime
    accepted_at: datetime | None
    rounds: int = 0
    suspected: bool = False
    over: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, Kept] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """How an attempt ended: the row's new state, the vendor's code and words, and when to look at it again.

    `author`: who changed what was written; then it is one more round of a contest, if `contested`. `kept`: native
    fields that the CRM left as they are, each with the reason; they are no part of the write any more.
    """

    id: int
    state: State
    at: datetime
    code: str | None = None
    text: str | None = None
    author: str | None = None
    contested: bool = False
    kept: Mapping[str, str] = field(default_factory=dict)


ROW = """
    SELECT l.id, l.subject_id, s.source, s.object, s.key, l.state, l.values, l.attempts, l.intended_at, l.accepted_at,
           l.rounds, l.suspected_at IS NOT NULL AND l.state = 'verified' AS suspected, l.over, l.kept
    FROM {ledger} l JOIN subject s ON s.id = l.subject_id
"""
"""SQL of the rows that `rows_of` reads, out of a table that is like the ledger."""


def rows_of(result: Iterable[Any]) -> list[Row]:
    """What `ROW` selected."""
    return [
        Row(r.id, r.subject_id, RecordRef(r.source, r.object, r.key), State(r.state), r.values, r.attempts,
            r.intended_at, r.accepted_at, r.rounds, r.suspected, r.over, r.kept)
        for r in result
    ]  # fmt: skip


def latest(connection: Connection, subjects: Collection[int]) -> Mapping[int, Row]:
    """The newest row of each record that was not superseded: what it holds, or shall hold, or refuses to."""
    query = (
        ROW.format(ledger="ledger")
        + """
        JOIN (SELECT subject_id, max(id) AS id FROM ledger WHERE subject_id = ANY(:ids) AND state <> 'superseded'
              GROUP BY subject_id) newest ON newest.id = l.id
    """
    )
    return {row.subject_id: row for row in rows_of(connection.execute(text(query), {"ids": list(subjects)}))}


def intend(
    connection: Connection,
    intentions: Sequence[Intention],
    rules: int,
    policy: int,
    now: datetime,
    champions: int = 0,
) -> None:
    """Open a row for each record; one that is open already, or failed, is superseded, so the newest wins.

    A contest on the record's fields goes with it: a new score does not end it.
    """
    if not intentions:
        return
    connection.execute(
        text("""
        UPDATE ledger SET state = 'superseded', closed_at = :now
        WHERE subject_id = ANY(:ids) AND state NOT IN ('verified', 'superseded')
        """),
        {"ids": sorted(i.subject_id for i in intentions), "now": now},
    )
    connection.execute(
        text("""
        INSERT INTO ledger (source, subject_id, person_id, values, cause, rules_revision, policy_revision,
                            champions_revision, state, due_at, intended_at, lane, rounds, contested_at, over, kept)
        SELECT w.source, w.subject_id, w.person_id, w.values, w.cause, :rules, :policy, :champions, 'intended', :now,
               :now, CASE WHEN w.cause LIKE '%first' AND r.created_at < :new THEN :backfill
                          WHEN w.urgent AND w.cause NOT LIKE '%age' THEN :inbound ELSE :refresh END,
               coalesce(past.rounds, 0), past.contested_at, w.over, w.kept
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
            source text, subject_id bigint, person_id bigint, values jsonb, cause text, urgent boolean,
            over jsonb, kept jsonb)
        LEFT JOIN record r ON r.subject_id = w.subject_id
        LEFT JOIN LATERAL (
            SELECT newest.rounds, newest.contested_at FROM (
                SELECT rounds, contested_at FROM ledger l WHERE l.subject_id = w.subject_id ORDER BY id DESC LIMIT 1
            ) newest WHERE newest.contested_at > :forgotten
        ) past ON true
        ORDER BY w.subject_id
        """),
        {
            "rows": as_json(
                {
                    "source": i.source,
                    "subject_id": i.subject_id,
                    "person_id": i.person_id,
                    "values": dict(i.values),
                    "cause": i.cause,
                    "urgent": i.urgent,
                    "over": dict(i.over),
                    "kept": dict(i.kept),
                }
                for i in intentions
            ),
            "new": now - timedelta(days=1),
            "forgotten": now - FORGOTTEN,
            "inbound": INBOUND,
            "refresh": REFRESH,
            "backfill": BACKFILL,
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


def unresolved(connection: Connection, source: str, limit: int) -> list[Row]:
    """Rows that a writer sent and did not live to tell about."""
    query = ROW.format(ledger="ledger") + " WHERE l.source = :source AND l.state = 'sent' ORDER BY l.id LIMIT :limit"
    return rows_of(connection.execute(text(query), {"source": source, "limit": limit}))


def unverified(connection: Connection, source: str, accepted_before: datetime, limit: int) -> list[Row]:
    """Rows that the CRM accepted by then and that no pull has shown since, and those that one showed otherwise by
    then."""
    query = (
        ROW.format(ledger="ledger")
        + """
        WHERE l.source = :source AND ((l.state = 'accepted' AND l.accepted_at <= :before)
                                      OR l.suspected_at <= :before) ORDER BY l.id LIMIT :limit
    """
    )
    return rows_of(connection.execute(text(query), {"source": source, "before": accepted_before, "limit": limit}))


def answer(connection: Connection, answers: Sequence[Answer], now: datetime) -> None:
    """Record how attempts ended. A row that was superseded meanwhile stays so, and one that was only suspected stays
    verified where something newer is intended for its record."""
    if any(a.state is not State.VERIFIED for a in answers):  # it may open a row again: not beside one that opens now
        connection.execute(
            text("""
            SELECT FROM person WHERE id IN (
                SELECT s.person_id FROM ledger l JOIN subject s ON s.id = l.subject_id
                WHERE l.id = ANY(:ids) AND l.state = 'verified') ORDER BY id FOR UPDATE
            """),
            {"ids": [a.id for a in answers]},
        )
    connection.execute(
        text("""
        UPDATE ledger l SET state = w.state, due_at = w.at, code = w.code, answer = w.text,
               author = coalesce(w.author, l.author), suspected_at = NULL,
               rounds = l.rounds + w.contested::int,
               contested_at = CASE WHEN w.contested THEN :now ELSE l.contested_at END,
               probe = CASE WHEN w.state <> 'refused' THEN l.probe END,
               accepted_at = CASE WHEN w.state IN ('accepted', 'verified', 'unprovable')
                                  THEN coalesce(l.accepted_at, :now) END,
               closed_at = CASE WHEN w.state NOT IN ('intended', 'sent', 'accepted') THEN :now END,
               values = l.values - ARRAY(SELECT jsonb_object_keys(w.kept)),
               kept = l.kept || (
                   SELECT coalesce(jsonb_object_agg(key, jsonb_build_object(
                       'value', l.values -> key, 'over', l.over -> key, 'why', value, 'by', 'crm')), '{}')
                   FROM jsonb_each(w.kept))
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
            id bigint, state text, at timestamptz, code text, text text, author text, contested boolean, kept jsonb)
        WHERE l.id = w.id AND (l.state IN ('sent', 'accepted') OR (
            l.state = 'verified' AND l.suspected_at IS NOT NULL AND w.state <> 'verified' AND NOT EXISTS (
                SELECT FROM ledger o WHERE o.subject_id = l.subject_id AND o.state NOT IN ('verified', 'superseded'))))
        """),
        {
            "rows": as_json(
                {"id": a.id, "state": a.state, "at": a.at, "code": a.code,
                 "text": a.text and redact(a.text), "author": a.author, "contested": a.contested, "kept": dict(a.kept)}
                for a in sorted(answers, key=lambda a: a.id)
            ),
            "now": now,
        },
    )  # fmt: skip
    connection.execute(
        text("UPDATE ledger SET suspected_at = NULL WHERE id = ANY(:ids) AND suspected_at IS NOT NULL"),
        {"ids": [a.id for a in answers]},
    )


_HELD_AS_MEANT = """
    jsonb_strip_nulls({values}) <@ w.written
    AND NOT EXISTS (SELECT 1 FROM jsonb_each({values}) v WHERE v.value = 'null' AND w.written ? v.key)
"""
_SHOWN = "jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, written jsonb, modified_at timestamptz, past bool)"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a record holds in our fields as a pull showed it, and when it was last changed there; if `past`, what it
    held then."""

    written: Mapping[str, Any]
    modified_at: datetime
    past: bool = False


def note_shown(connection: Connection, shown: Mapping[int, Shown], now: datetime) -> int:
    """A pull shows what records hold: close the rows whose every value is there. Returns how many.

    Where it is not what was verified last, the row is suspected: it is read back from the primary store before anybody
    believes it. What people may set as well (the stage, the CRM's own fields) raises no suspicion. A record that was
    changed since it refused a write is written to again: whoever changed it may have mended it. What it held in the
    past proves a write of before, and no more.
    """
    if not shown:
        return 0
    rows = as_json(
        {"id": i, "written": dict(its.written), "modified_at": its.modified_at, "past": its.past}
        for i, its in sorted(shown.items())
    )
    verified = connection.execute(
        text(f"""
        UPDATE ledger l SET state = 'verified', closed_at = :now, accepted_at = coalesce(l.accepted_at, :now)
        FROM {_SHOWN}
        WHERE l.subject_id = w.id AND l.state NOT IN ('verified', 'superseded')
          AND {_HELD_AS_MEANT.format(values="l.values")} AND (NOT w.past OR l.accepted_at <= w.modified_at)
        """),
        {"rows": rows, "now": now},
    ).rowcount
    connection.execute(
        text(f"""
        UPDATE ledger l SET suspected_at = :now
        FROM {_SHOWN} CROSS JOIN LATERAL (
            SELECT id, state, ours.values FROM ledger n CROSS JOIN LATERAL (
                SELECT coalesce(jsonb_object_agg(key, value), '{{}}') AS values FROM jsonb_each(n.values)
                WHERE key <> 'stage' AND key NOT LIKE 'crm:%'
            ) ours
            WHERE n.subject_id = w.id AND n.state <> 'superseded' ORDER BY n.id DESC LIMIT 1
        ) newest
        WHERE l.id = newest.id AND newest.state = 'verified' AND l.suspected_at IS NULL AND NOT w.past
          AND NOT ({_HELD_AS_MEANT.format(values="newest.values")})
        """),
        {"rows": rows, "now": now},
    )
    connection.execute(
        text(f"""
        UPDATE ledger l SET state = 'intended', due_at = greatest(:now, l.closed_at + interval '1 hour'),
               closed_at = NULL
        FROM {_SHOWN}
        WHERE l.subject_id = w.id AND l.state = 'refused' AND l.dismissed_at IS NULL AND w.modified_at > l.closed_at
          AND NOT w.past
        """),
        {"rows": rows, "now": now},
    )
    return verified


Counts = Mapping[str, Mapping[str, int]]


def counts(connection: Connection) -> Counts:
    """Rows by source and state; what people have dismissed is left out."""
    rows = connection.execute(
        text("SELECT source, state, count(*) AS n FROM ledger WHERE dismissed_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2")
    )
    result: dict[str, dict[str, int]] = {}
    for row in rows:
        result.setdefault(row.source, {})[row.state] = row.n
    return result


def reasons(connection: Connection) -> list[dict[str, Any]]:
    """Writes that failed or wait for another try, by what the vendor said; the commonest first."""
    rows = connection.execute(
        text("""
        SELECT source, state, code, max(answer) AS answer, max(author) AS author, count(*) AS n FROM ledger
        WHERE dismissed_at IS NULL
          AND (state IN ('refused', 'drifted', 'parked') OR (state = 'intended' AND code IS NOT NULL))
        GROUP BY source, state, code ORDER BY n DESC, source, code LIMIT 20
        """)
    )
    return [dict(row._mapping) for row in rows]


def of_person(connection: Connection, person: int, limit: int = 20) -> Sequence[Any]:
    """The newest rows of a person's records, for a person to read."""
    return connection.execute(
        text("""
        SELECT s.source, s.object, s.key, l.state, l.values, l.cause, l.attempts, l.code, l.answer,
               l.intended_at, l.accepted_at, l.closed_at, l.kept
        FROM ledger l JOIN subject s ON s.id = l.subject_id WHERE s.person_id = :person ORDER BY l.id DESC LIMIT :limit
        """),
        {"person": person, "limit": limit},
    ).all()
