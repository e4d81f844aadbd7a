"""When people did what a goal counts, and when they were there to be scored: read by ADBC straight into Arrow.

Persons are those of now: what any record of a person did, deleted and disqualified ones included, the person did.
Every instant is when it happened, whenever it came to be known: a label is judged with all that is known.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
from psycopg import sql
from sqlalchemy import Connection, text

from worker.store.arrow import fetch, frame

# Whom a deal converts: the people on it, and where that is asked for everybody of its account.
_DEAL_PEOPLE = """
deal_person AS (
    SELECT op.outcome_id, s.person_id FROM outcome_person op JOIN subject s ON s.id = op.subject_id
    WHERE s.person_id IS NOT NULL
), reached AS (
    SELECT outcome_id, person_id FROM deal_person
    UNION
    SELECT o.id, s.person_id
    FROM outcome o JOIN record r ON r.account_id = o.account_id JOIN subject s ON s.id = r.subject_id
    WHERE s.person_id IS NOT NULL
      AND ({account} OR {fallback} AND NOT EXISTS (SELECT 1 FROM deal_person d WHERE d.outcome_id = o.id))
)
"""
# A deal closed when its CRM says so, but not later than we saw it closed; one that was opened again never was.
_CLOSED = """
closed AS (
    SELECT o.id, o.status, o.amount, coalesce(least(o.closed_at, seen.at), o.modified_at) AS at
    FROM outcome o, LATERAL (
        SELECT min(c.occurred_at) AS at FROM outcome_change c
        WHERE c.outcome_id = o.id AND c.status = o.status AND NOT EXISTS (
            SELECT 1 FROM outcome_change l
            WHERE l.outcome_id = o.id AND l.status <> o.status AND l.occurred_at > c.occurred_at)
    ) AS seen
    WHERE o.status IN ('won', 'lost') AND o.deleted_at IS NULL
)
"""
_WON = f"{_CLOSED}, won AS (SELECT id, amount, at FROM closed WHERE status = 'won')"
_CHANGES = """
SELECT subject_id, value, occurred_at,
       lag(value) OVER (PARTITION BY subject_id ORDER BY occurred_at, known_at) AS before
FROM attribute WHERE name = {name}
"""


def won(connection: adbc.Connection, *, reach: str, amount_above: float | None = None) -> pl.DataFrame:
    """person_id, at: one row a won deal and person. `reach` is whom a deal converts: its `contacts`; everybody of its
    `account`; or `contacts_or_account`, everybody of the account where nobody is on the deal."""
    worth = "true" if amount_above is None else f"won.amount > {_literal(float(amount_above))}"
    return _read(
        connection,
        f"""
        WITH {_people(reach)}, {_WON}
        SELECT reached.person_id, won.at FROM won JOIN reached ON reached.outcome_id = won.id WHERE {worth}
        """,
    )


def decided(connection: adbc.Connection, *, reach: str) -> pl.DataFrame:
    """person_id, at, won, amount f64: one row a deal won or lost and person whom it reaches. The amount, null where
    none is known, is shared out evenly among them, so that it is counted once."""
    return _read(
        connection,
        f"""
        WITH {_people(reach)}, {_CLOSED}
        SELECT reached.person_id, closed.at, closed.status = 'won' AS won,
               closed.amount / count(*) OVER (PARTITION BY closed.id) AS amount
        FROM closed JOIN reached ON reached.outcome_id = closed.id
        """,
    )


def opened(connection: adbc.Connection, *, reach: str) -> pl.DataFrame:
    """person_id, at: one row a deal made and person, however it ended."""
    return _read(
        connection,
        f"""
        WITH {_people(reach)}
        SELECT reached.person_id, o.created_at AS at FROM outcome o JOIN reached ON reached.outcome_id = o.id
        WHERE o.deleted_at IS NULL
        """,
    )


def staged(connection: adbc.Connection, stages: Collection[str], *, reach: str) -> pl.DataFrame:
    """person_id, at: the first time that each deal was seen in one of these stages, for each of its people."""
    return _read(
        connection,
        f"""
        WITH {_people(reach)}
        SELECT reached.person_id, min(c.occurred_at) AS at
        FROM outcome o JOIN outcome_change c ON c.outcome_id = o.id JOIN reached ON reached.outcome_id = o.id
        WHERE o.deleted_at IS NULL AND {_among("c.stage", stages)}
        GROUP BY o.id, reached.person_id
        """,
    )


def converted(connection: adbc.Connection) -> pl.DataFrame:
    """person_id, at: when the CRM converted a lead. That is its last change of status, as a converted lead can no
    longer be edited (Salesforce: "Considerations for Converting Leads")."""
    return _read(
        connection,
        """
        SELECT s.person_id, least(r.modified_at, max(a.occurred_at)) AS at
        FROM record r JOIN subject s ON s.id = r.subject_id
        LEFT JOIN attribute a ON a.subject_id = r.subject_id AND a.name = 'status'
        WHERE r.kind = 'person' AND r.state = 'converted' AND s.person_id IS NOT NULL
        GROUP BY r.subject_id, s.person_id, r.modified_at
        """,
    )


def reached(
    connection: adbc.Connection, name: str, values: Collection[str] | None, *, of_account: bool = False
) -> pl.DataFrame:
    """person_id, at: each time that the attribute came to hold one of `values` (None: anything) and had not before."""
    holds, held = (
        f"{column} IS NOT NULL" if values is None else _among(column, values) for column in ("c.value", "c.before")
    )
    whose = "r.account_id = c.subject_id" if of_account else "r.subject_id = c.subject_id AND r.kind = 'person'"
    return _read(
        connection,
        f"""
        SELECT DISTINCT s.person_id, c.occurred_at AS at
        FROM ({_CHANGES.format(name=_literal(name))}) c JOIN record r ON {whose} JOIN subject s ON s.id = r.subject_id
        WHERE s.person_id IS NOT NULL AND {holds} AND NOT coalesce({held}, false)
        """,
    )


def acted(connection: adbc.Connection, kinds: Collection[str], about: Collection[str] | None = None) -> pl.DataFrame:
    """person_id, at: acts of these kinds; with `about`, those whose detail has one of the texts in it."""
    matches = "true"
    if about is not None:
        words = _literal([word.lower() for word in about])
        matches = f"EXISTS (SELECT 1 FROM unnest({words}::text[]) word WHERE strpos(lower(a.detail), word) > 0)"
    return _read(
        connection,
        f"""
        SELECT s.person_id, a.occurred_at AS at FROM activity a JOIN subject s ON s.id = a.subject_id
        WHERE a.retracted_at IS NULL AND s.person_id IS NOT NULL AND a.kind = ANY({_literal(list(kinds))}) AND {matches}
        """,
    )


def standing(connection: adbc.Connection) -> pl.DataFrame:
    """person_id, record, at, open: from when on each record could be scored (`open`) or could not.

    A record is open from its creation until it is deleted or disqualified, and again when that is undone. Which
    statuses disqualify is the account's own business: those of the records that it calls disqualified now.
    """
    return _read(
        connection,
        """
        WITH closing AS (
            SELECT DISTINCT s.source, s.object, r.attributes ->> 'status' AS status
            FROM record r JOIN subject s ON s.id = r.subject_id
            WHERE r.kind = 'person' AND r.state = 'disqualified' AND r.attributes ->> 'status' IS NOT NULL
        ), known AS (
            SELECT s.person_id, s.source, s.object, r.subject_id, r.state, r.attributes, r.modified_at, r.deleted_at,
                   least(r.created_at, r.observed_at) AS born
            FROM record r JOIN subject s ON s.id = r.subject_id
            WHERE r.kind = 'person' AND s.person_id IS NOT NULL
        )
        SELECT person_id, subject_id AS record, born AS at, true AS open FROM known
        UNION ALL
        SELECT k.person_id, k.subject_id, greatest(a.occurred_at, k.born), c.status IS NULL
        FROM known k JOIN attribute a ON a.subject_id = k.subject_id AND a.name = 'status'
        LEFT JOIN closing c ON (c.source, c.object, c.status) = (k.source, k.object, a.value)
        UNION ALL
        SELECT person_id, subject_id, modified_at, false FROM known
        WHERE state = 'disqualified' AND attributes ->> 'status' IS NULL
        UNION ALL
        SELECT person_id, subject_id, deleted_at, false FROM known WHERE deleted_at IS NOT NULL
        UNION ALL
        SELECT k.person_id, k.subject_id, turned.at, turned.open
        FROM known k JOIN record_past p ON p.subject_id = k.subject_id AND p.deleted,
             LATERAL (VALUES (p.since, false), (p.until, k.deleted_at IS NULL AND k.state <> 'disqualified'))
                  AS turned (at, open)
        """,
    )


def customers(connection: adbc.Connection, *, reach: str) -> pl.DataFrame:
    """person_id, at: since when each customer is one: by a won deal, or because a CRM calls a record a customer."""
    return _read(
        connection,
        f"""
        WITH {_people(reach)}, {_WON}, called AS (
            SELECT DISTINCT s.source, r.attributes ->> 'lifecycle_stage' AS stage
            FROM record r JOIN subject s ON s.id = r.subject_id
            WHERE r.state = 'customer' AND r.attributes ->> 'lifecycle_stage' IS NOT NULL
        )
        SELECT person_id, min(at) AS at FROM (
            SELECT reached.person_id, won.at FROM won JOIN reached ON reached.outcome_id = won.id
            UNION ALL
            SELECT s.person_id, a.occurred_at
            FROM attribute a JOIN subject s ON s.id = a.subject_id
            JOIN called ON (called.source, called.stage) = (s.source, a.value)
            WHERE a.name = 'lifecycle_stage' AND s.person_id IS NOT NULL
            UNION ALL
            SELECT s.person_id, r.modified_at FROM record r JOIN subject s ON s.id = r.subject_id
            WHERE r.state = 'customer' AND r.attributes ->> 'lifecycle_stage' IS NULL AND s.person_id IS NOT NULL
        ) AS every
        GROUP BY person_id
        """,
    )


def values(connection: adbc.Connection, names: Collection[str]) -> pl.DataFrame:
    """person_id, name, value, occurred_at, known_at, rank, record: the history of these attributes, of the person's
    own records (rank 0) and of their accounts (rank 1)."""
    return _read(
        connection,
        f"""
        SELECT s.person_id, a.name, a.value, a.occurred_at, a.known_at, 0::int2 AS rank, a.subject_id AS record
        FROM attribute a JOIN subject s ON s.id = a.subject_id
        WHERE a.name = ANY({_literal(list(names))}) AND s.person_id IS NOT NULL
        UNION ALL
        SELECT DISTINCT s.person_id, a.name, a.value, a.occurred_at, a.known_at, 1::int2, a.subject_id
        FROM attribute a JOIN record r ON r.account_id = a.subject_id JOIN subject s ON s.id = r.subject_id
        WHERE a.name = ANY({_literal(list(names))}) AND s.person_id IS NOT NULL
        """,
    )


def known_until(connection: Connection, sources: Sequence[str], now: datetime) -> tuple[datetime, str | None]:
    """Up to when all that happened is known, and which stream (`source/name`) keeps it from being known up to `now`."""
    row = connection.execute(
        text("""
        SELECT complete_at, source || '/' || name AS stream FROM stream
        WHERE role = 'pull' AND source = ANY(:sources) AND complete_at < :now ORDER BY complete_at LIMIT 1
        """),
        {"sources": list(sources), "now": now},
    ).one_or_none()
    return (row.complete_at, row.stream) if row else (now, None)


def seen_stages(connection: Connection) -> Sequence[str]:
    """The stages that deals were ever in, the most frequent first; at most twenty."""
    query = "SELECT stage FROM outcome_change GROUP BY stage ORDER BY count(DISTINCT outcome_id) DESC, stage LIMIT 20"
    return connection.execute(text(query)).scalars().all()


def seen_values(connection: Connection, name: str) -> Sequence[str]:
    """The values that an attribute was ever given, the most frequent first; at most twenty, none that only few have:
    a rare value may tell of a person."""
    return connection.execute(
        text("""
        SELECT value FROM attribute WHERE name = :name AND value IS NOT NULL AND length(value) <= 40
        GROUP BY value HAVING count(DISTINCT subject_id) >= 3 ORDER BY count(*) DESC, value LIMIT 20
        """),
        {"name": name},
    ).scalars().all()  # fmt: skip


def first_activity(connection: Connection) -> datetime | None:
    """When the activities that are known begin: one in a thousand is older."""
    query = "SELECT percentile_disc(0.001) WITHIN GROUP (ORDER BY occurred_at) FROM activity WHERE retracted_at IS NULL"
    found: datetime | None = connection.execute(text(query)).scalar_one()
    return found


def _people(reach: str) -> str:
    return _DEAL_PEOPLE.format(account=_literal(reach == "account"), fallback=_literal(reach == "contacts_or_account"))


def _among(column: str, words: Collection[str]) -> str:
    return f"lower(btrim({column})) = ANY({_literal([word.strip().lower() for word in words])})"


def _literal(value: object) -> str:
    """Spelt out: the driver copies a query's rows in bulk only when nothing is bound."""
    return sql.Literal(value).as_string(None)


def _read(connection: adbc.Connection, query: str) -> pl.DataFrame:
    return frame(fetch(connection, query))
