"""Rate limits of a project (Mixpanel, "Rate Limits"): queries an hour and at once, exports, what is ingested."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.clock import Clock

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class TooMany(Exception):
    """A limit is reached."""


@dataclass(frozen=True, slots=True)
class Limits:
    """None is no limit."""

    queries_per_hour: int | None = None
    queries_at_once: int | None = None
    exports_per_hour: int | None = None
    exports_per_second: int | None = None
    ingested_per_minute: int | None = None  # bytes of JSON


VENDORS_LIMITS = Limits(60, 5, 60, 3, 2_000_000_000)


class Meter:
    """Counts on the practice clock. What is refused counts, too: whoever knocks on goes on being refused."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock, self.limits = clock, limits
        self._taken: defaultdict[str, deque[tuple[datetime, int]]] = defaultdict(deque)
        self.running = 0
        self.refused = 0

    def export(self) -> None:
        """Raises `TooMany`."""
        self._take("exports in a second", SECOND, self.limits.exports_per_second)
        self._take("exports", HOUR, self.limits.exports_per_hour)

    def ingest(self, size: int) -> None:
        """Raises `TooMany`."""
        self._take("ingested", MINUTE, self.limits.ingested_per_minute, size)

    @contextmanager
    def query(self) -> Iterator[None]:
        """Raises `TooMany`."""
        most = self.limits.queries_at_once
        if most is not None and self.running >= most:
            self.refused += 1
            raise TooMany("concurrent")
        self._take("queries", HOUR, self.limits.queries_per_hour)
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    def _take(self, what: str, per: timedelta, limit: int | None, cost: int = 1) -> None:
        taken, now = self._taken[what], self._clock.now()
        while taken and taken[0][0] <= now - per:
            taken.popleft()
        over = limit is not None and sum(each for _, each in taken) + cost > limit
        taken.append((now, cost))
        if over:
            self.refused += 1
            raise TooMany(what)
