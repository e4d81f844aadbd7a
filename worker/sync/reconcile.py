"""Nightly: compare what the CRM has with what is known, id by id and stamp by stamp, and fetch what differs.

Cursors do not see purges, erasures, rows that sharing took away or gave, nor rows that were committed later than any
settling time allows. A comparison of all ids does; and with each row's stamp of its last change, which comes in the
same calls, it sees every version that was missed too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connectors.errors import CrmError
from connectors.port import Crm
from worker.lease import SLICE, Holder, Next
from worker.store import census, streams
from worker.store.streams import Lease
from worker.sync.apply import apply

CENSUS_EVERY = timedelta(hours=24)
SETTLED = timedelta(hours=2)
"""What changed since then may still be on its way: late in an index, or in a stream that is read by the hour."""
FETCH = 100
"""Rows that are fetched at once: what every CRM reads by id in one call."""


@dataclass(slots=True)
class Reconciled:
    """What one lease of the census did. `counted` rows of the CRM; `repaired` rows that only one side had, or that
    were another version there."""

    counted: int = 0
    repaired: int = 0
    done: bool = False
    problem: CrmError | None = None


def reconcile(holder: Holder, crm: Crm, *, force: bool = False) -> Reconciled | None:
    """Count a source's people and accounts object by object, and repair what differs. None: not due, or not ours.

    Gives way after a slice and goes on under the next lease; safe to repeat and to kill anywhere.
    """
    result = Reconciled()

    def task(lease: Lease) -> Next:
        until = holder.clock() + SLICE
        place: dict[str, Any] = dict(lease.cursor or {"object": 0, "cursor": None, "repairing": None})
        while place["object"] < len(crm.objects) and holder.clock() < until:
            place = _step(holder, crm, lease, place, result)
        result.done = place["object"] >= len(crm.objects)
        now = holder.clock()
        if not result.done:
            return Next(due_at=now, complete_due_at=now)
        with holder.holding(lease) as (connection, _):
            streams.store_cursor(connection, lease, None)
        return Next(due_at=now + CENSUS_EVERY, complete_due_at=now + CENSUS_EVERY, complete_at=now)

    ended = holder.work(crm.source, streams.CENSUS, task, force=force)
    result.problem = ended.problem
    return result if ended.taken else None


def _step(holder: Holder, crm: Crm, lease: Lease, place: dict[str, Any], result: Reconciled) -> dict[str, Any]:
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
    page = crm.fetch(differing) if differing else None
    with holder.holding(lease) as (connection, now):
        if page is None:
            census.clear(connection, crm.source, object)
            following = {"object": place["object"] + 1, "cursor": None, "repairing": None}
        else:
            apply(connection, page, now)
            following = {**place, "repairing": differing[-1].id}
        streams.store_cursor(connection, lease, following)
    result.repaired += len(differing)
    return following
