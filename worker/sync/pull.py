"""One stream, one lease: read what the CRM has, apply it, and store how far it is known to be complete."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from connectors.errors import CrmError
from connectors.port import Crm, Cursor, Stream, Tier
from worker import lease as leases
from worker.lease import Clock, Next
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


def pull(engine: Engine, crm: Crm, stream: Stream, owner: str, clock: Clock, *, force: bool = False) -> Pulled | None:
    """Read a stream that is due (any, with `force`). None: somebody else has it, or it is not due. Safe to repeat."""
    result = Pulled()

    def task(lease: Lease) -> Next:
        started = clock()
        complete = lease.complete_due or lease.cursor is None
        if complete:
            lease = _read(engine, crm, lease, Tier.COMPLETE, clock, started + leases.SLICE, result)
        completed = complete and result.drained
        # Before the first complete read there is no cursor to look ahead from.
        if (completed or not complete) and Tier.FAST in stream.tiers:
            _read(engine, crm, lease, Tier.FAST, clock, started + leases.SLICE, result)
        now = clock()
        return Next(
            due_at=now + stream.every if result.drained else now,
            complete_due_at=now + max(COMPLETE_EVERY, stream.every) if completed else None,
            complete_at=started if completed else None,
        )

    ended = leases.work(engine, crm.source, stream.name, owner, clock, task, force=force)
    if not ended.taken:
        return None
    result.problem = ended.problem
    result.drained &= not ended.lost and ended.problem is None
    return result


def _read(engine: Engine, crm: Crm, lease: Lease, tier: Tier, clock: Clock, until: datetime, result: Pulled) -> Lease:
    """Pull pages until the window is drained or the slice is over. Only the complete tier's cursor is stored."""
    cursor: Cursor | None = lease.cursor
    while True:
        page = crm.pull(lease.name, cursor, tier)
        with engine.begin() as connection:
            now = clock()
            streams.hold(connection, lease, now, leases.LENGTH)
            applied = apply(connection, page, now)
            if tier is Tier.COMPLETE:
                streams.store_cursor(connection, lease, page.cursor)
                lease = replace(lease, cursor=page.cursor)
        result.pages += 1
        result.seen += applied.seen
        result.dirtied += applied.dirtied
        result.verified += applied.verified
        cursor, result.drained = page.cursor, page.done
        if page.done or clock() >= until:
            return lease
