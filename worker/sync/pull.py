"""One stream, one lease: read what the CRM has, apply it, and store how far it is known to be complete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.errors import CrmError
from connectors.port import Crm, Cursor, Stream, Tier
from worker.lease import SLICE, Holder, Next
from worker.store import streams
from worker.store.streams import Lease
from worker.sync.apply import apply

COMPLETE_EVERY = timedelta(minutes=5)
"""Between two complete reads: Salesforce wants its replication calls no more often."""


@dataclass(slots=True)
class Pulled:
    """What one lease of a stream brought. `drained` says that nothing was left to read; `problem`, why it stopped."""

    pages: int = 0
    seen: int = 0
    dirtied: int = 0
    verified: int = 0
    drained: bool = False
    problem: CrmError | None = None


Pace = Callable[[timedelta], timedelta]
"""How often the API budget lets a stream be looked at that asks for so often."""


def pull(
    holder: Holder, crm: Crm, stream: Stream, *, pace: Pace = lambda every: every, force: bool = False
) -> Pulled | None:
    """Read a stream that is due (any, with `force`). None: somebody else has it, or it is not due. Safe to repeat."""
    result = Pulled()

    def task(lease: Lease) -> Next:
        started = holder.clock()
        complete = lease.complete_due or lease.cursor is None
        if complete:
            lease = _read(holder, crm, lease, Tier.COMPLETE, started + SLICE, result)
        completed = complete and result.drained
        # Before the first complete read there is no cursor to look ahead from.
        if (completed or not complete) and Tier.FAST in stream.tiers:
            _read(holder, crm, lease, Tier.FAST, started + SLICE, result)
        now = holder.clock()
        every = pace(stream.every)
        return Next(
            due_at=now + every if result.drained else now,
            complete_due_at=now + max(COMPLETE_EVERY, every) if completed else None,
            complete_at=started if completed else None,
        )

    ended = holder.work(crm.source, stream.name, task, force=force)
    if not ended.taken:
        return None
    result.problem = ended.problem
    result.drained &= not ended.lost and ended.problem is None
    return result


def _read(holder: Holder, crm: Crm, lease: Lease, tier: Tier, until: datetime, result: Pulled) -> Lease:
    """Pull pages until the window is drained or the slice is over. Only the complete tier's cursor is stored."""
    cursor: Cursor | None = lease.cursor
    while True:
        page = crm.pull(lease.name, cursor, tier)
        with holder.holding(lease) as (connection, now):
            applied = apply(connection, page, now)
            if tier is Tier.COMPLETE:
                streams.store_cursor(connection, lease, page.cursor)
                lease = replace(lease, cursor=page.cursor)
        result.pages += 1
        result.seen += applied.seen
        result.dirtied += applied.dirtied
        result.verified += applied.verified
        cursor, result.drained = page.cursor, page.done
        if page.done or holder.clock() >= until:
            return lease
