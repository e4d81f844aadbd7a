from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.hubspot.index import Row, SearchIndex, Span

Write = tuple[int, int | None]

writes = st.lists(st.tuples(st.integers(1, 400), st.none() | st.integers(0, 50)), max_size=300)
spans = st.builds(Span, st.integers(0, 50), st.integers(0, 50), st.integers(1, 400), st.integers(1, 400))


def row(id: int, version: int, modified: int) -> Row:
    return Row(id, version, {}, 0, modified)


def filled(steps: list[Write]) -> tuple[SearchIndex, dict[int, int]]:
    index = SearchIndex()
    expected: dict[int, int] = {}
    for version, (id_, modified) in enumerate(steps):
        index.submit(id_, version, None if modified is None else row(id_, version, modified), 0, 0)
        if modified is None:
            expected.pop(id_, None)
        else:
            expected[id_] = modified
    return index, expected


@settings(deadline=None)
@given(writes, spans)
def test_a_span_holds_exactly_the_rows_that_a_full_scan_finds(steps: list[Write], span: Span) -> None:
    index, expected = filled(steps)
    found = sorted(
        id_
        for id_, modified in expected.items()
        if span.since <= modified <= span.until and span.first <= id_ <= span.last
    )
    assert list(index.ids(span)) == found
    assert index.count(span) == len(found)


def test_many_blocks_give_every_row_once_and_in_the_order_of_ids() -> None:
    index = SearchIndex()
    ids = [(n * 7919) % 10_007 for n in range(1, 10_007)]
    for version, id_ in enumerate(ids):
        index.submit(id_, version, row(id_, version, id_ % 13), 0, 0)
    assert list(index.ids(Span())) == sorted(ids)
    assert index.count(Span(first=5_000, last=5_999)) == 1_000
    assert index.count(Span(since=3, until=3)) == sum(id_ % 13 == 3 for id_ in ids)


def test_a_write_is_seen_from_its_instant_on() -> None:
    index = SearchIndex()
    index.submit(1, 0, row(1, 0, 10), 500, 100)
    index.settle(499)
    assert list(index.ids(Span())) == []
    index.settle(500)
    assert list(index.ids(Span())) == [1]


def test_an_older_write_that_arrives_last_changes_nothing() -> None:
    index = SearchIndex()
    index.submit(1, 0, row(1, 0, 10), 900, 100)
    index.submit(1, 1, row(1, 1, 20), 200, 100)
    index.settle(1_000)
    assert index.row(1) == row(1, 1, 20)
    assert list(index.ids(Span(since=10, until=10))) == []


def test_a_late_write_does_not_raise_the_dead() -> None:
    index = SearchIndex()
    index.submit(1, 0, row(1, 0, 10), 900, 100)
    index.submit(1, 1, None, 200, 100)
    index.settle(1_000)
    assert index.row(1) is None
    assert index.count(Span()) == 0
