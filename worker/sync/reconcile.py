"""Nightly: compare what the CRM has with what is known, id by id and stamp by stamp, and fetch what differs; look
whether what lay in its recycle bin still does; then look a second time at whole days and at the fields of a share of
the rows (`audit`).

Cursors do not see purges, erasures, rows that sharing took away or gave, nor rows that were committed later than any
settling time allows. A comparison of all ids does; and with each row's stamp of its last change, which comes in the
same calls, it sees every version that was missed too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from connectors.errors import CrmError
from connectors.port import Crm, Page
from connectors.records import AccountRecord, LeadRecord
from worker.lease import SLICE, Holder, Next
from worker.store import census, completeness, erasures, lineage, people, streams
from worker.store.streams import Lease
from worker.sync.apply import apply
from worker.sync.audit import Audited, compare, complete, read_day
from worker.sync.whole import whole

Place = dict[str, Any]
"""Where the work stands, as it is stored with the stream."""

CENSUS_EVERY = timedelta(hours=24)
SETTLED = timedelta(hours=2)
"""What changed since then may still be on its way: late in an index, or in a stream that is read by the hour."""
LISTED = timedelta(days=14)
"""How long a CRM tells at least who was deleted for good (Salesforce: `getDeleted`, 15 days)."""
FETCH = 100
"""Rows that are fetched at once: what every CRM reads by id in one call."""


@dataclass(slots=True)
class Reconciled:
    """What one lease of the census did. `counted` rows of the CRM; `repaired` rows that only one side had, or that
    were another version there; `emptied`: people who are gone for good from the recycle bin; `days` and `fields`:
    second looks at days and at fields; `appeared`: rows of objects that have a field more now."""

    counted: int = 0
    repaired: int = 0
    emptied: int = 0
    days: Audited = field(default_factory=Audited)
    fields: Audited = field(default_factory=Audited)
    appeared: Audited = field(default_factory=Audited)
    done: bool = False
    problem: CrmError | None = None


APPEARED: Place = {"phase": "appeared", "object": None}
IDS: Place = {"phase": "ids", "object": 0, "cursor": None, "repairing": None}
BIN: Place = {"phase": "bin", "object": 0, "after": ""}
DAYS: Place = {"phase": "days", "stream": 0, "day": None, "cursor": None}
FIELDS: Place = {"phase": "fields", "object": 0, "night": None, "nights": 1, "after": 0}
DONE: Place = {"phase": "done"}


def reconcile(holder: Holder, crm: Crm, *, force: bool = False) -> Reconciled | None:
    """Count a source's people and accounts object by object, look at settled days and at a share of the fields, and
    repair what differs. Before that, and between two nights nothing but that, all rows of an object are compared of
    which a field has appeared. None: not due, or not ours.

    Gives way after a slice and goes on under the next lease; safe to repeat and to kill anywhere.
    """
    result = Reconciled()

    def task(lease: Lease) -> Next:
        until = holder.clock() + SLICE
        place: Place = dict(lease.cursor or APPEARED)
        while place["phase"] != "done" and holder.clock() < until:
            place = _next(holder, crm, lease, place, result)
        result.done = place["phase"] == "done"
        now = holder.clock()
        if not result.done:
            return Next(due_at=now, complete_due_at=now if lease.complete_due else None)
        with holder.holding(lease) as (connection, _):
            streams.store_cursor(connection, lease, None)
        tomorrow = now + CENSUS_EVERY
        return Next(tomorrow, tomorrow, complete_at=now) if lease.complete_due else Next(tomorrow)

    ended = holder.work(crm.source, streams.CENSUS, task, force=force)
    result.problem = ended.problem
    return result if ended.taken else None


def _next(holder: Holder, crm: Crm, lease: Lease, place: Place, result: Reconciled) -> Place:
    """One step of the phase that is on, or the beginning of the next."""
    if place["phase"] == "appeared":
        return complete(holder, crm, lease, place, result.appeared) or (IDS if lease.complete_due else DONE)
    if place["phase"] == "ids":
        return _step(holder, crm, lease, place, result) if place["object"] < len(crm.objects) else BIN
    if place["phase"] == "bin":
        return _look_in_bin(holder, crm, lease, place, result) if place["object"] < len(crm.objects) else DAYS
    if place["phase"] == "days":
        return read_day(holder, crm, lease, place, result.days) or FIELDS
    return compare(holder, crm, lease, place, holder.clock() - SETTLED, result.fields) or DONE


def _step(holder: Holder, crm: Crm, lease: Lease, place: Place, result: Reconciled) -> Place:
    """Count one page, or, once an object is counted, repair one batch of what differs. Returns where to go on."""
    object = crm.objects[place["object"]]
    if place["repairing"] is None:
        counted = crm.census(object, place["cursor"])
        with holder.holding(lease) as (connection, _):
            if place["cursor"] is None:
                census.clear(connection, crm.source, object)
            census.add(connection, counted.refs, counted.stamps)
            following = {**place, "cursor": counted.cursor, "repairing": "" if counted.done else None}
            streams.store_cursor(connection, lease, following)
        result.counted += len(counted.refs)
        return following
    with holder.engine.connect() as connection:
        settled = holder.clock() - SETTLED
        differing = census.differences(connection, crm.source, object, place["repairing"], settled, FETCH)
    page = whole(holder.engine, crm, lambda: crm.fetch(differing)) if differing else None
    with holder.holding(lease) as (connection, now):
        if page is None:
            census.clear(connection, crm.source, object)
            following = {**IDS, "object": place["object"] + 1}
        else:
            rows: list[LeadRecord | AccountRecord] = [*page.leads, *page.accounts]
            late = Counter(row.modified_at.astimezone(UTC).date() for row in rows)
            apply(connection, page, now)
            _forget_unseen(connection, lease, page, now)
            completeness.note_late(connection, crm.source, object, late, now)
            following = {**place, "repairing": differing[-1].id}
        streams.store_cursor(connection, lease, following)
    result.repaired += len(differing)
    return following


def _look_in_bin(holder: Holder, crm: Crm, lease: Lease, place: Place, result: Reconciled) -> Place:
    """Whether what lay in the recycle bin still does: an emptied bin shows in no stream. Returns where to go on."""
    object = crm.objects[place["object"]]
    with holder.engine.connect() as connection:
        lying = census.binned(connection, crm.source, object, place["after"], FETCH)
    page = whole(holder.engine, crm, lambda: crm.fetch(lying, binned=True)) if lying else None
    with holder.holding(lease) as (connection, now):
        following = {**BIN, "object": place["object"] + 1}
        if page is not None:
            apply(connection, page, now)
            result.emptied += sum(deletion.erased for deletion in page.deletions)
            following = {**place, "after": lying[-1].id}
        streams.store_cursor(connection, lease, following)
    return following


def _forget_unseen(connection: Connection, lease: Lease, page: Page, now: datetime) -> None:
    """A backup may be older than the CRM's list of what was erased, and so may the last count of all rows: what the
    CRM shows nowhere goes then, and comes back if the CRM ever shows it again."""
    unseen = [deletion.ref for deletion in page.deletions if deletion.unseen and not deletion.erased]
    long_ago = lease.complete_at is not None and now - lease.complete_at > LISTED
    if unseen and (long_ago or lease.source in lineage.unproved(connection)):
        people.mark_dirty(connection, erasures.erase(connection, unseen, now, bury=False), now)
