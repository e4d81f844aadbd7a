from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sandbox.salesforce.table import LAST, Table

STAMPS = st.integers(0, 5).map(lambda second: f"2026-01-01T00:00:0{second}.000+0000")
EDITS = st.lists(st.tuples(st.integers(0, 12).map(lambda n: f"id{n:02}"), st.none() | STAMPS), max_size=60)


@given(EDITS, STAMPS, STAMPS, st.sets(st.integers(0, 59)))
def test_the_index_equals_a_sort_after_any_edits(
    edits: list[tuple[str, str | None]], low: str, high: str, looks: set[int]
) -> None:
    table, truth = Table(), dict[str, str]()
    for step, (id, stamp) in enumerate(edits):
        row = None if stamp is None else {"Id": id, "SystemModstamp": stamp}
        table.put(id, row)
        table.reveal(id, row)
        if stamp is None:
            truth.pop(id, None)
        else:
            truth[id] = stamp
        if step in looks:
            table.between("SystemModstamp", None, None)
    expected = sorted((stamp, id) for id, stamp in truth.items())
    assert table.between("SystemModstamp", None, None) == [id for _, id in expected]
    inside = [id for stamp, id in expected if low < stamp <= high]
    assert table.between("SystemModstamp", (low, LAST), (high, LAST)) == inside


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "X", "y", None])), max_size=20))
def test_a_bucket_holds_at_least_the_rows_with_the_value(edits: list[tuple[str, str | None]]) -> None:
    table, truth = Table(), dict[str, str | None]()
    for id, value in edits:
        row = {"Id": id} if value is None else {"Id": id, "Email": value}
        table.put(id, row)
        table.reveal(id, row)
        truth[id] = value
        assert {key for key, held in truth.items() if held and held.lower() == "x"} <= set(table.having("Email", ["X"]))
