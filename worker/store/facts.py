"""What was known about people, each at an instant, as columns: read by ADBC straight into Arrow.

A person's facts are those of all subjects that belonged to the person then, and the attributes of their accounts then.

Since the first score (`worker.store.live`) what was known at an instant is what we had observed by then, so that a live
row stays what it was whatever is read later. At instants before it, of which there is no live row, a fact counts since
the CRM recorded it.
"""

from __future__ import annotations

from collections.abc import Collection

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa  # type: ignore[import-untyped]

from worker.features.facts import Facts
from worker.store import colleagues as others
from worker.store.arrow import fetch, frame
from worker.store.members import At, Members, Wanted, members

__all__ = ["At", "Wanted", "read", "tables"]

_PEOPLE = """
SELECT person_id, min(created_at) AS created_at, as_of, min(account_id) FILTER (WHERE speaks) AS account
FROM member GROUP BY person_id, as_of HAVING min(created_at) IS NOT NULL
"""

# The person's own records first (rank 0), then their accounts (rank 1).
_ATTRIBUTES = """
SELECT m.person_id, a.name, a.value, a.occurred_at, {known} AS known_at, NULL::timestamptz AS until, 0::int2 AS rank,
       a.subject_id AS record
FROM member m {own_attribute} WHERE m.speaks AND a.occurred_at <= m.as_of AND {known} <= m.as_of
UNION ALL
SELECT m.person_id, a.name, a.value, a.occurred_at, {known}, NULL, 1::int2, a.subject_id
FROM (SELECT DISTINCT person_id, as_of, account_id FROM member WHERE speaks AND account_id IS NOT NULL) m
     {account_attribute} WHERE a.occurred_at <= m.as_of AND {known} <= m.as_of
"""

# The first value that was known of a stable attribute when scoring began, as if it had been there from the start.
_ASSUMED = """
UNION ALL
SELECT m.person_id, a.name, a.value, m.since, m.since, NULL, m.rank, a.subject_id
FROM (SELECT person_id, as_of, subject_id, 0::int2 AS rank, created_at AS since FROM member WHERE speaks
      UNION
      SELECT person_id, as_of, account_id, 1::int2, account_since FROM member
      WHERE speaks AND account_id IS NOT NULL) m
     JOIN attribute a ON a.subject_id = m.subject_id AND a.name = ANY ('{stable}'::text[])
WHERE m.as_of < {live} AND a.observed_at <= {live} AND a.occurred_at > m.since AND NOT EXISTS (
    SELECT 1 FROM attribute b
    WHERE b.subject_id = a.subject_id AND b.name = a.name AND b.occurred_at < a.occurred_at)
"""

_ACTIVITIES = """
SELECT m.person_id, a.kind, a.detail, a.occurred_at, {known} AS known_at, NULL::timestamptz AS until, a.duration,
       a.source
FROM member m {own_activity}
WHERE a.occurred_at <= m.as_of AND {known} <= m.as_of AND (a.retracted_at IS NULL OR a.retracted_at > m.as_of)
"""


def read(
    connection: adbc.Connection, wanted: Wanted, *, colleagues: bool = False, stable: Collection[str] = ()
) -> Facts:
    """The facts about these people, each cut at the instant: one row of `Facts.people` for each of the wanted who was
    known then, and none for the others. A person may be wanted once.

    `colleagues`: what others at their accounts did, too. `stable`: attributes whose first known value is assumed, at
    instants before the first score, to have held before.
    """
    with members(connection, wanted) as held:
        people, attributes, activities = map(frame, _tables(connection, held, stable))
        engaged = frame(fetch(connection, others.query(held))) if colleagues else None
        return Facts(people, attributes, activities, engaged)


def tables(connection: adbc.Connection, wanted: Wanted) -> tuple[pa.Table, pa.Table, pa.Table]:
    """People, attributes and activities in Arrow, as `Facts` describes them."""
    with members(connection, wanted) as held:
        return _tables(connection, held, ())


def _tables(connection: adbc.Connection, held: Members, stable: Collection[str]) -> tuple[pa.Table, pa.Table, pa.Table]:
    attributes = _ATTRIBUTES
    if stable and held.early:
        attributes += _ASSUMED
    words = {
        "known": held.known("m", "a"),
        "live": held.live,
        "stable": _array(stable),
        "own_attribute": held.beside("attribute", "m.subject_id"),
        "account_attribute": held.beside("attribute", "m.account_id"),
        "own_activity": held.beside("activity", "m.subject_id"),
    }
    people, values, activities = (
        fetch(connection, held.prefix + query.format(**words)) for query in (_PEOPLE, attributes, _ACTIVITIES)
    )
    return people, values, activities


def _array(names: Collection[str]) -> str:
    """Names as the text of an array. Raises `ValueError` for one that would need quoting."""
    if strange := [name for name in names if not name.replace("_", "").isalnum()]:
        raise ValueError(f"no attribute is called {strange[0]!r}")
    return "{" + ",".join(sorted(names)) + "}"
