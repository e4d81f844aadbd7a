from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.errors import ProtocolViolation, Transient
from connectors.understood import Misused, understood

ANSWER = {"records": ["ann@x.com"]}


@pytest.mark.parametrize(
    "taking",
    [
        lambda answer: answer["rows"],
        lambda answer: answer["records"][0]["Id"],
        lambda answer: answer["records"][1],
        lambda answer: answer["records"].get("Id"),
        lambda answer: int(answer["records"][0]),
    ],
    ids=["a key", "a type", "an index", "a method", "a value"],
)
def test_an_answer_of_another_shape_is_told_with_the_place_and_without_its_content(
    taking: Callable[[object], object],
) -> None:
    with pytest.raises(ProtocolViolation, match=r"test_understood\.py:\d+") as told, understood("acme"):
        taking(ANSWER)
    assert "ann" not in str(told.value)


@pytest.mark.parametrize("raised", [Misused("one object"), Transient("acme", "later"), KeyboardInterrupt()])
def test_what_no_answer_is_to_blame_for_passes(raised: BaseException) -> None:
    with pytest.raises(type(raised)), understood("acme"):
        raise raised
