"""What was known about people over a span of time: each fact with the time in which it was seen, so that what
`worker.store.facts` reads at any one instant of it can be cut out of a single read.

Spans begin with the first score at the earliest: since then a fact counts from when we observed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from worker.features.facts import INSTANT, Facts
from worker.store import colleagues as others
from worker.store.arrow import execute, fetch, frame, put
from worker.store.members import Members

# Subjects of a person; how their records stood meanwhile; and the accounts that those were at, while these stood.
# `greatest` and `least` pass over nulls.
_BELONGS = """
CREATE TEMP TABLE belongs AS
SELECT w.person_id, s.id AS subject_id, s.since, NULL::timestamptz AS until
FROM spanned w JOIN subject s ON s.person_id = w.person_id
UNION ALL
SELECT w.person_id, m.subject_id, m.since, m.until FROM spanned w JOIN membership m ON m.person_id = w.person_id
"""
_STANDS = """
CREATE TEMP TABLE stands AS
SELECT * FROM (
    SELECT b.person_id, b.subject_id, least(r.created_at, r.observed_at) AS created_at, v.deleted, v.account_id,
           greatest(b.since, v.since) AS since, least(b.until, v.until) AS until
    FROM belongs b JOIN record r ON r.subject_id = b.subject_id AND r.kind = 'person'
    CROSS JOIN LATERAL (
        SELECT r.since, NULL::timestamptz AS until, r.deleted_at IS NOT NULL AS deleted, r.account_id
        UNION ALL
        SELECT p.since, least(p.until, r.since), p.deleted, p.account_id FROM record_past p
        WHERE p.subject_id = r.subject_id
    ) v
) AS stood WHERE until IS NULL OR since < until
"""
_HOUSED = """
CREATE TEMP TABLE housed AS
SELECT DISTINCT * FROM (
    SELECT s.person_id, s.account_id, greatest(s.since, v.since) AS since, least(s.until, v.until) AS until
    FROM stands s JOIN record a ON a.subject_id = s.account_id
    CROSS JOIN LATERAL (
        SELECT a.since, NULL::timestamptz AS until WHERE a.deleted_at IS NULL
        UNION ALL
        SELECT p.since, least(p.until, a.since) FROM record_past p WHERE p.subject_id = a.subject_id AND NOT p.deleted
    ) v WHERE NOT s.deleted
) AS lived WHERE until IS NULL OR since < until
"""
_ATTRIBUTES = """
SELECT s.person_id, a.name, a.value, a.occurred_at, a.observed_at AS known_at, 0::int2 AS rank, a.subject_id AS record,
       greatest(a.occurred_at, a.observed_at, s.since) AS since, s.until AS till
FROM stands s CROSS JOIN LATERAL (SELECT * FROM attribute WHERE subject_id = s.subject_id OFFSET 0) a
WHERE NOT s.deleted
UNION ALL
SELECT s.person_id, a.name, a.value, a.occurred_at, a.observed_at, 1::int2, a.subject_id,
       greatest(a.occurred_at, a.observed_at, s.since), s.until
FROM housed s CROSS JOIN LATERAL (SELECT * FROM attribute WHERE subject_id = s.account_id OFFSET 0) a
"""
_ACTIVITIES = """
SELECT b.person_id, a.kind, a.detail, a.occurred_at, a.observed_at AS known_at, a.duration, a.source,
       greatest(a.occurred_at, a.observed_at, b.since) AS since, least(a.retracted_at, b.until) AS till
FROM belongs b CROSS JOIN LATERAL (SELECT * FROM activity WHERE subject_id = b.subject_id OFFSET 0) a
"""
# What `colleagues.query` needs of the relation `member`: which accounts, from when to when.
_MEMBER = "CREATE TEMP TABLE member AS SELECT h.account_id, w.as_of FROM housed h, (VALUES ({}), ({})) AS w (as_of)"


@dataclass(frozen=True, slots=True)
class Spans:
    """Frames as in `Facts`, with `since` and `till` (null: to this day) for when a row is seen; `people` has person_id,
    created_at, since, till; `accounts` person_id, account, since, till. All instants are in [`since`, `until`]."""

    since: datetime
    until: datetime
    people: pl.DataFrame
    accounts: pl.DataFrame
    attributes: pl.DataFrame
    activities: pl.DataFrame
    colleagues: pl.DataFrame | None

    def at(self, wanted: pl.DataFrame) -> Facts:
        """The facts of `wanted` (key i64, person_id, as_of), in which each key is a person of its own: a person may be
        wanted at many instants. Who was not known at theirs is left out."""
        seen = _seen(self.people, wanted).group_by("key", "as_of").agg(pl.col("created_at", "person_id").min())
        people = seen.rename({"person_id": "who", "key": "person_id"})
        if self.colleagues is not None:
            at = _seen(self.accounts, wanted).group_by("key").agg(pl.col("account").min())
            people = people.join(at.rename({"key": "person_id"}), on="person_id", how="left")
        return Facts(
            people.sort("person_id"),
            _of_facts(self.attributes, wanted, "name", "value", "rank", "record"),
            _of_facts(self.activities, wanted, "kind", "detail", "duration", "source"),
            self.colleagues,
        )

    def arrivals(self) -> pl.DataFrame:
        """person_id, at: when anything came to be seen, or ceased to be, within the span."""
        frames = (self.people, self.accounts, self.attributes, self.activities)
        instants = [rows.select("person_id", at=pl.col(name)) for rows in frames for name in ("since", "till")]
        after = (pl.col("at") > self.since) & (pl.col("at") <= self.until)
        return pl.concat(instants).filter(after).unique().sort("person_id", "at")


def _seen(rows: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """`rows` for each key whose instant lies in their time."""
    later = pl.col("till").is_null() | (pl.col("till") > pl.col("as_of"))
    return wanted.join(rows, on="person_id").filter((pl.col("since") <= pl.col("as_of")) & later)


def _of_facts(rows: pl.DataFrame, wanted: pl.DataFrame, *columns: str) -> pl.DataFrame:
    return _seen(rows, wanted).select(
        *columns, "occurred_at", "known_at", pl.lit(None, INSTANT).alias("until"), person_id="key"
    )


def read(
    connection: adbc.Connection, people: Sequence[int], since: datetime, until: datetime, *, colleagues: bool
) -> Spans:
    """All that these people's facts were between two instants, both included and neither before the first score.

    `colleagues`: what others at their accounts did, too.
    """
    try:
        put(connection, "spanned", pl.DataFrame({"person_id": people}, {"person_id": pl.Int64}))
        for statement, table in ((_BELONGS, "belongs"), (_STANDS, "stands"), (_HOUSED, "housed")):
            execute(connection, statement)
            execute(connection, f"ANALYZE pg_temp.{table}")
        first, last = _instant(since), _instant(until)
        inside = f"since <= {last} AND (till IS NULL OR till > {first})"
        stood = "SELECT person_id, created_at, since, until AS till FROM stands"
        lived = "SELECT person_id, account_id AS account, since, until AS till FROM housed"
        people_, accounts, attributes, activities = (
            frame(fetch(connection, f"SELECT * FROM ({query}) AS found WHERE {inside}"))
            for query in (stood, lived, _ATTRIBUTES, _ACTIVITIES)
        )
        acts = None
        if colleagues:
            execute(connection, _MEMBER.format(first, last))
            acts = frame(fetch(connection, others.query(Members("", first, early=False, late=True))))
        return Spans(since, until, people_, accounts, attributes, activities, acts)
    finally:
        execute(connection, "DROP TABLE IF EXISTS pg_temp.spanned, pg_temp.belongs, pg_temp.stands, pg_temp.housed, "
                            "pg_temp.member")  # fmt: skip


def _instant(at: datetime) -> str:
    return f"'{at.astimezone(UTC).isoformat()}'::timestamptz"
