"""Who was who before anybody was scored: from what the records had claimed by then.

A person of today stands for the one that their oldest record (by the CRM's clock) was part of at the instant. Most are
today's subjects; those among whose claims one is younger than the instant, or was withdrawn after it, are resolved one
by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from worker.features.facts import INSTANT
from worker.people.identity import Node, Stretch, component
from worker.store.arrow import execute, fetch, frame, put

_DOUBTFUL = """
CREATE TEMP TABLE doubtful AS
SELECT w.person_id, w.as_of
FROM wanted w JOIN (
    SELECT o.person_id, max(greatest(c.known_at, c.withdrawn_at)) AS settled_at
    FROM (
        SELECT DISTINCT w.person_id, c.key
        FROM wanted w JOIN subject s ON s.person_id = w.person_id JOIN claim c ON c.subject_id = s.id
        WHERE w.as_of < {live}
    ) o JOIN claim c ON c.key = o.key
    GROUP BY o.person_id HAVING min(c.subject_id) < max(c.subject_id)
) k ON k.person_id = w.person_id AND k.settled_at > w.as_of
WHERE w.as_of < {live}
"""

_SETTLED = """
CREATE TEMP TABLE belonging AS
SELECT w.person_id, w.as_of, s.id AS subject_id
FROM wanted w JOIN subject s ON s.person_id = w.person_id
WHERE w.as_of < {live} AND NOT EXISTS (SELECT 1 FROM doubtful d WHERE d.person_id = w.person_id)
"""

# Whoever shares a key with them, ever, and so on: the world in which they are resolved.
_CIRCLE = """
CREATE TEMP TABLE circle AS
WITH RECURSIVE reached (subject_id) AS (
    SELECT s.id FROM doubtful d JOIN subject s ON s.person_id = d.person_id
    UNION
    SELECT o.subject_id FROM reached JOIN claim c ON c.subject_id = reached.subject_id JOIN claim o ON o.key = c.key
)
SELECT subject_id FROM reached
"""

_STARTS = """
SELECT DISTINCT ON (d.person_id) d.person_id, d.as_of, s.id
FROM doubtful d JOIN subject s ON s.person_id = d.person_id JOIN record r ON r.subject_id = s.id AND r.kind = 'person'
ORDER BY d.person_id, least(r.created_at, r.observed_at), s.id
"""
_CLAIMS = "SELECT subject_id, key, known_at, withdrawn_at FROM claim JOIN circle USING (subject_id)"
_NODES = """
SELECT subject_id, least(r.created_at, r.observed_at), r.name
FROM circle JOIN record r USING (subject_id) WHERE r.kind = 'person'
"""


def belonging(connection: adbc.Connection, live: str) -> None:
    """Make the table `belonging` (person_id, as_of, subject_id) of those `wanted` at instants before `live` (SQL)."""
    try:
        for statement in (_DOUBTFUL, _SETTLED, _CIRCLE):
            execute(connection, statement.format(live=live))
        rows = list(_resolved(connection))
        if rows:
            columns = [("person_id", pl.Int64()), ("as_of", INSTANT), ("subject_id", pl.Int64())]
            put(connection, "belonging", pl.DataFrame(rows, schema=columns, orient="row"))
        execute(connection, "ANALYZE pg_temp.belonging")
    finally:
        execute(connection, "DROP TABLE IF EXISTS pg_temp.doubtful, pg_temp.circle")


def _resolved(connection: adbc.Connection) -> Iterable[tuple[int, datetime, int]]:
    created: dict[int, datetime] = {}
    names: dict[int, str | None] = {}
    for subject, at, name in frame(fetch(connection, _NODES)).iter_rows():
        created[subject], names[subject] = at, name
    claims: defaultdict[int, list[Stretch]] = defaultdict(list)
    claimed: defaultdict[str, list[Stretch]] = defaultdict(list)
    for subject, key, since, until in frame(fetch(connection, _CLAIMS)).iter_rows():
        stretch = Stretch(subject, key, since, until)
        claims[subject].append(stretch)
        claimed[key].append(stretch)
    for person, as_of, start in frame(fetch(connection, _STARTS)).iter_rows():

        def node(subject: int, at: datetime = as_of) -> Node:
            is_record = subject in created and created[subject] <= at
            return Node(subject, frozenset(), is_record, names.get(subject))

        if created[start] <= as_of:
            for subject in component(start, as_of, claims, claimed, node):
                yield person, as_of, subject
