from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from connectors.marketo.values import instant, parse, render, score_fields
from connectors.records import ScoreField, Value

AT = datetime(2013, 2, 19, 23, 17, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw",
    ["2013-02-19T23:17:04Z", "2013-02-19T23:17:04+0000", "2013-02-19T23:17:04Z+0000", "2013-02-20T01:17:04+02:00",
     " 2013-02-19T23:17:04 "],
)  # fmt: skip
def test_the_same_instant_in_each_way_that_the_vendor_writes_it(raw: str) -> None:
    assert instant(raw) == AT


@pytest.mark.parametrize("raw", ["", "yesterday", None, 7, "2013-02-31", "0000-01-01"])
def test_what_is_no_instant_is_refused_without_being_quoted(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"^not an instant of Marketo's$"):
        instant(raw)


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (str, "a", "a"), (str, 7, "7"), (int, "7", 7), (int, 7.0, 7), (int, 7.5, 7.5), (float, "12.30", 12.3),
        (bool, True, True), (bool, "true", True), (bool, "0", False), (date, "2026-02-28", date(2026, 2, 28)),
        (datetime, "2013-02-19T23:17:04Z", AT),
    ],
)  # fmt: skip
def test_a_value_is_read_by_its_type(kind: type, raw: Any, value: Value) -> None:
    assert parse(kind, raw) == value


@pytest.mark.parametrize(
    ("kind", "raw"),
    [(int, "x"), (int, True), (float, "nan"), (float, "inf"), (bool, "maybe"), (bool, 2), (str, []), (str, {}),
     (date, "x"), (int, [1]), (float, None)],
)  # fmt: skip
def test_a_value_of_another_type_is_none(kind: type, raw: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(kind, raw)


def test_what_is_written_is_what_is_read() -> None:
    berlin = AT.astimezone(timezone(timedelta(hours=1))).replace(microsecond=7)
    assert render(berlin) == "2013-02-19T23:17:04Z"
    assert render(date(2026, 2, 28)) == "2026-02-28"
    assert [render(value) for value in (None, 7, 12.3, True, "x")] == [None, 7, 12.3, True, "x"]


def test_a_text_where_a_number_should_be_is_seen_as_it_is() -> None:
    names = {ScoreField.SCORE: "leadGaugeScore", ScoreField.BUCKET: "leadGaugeBucket", ScoreField.GRADE: "grade"}
    row = {"leadGaugeScore": "high", "leadGaugeBucket": "hot", "grade": None}
    assert score_fields(row, names) == {ScoreField.SCORE: "high", ScoreField.BUCKET: "hot"}
