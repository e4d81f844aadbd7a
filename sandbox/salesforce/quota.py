"""The org's daily allowance of API calls: a rolling 24 hours, counted by the minute."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.faults import ApiError

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

WINDOW = timedelta(hours=24)


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
        return f"api-usage={self.used()}/{self.most}"

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
