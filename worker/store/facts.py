"""What is known about people, as columns: read by ADBC straight into Arrow.

A person's facts are those of all subjects in the component, and the attributes of their accounts. Nothing is cut at an
instant here but what had been retracted by then; `worker.features` cuts the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from worker.features.facts import Facts

# A text parameter, as the driver binds no arrays. `$1` null: everybody.
_WANTED = "($1::text IS NULL OR s.person_id = ANY (string_to_array($1, ',')::bigint[]))"

# The CRM's clock may be ahead of ours: nobody exists later than we came to know them.
PEOPLE = f"""
SELECT s.person_id, min(least(r.created_at, r.known_at)) AS created_at
FROM subject s JOIN record r ON r.subject_id = s.id
WHERE s.person_id IS NOT NULL AND r.kind = 'person' AND {_WANTED}
GROUP BY s.person_id
"""

# The person's own records first (rank 0), then their accounts (rank 1). A deleted record's values no longer speak.
ATTRIBUTES = f"""
SELECT s.person_id, a.name, a.value, a.occurred_at, a.known_at, 0::int2 AS rank, a.subject_id AS record
FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL JOIN attribute a ON a.subject_id = s.id
WHERE s.person_id IS NOT NULL AND {_WANTED}
UNION ALL
SELECT s.person_id, a.name, a.value, a.occurred_at, a.known_at, 1::int2, a.subject_id
FROM (
    SELECT DISTINCT s.person_id, r.account_id
    FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
    WHERE s.person_id IS NOT NULL AND r.account_id IS NOT NULL AND {_WANTED}
) s
JOIN record r ON r.subject_id = s.account_id AND r.deleted_at IS NULL
JOIN attribute a ON a.subject_id = s.account_id
"""

ACTIVITIES = f"""
SELECT s.person_id, a.kind, a.detail, a.occurred_at, a.known_at, a.source
FROM subject s JOIN activity a ON a.subject_id = s.id
WHERE s.person_id IS NOT NULL AND (a.retracted_at IS NULL OR a.retracted_at > $2::timestamptz) AND {_WANTED}
"""


def read(connection: adbc.Connection, as_of: datetime, people: Sequence[int] | None = None) -> Facts:
    """The facts about these people (ids), or about everybody."""
    wanted = None if people is None else ",".join(map(str, people))
    return Facts(
        people=_frame(connection, PEOPLE, wanted),
        attributes=_frame(connection, ATTRIBUTES, wanted),
        activities=_frame(connection, ACTIVITIES, wanted, as_of.isoformat()),
    )


def _frame(connection: adbc.Connection, query: str, *parameters: str | None) -> pl.DataFrame:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        frame = pl.from_arrow(cursor.fetch_arrow_table())
    assert isinstance(frame, pl.DataFrame)
    return frame


def open_arrow(uri: str) -> adbc.Connection:
    """An ADBC connection of its own, autocommit; close it."""
    return adbc.connect(uri, autocommit=True)
