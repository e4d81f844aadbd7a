"""How often somebody may try to sign in: counted in Redis for all processes, and here while Redis is away."""

from __future__ import annotations

import math
import time
from hashlib import sha256

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import Redis
from redis.exceptions import RedisError

A_NAME = RateLimitItemPerMinute(5, 5, "leadgauge-sign-in-name")
AN_ADDRESS = RateLimitItemPerMinute(50, 5, "leadgauge-sign-in-address")
"""Tries in five minutes: of one name from anywhere, and of any name from one address."""


class TooManyTries(Exception):
    """Wait. The text says how long; whether the password was right is not said."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(f"too many tries; the next one is possible in {_said(self.seconds)}")


class Throttle:
    def __init__(self, redis: Redis) -> None:
        pool = redis.connection_pool
        self._shared = MovingWindowRateLimiter(RedisStorage("redis://", connection_pool=pool))
        self._own = MovingWindowRateLimiter(MemoryStorage())

    def enter(self, name: str, address: str) -> None:
        """Count a try. Raises `TooManyTries`. Names and addresses are kept as digests, and for minutes."""
        tries = ((A_NAME, name.strip().lower()), (AN_ADDRESS, address))
        try:
            self._enter(self._shared, tries)
        except RedisError:
            self._enter(self._own, tries)

    def _enter(self, limiter: MovingWindowRateLimiter, tries: tuple[tuple[RateLimitItem, str], ...]) -> None:
        for limit, who in tries:
            key = sha256(who.encode()).hexdigest()[:32]
            if not limiter.hit(limit, key):
                raise TooManyTries(limiter.get_window_stats(limit, key).reset_time - time.time())


def _said(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 90 else f"{math.ceil(seconds / 60)} minutes"
