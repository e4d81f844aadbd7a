"""A stream's work under its lease: one owner, a bounded slice, and a failure that is stored where operators look."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from connectors.errors import AuthFailed, CrmError, Misconfigured, QuotaExhausted, Transient
from worker.store import streams
from worker.store.streams import Lease, LeaseLost

SLICE = timedelta(seconds=25)
"""Work gives way after this long and goes on under the next lease."""

Clock = Callable[[], datetime]


class Next(NamedTuple):
    """When a stream is due again. `complete_at`: its complete tier was drained by a read begun then."""

    due_at: datetime
    complete_due_at: datetime | None = None
    complete_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a lease ended: not taken, lost to another owner, failed at the CRM, or done."""

    taken: bool = True
    lost: bool = False
    problem: CrmError | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that takes leases. `length` should exceed what any task may run, so that a lease ends only with its
    owner's death; a shorter one is safe, since a stale owner's epoch stores nothing."""

    engine: Engine
    owner: str
    clock: Clock
    length: timedelta

    def work(self, source: str, name: str, task: Callable[[Lease], Next], *, force: bool = False) -> Ended:
        """Do a stream's work if it is due (any, with `force`) and nobody else does it.

        Safe to kill anywhere: the lease runs out. A failure of the CRM is stored with the stream and returned; one of
        ours is stored, and raised.
        """
        with self.engine.begin() as connection:
            lease = streams.take(connection, source, name, self.owner, self.clock(), self.length, force=force)
        if lease is None:
            return Ended(taken=False)
        try:
            following = task(lease)
        except LeaseLost:
            return Ended(lost=True)
        except CrmError as problem:
            now = self.clock()
            with self.engine.begin() as connection:
                due = now + wait_after(problem, lease.attempts, now)
                streams.fail(connection, lease, type(problem).__name__, problem.message, due)
            return Ended(problem=problem)
        except Exception as bug:
            torn = isinstance(bug, DBAPIError) and bug.connection_invalidated
            wait = timedelta(seconds=random.uniform(1, 5)) if torn else timedelta(minutes=5)  # noqa: S311
            with self.engine.begin() as connection:
                streams.fail(connection, lease, "Bug", type(bug).__name__, self.clock() + wait)
            raise
        with self.engine.begin() as connection:
            streams.release(connection, lease, self.clock(), *following)
        return Ended()

    @contextmanager
    def holding(self, lease: Lease) -> Iterator[tuple[Connection, datetime]]:
        """A transaction, and its instant, in which the lease is ours and lives on. Raises `LeaseLost`."""
        with self.engine.begin() as connection:
            now = self.clock()
            streams.hold(connection, lease, now, self.length)
            yield connection, now


def wait_after(problem: CrmError, attempts: int, now: datetime) -> timedelta:
    """How long to leave a CRM alone after a failure: what it asked for, or longer each time, spread by chance."""
    match problem:
        case QuotaExhausted():
            # Everybody's quota returns at the same instant; not everybody needs to.
            return max(problem.resume_at - now, timedelta(0)) + timedelta(seconds=random.uniform(1, 60))  # noqa: S311
        case Transient() if problem.retry_after is not None:
            return problem.retry_after * random.uniform(1.0, 1.25)  # noqa: S311 - it is said to all streams alike
        case Transient():
            longest = min(300.0, 5.0 * 2 ** min(attempts, 6))
            return timedelta(seconds=random.uniform(longest / 2, longest))  # noqa: S311
        case AuthFailed() | Misconfigured():
            return timedelta(minutes=1)
        case _:
            return timedelta(minutes=5)
