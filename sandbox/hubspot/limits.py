"""Rate limits of a portal: calls per 10 seconds and token, searches per second, calls per day."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sandbox.hubspot.portal import Portal
from sandbox.hubspot.settings import HubspotServer
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
    """Counts calls and refuses those over a limit. A refused call still counts for the day.

    The day ends at midnight of the portal's time zone.
    """

    def __init__(self, portal: Portal, settings: HubspotServer) -> None:
        self._portal = portal
        self._settings = settings
        self._windows: dict[tuple[Bucket, str], Window] = defaultdict(lambda: Window(TEN_SECONDS))
        self._searches = Window(SECOND)
        self._day: object = None
        self._today = 0

    def admit(self, token: str, bucket: Bucket, *, oauth: bool) -> dict[str, str]:
        """The rate headers of the answer (search has none). Raises `Refusal` with the vendor's 429 body."""
        if bucket is Bucket.FREE:
            return {}
        now, settings = self._portal.clock.now(), self._settings
        self._roll(now)
        self._today += 1
        if settings.daily is not None and not oauth and self._today > settings.daily:
            raise self._refusal("daily", "DAILY", requestId=f"{self._today:032x}")
        if bucket is Bucket.SEARCH:
            return self._admit_search(now)
        limit = settings.association_10s if bucket is Bucket.ASSOCIATIONS else settings.rate_10s
        if limit is None:
            return self._daily_headers(oauth=oauth)
        window = self._windows[bucket, token]
        used = window.used(now)
        if used >= limit:
            group = f"publicapi:private_app-api-calls-ten-secondly:{settings.app_id}:{self._portal.portal_id}"
            raise self._refusal("ten_secondly_rolling", "TEN_SECONDLY_ROLLING", groupName=group)
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
        limit = self._settings.search_per_second
        if limit is not None:
            if self._searches.used(now) >= limit:
                group = f"publicapi:crm:search:oauth:{self._settings.app_id}:{self._portal.portal_id}"
                raise self._refusal("secondly", "SECONDLY", groupName=group)
            self._searches.take(now)
        return {}

    def _roll(self, now: datetime) -> None:
        day = now.astimezone(self._portal.time_zone).date()
        if day != self._day:
            self._day, self._today = day, 0

    def _daily_headers(self, *, oauth: bool) -> dict[str, str]:
        if self._settings.daily is None or oauth:
            return {}
        left = max(0, self._settings.daily - self._today)
        return {
            "X-HubSpot-RateLimit-Daily": str(self._settings.daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(left),
        }

    def _refusal(self, limit: str, policy: str, **more: Any) -> Refusal:
        message = f"You have reached your {limit} limit."
        return Refusal(429, message, errorType="RATE_LIMIT", policyName=policy, **more)
