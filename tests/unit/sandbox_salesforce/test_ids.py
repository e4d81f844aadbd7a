from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.salesforce import ids


@pytest.mark.parametrize(
    ("id15", "suffix"), [("003000000000001", "AAA"), ("00Q6A00000AbCdE", "UAV"), ("zzzzzzzzzzzzzzz", "AAA")]
)
def test_the_checksum_tells_upper_case_letters(id15: str, suffix: str) -> None:
    assert ids.normalise(id15) == id15 + suffix


@given(st.integers(0, 62**9 - 1), st.integers(0, 62**9 - 1))
def test_ids_sort_in_the_order_they_are_minted(one: int, other: int) -> None:
    first, second = (ids.mint("00Q", "0a", number) for number in sorted((one, other)))
    assert (first < second) == (one != other)
    assert ids.normalise(first[:15]) == ids.normalise(first) == first


@pytest.mark.parametrize("wrong", [None, 5, "", "00Q", "00Q000000000001AAB", "00Q00000000-001", "é" * 15])
def test_anything_else_is_no_id(wrong: object) -> None:
    assert ids.normalise(wrong) is None
