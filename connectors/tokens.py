"""Where access tokens are kept, so that any number of processes log in once."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from time import monotonic
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken
from redis import Redis
from redis.exceptions import LockError, RedisError

from connectors.errors import Transient

log = logging.getLogger(__name__)

_LOCK_HELD = timedelta(seconds=90)
"""Longer than the slowest login: connect and read time out after 70 seconds."""
_LOCK_WAIT = timedelta(seconds=15)


class Tokens(Protocol):
    """A store of short-lived secrets with a lock per key."""

    def get(self, key: str) -> str | None: ...

    def put(self, key: str, value: str, ttl: timedelta) -> None: ...

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Hold `key` against every other holder of this store. Raises `Transient` when it stays taken for long."""


class MemoryTokens:
    """Tokens of one process: for a connector used alone, and for tests."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, float]] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def get(self, key: str) -> str | None:
        value, until = self._held.get(key, ("", 0.0))
        return value if monotonic() < until else None

    def put(self, key: str, value: str, ttl: timedelta) -> None:
        self._held[key] = (value, monotonic() + ttl.total_seconds())

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        with self._locks[key]:
            yield


class RedisTokens:
    """Tokens shared by all processes, encrypted with Fernet when a key is given.

    The lock has an owner and a lifetime: a holder that died or was overtaken cannot release another's. Without Redis
    every process keeps its own tokens (one login each): a broker that is down must not become a login storm.
    """

    def __init__(self, redis: Redis, key: bytes | None) -> None:
        self._redis = redis
        self._cipher = Fernet(key) if key is not None else None
        self._alone = MemoryTokens()

    def get(self, key: str) -> str | None:
        """None also when the value was written under another encryption key."""
        try:
            stored = self._redis.get(_name(key))
        except RedisError as problem:
            _degraded("get", problem)
            return self._alone.get(key)
        if stored is None:
            return None
        raw = stored.encode() if isinstance(stored, str) else bytes(stored)
        try:
            return (self._cipher.decrypt(raw) if self._cipher else raw).decode()
        except (InvalidToken, UnicodeDecodeError):
            return None

    def put(self, key: str, value: str, ttl: timedelta) -> None:
        self._alone.put(key, value, ttl)
        raw = value.encode()
        try:
            self._redis.set(_name(key), self._cipher.encrypt(raw) if self._cipher else raw, px=ttl)
        except RedisError as problem:
            _degraded("put", problem)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        lock = self._redis.lock(_name(key) + ":lock", timeout=_LOCK_HELD.total_seconds(), sleep=0.05)
        try:
            taken = lock.acquire(blocking_timeout=_LOCK_WAIT.total_seconds())
        except RedisError as problem:
            _degraded("lock", problem)
            with self._alone.lock(key):
                yield
            return
        if not taken:
            raise Transient("tokens", "another process has been logging in for too long", timedelta(seconds=5))
        try:
            yield
        finally:
            try:
                lock.release()
            except LockError:  # it lapsed and is another's now; what we stored is a valid token all the same
                log.warning("token lock outlived", extra={"action": "token_lock_lapsed"})
            except RedisError as problem:
                _degraded("unlock", problem)


def _name(key: str) -> str:
    return f"leadgauge:token:{key}"


def _degraded(step: str, problem: RedisError) -> None:
    log.warning("tokens are kept per process", extra={"action": f"token_{step}_alone", "error": type(problem).__name__})
