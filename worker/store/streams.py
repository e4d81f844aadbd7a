"""Leases and cursors: one owner a stream, fenced by an epoch, and nothing stored by a stale one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from connectors.port import Cursor
from worker.log import redact
from worker.store.database import as_json

PUSH, CENSUS = "push", "census"
"""The stream of writes (one writer a CRM account, so that two writes of one record cannot overtake each other), and the
nightly count of what a CRM has."""


class Role(StrEnum):
    PULL = "pull"
    PUSH = "push"
    CENSUS = "census"


class LeaseLost(Exception):
    """Another process owns the stream now; whatever this one read is dropped, and read again by the owner."""


@dataclass(frozen=True, slots=True)
class Lease:
    source: str
    name: str
    epoch: int
    cursor: Cursor | None
    looked: Cursor | None
    complete_due: bool
    complete_at: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class StreamStatus:
    source: str
    name: str
    role: Role
    complete_at: datetime | None
    succeeded_at: datetime | None
    due_at: datetime
    lease_until: datetime | None
    attempts: int
    problem_code: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Load:
    """A first read under way. `rows` in `pages` since `began_at`; of `total` rows about, None where nobody knows."""

    source: str
    name: str
    began_at: datetime
    total: int | None
    rows: int
    pages: int

    @property
    def left(self) -> int | None:
        return None if self.total is None else max(0, self.total - self.rows)

    def at_its_pace(self, now: datetime) -> datetime | None:
        """When it is through if it goes on as it went; None while its size is not known or it has brought nothing."""
        if self.left is None or not self.rows:
            return None
        return now + (now - self.began_at) * (self.left / self.rows)


FREE = "(lease_until IS NULL OR lease_until <= :now OR lease_until > :now + 2 * lease_length)"
"""SQL: nobody holds the stream. A lease that ends so much later than any may was taken by a clock that was ahead; it
would keep the others waiting until then."""


def ensure(connection: Connection, streams: Iterable[tuple[str, str, Role, datetime]]) -> None:
    """Make a row for each (source, name, role, first due) that has none."""
    connection.execute(
        text("""
        INSERT INTO stream (source, name, role, due_at, complete_due_at)
        SELECT source, name, role, due_at, due_at FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS s (
            source text, name text, role text, due_at timestamptz)
        ORDER BY source, name
        ON CONFLICT DO NOTHING
        """),
        {"rows": as_json({"source": s, "name": n, "role": r, "due_at": d} for s, n, r, d in streams)},
    )


def note_dry_runs(connection: Connection, sources: Collection[str]) -> None:
    """Keep to which sources nothing is written, for whoever counts what is due without the configuration."""
    connection.execute(
        text("UPDATE stream SET dry_run = NOT dry_run WHERE role = 'push' AND dry_run <> (source = ANY(:sources))"),
        {"sources": list(sources)},
    )


def due(connection: Connection, sources: Sequence[str], now: datetime) -> Sequence[tuple[str, str, Role]]:
    """The streams of these sources (those of writes aside) whose time has come and that nobody holds.

    The longest due first, the sources in turn: a slow CRM keeps the others waiting for one of its streams, not for all.
    """
    rows = connection.execute(
        text(f"""
        SELECT source, name, role FROM stream
        WHERE source = ANY(:sources) AND role <> 'push' AND least(due_at, complete_due_at) <= :now
          AND {FREE}
        ORDER BY row_number() OVER (PARTITION BY source ORDER BY least(due_at, complete_due_at), name), source
        """),
        {"sources": list(sources), "now": now},
    )
    return [(row.source, row.name, Role(row.role)) for row in rows]


def crowded(connection: Connection, source: str, sources: Sequence[str], now: datetime) -> bool:
    """Whether a source holds more leases than another of these that has something due: then the other goes first, so
    that a CRM which answers slowly never takes all the hands there are."""
    return bool(
        connection.execute(
            text(f"""
            WITH held AS (
                SELECT source, count(*) FILTER (WHERE lease_until > :now) AS leases,
                       bool_or(role <> 'push' AND least(due_at, complete_due_at) <= :now
                               AND {FREE}) AS due
                FROM stream WHERE source = ANY(:sources) GROUP BY source
            )
            SELECT EXISTS (SELECT FROM held own JOIN held other ON other.due AND other.leases < own.leases
                           WHERE own.source = :source)
            """),
            {"source": source, "sources": list(sources), "now": now},
        ).scalar_one()
    )


def take(
    connection: Connection, source: str, name: str, owner: str, now: datetime, length: timedelta, *, force: bool = False
) -> Lease | None:
    """Lease a stream that is due (or any, with `force`); None when somebody holds it or there is nothing to do."""
    row = connection.execute(
        text(f"""
        UPDATE stream SET owner = :owner, lease_until = :until, lease_length = :length, epoch = epoch + 1,
               attempts = attempts + 1
        WHERE source = :source AND name = :name AND {FREE}
          AND (:force OR least(due_at, complete_due_at) <= :now)
        RETURNING epoch, cursor, looked, complete_due_at <= :now AS complete_due, complete_at, attempts
        """),
        {
            "owner": owner,
            "until": now + length,
            "length": length,
            "source": source,
            "name": name,
            "now": now,
            "force": force,
        },
    ).one_or_none()
    if row is None:
        return None
    due = row.complete_due or force
    return Lease(source, name, row.epoch, row.cursor, row.looked, due, row.complete_at, row.attempts)


def hold(connection: Connection, lease: Lease, now: datetime, length: timedelta) -> None:
    """Lock the stream for this transaction and prolong the lease. Raises `LeaseLost`."""
    held = connection.execute(
        text("""
        UPDATE stream SET lease_until = :until
        WHERE source = :source AND name = :name AND epoch = :epoch AND lease_until IS NOT NULL
        """),
        {"until": now + length, "source": lease.source, "name": lease.name, "epoch": lease.epoch},
    )
    if held.rowcount != 1:
        raise LeaseLost(f"{lease.source}/{lease.name}: epoch {lease.epoch} is no longer the owner's")


def store_cursor(connection: Connection, lease: Lease, cursor: Cursor | None) -> None:
    """Move the cursor; in the transaction that stores what was read, after `hold`."""
    connection.execute(
        text("UPDATE stream SET cursor = CAST(:cursor AS jsonb) WHERE source = :source AND name = :name"),
        {"cursor": None if cursor is None else as_json(cursor), "source": lease.source, "name": lease.name},
    )


def store_looked(connection: Connection, lease: Lease, looked: Cursor) -> None:
    """Keep how far the fast tier looked; in the transaction that stores what it found last, after `hold`."""
    connection.execute(
        text("UPDATE stream SET looked = CAST(:looked AS jsonb) WHERE source = :source AND name = :name"),
        {"looked": as_json(looked), "source": lease.source, "name": lease.name},
    )


def read_again(connection: Connection, source: str, name: str, now: datetime) -> bool:
    """Have a stream read from the beginning, as soon as somebody takes it. What is stored stays. False while somebody
    holds it, or where there is none: then nothing is changed."""
    begun = connection.execute(
        text(f"""
        UPDATE stream SET cursor = NULL, looked = NULL, epoch = epoch + 1, due_at = :now, complete_due_at = :now
        WHERE source = :source AND name = :name AND {FREE}
        """),
        {"source": source, "name": name, "now": now},
    )
    return begun.rowcount == 1


def begin_load(connection: Connection, lease: Lease, total: int | None, now: datetime) -> None:
    """Note that a first read begins (or begins again) and how many rows it will bring, about."""
    connection.execute(
        text("""
        UPDATE stream SET load_began_at = :now, load_total = :total, load_rows = 0, load_pages = 0
        WHERE source = :source AND name = :name
        """),
        {"now": now, "total": total, "source": lease.source, "name": lease.name},
    )


def count_load(connection: Connection, lease: Lease, rows: int) -> None:
    """Note a page of a first read that brought so many rows."""
    connection.execute(
        text("""
        UPDATE stream SET load_rows = load_rows + :rows, load_pages = load_pages + 1
        WHERE source = :source AND name = :name
        """),
        {"rows": rows, "source": lease.source, "name": lease.name},
    )


def loads(connection: Connection, sources: Sequence[str]) -> Sequence[Load]:
    """The first reads that have begun and are not through."""
    rows = connection.execute(
        text("""
        SELECT source, name, load_began_at, load_total, load_rows, load_pages FROM stream
        WHERE source = ANY(:sources) AND role = 'pull' AND complete_at IS NULL AND load_began_at IS NOT NULL
        ORDER BY source, name
        """),
        {"sources": list(sources)},
    )
    return [Load(*row) for row in rows]


def waiting(connection: Connection, now: datetime) -> Mapping[tuple[str, str], int]:
    """How many streams wait for their turn, by source and what they wait for: `inbound`, `refresh`, `backfill`.

    One that never was read to its end waits for its first read, a backfill, and for nothing else.
    """
    rows = connection.execute(
        text("""
        SELECT source, lane, count(*) AS n FROM stream CROSS JOIN LATERAL (
            SELECT 'backfill' AS lane WHERE role = 'pull' AND complete_at IS NULL
            UNION ALL SELECT 'inbound' WHERE role = 'pull' AND complete_at IS NOT NULL AND due_at <= :now
            UNION ALL SELECT 'refresh' WHERE (role = 'pull' AND complete_due_at <= :now AND complete_at IS NOT NULL)
                                         OR (role = 'census' AND least(due_at, complete_due_at) <= :now)
        ) waits GROUP BY 1, 2
        """),
        {"now": now},
    )
    return {(row.source, row.lane): row.n for row in rows}


def release(
    connection: Connection,
    lease: Lease,
    now: datetime,
    due_at: datetime,
    complete_due_at: datetime | None = None,
    complete_at: datetime | None = None,
) -> None:
    """Give the stream back after a success. `complete_at`: the complete tier was drained by a read begun then."""
    connection.execute(
        text("""
        UPDATE stream SET owner = NULL, lease_until = NULL, attempts = 0, succeeded_at = :now, due_at = :due_at,
               complete_due_at = coalesce(:complete_due_at, complete_due_at),
               complete_at = coalesce(:complete_at, complete_at), problem_code = NULL, problem = NULL
        WHERE source = :source AND name = :name AND epoch = :epoch
        """),
        _release(lease, due_at) | {"now": now, "complete_due_at": complete_due_at, "complete_at": complete_at},
    )


def fail(connection: Connection, lease: Lease, code: str, problem: str, due_at: datetime) -> None:
    """Give the stream back after a failure, to be tried again at `due_at`; the cursor stays."""
    connection.execute(
        text("""
        UPDATE stream SET owner = NULL, lease_until = NULL, problem_code = :code, problem = :problem,
               due_at = :due_at, complete_due_at = greatest(complete_due_at, :due_at)
        WHERE source = :source AND name = :name AND epoch = :epoch
        """),
        _release(lease, due_at) | {"code": code, "problem": redact(problem)},
    )


def _release(lease: Lease, due_at: datetime) -> dict[str, Any]:
    return {"source": lease.source, "name": lease.name, "epoch": lease.epoch, "due_at": due_at}


def loading(connection: Connection, sources: Sequence[str]) -> bool:
    """True while a source's first read goes on: a score made of half the facts is a wrong one, and costs a write.

    A source that fails keeps nobody waiting.
    """
    return bool(
        connection.execute(
            text("""
            SELECT EXISTS (SELECT FROM stream WHERE source = ANY(:sources) AND role = 'pull'
                           AND complete_at IS NULL AND problem IS NULL)
            """),
            {"sources": list(sources)},
        ).scalar_one()
    )


def status(connection: Connection) -> Sequence[StreamStatus]:
    rows = connection.execute(
        text("""
        SELECT source, name, role, complete_at, succeeded_at, due_at, lease_until, attempts, problem_code, problem
        FROM stream ORDER BY source, array_position(ARRAY['pull', 'push', 'census'], role), name
        """)
    )
    return [StreamStatus(row.source, row.name, Role(row.role), *row[3:]) for row in rows]
