"""Counts that add up, and the requirement beside the live figure."""

from __future__ import annotations

from datetime import date

import pytest

from tests.unit.training.history_by_hand import goal, history
from worker.training.population import EARLY, History
from worker.training.preview import NEEDED, preview

END = 120.0


def people(count: int, *, every: int = 5, at: float = 10) -> History:
    """`count` people, a new one each tenth of a day; each `every`-th converts on day `at` of their own."""
    standing = [(n, n, n / 10, True) for n in range(count)]
    return history(standing, [(n, n / 10 + at) for n in range(0, count, every)], until=END)


def test_everybody_is_counted_once() -> None:
    found = preview(people(1000), goal())
    assert found.eligible == 1000
    assert found.trainable + found.immature == found.eligible
    assert found.converted + found.others == found.trainable
    assert sum(month.people for month in found.months) == found.eligible
    assert sum(month.immature for month in found.months) == found.immature
    assert found.immature == sum(n / 10 > END - 30 for n in range(1000))


def test_the_rate_of_a_month_is_that_of_who_has_matured() -> None:
    months = {month.month: month for month in preview(people(1000), goal()).months}
    assert months[date(2026, 1, 1)].rate == pytest.approx(0.2, abs=0.005)
    april = months[date(2026, 4, 1)]
    assert april.immature > 0.9 * april.people
    assert april.converted <= april.people - april.immature


def test_who_converted_early_is_counted_apart_in_the_month_of_coming() -> None:
    found = preview(history([(1, 1, 40, True), (2, 2, 40, True)], [(1, 39)], until=END), goal())
    assert found.outside == {EARLY: 1}
    assert [(month.month, month.people, month.early) for month in found.months] == [(date(2026, 2, 1), 1, 1)]


def test_an_immature_lead_is_never_a_negative() -> None:
    found = preview(history([(n, n, 100, True) for n in range(50)], until=END), goal())
    assert (found.trainable, found.others, found.immature) == (0, 0, 50)
    assert found.base_rate is None


def test_the_base_rate_weighs_people_and_not_instants() -> None:
    quick = [(n, n, 0, True) for n in range(100)]
    found = preview(history(quick, [(n, 5) for n in range(50)], until=END), goal())
    assert found.base_rate == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("converted", "others", "verdict"),
    [
        (NEEDED, NEEDED, "a model can be trained"),
        (NEEDED - 1, NEEDED, "rules only: 1 more conversions must mature"),
        (NEEDED, NEEDED - 3, "rules only: 3 more people who did not convert must mature"),
        (0, 0, f"rules only: {NEEDED} more conversions and {NEEDED} more people who did not convert must mature"),
    ],
)
def test_forty_and_forty_are_needed(converted: int, others: int, verdict: str) -> None:
    rows = [(n, n, 0, True) for n in range(converted + others)]
    found = preview(history(rows, [(n, 5) for n in range(converted)], until=END), goal())
    assert found.verdict == verdict
    assert found.ready is verdict.startswith("a model")


def test_a_segment_that_is_too_small_falls_back_to_the_model_of_all() -> None:
    rows = [(n, n, 0, True) for n in range(300)]
    values = [(n, "country", "Spain" if n < 200 else "France", 0) for n in range(290)]
    events = [(n, 5) for n in range(300) if n % 4 == 0]
    found = preview(history(rows, events, until=END, values=values), goal(segment="country", segment_minimum=40))
    assert [(s.value, s.people, s.converted, s.own_model) for s in found.segments] == [
        ("Spain", 200, 50, True),
        ("France", 90, 23, False),
        (None, 10, 2, False),
    ]


def test_people_whom_the_filters_never_let_in_are_told() -> None:
    rows = [(n, n, 0, True) for n in range(10)]
    values = [(n, "country", "Spain", 0) for n in range(4)]
    found = preview(history(rows, until=END, values=values), goal(population={"where": {"country": "spain"}}))
    assert found.trainable == 4
    assert found.outside == {"the filters on attributes never held": 6}


def test_an_empty_history_has_zeros() -> None:
    found = preview(history([], until=END), goal())
    assert (found.eligible, found.trainable, found.months, found.base_rate) == (0, 0, [], None)
    assert not found.ready
