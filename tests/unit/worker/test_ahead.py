from __future__ import annotations

import gc
import threading

import pytest

from connectors.errors import Transient
from connectors.port import Cursor, Page
from worker.sync.ahead import Ahead


def test_a_page_is_read_while_another_is_stored() -> None:
    reading, stored = threading.Event(), threading.Event()

    def read(cursor: Cursor | None) -> Page:
        if cursor is not None:
            reading.set()
            assert stored.wait(5)
        return Page({"at": 1}, done=cursor is not None)

    with Ahead(read) as ahead:
        first = ahead.page(None)
        ahead.begin(first.cursor)
        assert reading.wait(5)
        stored.set()
        assert ahead.page(first.cursor).done


def test_what_reading_ahead_raised_is_raised_where_the_page_is_asked_for() -> None:
    def read(cursor: Cursor | None) -> Page:
        raise Transient("acme", "it does not answer")

    with Ahead(read) as ahead:
        ahead.begin({})
        with pytest.raises(Transient):
            ahead.page({})


def test_nobody_reads_any_more_when_the_block_ends_and_garbage_is_looked_for_as_before() -> None:
    looks, begun, ended = gc.get_threshold(), threading.Event(), threading.Event()

    def read(cursor: Cursor | None) -> Page:
        begun.set()
        ended.wait(0.05)
        ended.set()
        return Page({}, done=True)

    with pytest.raises(KeyError), Ahead(read) as ahead:  # noqa: PT012 - what ends the block is not the point
        ahead.begin({})
        assert begun.wait(5)
        raise KeyError
    assert ended.is_set()
    assert gc.get_threshold() == looks
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())
