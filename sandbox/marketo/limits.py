"""Calls of the whole instance: 100 in 20 seconds, 10 at once, so many a day; and what was used."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from sandbox.marketo.instance import Instance
from sandbox.marketo.instants import quota_day
from sandbox.marketo.settings import MarketoServer
from sandbox.marketo.temper import Limits
from sandbox.marketo.wire import Refusal

SPAN = timedelta(seconds=20)
FREE = frozenset({"600", "601", "602", "604", "605", "608", "611"})
"""A call that is answered with one of these counts against no quota (vendor's page Error Codes; 600 like its kind)."""


class Meter:
    """Counts and refuses. A call that is refused for its rate counts like any other, for the rate and for the day."""

    def __init__(self, instance: Instance, settings: MarketoServer) -> None:
        self._instance = instance
        self._settings = settings
        self._recent: deque[datetime] = deque()
        self._used: defaultdict[date, Counter[str]] = defaultdict(Counter)
        self._errors: defaultdict[date, Counter[str]] = defaultdict(Counter)
        self.refused: Counter[str] = Counter()
        """Calls that were refused for a limit, by code, ever."""
        self.under_way = 0

    @property
    def limits(self) -> Limits:
        return self._instance.temper.limits or self._settings.limits

    @property
    def today(self) -> date:
        return quota_day(self._instance.clock.now())

    @property
    def used_today(self) -> int:
        return self._used[self.today].total()

    @contextmanager
    def entered(self, user: str) -> Iterator[None]:
        """Let a call in, or raise the `Refusal` 607, 615 or 606; count it, and what it ends with."""
        now, limits, code = self._instance.clock.now(), self.limits, ""
        while self._recent and self._recent[0] <= now - SPAN:
            self._recent.popleft()
        self._recent.append(now)
        self.under_way += 1
        try:
            self._check(limits)
            yield
        except Refusal as refusal:
            code = refusal.code
            raise
        finally:
            self.under_way -= 1
            if code in FREE:
                self._recent.remove(now)
            else:
                self._used[self.today][user] += 1

    def note(self, code: str) -> None:
        """An error answer, for the statistics."""
        self._errors[self.today][code] += 1

    def spend(self, calls: int, user: str = "another.integration@acme.test") -> None:
        """Calls of somebody else, who shares the quota."""
        self._used[self.today][user] += calls

    def usage(self, days: int) -> list[dict[str, Any]]:
        return [
            {
                "date": day.isoformat(),
                "total": used.total(),
                "users": [{"userId": u, "count": n} for u, n in used.items()],
            }
            for day, used in self._last(self._used, days)
        ]

    def errors(self, days: int) -> list[dict[str, Any]]:
        return [
            {
                "date": day.isoformat(),
                "total": seen.total(),
                "errors": [{"errorCode": code, "count": count} for code, count in sorted(seen.items())],
            }
            for day, seen in self._last(self._errors, days)
        ]

    def _last(self, counts: defaultdict[date, Counter[str]], days: int) -> list[tuple[date, Counter[str]]]:
        return [(day, counts[day]) for day in (self.today - timedelta(days=back) for back in range(days))]

    def _check(self, limits: Limits) -> None:
        others = self._instance.temper.others
        if limits.daily is not None and self.used_today >= limits.daily:
            self._refuse("607", "Daily quota reached")
        if limits.concurrent is not None and self.under_way + others > limits.concurrent:
            self._refuse("615", "Concurrent access limit reached")
        if limits.rate_20s is not None and len(self._recent) > limits.rate_20s:
            self._refuse("606", f"Max rate limit '{limits.rate_20s}' exceeded with in '20' secs")

    def _refuse(self, code: str, message: str) -> None:
        self.refused[code] += 1
        raise Refusal(code, message)
