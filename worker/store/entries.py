"""The ledger as operators read it: what was meant for whom, how it stands, and what they do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.lifecycle import fields
from worker.store.ledger import FAILED, State

UNPROVED = (State.INTENDED, State.SENT, State.ACCEPTED, *FAILED)
"""What has not landed yet, or did not."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows: all that is given must hold. `record`: SOURCE/OBJECT/ID or the id alone. `older`: intended at least
    so long ago. Rows that were dismissed are left out unless `dismissed`."""

    ids: Sequence[int] = ()
    sources: Sequence[str] = ()
    states: Sequence[State] = ()
    codes: Sequence[str] = ()
    person: int | None = None
    record: str | None = None
    older: timedelta | None = None
    dismissed: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A row with everything that is known of it. `held`: our fields as the CRM last showed them."""

    id: int
    ref: RecordRef
    person_id: int
    state: State
    values: Mapping[str, Any]
    held: Mapping[str, Any]
    hash: str
    cause: str
    lane: int
    rules_revision: int
    policy_revision: int
    champions_revision: int
    attempts: int
    rounds: int
    code: str | None
    answer: str | None
    author: str | None
    due_at: datetime
    intended_at: datetime
    sent_at: datetime | None
    accepted_at: datetime | None
    closed_at: datetime | None
    dismissed_at: datetime | None
    dismissed_by: str | None
    dismissed_why: str | None

    def differences(self) -> Mapping[str, tuple[Any, Any]]:
        """By field, what the CRM last showed and what was meant, where they differ."""
        return {name: (self.held.get(name), self.values[name]) for name in fields.differing(self.values, self.held)}


_COLUMNS = """
    l.id, s.source, s.object, s.key, coalesce(s.person_id, l.person_id) AS person_id, l.state, l.values,
    coalesce(r.written, '{}') AS held, l.hash, l.cause, l.lane, l.rules_revision, l.policy_revision,
    l.champions_revision, l.attempts, l.rounds, l.code, l.answer, l.author, l.due_at, l.intended_at, l.sent_at,
    l.accepted_at, l.closed_at, l.dismissed_at, l.dismissed_by, l.dismissed_why
"""
_FROM = "FROM ledger l JOIN subject s ON s.id = l.subject_id LEFT JOIN record r ON r.subject_id = l.subject_id"


def _where(which: Filter, now: datetime) -> tuple[str, dict[str, Any]]:
    """SQL of a filter, and its parameters."""
    conditions, parameters = ["true"], dict[str, Any]()
    for column, name, values in (
        ("l.id", "ids", which.ids), ("l.source", "sources", which.sources), ("l.state", "states", which.states),
        ("l.code", "codes", which.codes),
    ):  # fmt: skip
        if values:
            conditions.append(f"{column} = ANY(:{name})")
            parameters[name] = [str(v) if isinstance(v, str) else v for v in values]
    if which.person is not None:
        conditions.append("s.person_id = :person")
        parameters["person"] = which.person
    if which.record is not None:
        conditions.append("s.key = :key AND :record IN (s.key, s.source || '/' || s.object || '/' || s.key)")
        parameters |= {"record": which.record, "key": which.record.rpartition("/")[2]}
    if which.older is not None:
        conditions.append("l.intended_at <= :before")
        parameters["before"] = now - which.older
    if not which.dismissed:
        conditions.append("l.dismissed_at IS NULL")
    return " AND ".join(conditions), parameters


def find(
    connection: Connection, which: Filter, now: datetime, limit: int = 100, after: int | None = None
) -> list[Entry]:
    """The newest rows of a filter; `after`: those older than that row, for the next page."""
    condition, parameters = _where(which, now)
    if after is not None:
        condition += " AND l.id < :after"
        parameters["after"] = after
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} {_FROM} WHERE {condition} ORDER BY l.id DESC LIMIT :limit"),
        {**parameters, "limit": limit},
    )
    return [_entry(row) for row in rows]


def count(connection: Connection, which: Filter, now: datetime) -> int:
    """How many rows a filter has."""
    condition, parameters = _where(which, now)
    return int(connection.execute(text(f"SELECT count(*) {_FROM} WHERE {condition}"), parameters).scalar_one())


def past(connection: Connection, entry: Entry, limit: int = 20) -> list[Entry]:
    """The rows of the same record, newest first."""
    rows = connection.execute(
        text(f"""
        SELECT {_COLUMNS} {_FROM} WHERE (s.source, s.object, s.key) = (:source, :object, :key)
        ORDER BY l.id DESC LIMIT :limit
        """),
        {"source": entry.ref.source, "object": entry.ref.object, "key": entry.ref.id, "limit": limit},
    )
    return [_entry(row) for row in rows]


def retry(connection: Connection, which: Filter, now: datetime) -> int:
    """Write failed and waiting rows of a filter now; returns how many. A contest on their records is forgotten, and so
    is their dismissal. The brakes hold all the same."""
    condition, parameters = _where(which, now)
    done = connection.execute(
        text(f"""
        UPDATE ledger SET state = 'intended', due_at = :now, closed_at = NULL, rounds = 0, contested_at = NULL,
               dismissed_at = NULL, dismissed_by = NULL, dismissed_why = NULL
        WHERE id IN (SELECT l.id {_FROM} WHERE {condition} AND l.state IN ('intended', 'refused', 'drifted', 'parked')
                     ORDER BY l.id FOR UPDATE OF l)
        """),
        {**parameters, "now": now},
    )
    return done.rowcount


def dismiss(connection: Connection, which: Filter, reason: str, author: str, now: datetime) -> int:
    """Try failed and waiting rows of a filter no more, and tell of them no more; returns how many. A newer score of
    the record is written all the same. Raises `ValueError` without a reason."""
    if not reason.strip():
        raise ValueError("say why: whoever looks at the ledger later wants to know")
    condition, parameters = _where(which, now)
    done = connection.execute(
        text(f"""
        UPDATE ledger SET state = CASE state WHEN 'intended' THEN 'parked' ELSE state END,
               closed_at = coalesce(closed_at, :now), dismissed_at = :now, dismissed_by = :author,
               dismissed_why = :reason
        WHERE id IN (SELECT l.id {_FROM} WHERE {condition} AND l.state IN ('intended', 'refused', 'drifted', 'parked')
                     ORDER BY l.id FOR UPDATE OF l)
        """),
        {**parameters, "now": now, "author": author, "reason": reason.strip()},
    )
    return done.rowcount


@dataclass(frozen=True, slots=True)
class Figure:
    """Of the writes that a source was meant to get on a day (UTC) and still is, how many are proved to have landed.
    What a newer intention superseded counts as neither, and what nobody can prove is told apart."""

    source: str
    day: date
    intended: int
    verified: int
    dismissed: int
    unprovable: int

    @property
    def share(self) -> float:
        """Verified of what was intended, not dismissed and can be proved; 1 where that is nothing."""
        wanted = self.intended - self.dismissed - self.unprovable
        return self.verified / wanted if wanted else 1.0


def figures(connection: Connection, since: datetime) -> list[Figure]:
    """By source and day, the newest day first."""
    rows = connection.execute(
        text("""
        SELECT source, CAST(intended_at AT TIME ZONE 'UTC' AS date) AS day, count(*) AS intended,
               count(*) FILTER (WHERE state = 'verified') AS verified,
               count(*) FILTER (WHERE dismissed_at IS NOT NULL AND state <> 'verified') AS dismissed,
               count(*) FILTER (WHERE state = 'unprovable') AS unprovable
        FROM ledger WHERE intended_at >= :since AND state <> 'superseded' GROUP BY 1, 2 ORDER BY 2 DESC, 1
        """),
        {"since": since},
    )
    return [Figure(*row) for row in rows]


def _entry(row: Any) -> Entry:
    return Entry(
        row.id, RecordRef(row.source, row.object, row.key), row.person_id, State(row.state), row.values, row.held,
        *row[8:],
    )  # fmt: skip
