"""Rate limits of a portal: calls per 10 seconds and token, searches per second, calls per day."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sandbox.hubspot.portal import Portal
from sandbox.hubspot.settings import HubspotServer
from sandbox.hubspot.temper import Limits
from sandbox.hubspot.wire import Refusal

TEN_SECONDS = timedelta(seconds=10)
SECOND = timedelta(seconds=1)


class Bucket(StrEnum):
    """Which limit a call counts against, besides the daily one."""

    GENERAL = "general"
    SEARCH = "search"
    ASSOCIATIONS = "associations"
    FREE = "free"


class Window:
    """How many calls were let in during the last `length`."""

    def __init__(self, length: timedelta) -> None:
        self._length = length
        self._taken: deque[datetime] = deque()

    def used(self, now: datetime) -> int:
        while self._taken and self._taken[0] <= now - self._length:
            self._taken.popleft()
        return len(self._taken)

    def take(self, now: datetime) -> None:
        self._taken.append(now)


class Meter:
    """Counts calls and refuses those over a limit: the portal's temper has one, or else the server's settings do.

    A refused call still counts for the day, which ends at midnight of the portal's time zone. Every second search is
    refused without a `policyName`, and one refusal in three says when to come back (both observed by connectors).
    """

    def __init__(self, portal: Portal, settings: HubspotServer) -> None:
        self._portal = portal
        self._settings = settings
        self._windows: dict[tuple[Bucket, str], Window] = defaultdict(lambda: Window(TEN_SECONDS))
        self._searches = Window(SECOND)
        self._day: object = None
        self._today = 0
        self.refused = 0
        """Calls answered with a 429, ever."""

    @property
    def limits(self) -> Limits:
        """Those in force now."""
        return self._portal.temper.limits or self._settings.limits

    def admit(self, token: str, bucket: Bucket, *, oauth: bool) -> dict[str, str]:
        """The rate headers of the answer (search has none). Raises `Refusal` with the vendor's 429 body."""
        if bucket is Bucket.FREE:
            return {}
        now, limits = self._portal.clock.now(), self.limits
        self._roll(now)
        self._today += 1
        if limits.daily is not None and not oauth and self._today > limits.daily:
            raise self._refusal("daily", 0, errorType="RATE_LIMIT", policyName="DAILY", requestId=f"{self._today:032x}")
        if bucket is Bucket.SEARCH:
            return self._admit_search(now)
        limit = limits.association_10s if bucket is Bucket.ASSOCIATIONS else limits.rate_10s
        if limit is None:
            return self._daily_headers(oauth=oauth)
        window = self._windows[bucket, token]
        used = window.used(now)
        if used >= limit:
            group = f"private_app-api-calls-ten-secondly:{self._settings.app_id}"
            raise self._refusal("ten_secondly_rolling", 10, **self._policy("TEN_SECONDLY_ROLLING", group))
        window.take(now)
        return {
            **self._daily_headers(oauth=oauth),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Max": str(limit),
            "X-HubSpot-RateLimit-Remaining": str(limit - used - 1),
        }

    def used_today(self) -> int:
        self._roll(self._portal.clock.now())
        return self._today

    def next_midnight(self) -> datetime:
        """When the daily count starts again."""
        local = self._portal.clock.now().astimezone(self._portal.time_zone)
        return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)

    def _admit_search(self, now: datetime) -> dict[str, str]:
        limit = self.limits.search_per_second
        if limit is not None:
            if self._searches.used(now) >= limit:
                named = self._policy("SECONDLY", f"crm:search:oauth:{self._settings.app_id}")
                raise self._refusal("secondly", 1, **({"category": "RATE_LIMITS"} if self.refused % 2 else named))
            self._searches.take(now)
        return {}

    def _roll(self, now: datetime) -> None:
        day = now.astimezone(self._portal.time_zone).date()
        if day != self._day:
            self._day, self._today = day, 0

    def _daily_headers(self, *, oauth: bool) -> dict[str, str]:
        daily = self.limits.daily
        if daily is None or oauth:
            return {}
        left = max(0, daily - self._today)
        return {
            "X-HubSpot-RateLimit-Daily": str(daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(left),
        }

    def _policy(self, name: str, group: str) -> dict[str, str]:
        group = f"publicapi:{group}:{self._portal.portal_id}"
        return {"errorType": "RATE_LIMIT", "policyName": name, "groupName": group}

    def _refusal(self, limit: str, seconds: int, **body: Any) -> Refusal:
        self.refused += 1
        told = {"Retry-After": str(seconds)} if seconds and self.refused % 3 == 2 else {}
        return Refusal(429, f"You have reached your {limit} limit.", headers=told, **body)
