"""Second looks at what was read: whole days of every stream, and the fields of a seventh of all rows a night.

A day is read again once it has settled, through the same connector and parser as the first time: every row of it must
be known in that version or a newer one. A seventh of all rows, another one each night, is compared field by field, and
with it the sevenths of nights that were missed: so every night is a fair sample, and any week compares them all. What
is found missing is stored as any page is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection

from connectors.port import Crm, Page, Tier
from connectors.records import AccountRecord, LeadRecord, RecordRef
from worker.lease import Holder
from worker.people import inputs
from worker.store import activities, completeness, outcomes, readings, records, streams, subjects
from worker.store.completeness import Kind
from worker.store.streams import Lease
from worker.sync.apply import apply, as_stored, without_erased
from worker.sync.whole import whole

LOOKS_BACK = timedelta(days=7)
"""Days of nights that were missed are read for so long."""
PARTS = 7
AT_ONCE = 500
"""Rows whose fields are compared at once."""


@dataclass(slots=True)
class Audited:
    """Rows looked at, and those of them that were missing, old or otherwise."""

    rows: int = 0
    missed: int = 0


def read_day(holder: Holder, crm: Crm, lease: Lease, place: dict[str, Any], result: Audited) -> dict[str, Any] | None:
    """A page of a day, or the choice of the next day or stream. Returns where to go on; None: all is read."""
    names = [stream.name for stream in crm.streams]
    if place["stream"] >= len(names):
        return None
    name = names[place["stream"]]
    if place["day"] is None:
        return _choose(holder, crm, lease, name, place)
    page = whole(holder.engine, crm, lambda: crm.pull(name, place["cursor"], Tier.COMPLETE))
    with holder.holding(lease) as (connection, now):
        rows, missed = missing(connection, page)
        apply(connection, page, now)
        following = {**place, "cursor": page.cursor, "rows": place["rows"] + rows, "missed": place["missed"] + missed}
        if page.done:
            day = datetime.fromisoformat(place["day"]).date()
            completeness.record(
                connection, crm.source, Kind.DAY, name, day, following["rows"], following["missed"], now
            )
            following = {**place, "day": None, "cursor": None}
        streams.store_cursor(connection, lease, following)
    result.rows += rows
    result.missed += missed
    return following


def _choose(holder: Holder, crm: Crm, lease: Lease, name: str, place: dict[str, Any]) -> dict[str, Any]:
    with holder.holding(lease) as (connection, now):
        last = completeness.settled_day(now)
        days = completeness.pending(connection, crm.source, name, last - LOOKS_BACK, last)
        since = datetime.combine(days[0], time(), UTC) if days else now
        cursor = crm.window(name, since, since + timedelta(days=1)) if days else None
        following = {**place, "stream": place["stream"] + 1}
        if cursor is not None:
            following = {**place, "day": since.isoformat(), "cursor": cursor, "rows": 0, "missed": 0}
        streams.store_cursor(connection, lease, following)
    return following


def missing(connection: Connection, page: Page) -> tuple[int, int]:
    """How many rows a page has (of those that may be kept), and how many of them are unknown or known in an older
    version."""
    page = without_erased(connection, page)
    people: list[LeadRecord | AccountRecord] = [*page.leads, *page.accounts]
    ids = subjects.find(connection, {*(row.ref for row in people), *(change.ref for change in page.history)})
    stored = records.load(connection, set(ids.values()))
    missed = sum(
        1 for row in people
        if (known := stored.get(ids.get(row.ref, 0))) is None
        or (known.modified_at < row.modified_at and known.deleted_at is None)
    )  # fmt: skip
    acts = {act.ref: act for act in page.activities}
    standing = {ref for ref, _ in activities.current(connection, acts)}
    deals = outcomes.versions(connection, [deal.ref for deal in page.outcomes])
    missed += len(acts.keys() - standing)
    missed += sum(1 for deal in page.outcomes if deals.get(deal.ref, _NEVER) < deal.modified_at)
    missed += completeness.unknown_history(
        connection, ((ids.get(c.ref), c.name, inputs.as_text(c.value), c.occurred_at) for c in page.history)
    )
    return len(people) + len(acts) + len(page.outcomes) + len(page.history), missed


_NEVER = datetime.min.replace(tzinfo=UTC)


def compare(
    holder: Holder, crm: Crm, lease: Lease, place: dict[str, Any], settled: datetime, result: Audited
) -> dict[str, Any] | None:
    """The fields of some rows of tonight's share, and of the shares of missed nights. Returns where to go on; None: all
    is compared."""
    if place["object"] >= len(crm.objects):
        return None
    object = crm.objects[place["object"]]
    with holder.engine.connect() as connection:
        night, nights = place["night"], place["nights"]
        if night is None:
            night = holder.clock().toordinal()
            last = completeness.last_compared(connection, crm.source)
            nights = min(PARTS, max(1, night - last.toordinal())) if last else 1
        parts = [(night - ago) % PARTS for ago in range(nights)]
        chosen = completeness.share(connection, crm.source, object, parts, PARTS, place["after"], AT_ONCE)
    page = whole(holder.engine, crm, lambda: crm.fetch([ref for _, ref in chosen])) if chosen else None
    with holder.holding(lease) as (connection, now):
        if page is None:
            following = {"object": place["object"] + 1, "after": 0}
        else:
            ids = {ref: subject for subject, ref in chosen}
            rows, missed = len(chosen), unlike(connection, page, ids, settled)
            apply(connection, page, now)
            day = date.fromordinal(night)
            completeness.record(connection, crm.source, Kind.FIELDS, object, day, rows, missed, now)
            result.rows += rows
            result.missed += missed
            following = {"after": chosen[-1][0]}
        following = {**place, "night": night, "nights": nights, **following}
        streams.store_cursor(connection, lease, following)
    return following


def complete(holder: Holder, crm: Crm, lease: Lease, place: dict[str, Any], result: Audited) -> dict[str, Any] | None:
    """Some rows of an object of which a field appeared, in the end all: those read before lack it. Returns where to go
    on; None: no object has one more.

    Not among the figures of completeness: nothing was missed, and it is no fair sample.
    """
    if place["object"] is None:
        with holder.engine.connect() as connection:
            appeared = readings.grown(connection, holder.clock(), crm.source)
        if not appeared:
            return None
        place = {**place, "object": appeared[0].object, "until": appeared[0].at.isoformat(), "after": 0}
    object = place["object"]
    with holder.engine.connect() as connection:
        chosen = completeness.share(connection, crm.source, object, [0], 1, place["after"], AT_ONCE)
    refs = [ref for _, ref in chosen] if object in crm.objects else []
    page = whole(holder.engine, crm, lambda: crm.fetch(refs)) if refs else None
    with holder.holding(lease) as (connection, now):
        if page is None:
            until = datetime.fromisoformat(place["until"])
            readings.compared(connection, crm.source, object, until, now)
            following = {**place, "object": None}
        else:
            ids = {ref: subject for subject, ref in chosen}
            result.rows += len(chosen)
            result.missed += unlike(connection, page, ids, now)
            apply(connection, page, now)
            following = {**place, "after": chosen[-1][0]}
        streams.store_cursor(connection, lease, following)
    return following


def unlike(connection: Connection, page: Page, ids: Mapping[RecordRef, int], settled: datetime) -> int:
    """How many rows are not stored as they are; one that changed after `settled` may still be on its way."""
    rows: list[LeadRecord | AccountRecord] = [*page.leads, *page.accounts]
    accounts = subjects.find(connection, {lead.account for lead in page.leads if lead.account})
    stored = records.load(connection, set(ids.values()))
    differing = 0
    for row in rows:
        known = stored.get(ids.get(row.ref, 0))
        if known is None or row.modified_at >= settled:
            continue
        differing += known != as_stored(row, {**accounts, **ids}) or (
            isinstance(row, LeadRecord) and row.account is not None and row.account not in accounts
        )
    return differing + sum(gone.deleted_at < settled for gone in page.deletions if gone.ref in ids)
