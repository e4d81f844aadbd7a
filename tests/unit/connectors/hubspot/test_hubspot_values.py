from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.hubspot.values import FIELD_TYPES, instant, millis, parse, render, score_fields
from connectors.records import ScoreField, Value

NAMES = {field: f"lg_{field}" for field in ScoreField}
whole_seconds = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)
VALUES = {
    int: st.integers(0, 100),
    float: st.integers(0, 1000).map(lambda tenths: tenths / 10),
    str: st.text(min_size=1, max_size=255),
    datetime: whole_seconds,
}


@given(st.fixed_dictionaries({field: VALUES[FIELD_TYPES[field]] for field in ScoreField}))
def test_what_is_written_is_read_back_the_same(values: dict[ScoreField, Value]) -> None:
    properties = {NAMES[field]: render(value) for field, value in values.items()}
    assert score_fields(properties, NAMES) == values


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_digits_and_one_point(number: float) -> None:
    assert set(render(number)) <= set("-.0123456789")
    assert parse(float, render(number)) == number


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        ("2026-11-20T10:11:12.345Z", datetime(2026, 11, 20, 10, 11, 12, 345_000, UTC)),
        ("2026-11-20T10:11:12Z", datetime(2026, 11, 20, 10, 11, 12, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("1795000123456", datetime.fromtimestamp(1795000123, UTC) + timedelta(milliseconds=456)),
        (1795000123456, datetime.fromtimestamp(1795000123, UTC) + timedelta(milliseconds=456)),
        ("2026-11-20T12:11:12+02:00", datetime(2026, 11, 20, 10, 11, 12, tzinfo=UTC)),
    ],
)
def test_every_form_of_an_instant_is_aware_and_utc(raw: str | int, at: datetime) -> None:
    assert instant(raw) == at
    assert instant(raw).tzinfo is UTC


@given(st.integers(0, 4_000_000_000_000))
def test_milliseconds_keep_their_instant(ms: int) -> None:
    assert millis(instant(ms)) == ms


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (87, "87"),
        (12.3, "12.3"),
        (1e-7, "0.0000001"),
        (datetime(2026, 11, 20, 12, 0, 0, 999, timezone(timedelta(hours=2))), "2026-11-20T10:00:00Z"),
        (date(2026, 11, 20), "2026-11-20"),
    ],
)
def test_rendering(value: Value, text: str) -> None:
    assert render(value) == text


@pytest.mark.parametrize(
    ("kind", "raw"),
    [(int, "many"), (float, "nan"), (float, "1,000"), (bool, "yes"), (datetime, "soon"), (datetime, "9" * 40)],
)
def test_a_value_of_another_type_is_refused_without_quoting_it(kind: type, raw: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        parse(kind, raw)
    if kind is bool:
        assert raw not in str(raised.value)


def test_a_score_that_someone_overtyped_shows_as_what_it_is() -> None:
    assert score_fields({"lg_score": "high", "lg_bucket": None, "lg_grade": ""}, NAMES) == {ScoreField.SCORE: "high"}


def test_a_fraction_in_a_whole_number_property_differs_from_what_was_written() -> None:
    assert score_fields({"lg_score": "87.0"}, NAMES) == {ScoreField.SCORE: 87}
    assert score_fields({"lg_score": "87.5"}, NAMES) == {ScoreField.SCORE: 87.5}
