"""Work that needs columns and models, in a child process: the pages go on answering while it computes.

What a child is asked is a function of a module and values that can be sent; it gets the child's own `Process` first.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any, TypeVar

from worker.bootstrap import Process
from worker.settings import Settings

T = TypeVar("T")
_own = threading.local()


def child(settings: Settings, *, alone: bool = False) -> Executor:
    """One child process, started when it is first needed, that ends with this one. `alone`: it computes in one thread,
    which for one person's few rows is faster than to hand them around."""
    spawned = multiprocessing.get_context("spawn")  # a fork would inherit our connections and threads
    return ProcessPoolExecutor(1, mp_context=spawned, initializer=_begin, initargs=(settings, alone))


class Aside:
    """Where to have work done. `start` makes what does it; once more when that has died."""

    def __init__(self, start: Callable[[], Executor]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._executor: Executor | None = None

    def ask(self, work: Callable[..., T], *values: Any, **named: Any) -> T:
        """What the work returns, or raises. A child that was killed is replaced, and asked once more."""
        try:
            return self._asked(work, *values, **named)
        except BrokenProcessPool:
            self.close()
            return self._asked(work, *values, **named)

    def _asked(self, work: Callable[..., T], *values: Any, **named: Any) -> T:
        asked: Future[T] = self._running().submit(_work, work, *values, **named)
        return asked.result()

    def warm(self) -> None:
        """Start it, and let it import what it will need, without waiting."""
        self._running().submit(_work, _imports)

    def close(self) -> None:
        """It ends when it has done what it was asked before; the next question starts another."""
        with self._lock:
            if self._executor is not None:
                with suppress(BrokenExecutor):
                    self._executor.submit(_work, _end)
                self._executor.shutdown(wait=False)
                self._executor = None

    def _running(self) -> Executor:
        with self._lock:
            if self._executor is None:
                self._executor = self._start()
            return self._executor


def _begin(settings: Settings, alone: bool = False) -> None:
    if alone:  # polars reads it when it is first imported
        os.environ.setdefault("POLARS_MAX_THREADS", "1")
    if (parent := multiprocessing.parent_process()) is not None:
        sentinel = parent.sentinel

        def end_with_parent() -> None:
            wait([sentinel])
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()
    _own.process = Process(settings)


def _work(work: Callable[..., T], *values: Any, **named: Any) -> T:
    process: Process = _own.process
    try:
        return work(process, *values, **named)
    except Exception:
        process.reconnect()  # the columns' connection does not heal by itself
        raise


def _end(process: Process) -> None:
    process.close()


def _imports(process: Process) -> None:
    import worker.rescoring.changed
    import worker.training.whatif  # noqa: F401

    process.arrow  # noqa: B018
