"""Figures that take longer to make than a page may take: shown as they last were, and made anew behind it.

Whoever asks gets the newest value at once, with its age. While there is none yet, there is nothing, and the page says
so and asks again. Each figure is made by one thread at a time, however many ask.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Generic, TypeVar

T = TypeVar("T")

KEPT = 256
"""Figures that are kept; the longest unasked goes first."""
COST = 10
"""A figure is made anew at the earliest after so many times as long as it took: a slow one loads no database."""


@dataclass(frozen=True, slots=True)
class Figure(Generic[T]):
    value: T
    at: datetime


@dataclass(slots=True)
class _Kept:
    figure: Figure[Any] | None = None
    problem: Exception | None = None
    again_at: float = 0.0
    making: Future[None] | None = None


class Figures:
    """Thread-safe."""

    def __init__(self, threads: int = 2) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="figures")
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def get(
        self, key: Hashable, make: Callable[[], T], fresh: timedelta, *, patience: float = 0.12
    ) -> Figure[T] | None:
        """The newest value, at most about `fresh` old when somebody asks often; None while the first is being made,
        which is waited for `patience` seconds. Raises what `make` raised where there is no value."""
        kept = self._asked(key, make, fresh.total_seconds())
        if kept.figure is None and kept.making is not None:
            wait_for([kept.making], patience)
        if kept.figure is not None:
            return kept.figure
        if kept.problem is not None:
            raise kept.problem
        return None

    def forget(self, *beginning: Hashable) -> None:
        """What was made under keys that begin so is made anew when it is next asked for; until then it stays."""
        with self._lock:
            for key, kept in self._kept.items():
                if isinstance(key, tuple) and key[: len(beginning)] == beginning:
                    kept.again_at = 0.0

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _asked(self, key: Hashable, make: Callable[[], T], fresh: float) -> _Kept:
        with self._lock:
            kept = self._kept.setdefault(key, _Kept())
            self._kept.move_to_end(key)
            if (kept.making is None or kept.making.done()) and time.monotonic() >= kept.again_at:
                kept.making = self._threads.submit(self._make, kept, make, fresh)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return kept

    def _make(self, kept: _Kept, make: Callable[[], T], fresh: float) -> None:
        began = time.monotonic()
        try:
            kept.figure, kept.problem = Figure(make(), datetime.now(UTC)), None
        except Exception as problem:  # kept for whoever asks, who knows what to say of it
            kept.problem = problem
        ended = time.monotonic()
        kept.again_at = ended + max(fresh, COST * (ended - began))
