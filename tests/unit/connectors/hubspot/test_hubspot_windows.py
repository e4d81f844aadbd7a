"""The laws of the polling cursor, over a portal whose search index is late."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.hubspot.settings import Timings
from connectors.hubspot.windows import SEEN_KEPT, Place, Reason, Window, advance, begin, due, end
from connectors.port import Tier

T = Timings()
MINUTE = 60_000
START = 1_795_000_000_000
PAGE = 3


class LateIndex:
    """Rows with one modification each, which search shows only later."""

    def __init__(self, rows: list[tuple[int, int]]) -> None:
        self.rows = [(id, START + at, START + at + lag) for id, (at, lag) in enumerate(rows)]

    def page(self, window: Window, now: int) -> list[tuple[int, int]]:
        after = int(window.position) if window.position is not None else -1
        until = window.until if window.until is not None else 1 << 60
        return [
            (id, at) for id, at, visible in self.rows if visible <= now and window.since <= at <= until and id > after
        ]


def drain(place: Place, index: LateIndex, now: int, tier: Tier = Tier.COMPLETE) -> tuple[Place, list[str], set[int]]:
    """Pull until done, as the connector does; the cursor goes through JSON in between."""
    read: list[str] = []
    found: set[int] = set()
    for _ in range(1_000):
        window = due(place, T, tier)
        rows = index.page(window, now)
        until = end(place, window, now, T)
        page = rows[:PAGE]
        wanted = [(id, at) for id, at in page if tier is Tier.FAST or at <= until]
        found.update(id for id, _ in wanted)
        read += [str(id) for id, at in wanted if place.seen.get(str(id), -1) < at]
        position = str(page[-1][0]) if len(rows) > PAGE else None
        place, done = advance(place, window, until, position, [(str(id), at) for id, at in wanted], now, T)
        place = Place.load(json.loads(json.dumps(place.dump())))
        if done:
            return place, read, found
    raise AssertionError("a stream that is never done")


rows = st.lists(st.tuples(st.integers(0, 4 * 60 * MINUTE), st.integers(0, 55 * MINUTE)), max_size=40)
polls = st.lists(st.integers(1, 40 * MINUTE), min_size=1, max_size=25)


@settings(deadline=None, max_examples=150)
@given(rows, polls)
def test_nothing_is_lost_when_the_index_is_late_by_less_than_the_sweep(
    rows: list[tuple[int, int]], polls: list[int]
) -> None:
    index, place, now, known = LateIndex(rows), begin(START), START, set[int]()
    for wait in [*polls, 5 * 60 * MINUTE, 3 * 60 * MINUTE]:
        now += wait
        place, _, found = drain(place, index, now)
        known |= found
    assert known == {id for id, _, _ in index.rows}


@settings(deadline=None, max_examples=100)
@given(rows, polls)
def test_the_complete_tier_never_shows_what_is_not_settled_and_its_cursor_never_passes_it(
    rows: list[tuple[int, int]], polls: list[int]
) -> None:
    index, place, now = LateIndex(rows), begin(START), START
    for wait in polls:
        now += wait
        reached = max(place.read_to, now - T.settle // timedelta(milliseconds=1))
        place, _, found = drain(place, index, now)
        assert place.read_to <= reached
        assert all(index.rows[id][1] <= reached for id in found)


@settings(deadline=None, max_examples=100)
@given(rows, st.integers(0, 5 * 60 * MINUTE))
def test_the_fast_tier_sees_all_that_is_visible_since_the_cursor_and_moves_nothing(
    rows: list[tuple[int, int]], elapsed: int
) -> None:
    index, now = LateIndex(rows), START + elapsed
    place, _, _ = drain(begin(START), index, START + elapsed // 2)
    after, _, found = drain(place, index, now, Tier.FAST)
    assert after == place
    assert found >= {id for id, at, visible in index.rows if at >= place.read_to and visible <= now}


def test_a_row_is_read_once_while_it_does_not_change() -> None:
    index, place = LateIndex([(n * 1_000, 0) for n in range(20)]), begin(START)
    read: list[str] = []
    for minute in range(2, 200, 3):
        place, page, _ = drain(place, index, START + minute * MINUTE)
        read += page
    assert sorted(read, key=int) == [str(n) for n in range(20)]


def test_a_busy_stream_is_read_once_when_late_rows_have_shown_and_a_quiet_one_sooner() -> None:
    late = 10 * MINUTE
    index, place, times = LateIndex([(n * 10_000 + 1, late) for n in range(600)]), begin(START), Counter[int]()
    for minute in range(12, 112, 5):
        place, _, found = drain(place, index, START + minute * MINUTE)
        times.update(found)
        assert place.settled_to is not None
        assert times.keys() >= {id for id, at, _ in index.rows if START <= at < place.settled_to}
    assert place.busy
    assert {n for id, n in times.items() if id > 12} == {1}, "but for what was read before it was known to be busy"
    for minute in (112, 118, 119):
        place, _, _ = drain(place, index, START + minute * MINUTE)
    assert (place.busy, place.read_to) == (False, START + 118 * MINUTE)


def test_every_stretch_is_read_again_when_it_is_an_hour_old() -> None:
    place = Place(START + 120 * MINUTE, START)
    place, done = advance(place, Window(Reason.FORWARD, 0), START + 121 * MINUTE, None, (), START + 122 * MINUTE, T)
    assert not done
    assert due(place, T, Tier.COMPLETE) == Window(Reason.SWEEP, START, START + 62 * MINUTE)
    place, done = advance(place, due(place, T, Tier.COMPLETE), START + 62 * MINUTE, None, (), START + 122 * MINUTE, T)
    assert done
    assert place.swept_to == START + 62 * MINUTE


def test_a_window_under_way_keeps_its_end() -> None:
    place = begin(START)
    place, _ = advance(place, due(place, T, Tier.COMPLETE), START + MINUTE, "17", (), START + 2 * MINUTE, T)
    window = due(place, T, Tier.COMPLETE)
    assert (window.until, window.position) == (START + MINUTE, "17")
    assert end(place, window, START + 90 * MINUTE, T) == START + MINUTE


def test_a_fast_look_does_not_go_on_with_a_complete_window() -> None:
    place = Place(START, START, {}, Window(Reason.FORWARD, START, START + MINUTE, "17"))
    assert due(place, T, Tier.FAST).position is None


def test_the_cursor_stays_small() -> None:
    rows = [(str(n), START + n) for n in range(3 * SEEN_KEPT)]
    place, _ = advance(begin(START), Window(Reason.FORWARD, START), START + 9_000, "1", rows, START + 9_000, T)
    assert len(place.seen) == SEEN_KEPT
    assert min(place.seen.values()) == START + 2 * SEEN_KEPT


def test_the_fast_tier_begins_where_the_complete_one_ended() -> None:
    place = Place(START, START)
    assert due(place, T, Tier.FAST).since == START
    assert due(place, T, Tier.COMPLETE).since == START - 10 * MINUTE
