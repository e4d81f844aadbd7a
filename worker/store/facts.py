"""What is known about people, as columns: read by ADBC straight into Arrow.

A person's facts are those of all subjects in the component, and the attributes of their accounts. Nothing is cut at an
instant here but what had been retracted by then; `worker.features` cuts the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from worker.features.facts import Facts

# The CRM's clock may be ahead of ours: nobody exists later than we came to know them.
_PEOPLE = """
SELECT s.person_id, min(least(r.created_at, r.known_at)) AS created_at
FROM subject s JOIN record r ON r.subject_id = s.id
WHERE r.kind = 'person' AND {wanted}
GROUP BY s.person_id
"""

# The person's own records first (rank 0), then their accounts (rank 1). A deleted record's values no longer speak.
_ATTRIBUTES = """
SELECT s.person_id, a.name, a.value, a.occurred_at, a.known_at, 0::int2 AS rank, a.subject_id AS record
FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL JOIN attribute a ON a.subject_id = s.id
WHERE {wanted}
UNION ALL
SELECT s.person_id, a.name, a.value, a.occurred_at, a.known_at, 1::int2, a.subject_id
FROM (
    SELECT DISTINCT s.person_id, r.account_id
    FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
    WHERE r.account_id IS NOT NULL AND {wanted}
) s
JOIN record r ON r.subject_id = s.account_id AND r.deleted_at IS NULL
JOIN attribute a ON a.subject_id = s.account_id
"""

_ACTIVITIES = """
SELECT s.person_id, a.kind, a.detail, a.occurred_at, a.known_at, a.source
FROM subject s JOIN activity a ON a.subject_id = s.id
WHERE (a.retracted_at IS NULL OR a.retracted_at > {as_of}) AND {wanted}
"""


def queries(as_of: datetime, people: Sequence[int] | None = None) -> tuple[str, str, str]:
    """The reads of people, attributes and activities, of these people or of everybody.

    Values stand in the text: the driver copies a query's rows in bulk only when nothing is bound. They are whole
    numbers and an instant, spelt here.
    """
    wanted = "s.person_id IS NOT NULL"
    if people is not None:
        wanted = f"s.person_id = ANY ('{{{','.join(str(int(person)) for person in people)}}}')"
    instant = f"'{as_of.astimezone(UTC).isoformat()}'"
    return (
        _PEOPLE.format(wanted=wanted),
        _ATTRIBUTES.format(wanted=wanted),
        _ACTIVITIES.format(wanted=wanted, as_of=instant),
    )


def read(connection: adbc.Connection, as_of: datetime, people: Sequence[int] | None = None) -> Facts:
    """The facts about these people (ids), or about everybody."""
    return Facts(*(frame(fetch(connection, query)) for query in queries(as_of, people)))


def fetch(connection: adbc.Connection, query: str) -> pa.Table:
    """A query's rows in Arrow."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetch_arrow_table()


def frame(table: pa.Table) -> pl.DataFrame:
    """The same memory as a frame."""
    made = pl.from_arrow(table, rechunk=False)
    assert isinstance(made, pl.DataFrame)
    return made


def open_arrow(uri: str) -> adbc.Connection:
    """An ADBC connection of its own, autocommit; close it."""
    connection = adbc.connect(uri, autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute("SET jit = off")  # wide scans of plain columns: compiling them costs a third of the read
    return connection
