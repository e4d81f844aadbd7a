"""Which subjects each person was at an instant, and how their records stood.

The relation `member` has one row a person wanted and subject: person_id, as_of, subject_id; created_at, null where the
subject was no record of a person by then; `speaks`, whether it is such a record and was not deleted; account_id and
account_since, its account then and that one's creation, null where it had none or that was deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from worker.features.facts import INSTANT
from worker.store import components
from worker.store.arrow import execute, fetch, frame, put

FEW = 10_000
"""Up to so many people of one instant are read without tables of their own."""


@dataclass(frozen=True, slots=True)
class At:
    """These people (ids), or everybody, all at one instant."""

    as_of: datetime
    people: Sequence[int] | None = None


Wanted = At | pl.DataFrame
"""Whose facts are wanted, and as of when: a frame has the columns person_id i64 and as_of (microseconds in UTC)."""


@dataclass(frozen=True, slots=True)
class Members:
    """How a query sees the relation `member`: with `prefix` in front of it. `live`: SQL of the first instant that
    anybody was scored of. `early` and `late`: whether any instant is before it, and any is not."""

    prefix: str
    live: str
    early: bool
    late: bool

    def beside(self, table: str, subject: str) -> str:
        """SQL: join the rows of a fact table, `a`, that a subject has. For few people always by the index: what the
        planner thinks a subject has is often far too much, as rows of one subject lie together."""
        if self.prefix:
            return f"CROSS JOIN LATERAL (SELECT * FROM {table} WHERE subject_id = {subject} OFFSET 0) a"
        return f"JOIN {table} a ON a.subject_id = {subject}"

    def known(self, member: str, fact: str) -> str:
        """SQL: since when a fact is known, as seen at a member's instant."""
        if not self.early:
            return f"{fact}.observed_at"
        return f"CASE WHEN {member}.as_of < {self.live} THEN {fact}.known_at ELSE {fact}.observed_at END"


# How a person's records stood. What we first saw of a record holds, before anybody was scored, since it was created.
# The CRM's clock may be ahead of ours: nobody exists later than we came to know them.
_STANDING = """
SELECT b.person_id, b.as_of, b.subject_id, b.created_at, b.created_at IS NOT NULL AND NOT b.deleted AS speaks,
       CASE WHEN a.stands THEN b.account_id END AS account_id, CASE WHEN a.stands THEN a.created_at END AS account_since
FROM (
    SELECT w.person_id, w.as_of, w.subject_id,
           CASE WHEN {r_since} <= w.as_of OR p.since IS NOT NULL THEN least(r.created_at, r.observed_at) END
               AS created_at,
           CASE WHEN {r_since} <= w.as_of THEN r.deleted_at IS NOT NULL ELSE p.deleted END AS deleted,
           CASE WHEN {r_since} <= w.as_of THEN r.account_id ELSE p.account_id END AS account_id
    FROM ({belonging}) w
         LEFT JOIN record r ON r.subject_id = w.subject_id AND r.kind = 'person'
         LEFT JOIN record_past p
             ON p.subject_id = w.subject_id AND {r_since} > w.as_of AND {p_since} <= w.as_of AND p.until > w.as_of
) b LEFT JOIN LATERAL (
    SELECT least(r.created_at, r.observed_at) AS created_at,
           CASE WHEN {a_since} <= b.as_of THEN r.deleted_at IS NULL ELSE EXISTS (
               SELECT 1 FROM record_past p
               WHERE p.subject_id = r.subject_id AND {q_since} <= b.as_of AND p.until > b.as_of AND NOT p.deleted
           ) END AS stands
    FROM record r WHERE r.subject_id = b.account_id
) a ON true
"""

# Since the first score, as it was found then.
_BELONGING = """
SELECT w.person_id, w.as_of, s.id AS subject_id
FROM wanted w JOIN subject s ON s.person_id = w.person_id AND s.since <= w.as_of
UNION ALL
SELECT w.person_id, w.as_of, m.subject_id
FROM wanted w JOIN membership m ON m.person_id = w.person_id AND m.since <= w.as_of AND m.until > w.as_of
"""


@contextmanager
def members(connection: adbc.Connection, wanted: Wanted) -> Iterator[Members]:
    """The relation `member`, while the context lasts. Raises `ValueError` for a person who is wanted twice."""
    since = fetch(connection, "SELECT since FROM live").column(0).to_pylist()
    live = since[0] if since else None
    if isinstance(wanted, At) and wanted.people is not None and len(wanted.people) <= FEW and _late(wanted.as_of, live):
        yield Members(_spelt(connection, wanted.as_of, wanted.people), _instant(live), early=False, late=True)
        return
    try:
        yield _materialised(connection, wanted, live)
    finally:
        execute(connection, "DROP TABLE IF EXISTS pg_temp.member, pg_temp.wanted, pg_temp.belonging")


def _late(as_of: datetime, live: datetime | None) -> bool:
    return live is not None and as_of >= live


def _spelt(connection: adbc.Connection, as_of: datetime, people: Sequence[int]) -> str:
    """For few people: the relation read, and its rows spelt out, because a table of its own would cost more."""
    ids = ",".join(str(int(person)) for person in people)
    wanted = f"WITH wanted AS (SELECT unnest('{{{ids}}}'::bigint[]) AS person_id, {_instant(as_of)} AS as_of) "
    found = frame(fetch(connection, wanted + _standing(_BELONGING, "", early=False)))
    columns = {"person_id": "bigint", "subject_id": "bigint", "created_at": "timestamptz", "speaks": "boolean",
               "account_id": "bigint", "account_since": "timestamptz"}  # fmt: skip
    arrays = ", ".join(f"'{_array(found.get_column(name))}'::{kind}[]" for name, kind in columns.items())
    return f"WITH member AS (SELECT m.*, {_instant(as_of)} AS as_of FROM unnest({arrays}) AS m ({', '.join(columns)})) "


def _materialised(connection: adbc.Connection, wanted: Wanted, live: datetime | None) -> Members:
    """For many people, or instants before the first score: a table of the connection's own."""
    if isinstance(wanted, At):
        ids = "SELECT DISTINCT person_id FROM subject WHERE person_id IS NOT NULL"
        if wanted.people is not None:
            ids = f"SELECT DISTINCT unnest('{{{','.join(str(int(p)) for p in wanted.people)}}}'::bigint[]) AS person_id"
        everybody = f"SELECT ids.*, {_instant(wanted.as_of)} AS as_of FROM ({ids}) AS ids"
        execute(connection, f"CREATE TEMP TABLE wanted AS {everybody}")
        late = _late(wanted.as_of, live)
        early = not late
    else:
        asked = wanted.select(pl.col("person_id").cast(pl.Int64), pl.col("as_of").cast(INSTANT))
        if asked.get_column("person_id").is_duplicated().any():
            raise ValueError("a person is wanted twice; several instants of one person are several reads")
        put(connection, "wanted", asked)
        instants = asked.get_column("as_of")
        late = live is not None and bool((instants >= live).any())
        early = live is None or bool((instants < live).any())
    execute(connection, "ANALYZE pg_temp.wanted")
    at = _instant(live)
    belonging = _BELONGING
    if early:
        components.belonging(connection, at)
        belonging = "SELECT * FROM belonging"
        if late:
            belonging += f" UNION ALL SELECT * FROM ({_BELONGING}) late WHERE as_of >= {at}"
    execute(connection, f"CREATE TEMP TABLE member AS {_standing(belonging, at, early)}")
    execute(connection, "ANALYZE pg_temp.member")
    return Members("", at, early, late)


def _standing(belonging: str, live: str, early: bool) -> str:
    def since(version: str, instants: str) -> str:
        if not early:
            return f"{version}.since"
        first = f"{version}.since = r.observed_at AND {instants}.as_of < {live}"
        return f"CASE WHEN {first} THEN least(r.created_at, r.observed_at) ELSE {version}.since END"

    return _STANDING.format(
        belonging=belonging,
        r_since=since("r", "w"),
        p_since=since("p", "w"),
        a_since=since("r", "b"),
        q_since=since("p", "b"),
    )


def _instant(at: datetime | None) -> str:
    return f"'{at.astimezone(UTC).isoformat() if at is not None else 'infinity'}'::timestamptz"


def _array(values: pl.Series) -> str:
    if values.dtype == INSTANT:
        values = values.dt.to_string("%Y-%m-%dT%H:%M:%S%.6f+00")
    return "{" + ",".join(values.cast(pl.String).fill_null("NULL")) + "}"
