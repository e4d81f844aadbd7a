"""Where a stream stands, and the query that reads on from there.

Salesforce stamps rows in whole seconds when they are written and shows them when they are committed. So a window is
closed-open, its upper end lies behind everything still in flight, and it is paged by (SystemModstamp, Id): thousands of
rows may share a stamp, and an open query cursor would be one of ten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from connectors.salesforce.values import instant, soql_instant

STAMP = "SystemModstamp"
"""Moves with every change of a row, those that leave LastModifiedDate alone included."""
ASK_EVERY = timedelta(minutes=5)
"""`getUpdated` must not be polled more often (SOAP API guide, "Polling for Changes")."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What Salesforce said at `asked`: nothing in flight was stamped before `until` (latestDateCovered)."""

    asked: datetime
    until: datetime

    def stale(self, now: datetime) -> bool:
        """Whether it may be asked again; so it may after a clock that was set back."""
        return abs(now - self.asked) >= ASK_EVERY


@dataclass(frozen=True, slots=True)
class Carry:
    """Where a piece of an ordered history was cut: the record, when its last change was, and its fields that had
    changed by then."""

    record: str
    at: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A bulk query. `locator`: where its next piece is (None: at its first); `looks`: pulls that found it running."""

    id: str
    locator: str | None = None
    looks: int = 0
    carry: Carry | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A cursor, read. `since`: everything stamped before is known (None: nothing is).

    Within a window `until` is its end and `after` the last row seen, or `job` the bulk query that answers it; `lost`
    counts those that came to nothing. `fast` marks the throw-away cursor of the fast tier, which must not be continued
    as a complete one.
    """

    since: datetime | None = None
    until: datetime | None = None
    after: tuple[datetime, str] | None = None
    coverage: Coverage | None = None
    fast: bool = False
    job: Job | None = None
    lost: int = 0

    @classmethod
    def of(cls, cursor: Mapping[str, Any] | None) -> Self:
        if cursor is None:
            return cls()
        after, coverage, job = cursor.get("after"), cursor.get("coverage"), cursor.get("job")
        return cls(
            since=_maybe(cursor.get("since")),
            until=_maybe(cursor.get("until")),
            after=(instant(after[0]), str(after[1])) if after else None,
            coverage=Coverage(instant(coverage[0]), instant(coverage[1])) if coverage else None,
            fast=bool(cursor.get("fast")),
            job=_job(job) if job else None,
            lost=int(cursor.get("lost") or 0),
        )

    def cursor(self) -> dict[str, Any]:
        """As JSON; what is unset is left out."""
        pairs: dict[str, Any] = {
            "since": self.since and soql_instant(self.since),
            "until": self.until and soql_instant(self.until),
            "after": self.after and [soql_instant(self.after[0]), self.after[1]],
            "coverage": self.coverage and [soql_instant(self.coverage.asked), soql_instant(self.coverage.until)],
            "fast": self.fast or None,
            "job": self.job and _listed(self.job),
            "lost": self.lost or None,
        }
        return {key: value for key, value in pairs.items() if value is not None}


def _listed(job: Job) -> list[Any]:
    carried = [[job.carry.record, job.carry.at, *job.carry.fields]] if job.carry else []
    return [job.id, job.locator, job.looks, *carried]


def _job(listed: Sequence[Any]) -> Job:
    id, locator, looks, *carried = listed
    return Job(str(id), locator, int(looks), *(Carry(record, at, tuple(fields)) for record, at, *fields in carried))


def keyset(
    object: str,
    columns: Sequence[str],
    *,
    start: datetime | None,
    after: tuple[datetime, str] | None,
    until: datetime | None,
    limit: int,
    stamp: str = STAMP,
) -> str:
    """SOQL for the next `limit` rows in [start, until) after the row `after`, in the order (`stamp`, Id)."""
    bounds = []
    if after is not None:
        at = soql_instant(after[0])
        # The first bound is implied by the second; it is what lets the index be used.
        bounds = [f"{stamp} >= {at}", f"({stamp} > {at} OR Id > '{after[1]}')"]
    elif start is not None:
        bounds = [f"{stamp} >= {soql_instant(start)}"]
    if until is not None:
        bounds.append(f"{stamp} < {soql_instant(until)}")
    where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
    return f"SELECT {', '.join(columns)} FROM {object}{where} ORDER BY {stamp}, Id LIMIT {limit}"


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else instant(text)
