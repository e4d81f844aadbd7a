"""The org's limits on API calls: a rolling 24 hours, counted by the minute, and long calls at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.faults import ApiError

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

WINDOW = timedelta(hours=24)


class Running:
    """The calls being answered. Too many that take long keep new ones out."""

    def __init__(self, org: Org, most: int, long: timedelta) -> None:
        self._org = org
        self.most = most
        self._long = long
        self._began: dict[int, datetime] = {}
        self._numbers = count()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Around a call. Raises ApiError (403) when `most` others have run for `long` or longer."""
        now = self._org.clock.now()
        if sum(now - began >= self._long for began in self._began.values()) >= self.most:
            message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", message)
        number = next(self._numbers)
        self._began[number] = now
        try:
            yield
        finally:
            del self._began[number]

    def __len__(self) -> int:
        return len(self._began)


class Quota:
    """Counts calls and refuses those beyond `most`."""

    def __init__(self, org: Org, most: int) -> None:
        self.most = most
        self._org = org
        self._minutes: deque[list[Any]] = deque()
        self._used = 0

    def used(self) -> int:
        """Calls in the last 24 hours."""
        horizon = self._org.clock.now() - WINDOW
        while self._minutes and self._minutes[0][0] <= horizon:
            self._used -= self._minutes.popleft()[1]
        return self._used

    def spend(self, calls: int = 1) -> None:
        """Count calls. Raises ApiError (403) when nothing is left."""
        if self.used() + calls > self.most:
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        minute: datetime = self._org.clock.now().replace(second=0, microsecond=0)
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append([minute, 0])
        self._minutes[-1][1] += calls
        self._used += calls

    @property
    def header(self) -> str:
        usage = f"api-usage={self.used()}/{self.most}"
        if not self._org.behaviour.wide_limit_header:
            return usage
        return f"{usage}; api-bursts=1/750; per-app-api-usage={self.used()}/{self.most}(appName=Leadgauge)"

    def as_json(self, query_jobs: int) -> dict[str, Any]:
        """The body of /limits, as far as it concerns integrations."""
        return {
            "DailyApiRequests": {"Max": self.most, "Remaining": self.most - self.used()},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000 - query_jobs},
            "DailyStreamingApiEvents": {"Max": 25_000, "Remaining": 25_000},
            "DataStorageMB": {"Max": 10_240, "Remaining": 10_000},
            "FileStorageMB": {"Max": 10_240, "Remaining": 10_240},
        }
