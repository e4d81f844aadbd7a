"""Who could be scored when: open records, not yet converted, and what the goal asks."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.training.history_by_hand import day, goal, history
from worker.training.population import CUSTOMERS, EARLY, NEVER_OPEN, NO_CUSTOMERS, OLD, History, population

END = 100.0
"""Until when all is known: spells end a microsecond later, as an instant may be that one."""


def spells(of: History, **asked: Any) -> list[tuple[int, float, float]]:
    """Person, first and last day; the end of all is rounded to the day."""
    rows = population(of, goal(**asked)).spells.iter_rows()
    return [(person, _days(start), _days(end)) for person, start, end in rows]


def _days(instant: Any) -> float:
    days: float = (instant - day(0)).total_seconds() / 86_400
    return round(days, 6)


def test_a_person_is_eligible_from_the_first_record_to_the_first_conversion() -> None:
    of = history([(1, 10, 5, True), (1, 11, 8, True)], [(1, 70), (1, 40)], until=END)
    assert spells(of) == [(1, 5, 40)]


def test_the_deleted_and_the_disqualified_were_eligible_before() -> None:
    of = history([(1, 10, 5, True), (1, 10, 30, False), (2, 20, 6, True), (2, 20, 50, False)], until=END)
    assert spells(of) == [(1, 5, 30), (2, 6, 50)]


def test_a_person_is_open_as_long_as_any_record_is() -> None:
    of = history(
        [(1, 10, 5, True), (1, 10, 30, False), (1, 11, 20, True), (1, 11, 40, False), (1, 10, 60, True)], until=END
    )
    assert spells(of) == [(1, 5, 40), (1, 60, END)]


def test_who_converted_before_being_known_is_counted_apart() -> None:
    found = population(history([(1, 10, 5, True), (2, 20, 5, True)], [(1, 5), (2, 6)], until=END), goal())
    assert found.outside == {EARLY: 1}
    assert found.people.get_column("person_id").to_list() == [2]


def test_who_never_had_an_open_record_is_counted_apart() -> None:
    assert population(history([(1, 10, 5, False)], until=END), goal()).outside == {NEVER_OPEN: 1}


def test_customers_are_out_in_or_alone() -> None:
    of = history([(1, 10, 5, True), (2, 20, 5, True)], customers=[(1, 30)], until=END)
    event = {"event": {"kind": "activity", "activity": "demo_request"}}
    assert spells(of, **event) == [(1, 5, 30), (2, 5, END)]
    assert spells(of, **event, population={"customers": "include"}) == [(1, 5, END), (2, 5, END)]
    assert spells(of, **event, population={"customers": "only"}) == [(1, 30, END)]
    assert population(of, goal(**event, population={"customers": "only"})).outside == {NO_CUSTOMERS: 1}
    before = history([(1, 10, 5, True)], customers=[(1, 4)], until=END)
    assert population(before, goal(**event)).outside == {CUSTOMERS: 1}


def test_a_goal_that_repeats_keeps_who_converted() -> None:
    of = history([(1, 10, 5, True)], [(1, 20), (1, 40)], customers=[(1, 20)], until=END)
    assert spells(of, repeats=True, population={"customers": "only"}) == [(1, 20, END)]


def test_only_the_young_and_only_since_a_day() -> None:
    of = history([(1, 10, 5, True), (2, 20, 60, True)], until=END)
    month = 365.25 / 12
    assert spells(of, population={"created_within_months": 1}) == [
        (1, 5, round(5 + month, 6)),
        (2, 60, round(60 + month, 6)),
    ]
    assert spells(of, population={"since": "2026-02-10"}) == [(1, 40, END), (2, 60, END)]
    late = population(of, goal(population={"created_within_months": 1, "since": "2026-02-10"}))
    assert late.outside == {OLD: 1}


def test_what_has_not_happened_yet_does_not_count() -> None:
    of = history(
        [(1, 10, 5, True), (1, 10, 120, False), (2, 20, 110, True)], [(1, 130)], customers=[(1, 140)], until=END
    )
    assert spells(of) == [(1, 5, END)]


rows = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(0, 90), st.booleans()), max_size=20)


@given(rows, st.lists(st.tuples(st.integers(1, 3), st.integers(0, 120)), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(
    standing: list[tuple[int, int, int, bool]], events: list[tuple[int, int]], dice: Any
) -> None:
    one = population(history(standing, events, until=END), goal())
    shuffled = sorted(standing, key=lambda _: dice.random()), sorted(events, key=lambda _: dice.random())
    other = population(history(*shuffled, until=END), goal())
    assert one.spells.equals(other.spells)
    assert one.outside == other.outside


@given(rows)
def test_an_instant_is_in_a_spell_just_when_a_record_is_open(standing: list[tuple[int, int, int, bool]]) -> None:
    found = spells(history(standing, until=END))
    for at in (n + 0.5 for n in range(0, 95, 5)):
        for person in (1, 2, 3):
            newest: dict[int, tuple[int, bool]] = {}
            for who, record, since, open_ in standing:
                if who == person and since <= at:
                    old = newest.get(record)
                    both = open_ and old[1] if old and old[0] == since else open_
                    newest[record] = max((since, both), old or (-1, False), key=lambda pair: pair[0])
            expected = any(open_ for _, open_ in newest.values())
            assert any(who == person and start <= at < end for who, start, end in found) == expected
