"""One stream, one lease: read what the CRM has, apply it, and store how far it is known to be complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.errors import CrmError
from connectors.port import Crm, Cursor, Page, Stream, Tier
from connectors.records import RecordRef
from worker.lease import SLICE, Holder, Next
from worker.store import records, streams
from worker.store.streams import Lease
from worker.sync.ahead import Ahead
from worker.sync.apply import apply
from worker.sync.whole import whole

COMPLETE_EVERY = timedelta(minutes=5)
"""Between two complete reads: Salesforce wants its replication calls no more often."""
QUIET_EVERY = timedelta(hours=1)
"""The same where fast reads find nothing: they begin at the complete one's end, so it would move nothing but itself."""


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
            complete_due_at=_complete_due(stream, lease, started if completed else None, result, every),
            complete_at=started if completed else None,
        )

    ended = holder.work(crm.source, stream.name, task, force=force)
    if not ended.taken:
        return None
    result.problem = ended.problem
    result.drained &= not ended.lost and ended.problem is None
    return result


def _complete_due(
    stream: Stream, lease: Lease, completed: datetime | None, result: Pulled, every: timedelta
) -> datetime | None:
    """When the complete tier is due again; None leaves it as it is. `completed`: when a complete read began that ended
    just now. Rows that a fast read sees bring the next one near; one that sees none does not put it off."""
    if completed is None and (lease.complete_due or lease.complete_at is None or not result.seen):
        return None
    quiet = Tier.FAST in stream.tiers and not result.seen
    since = completed or lease.complete_at
    assert since is not None
    return since + max(QUIET_EVERY if quiet else COMPLETE_EVERY, every)


def _read(holder: Holder, crm: Crm, lease: Lease, tier: Tier, until: datetime, result: Pulled) -> Lease:
    """Pull pages until the window is drained or the slice is over. Only the complete tier's cursor is stored; of the
    fast tier, how far it looked."""
    cursor: Cursor | None = lease.cursor
    loading = tier is Tier.COMPLETE and lease.complete_at is None
    if loading and cursor is None:
        total = None
        with suppress(CrmError):  # where it cannot be counted it may well be read
            total = crm.size(lease.name)
        with holder.holding(lease) as (connection, now):
            streams.begin_load(connection, lease, total, now)

    def known(refs: Sequence[RecordRef]) -> Mapping[RecordRef, datetime]:
        with holder.engine.connect() as connection:
            return records.versions(connection, refs)

    def read(at: Cursor | None) -> Page:
        return whole(holder.engine, crm, lambda: crm.pull(lease.name, at, tier, known, lease.looked))

    with Ahead(read) as ahead:
        while True:
            page = ahead.page(cursor)
            on = not page.done and holder.clock() < until
            if on:
                ahead.begin(page.cursor)
            with holder.holding(lease) as (connection, now):
                applied = apply(connection, page, now)
                if tier is Tier.COMPLETE:
                    streams.store_cursor(connection, lease, page.cursor)
                    if loading:
                        streams.count_load(connection, lease, _rows(page))
                    lease = replace(lease, cursor=page.cursor)
                elif page.looked is not None:
                    streams.store_looked(connection, lease, page.looked)
            result.pages += 1
            result.seen += applied.seen
            result.dirtied += applied.dirtied
            result.verified += applied.verified
            cursor, result.drained = page.cursor, page.done
            if not on:
                return lease


def _rows(page: Page) -> int:
    """How many rows of the CRM a page holds, about: one may be several facts, or none."""
    acts = {activity.ref.id.partition("#")[0] for activity in page.activities if activity.ref.object != "page_views"}
    of_people = len(page.leads) + len(page.accounts) + len(page.outcomes)
    return of_people or len(acts) or len(page.history)
