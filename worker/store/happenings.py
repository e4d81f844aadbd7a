"""What sales and leads did, and what people set, from the beginning on: what stages are decided from in a replay."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
from psycopg import sql

from connectors.records import ActivityKind, Cause
from worker.features.facts import INSTANT
from worker.lifecycle.happenings import STATED, Happening, What
from worker.lifecycle.machine import Stage
from worker.lifecycle.policy import Policy
from worker.lifecycle.stage import Position
from worker.store.arrow import fetch, frame
from worker.store.stages import OURS

_OWN_ACTS = [kind.value for kind in ActivityKind if kind.cause is Cause.PROSPECT]

# Each gives person_id, at, what, subject, name, value, said_at.
_WORDS = """
SELECT s.person_id, greatest(occurred_at, observed_at) AS at, 'word' AS what, subject_id AS subject, name, value,
       occurred_at AS said_at
FROM attribute JOIN subject s ON s.id = subject_id
WHERE name = ANY({names}) AND s.person_id IS NOT NULL AND NOT {ours}
""".replace("{ours}", OURS.replace("{}", "{{}}"))
_MEETINGS = """
SELECT s.person_id, greatest(a.occurred_at, a.observed_at), 'meeting', a.subject_id, NULL, NULL, a.occurred_at
FROM activity a JOIN subject s ON s.id = a.subject_id
WHERE a.kind = 'meeting' AND a.retracted_at IS NULL AND s.person_id IS NOT NULL
"""
_DEALS = """
SELECT s.person_id, greatest(c.occurred_at, c.known_at), 'deal', o.id, NULL, c.status, c.occurred_at
FROM outcome o JOIN outcome_person op ON op.outcome_id = o.id JOIN subject s ON s.id = op.subject_id
     JOIN outcome_change c ON c.outcome_id = o.id WHERE s.person_id IS NOT NULL
UNION ALL
SELECT s.person_id, o.deleted_at, 'deal', o.id, NULL, NULL, o.deleted_at
FROM outcome o JOIN outcome_person op ON op.outcome_id = o.id JOIN subject s ON s.id = op.subject_id
WHERE s.person_id IS NOT NULL AND o.deleted_at IS NOT NULL
"""
_ACCOUNTS_DEALS = """
SELECT s.person_id, greatest(c.occurred_at, c.known_at), 'deal', o.id, 'account', c.status, c.occurred_at
FROM outcome o JOIN record r ON r.account_id = o.account_id AND r.kind = 'person' AND r.deleted_at IS NULL
     JOIN subject s ON s.id = r.subject_id
     CROSS JOIN LATERAL (
         SELECT status, occurred_at, known_at FROM outcome_change WHERE outcome_id = o.id
         UNION ALL SELECT NULL, o.deleted_at, o.deleted_at WHERE o.deleted_at IS NOT NULL) c
WHERE s.person_id IS NOT NULL
"""
# Of those of whom any record is or was not open.
_STATES = """
WITH told AS (
    SELECT r.subject_id, r.since, CASE WHEN r.deleted_at IS NULL THEN r.state END AS state
    FROM record r WHERE r.kind = 'person'
    UNION ALL
    SELECT p.subject_id, p.since, CASE WHEN NOT p.deleted THEN p.state END
    FROM record_past p JOIN record r ON r.subject_id = p.subject_id AND r.kind = 'person'
), moved AS (
    SELECT DISTINCT s.person_id FROM told t JOIN subject s ON s.id = t.subject_id
    WHERE t.state IS DISTINCT FROM 'open' AND s.person_id IS NOT NULL
)
SELECT s.person_id, t.since, 'state', t.subject_id, NULL, t.state, t.since
FROM moved m JOIN subject s ON s.person_id = m.person_id JOIN told t ON t.subject_id = s.id
"""
# What was set is told by the moves that it caused, and until when by those that followed when it was cleared.
_HOLDS = """
SELECT person_id, at, 'hold', 0::bigint, NULL, evidence -> 'hold' ->> 'stage',
       coalesce((evidence -> 'hold' ->> 'at')::timestamptz, at)
FROM (SELECT person_id, at, evidence, lag(evidence -> 'hold') OVER (PARTITION BY person_id ORDER BY at) AS before
      FROM transition WHERE goal = {goal}) AS moved
WHERE evidence -> 'hold' IS DISTINCT FROM before
UNION ALL
SELECT s.person_id, h.at, 'hold', 0, NULL, h.stage, h.at
FROM stage_hold h JOIN subject s ON s.id = h.subject_id WHERE s.person_id IS NOT NULL
"""
_NAMED = """
SELECT NULL::bigint AS person_id, NULL::timestamptz AS at, NULL AS what, NULL::bigint AS subject, NULL AS name,
       NULL AS value, NULL::timestamptz AS said_at WHERE false UNION ALL
"""
_ACTS = """
SELECT s.person_id, greatest(a.occurred_at, a.observed_at) AS at, 'act' AS what, a.subject_id AS subject,
       NULL AS name, NULL AS value, a.occurred_at AS said_at
FROM unnest({people}::bigint[]) AS w (id) JOIN subject s ON s.person_id = w.id
     CROSS JOIN LATERAL (SELECT * FROM activity WHERE subject_id = s.id AND kind = ANY({kinds})
                         AND retracted_at IS NULL OFFSET 0) a
"""
_FILLED = """
SELECT s.person_id, greatest(a.occurred_at, a.observed_at) AS at, 'filled' AS what, a.subject_id AS subject, a.name,
       a.value, a.occurred_at AS said_at
FROM unnest({people}::bigint[]) AS w (id) JOIN subject s ON s.person_id = w.id
     JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
     JOIN attribute a ON a.subject_id IN (r.subject_id, r.account_id) AND a.name = ANY({names})
"""
_POSITIONS = """
SELECT * FROM (
    SELECT person_id, (array_agg(to_stage ORDER BY at DESC))[1] AS stage,
           (array_agg(memory::text ORDER BY at DESC))[1] AS memory,
           max(at) FILTER (WHERE from_stage IS DISTINCT FROM to_stage) AS since,
           max(at) FILTER (WHERE from_stage IS DISTINCT FROM to_stage AND to_stage = 'mql') AS mql_at
    FROM transition WHERE goal = {goal} AND at <= {at} GROUP BY person_id
) AS stood
WHERE stage NOT IN ('new', 'nurturing') OR memory::jsonb ?| ARRAY['entries', 'left_at', 'spent_at', 'reached_at']
"""


def moving(arrow: adbc.Connection, goal: str, policies: Sequence[Policy], until: datetime) -> pl.DataFrame:
    """What may move stages by any of these policies, whatever the scores say, and is known by `until`: person_id,
    at, what, subject, name, value, said_at, in the order of person and time."""
    words = [*STATED, *{its.sales.reason for its in policies if its.sales.reason}]
    stated = _known(arrow, sql.SQL(_WORDS).format(names=_array(words)), until)
    values = stated.filter(pl.col("name").is_in(STATED)).get_column("value").unique().drop_nulls()
    meant = [value for value in values if any(its.sales.meaning(value) for its in policies)]
    whose = stated.filter(pl.col("value").is_in(meant) & pl.col("name").is_in(STATED)).select("person_id").unique()
    parts = [_DEALS, _STATES, _HOLDS]
    if any(its.sales.deals == "account" for its in policies):
        parts.append(_ACCOUNTS_DEALS)
    union = " UNION ALL ".join(f"SELECT * FROM ({part}) AS t{n}" for n, part in enumerate(parts))
    rest = _known(arrow, sql.SQL(_NAMED + _MEETINGS + " UNION ALL " + union).format(goal=sql.Literal(goal)), until)
    return pl.concat([stated.join(whose, on="person_id", how="semi"), rest]).sort("person_id", "at", "said_at")


def supporting(
    arrow: adbc.Connection, people: Sequence[int], required: Collection[str], since: datetime, until: datetime
) -> pl.DataFrame:
    """The own acts of these people (of those before `since` each one's newest), and which of the `required` attributes
    came to hold something: as `moving`."""
    whom = sql.Literal("{" + ",".join(map(str, people)) + "}")
    acts = _known(arrow, sql.SQL(_ACTS).format(people=whom, kinds=_array(_OWN_ACTS)), until)
    old = acts.filter(pl.col("at") <= since).sort("said_at").unique("person_id", keep="last")
    found = pl.concat([old, acts.filter(pl.col("at") > since)])
    if required:
        filled = _known(arrow, sql.SQL(_FILLED).format(people=whom, names=_array(sorted(required))), until)
        found = pl.concat([found, filled])
    return found.sort("person_id", "at", "said_at")


def held(arrow: adbc.Connection, goal: str) -> bool:
    """Whether anybody's stage was ever set by a person."""
    query = sql.SQL("SELECT EXISTS (SELECT FROM transition WHERE goal = {} AND evidence ? 'hold')")
    found: bool = frame(fetch(arrow, query.format(sql.Literal(goal)).as_string(None))).item()
    return found


def by_person(rows: pl.DataFrame) -> dict[int, list[Happening]]:
    """Rows of `moving` and the like, in their order."""
    plain = rows.with_columns(pl.col("at", "said_at").cast(INSTANT).cast(pl.Int64))
    found: dict[int, list[Happening]] = {}
    kinds = {what.value: what for what in What}
    for person, at, what, subject, name, value, said_at in plain.iter_rows():
        found.setdefault(person, []).append(Happening(at, kinds[what], subject, name, value, said_at))
    return found


def positions(arrow: adbc.Connection, goal: str, at: datetime) -> dict[int, Position]:
    """Who stood where at an instant, of those who were beyond marketing's first stages or have something that the next
    decision remembers."""
    query = sql.SQL(_POSITIONS).format(goal=sql.Literal(goal), at=_at(at)).as_string(None)
    found = {}
    for person, stage, memory, since, mql_at in frame(fetch(arrow, query)).iter_rows():
        position = Position.remembered(stage, since, mql_at, json.loads(memory))
        again = position.spent_at if position.stage is Stage.RECYCLED else None  # a second no moves nobody
        found[person] = replace(position, since=max(since, again or since))
    return found


def _known(arrow: adbc.Connection, query: sql.Composable, until: datetime) -> pl.DataFrame:
    whole = sql.SQL("SELECT * FROM ({}) AS found WHERE at <= {}").format(query, _at(until))
    return frame(fetch(arrow, whole.as_string(None))).with_columns(
        pl.col("what", "name", "value").cast(pl.String), pl.col("at", "said_at").cast(INSTANT)
    )


def _array(names: Collection[str]) -> sql.Composable:
    return sql.SQL("ARRAY[{}]::text[]").format(sql.SQL(", ").join(map(sql.Literal, names)))


def _at(instant: datetime) -> sql.Composable:
    return sql.SQL("{}::timestamptz").format(sql.Literal(instant.isoformat()))
