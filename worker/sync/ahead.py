"""The next page of a CRM while one is being stored: the network and the database work at the same time."""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from connectors.port import Cursor, Page

MADE_BEFORE_A_LOOK = 50_000
"""Objects that are made before Python looks for cycles among them. A page is some hundred thousand without any, and at
its default of 700 the collector takes a third of the time that they take to be read."""


class Ahead:
    """Reads at most one page ahead, in a thread that begins when a stream has a second page and ends with the block.

    A `Crm` is used by one thread at a time: while a page is read ahead nobody else may use it.
    """

    def __init__(self, read: Callable[[Cursor | None], Page]) -> None:
        self._read = read
        self._pool: ThreadPoolExecutor | None = None
        self._coming: Future[Page] | None = None
        self._looks = gc.get_threshold()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for a page that nobody wants any more: the CRM is free only then."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            gc.set_threshold(*self._looks)

    def begin(self, cursor: Cursor) -> None:
        """Begin to read the page at `cursor`, which is the next that will be asked for."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
            gc.set_threshold(MADE_BEFORE_A_LOOK, *self._looks[1:])
        self._coming = self._pool.submit(self._read, cursor)

    def page(self, cursor: Cursor | None) -> Page:
        """The page at `cursor`: the one that was begun, or read now. Raises what reading it raised."""
        coming, self._coming = self._coming, None
        return self._read(cursor) if coming is None else coming.result()
