"""How often records' scores moved, and how many writes that was worth: what materiality saves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, text

from worker.lifecycle.materiality import Writes
from worker.store.database import as_json


def add(connection: Connection, counted: Mapping[str, Writes], now: datetime) -> None:
    """Add to today's (UTC) counts of each account."""
    connection.execute(
        text("""
        INSERT INTO write_tally (source, day, moved, made)
        SELECT source, CAST(:day AS date), moved, made
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, moved bigint, made bigint) ORDER BY source
        ON CONFLICT (source, day) DO UPDATE SET
            moved = write_tally.moved + excluded.moved, made = write_tally.made + excluded.made
        """),
        {
            "day": f"{now:%Y-%m-%d}",
            "rows": as_json({"source": s, "moved": w.moved, "made": w.made} for s, w in sorted(counted.items())),
        },
    )


def since(connection: Connection, then: datetime) -> Mapping[str, Writes]:
    """By account, since the day of an instant."""
    rows = connection.execute(
        text("""
        SELECT source, CAST(sum(moved) AS bigint) AS moved, CAST(sum(made) AS bigint) AS made
        FROM write_tally WHERE day >= CAST(:day AS date) GROUP BY source ORDER BY source
        """),
        {"day": f"{then:%Y-%m-%d}"},
    )
    return {row.source: Writes(row.moved, row.made) for row in rows}
