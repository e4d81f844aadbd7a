"""Recorded scores of everybody as columns, and who they are: what a policy is replayed over."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
from psycopg import sql
from sqlalchemy import Connection, text

from worker.store.arrow import fetch, frame

_CHANGES = """
SELECT h.person_id, h.as_of AS at, h.score, h.stage
FROM score_history h JOIN score s ON s.goal = h.goal AND s.person_id = h.person_id
WHERE h.goal = {goal} AND h.as_of > {since} AND h.as_of <= {until}
"""
_STANDING = """
WITH moved AS (SELECT DISTINCT person_id FROM score_history WHERE goal = {goal} AND as_of > {since})
SELECT m.person_id, {before} AS at, h.score, h.stage
FROM moved m JOIN score s ON s.goal = {goal} AND s.person_id = m.person_id CROSS JOIN LATERAL (
    SELECT score, stage FROM score_history
    WHERE goal = {goal} AND person_id = m.person_id AND as_of <= {since} ORDER BY as_of DESC LIMIT 1) h
UNION ALL
SELECT s.person_id, {before}, s.score, s.stage
FROM score s WHERE s.goal = {goal} AND NOT EXISTS (SELECT FROM moved m WHERE m.person_id = s.person_id)
"""

_LIVING = """
FROM subject s JOIN record r ON r.subject_id = s.id AND r.kind = 'person' AND r.deleted_at IS NULL
     LEFT JOIN record a ON a.subject_id = r.account_id AND a.deleted_at IS NULL
WHERE s.person_id IS NOT NULL
"""


def scores(arrow: adbc.Connection, goal: str, since: datetime, until: datetime) -> pl.DataFrame:
    """person_id, at, score (null where there was none), stage (null where there are none): a row for each change after
    `since`, and for everybody one just before it with how they stood then. In the order of person and time."""
    return in_order(changes(arrow, goal, since, until), standing(arrow, goal, since))


def changes(arrow: adbc.Connection, goal: str, since: datetime, until: datetime) -> pl.DataFrame:
    """Those of `scores` after `since`, in no order."""
    query = sql.SQL(_CHANGES).format(goal=sql.Literal(goal), since=_at(since), until=_at(until))
    return frame(fetch(arrow, query.as_string(None)))


def standing(arrow: adbc.Connection, goal: str, since: datetime) -> pl.DataFrame:
    """Those of `scores` from before."""
    before = _at(since - timedelta(microseconds=1))
    query = sql.SQL(_STANDING).format(goal=sql.Literal(goal), since=_at(since), before=before)
    return frame(fetch(arrow, query.as_string(None)))


def in_order(*parts: pl.DataFrame) -> pl.DataFrame:
    """Parts of `scores` together."""
    return pl.concat(parts).sort("person_id", "at")


def began(arrow: adbc.Connection, goal: str) -> datetime | None:
    """When the first score of a goal was recorded."""
    query = sql.SQL("SELECT min(as_of) AS at FROM score_history WHERE goal = {}").format(sql.Literal(goal))
    first: datetime | None = frame(fetch(arrow, query.as_string(None))).item()
    return first


def held(arrow: adbc.Connection, goal: str, at: datetime) -> pl.DataFrame:
    """person_id, bucket: of everybody who had a score at an instant, the bucket that they were in then."""
    query = sql.SQL("""
    SELECT DISTINCT ON (person_id) person_id, bucket, score FROM score_history
    WHERE goal = {goal} AND as_of <= {at} ORDER BY person_id, as_of DESC
    """).format(goal=sql.Literal(goal), at=_at(at))
    return frame(fetch(arrow, query.as_string(None))).filter(pl.col("score").is_not_null()).drop("score")


def qualified(arrow: adbc.Connection, goal: str, since: datetime, until: datetime) -> pl.DataFrame:
    """person_id, accepted bool: who became marketing qualified in the time, and whether sales took them thereafter."""
    query = sql.SQL("""
    SELECT m.person_id, EXISTS (
        SELECT FROM transition t WHERE t.goal = {goal} AND t.person_id = m.person_id AND t.at > m.at AND t.at <= {until}
        AND t.to_stage IN ('accepted', 'sql', 'opportunity', 'customer')) AS accepted
    FROM (SELECT person_id, min(at) AS at FROM transition
          WHERE goal = {goal} AND at > {since} AND at <= {until} AND to_stage = 'mql'
            AND from_stage IS DISTINCT FROM 'mql' GROUP BY person_id) m
    """).format(goal=sql.Literal(goal), since=_at(since), until=_at(until))
    return frame(fetch(arrow, query.as_string(None)))


def values(arrow: adbc.Connection, attributes: Collection[str]) -> pl.DataFrame:
    """person_id and a text column for each attribute, as it is now: of the person's records, else of their accounts."""
    columns = [
        sql.SQL("coalesce(min(r.attributes ->> {0}), min(a.attributes ->> {0})) AS {1}").format(
            sql.Literal(name), sql.Identifier(name)
        )
        for name in sorted(set(attributes))
    ]
    query = sql.SQL("SELECT {columns} {living} GROUP BY s.person_id ORDER BY s.person_id").format(
        columns=sql.SQL(", ").join([sql.SQL("s.person_id"), *columns]), living=sql.SQL(_LIVING)
    )
    return frame(fetch(arrow, query.as_string(None)))


def targets(arrow: adbc.Connection) -> pl.DataFrame:
    """person_id, source, records: how many open records of a person each CRM account has."""
    return frame(
        fetch(
            arrow,
            f"SELECT s.person_id, s.source, count(*) AS records {_LIVING} AND r.state = 'open' "
            "GROUP BY s.person_id, s.source ORDER BY s.source, s.person_id",
        )
    )


def named(connection: Connection, people: Sequence[int]) -> Mapping[int, Any]:
    """By person their name, and one of their records as `source/object/id`. For a screen, never for a log."""
    rows = connection.execute(
        text(f"""
        SELECT s.person_id, min(r.name) AS name, min(s.source || '/' || s.object || '/' || s.key) AS record
        {_LIVING} AND s.person_id = ANY(:ids) GROUP BY s.person_id
        """),
        {"ids": list(people)},
    )
    return {row.person_id: row for row in rows}


def _at(instant: datetime) -> sql.Composable:
    return sql.SQL("{}::timestamptz").format(sql.Literal(instant.isoformat()))
