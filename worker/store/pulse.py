"""How the day goes so far, in counts: who was scored, what was written, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Day:
    """Of a day (UTC): writes that were intended and not overtaken by newer ones, those of them that are verified, those
    that failed for good, and those that were accepted by a CRM that cannot be asked."""

    day: datetime
    intended: int
    verified: int
    failed: int
    unprovable: int

    @property
    def share(self) -> float | None:
        """Verified of those that can be proved; None where there is none."""
        wanted = self.intended - self.unprovable
        return self.verified / wanted if wanted else None


def scored_since(connection: Connection, since: datetime) -> int:
    """How many people were scored since then."""
    counted: int = connection.execute(
        text("SELECT count(*) FROM person WHERE scored_at >= :since"), {"since": since}
    ).scalar_one()
    return counted


def days(connection: Connection, sources: Sequence[str], first: datetime, until: datetime) -> Sequence[Day]:
    """The days (UTC) that begin from `first` on and before `until`, the oldest first; days without a write too."""
    rows = connection.execute(
        text("""
        SELECT date_trunc('day', intended_at) AS day, count(*) AS intended,
               count(*) FILTER (WHERE state = 'verified') AS verified,
               count(*) FILTER (WHERE state IN ('refused', 'drifted', 'parked')) AS failed,
               count(*) FILTER (WHERE state = 'unprovable') AS unprovable
        FROM ledger
        WHERE source = ANY(:sources) AND intended_at >= :first AND intended_at < :until AND state <> 'superseded'
        GROUP BY 1
        """),
        {"sources": list(sources), "first": first, "until": until},
    )
    found = {row.day: Day(row.day, row.intended, row.verified, row.failed, row.unprovable) for row in rows}
    every = [first + timedelta(days=n) for n in range((until - first).days)]
    return [found.get(day, Day(day, 0, 0, 0, 0)) for day in every]
