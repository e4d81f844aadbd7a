"""The day's calls of one account as arithmetic: what is left of them, how often to poll, when a backfill will end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
POLLS = 0.6
"""How much of what we may use in a day goes to looking for changes; the rest reads them and writes scores."""
SLOWEST = HOUR
"""However little is left, a stream is looked at this often: a spent day is refused at the gate, not here."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """An account's day at `now`, in calls: everyone's `used` of `limit`, `own` of them ours.

    `ends` is None where the day is the last 24 hours, whenever one asks.
    """

    limit: int
    used: int
    own: int
    now: datetime
    ends: datetime | None = None

    def left(self, share: float, own_share: float) -> int:
        """Calls until everyone's use reaches `share`, or ours `own_share`, of the limit; never negative."""
        return max(0, min(math.floor(self.limit * share) - self.used, math.floor(self.limit * own_share) - self.own))

    def pace(self, every: timedelta, streams: int, share: float, own_share: float) -> timedelta:
        """How often each of `streams` can be polled, one call a time: `every` where the day allows it, else less often.

        Polls that keep to it spend at most `POLLS` of our share in a whole day, and no more than is left in the rest of
        this one.
        """
        rate = min(self.limit * own_share * POLLS / DAY.total_seconds(), self.left(share, own_share) / self._rest())
        if rate * SLOWEST.total_seconds() <= streams:
            return max(every, SLOWEST)
        return max(every, timedelta(seconds=streams / rate))

    def end_of(self, calls: int, per_second: float, share: float, own_share: float) -> datetime:
        """When the last of `calls` will be made, at best: at `per_second`, and day by day within the shares."""
        today, daily = self.left(share, own_share), math.floor(self.limit * own_share)
        if calls <= today:
            return self.now + timedelta(seconds=calls / per_second)
        days, last = divmod(calls - today - 1, max(1, daily))
        first = timedelta(seconds=max(self._rest(), today / per_second))  # a day about to end may have more than it can
        return self.now + first + days * DAY + timedelta(seconds=(last + 1) / per_second)

    def _rest(self) -> float:
        """Seconds of the day that are still to come."""
        return max(1.0, ((self.ends or self.now + DAY) - self.now).total_seconds())
