"""Access tokens: sliding expiry, revocation, and how often a user may log in."""

from __future__ import annotations

import secrets
from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.salesforce.org import HasNow


class Sessions:
    """Live tokens and when each was last active."""

    def __init__(self, clock: HasNow, timeout: timedelta, *, logins_per_hour: int = 3_600) -> None:
        self.logins_per_hour = logins_per_hour
        self._clock = clock
        self._timeout = timeout
        self._active: dict[str, datetime] = {}
        self._calls: dict[str, int] = {}
        self._users: dict[str, str] = {}
        self._hour: deque[datetime] = deque()
        self.logins = 0

    def admit_login(self) -> bool:
        """Count an attempt to log in; whether the user may have it (the limit is on the last 60 minutes)."""
        now = self._clock.now()
        while self._hour and self._hour[0] <= now - timedelta(hours=1):
            self._hour.popleft()
        self._hour.append(now)
        return len(self._hour) <= self.logins_per_hour

    def open(self, org_id: str, user: str = "") -> str:
        """A new token for a user, in the vendor's form `<org id>!<secret>`."""
        self.logins += 1
        token = f"{org_id[:15]}!{secrets.token_urlsafe(72)}"
        self._active[token] = self._clock.now()
        self._users[token] = user
        return token

    def user(self, token: str) -> str:
        """Whose token it is; empty for one that is not known."""
        return self._users.get(token, "")

    def is_live(self, token: str, *, most_calls: int = 0) -> bool:
        """Whether the token still works. Use keeps it alive, but is noted only once half of its time has passed.
        With `most_calls` it is revoked once it has been used so often."""
        active, now = self._active.get(token), self._clock.now()
        if active is None or now - active > self._timeout:
            self._active.pop(token, None)
            return False
        if now - active > self._timeout / 2:
            self._active[token] = now
        calls = self._calls[token] = self._calls.get(token, 0) + 1
        if 0 < most_calls < calls:
            self.revoke(token)
            return False
        return True

    def revoke(self, token: str) -> bool:
        self._calls.pop(token, None)
        return self._active.pop(token, None) is not None

    def revoke_all(self) -> None:
        self._active.clear()
