"""With which fields the rows of people and accounts were read last, and which fields appeared since."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from worker.store.streams import FREE

REST = timedelta(hours=1)
"""Between two comparisons of all rows of an object: where fields come and go, they must not use up the day's calls."""


@dataclass(frozen=True, slots=True)
class Grown:
    """Fields of an object that rows read before `at` may lack."""

    source: str
    object: str
    names: Sequence[str]
    at: datetime


def held(connection: Connection, source: str) -> Mapping[str, frozenset[str]]:
    """By object, with what its rows were read last, by anyone."""
    rows = connection.execute(text("SELECT object, fields FROM reading WHERE source = :source"), {"source": source})
    return {row.object: frozenset(row.fields) for row in rows}


def note(connection: Connection, source: str, object: str, fields: Collection[str], now: datetime) -> None:
    """Keep with what rows were read that this transaction stores, and what of it had not been there.

    Locks the object's row: rows that lack a field are stored before it is found to have appeared, or it is found after.
    Nobody lacks what an object has from its first page on, nor what has gone once more.
    """
    connection.execute(
        text("""
        INSERT INTO reading AS r (source, object, fields) VALUES (:source, :object, :fields)
        ON CONFLICT (source, object) DO UPDATE SET
            fields = excluded.fields,
            grown = ARRAY(SELECT f FROM unnest(excluded.fields) f WHERE f <> ALL (r.fields) OR f = ANY (r.grown)),
            grown_at = CASE WHEN excluded.fields <@ r.fields THEN r.grown_at ELSE :now END
        WHERE r.fields <> excluded.fields
        """),
        {"source": source, "object": object, "fields": sorted(fields), "now": now},
    )


_GROWN = "cardinality(r.grown) > 0 AND (r.compared_at IS NULL OR r.compared_at <= :now - CAST(:rest AS interval))"


def grown(connection: Connection, now: datetime, source: str | None = None) -> Sequence[Grown]:
    """Objects all of whose rows are to be compared for a field that appeared, of a source those whose time has come."""
    due = _GROWN if source is not None else "cardinality(r.grown) > 0"
    rows = connection.execute(
        text(f"""
        SELECT source, object, grown, grown_at FROM reading r
        WHERE {due} AND (CAST(:source AS text) IS NULL OR source = :source) ORDER BY source, object
        """),
        {"source": source, "now": now, "rest": REST},
    )
    return [Grown(*row) for row in rows]


def compared(connection: Connection, source: str, object: str, at: datetime, now: datetime) -> None:
    """All rows were compared for what had appeared by `at`."""
    connection.execute(
        text("""
        UPDATE reading SET compared_at = :now, grown = CASE WHEN grown_at > :at THEN grown ELSE '{}' END
        WHERE source = :source AND object = :object
        """),
        {"source": source, "object": object, "at": at, "now": now},
    )


def hasten(connection: Connection, sources: Sequence[str], now: datetime) -> None:
    """Make the counts of these sources due where a field appeared; one that failed waits for as long as it was told."""
    connection.execute(
        text(f"""
        UPDATE stream SET due_at = :now
        WHERE source = ANY(:sources) AND role = 'census' AND due_at > :now AND problem IS NULL AND {FREE}
          AND EXISTS (SELECT FROM reading r WHERE r.source = stream.source AND {_GROWN})
        """),
        {"sources": list(sources), "now": now, "rest": REST},
    )
