"""What all processes do, added up in Redis: many come and go, and each is asked by nobody.

A process holds what it counted for some seconds and adds it in one go. What it held when it was killed, or while Redis
was away for long, is not counted: these are figures to watch, and what must be true is in the database.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from worker.observing.catalogue import Metric

_COUNTS, _LATEST, _PROCESSES = "leadgauge:meter", "leadgauge:meter:latest", "leadgauge:processes"
_EVERY, _AFTER_A_FAILURE = 5.0, 60.0
_MOST = 5_000
"""Figures that are held at most; labels have few values, and a mistake that gives them many fills no memory."""
_PRESENT, _FORGOTTEN = 300.0, 86_400.0


class Meter:
    """Of one process; thread-safe. Nothing here raises: what counts is not worth failing what is counted."""

    def __init__(self, redis: Callable[[], Redis | None], role: str) -> None:
        self._redis, self.role = redis, role
        self._held: dict[str, float] = {}
        self._latest: dict[str, float] = {}
        self._told = False
        self._lock = threading.Lock()
        self._next = time.monotonic() + _EVERY

    def count(self, metric: Metric, value: float = 1, *labels: str) -> None:
        """Add to a counter. Labels in the order of the metric's."""
        if value:
            self._add({_field(metric.name, labels): float(value)})

    def time(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Add to a histogram."""
        place = bisect_left(metric.buckets, seconds)
        bound = repr(metric.buckets[place]) if place < len(metric.buckets) else "+Inf"
        self._add({
            _field(metric.name, (*labels, bound)): 1.0, _field(f"{metric.name}_sum", labels): seconds,
        })  # fmt: skip

    def stamp(self, metric: Metric, *labels: str) -> None:
        """Note that something happened now."""
        with self._lock:
            self._latest[_field(metric.name, labels)] = time.time()

    def _add(self, values: Mapping[str, float]) -> None:
        with self._lock:
            for field, value in values.items():
                if field in self._held or len(self._held) < _MOST:
                    self._held[field] = self._held.get(field, 0.0) + value
            late = time.monotonic() >= self._next
        if late:
            self.flush()

    def flush(self) -> None:
        """Hand over what is held, and tell that this process is there."""
        redis = self._redis()
        with self._lock:
            self._next = time.monotonic() + _EVERY
            if redis is None:
                return
            held, latest, self._held, self._latest = self._held, self._latest, {}, {}
        try:
            with redis.pipeline(transaction=False) as pipe:
                for field, value in held.items():
                    pipe.hincrbyfloat(_COUNTS, field, value)
                if latest:
                    pipe.hset(_LATEST, mapping={field: repr(at) for field, at in latest.items()})
                pipe.hset(_PROCESSES, f"{socket.gethostname()}:{os.getpid()}", self._presence())
                pipe.execute(raise_on_error=False)
            self._told = True
        except RedisError:
            self._told = False
            with self._lock:
                self._next = time.monotonic() + _AFTER_A_FAILURE
                for field, value in held.items():
                    self._held[field] = self._held.get(field, 0.0) + value

    def keep(self) -> None:
        """Hand over every few seconds from now on, in a thread: for a process that does not fork."""

        def go_on() -> None:
            while True:
                self.flush()
                time.sleep(3 * _EVERY)

        threading.Thread(target=go_on, daemon=True, name="meter").start()

    def leave(self) -> None:
        """Hand over what is held; this process ends. One that counted nothing asks nobody."""
        if not (self._held or self._latest or self._told):
            return
        self.flush()
        redis = self._redis()
        if self._told and redis is not None:
            with suppress(RedisError):
                redis.hdel(_PROCESSES, f"{socket.gethostname()}:{os.getpid()}")

    def _presence(self) -> str:
        return json.dumps([self.role, resident(), round(time.time())])


@dataclass(frozen=True, slots=True)
class Counted:
    """A figure as it was added up. `part`: "" of a counter, "sum" or a bucket's upper bound of a histogram."""

    name: str
    labels: tuple[str, ...]
    part: str
    value: float


@dataclass(frozen=True, slots=True)
class Present:
    """The processes of a role: how many, and the most memory that one of them holds."""

    role: str
    processes: int
    memory: int


def counted(redis: Redis, metrics: Mapping[str, Metric]) -> Iterator[Counted]:
    """All that was added up of these metrics. Raises `RedisError`."""
    held = {**cast(dict[bytes, bytes], redis.hgetall(_COUNTS)), **cast(dict[bytes, bytes], redis.hgetall(_LATEST))}
    for field, value in held.items():
        name, *labels = json.loads(field)
        metric, part = metrics.get(name), ""
        if metric is None and name.endswith("_sum"):
            metric, part = metrics.get(name.removesuffix("_sum")), "sum"
        elif metric is not None and metric.buckets:
            part = labels.pop()
        if metric is not None and len(labels) == len(metric.labels):  # else of another version
            yield Counted(metric.name, tuple(labels), part, float(value))


def present(redis: Redis) -> Iterator[Present]:
    """Who was there lately, by role. Those long gone are forgotten. Raises `RedisError`."""
    now, found, gone = time.time(), dict[str, list[int]](), []
    for field, value in cast(dict[bytes, bytes], redis.hgetall(_PROCESSES)).items():
        role, memory, at = json.loads(value)
        if now - at <= _PRESENT:
            found.setdefault(role, []).append(memory)
        elif now - at > _FORGOTTEN:
            gone.append(field)
    if gone:
        redis.hdel(_PROCESSES, *gone)
    for role, memories in sorted(found.items()):
        yield Present(role, len(memories), max(memories))


def resident() -> int:
    """Bytes of memory that this process holds; where the system does not tell, the most that it ever held."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _field(name: str, labels: tuple[str, ...]) -> str:
    return json.dumps([name, *labels])
