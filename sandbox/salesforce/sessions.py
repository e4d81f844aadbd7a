"""Access tokens: sliding expiry, revocation."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.salesforce.org import HasNow


class Sessions:
    """Live tokens and when each was last active."""

    def __init__(self, clock: HasNow, timeout: timedelta) -> None:
        self._clock = clock
        self._timeout = timeout
        self._active: dict[str, datetime] = {}
        self.logins = 0

    def open(self, org_id: str) -> str:
        """A new token, in the vendor's form `<org id>!<secret>`."""
        self.logins += 1
        token = f"{org_id[:15]}!{secrets.token_urlsafe(72)}"
        self._active[token] = self._clock.now()
        return token

    def is_live(self, token: str) -> bool:
        """Whether the token still works. Use keeps it alive, but is noted only once half of its time has passed."""
        active, now = self._active.get(token), self._clock.now()
        if active is None or now - active > self._timeout:
            self._active.pop(token, None)
            return False
        if now - active > self._timeout / 2:
            self._active[token] = now
        return True

    def revoke(self, token: str) -> bool:
        return self._active.pop(token, None) is not None

    def revoke_all(self) -> None:
        self._active.clear()
