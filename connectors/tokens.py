"""Where access tokens are kept, so that any number of processes log in once."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from time import monotonic
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from redis import Redis
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from connectors.errors import Transient

log = logging.getLogger(__name__)

_LOCK_HELD = timedelta(seconds=8)
"""How long a process that was killed while it logged in keeps the others waiting; a living one renews its hold."""
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
    """Tokens shared by all processes that have the same `keys` (Fernet). The first encrypts, all decrypt: to rotate,
    put a new one in front, and take the old one away when it was not needed for as long as a token lives.

    `apart` keeps the tokens of those who have no key in common from each other.

    The lock has an owner and a short lifetime, `held`, which its holder renews as long as it lives: one that died or
    was overtaken cannot release another's. Without Redis every process keeps its own tokens (one login each): a broker
    that is down must not become a login storm.
    """

    def __init__(self, redis: Redis, keys: Sequence[bytes], *, apart: str = "", held: timedelta = _LOCK_HELD) -> None:
        self._redis = redis
        self._held = held
        self._cipher = MultiFernet([Fernet(key) for key in keys])
        self._prefix = f"leadgauge:token:{apart}"
        self._alone = MemoryTokens()

    def get(self, key: str) -> str | None:
        """None also when the value was written under none of the keys."""
        try:
            stored = self._redis.get(self._prefix + key)
        except RedisError as problem:
            _degraded("get", problem)
            return self._alone.get(key)
        if stored is None:
            return None
        raw = stored.encode() if isinstance(stored, str) else bytes(stored)
        try:
            return self._cipher.decrypt(raw).decode()
        except (InvalidToken, UnicodeDecodeError):
            return None

    def put(self, key: str, value: str, ttl: timedelta) -> None:
        self._alone.put(key, value, ttl)
        try:
            self._redis.set(self._prefix + key, self._cipher.encrypt(value.encode()), px=ttl)
        except RedisError as problem:
            _degraded("put", problem)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        lock = self._redis.lock(
            f"{self._prefix}{key}:lock", timeout=self._held.total_seconds(), sleep=0.05, thread_local=False
        )
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
            with _renewed(lock, self._held / 4):
                yield
        finally:
            try:
                lock.release()
            except LockError:  # it lapsed and is another's now; what we stored is a valid token all the same
                log.warning("token lock outlived", extra={"action": "token_lock_lapsed"})
            except RedisError as problem:
                _degraded("unlock", problem)


@contextmanager
def _renewed(lock: Lock, every: timedelta) -> Iterator[None]:
    """Renew the hold of a lock in the background: a login may take as long as its connection's time-outs allow."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(every.total_seconds()):
            try:
                lock.reacquire()
            except LockError:  # it lapsed: whose it is now is told when it is released
                return
            except RedisError as problem:
                _degraded("renew", problem)

    renewer = threading.Thread(target=renew, name="token-lock", daemon=True)
    renewer.start()
    try:
        yield
    finally:
        done.set()
        renewer.join()


def _degraded(step: str, problem: RedisError) -> None:
    log.warning("tokens are kept per process", extra={"action": f"token_{step}_alone", "error": type(problem).__name__})
