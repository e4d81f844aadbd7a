"""How far back a look of the fast tier begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.looked import LEAST, Looked

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
MOST = timedelta(seconds=60)


def back(rate: float, seconds: int, page: int = 200) -> float:
    """How many seconds before the last look's end the next one begins, so long after it."""
    return (AT - Looked(AT, rate).since(AT + timedelta(seconds=seconds), page, MOST)).total_seconds()


@pytest.mark.parametrize(
    ("rate", "seconds", "expected"),
    [
        pytest.param(0, 30, 60, id="nothing came"),
        pytest.param(1, 30, 60, id="as much as may be fits into the page"),
        pytest.param(4, 30, 12.5, id="so much fits into the page"),
        pytest.param(14, 30, 10, id="hardly anything fits into three pages"),
        pytest.param(500, 30, 10, id="far too much comes"),
        pytest.param(4, -5, 42.5, id="the CRM's clock was set back"),
    ],
)
def test_a_look_goes_back_as_far_as_fits_into_pages_that_are_read_anyway(
    rate: float, seconds: int, expected: float
) -> None:
    assert back(rate, seconds) == pytest.approx(expected)


@given(st.floats(0, 1e6), st.integers(-3600, 10**6), st.integers(1, 2000))
def test_a_look_never_begins_later_than_what_a_crm_takes_nor_earlier_than_asked_for(
    rate: float, seconds: int, page: int
) -> None:
    assert LEAST.total_seconds() <= back(rate, seconds, page) <= MOST.total_seconds()


@pytest.mark.parametrize(("seconds", "expected"), [(3, 10), (20, 40), (40, 60)])
def test_rows_that_show_later_than_usual_take_a_look_twice_as_far_back(seconds: int, expected: int) -> None:
    last = Looked(AT, 500)
    new = [AT + timedelta(seconds=n) for n in range(40)] + [AT - timedelta(seconds=seconds)] * 10
    assert last.lateness([*new, AT - timedelta(hours=1)]) == seconds, "a straggler is left to the complete read"
    next = Looked(AT, 500, last.lateness(new))
    assert AT - next.since(AT + timedelta(seconds=30), 200, MOST) == timedelta(seconds=expected)
    assert next.lateness([]) == seconds, "a look that found nothing tells nothing"


def test_where_nothing_settles_late_a_look_begins_where_the_last_one_ended() -> None:
    assert Looked(AT, 1).since(AT + timedelta(seconds=30), 200, timedelta(0)) == AT


def test_what_is_kept_is_what_was_seen() -> None:
    seen = Looked.between(AT - timedelta(seconds=50), AT, 200)
    assert Looked.of(seen.dump()) == seen == Looked(AT, 4.0)
    assert Looked.of(None) is None
