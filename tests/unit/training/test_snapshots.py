"""Instants are drawn where live scoring would meet people, evenly, repeatably, and from each person alone."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.training.history_by_hand import day, goal, history
from worker.training.population import History, population
from worker.training.snapshots import Moments, draw, value_at

END = 200.0


def drawn(
    of: History, *, per_person: int = 4, seed: int = 0, moments: Moments = Moments.TIME, **asked: Any
) -> pl.DataFrame:
    chosen = goal(**asked)
    return draw(of, population(of, chosen), chosen, per_person=per_person, seed=seed, moments=moments)


def test_instants_lie_in_the_eligible_time_whose_horizon_is_over() -> None:
    of = history([(1, 10, 5, True), (2, 20, 160, True), (2, 20, 165, False)], [(1, 50)], until=END)
    found = drawn(of, per_person=50)
    first = found.filter(pl.col("person_id") == 1).get_column("as_of")
    assert day(5) <= first.min() < first.max() < day(50)  # type: ignore[operator]
    assert found.filter(pl.col("person_id") == 2).get_column("as_of").is_between(day(160), day(165)).all()
    late = history([(1, 10, 5, True)], until=END)
    assert drawn(late, per_person=50).get_column("as_of").max() <= day(170)  # type: ignore[operator]


def test_who_has_no_instant_whose_horizon_is_over_is_left_out() -> None:
    assert drawn(history([(1, 10, 171, True)], until=END)).is_empty()
    assert drawn(history([(1, 10, 170, True)], until=END)).height == 1


def test_a_loser_who_was_open_for_a_week_is_drawn_within_it() -> None:
    found = drawn(history([(1, 10, 5, True), (1, 10, 12, False)], until=END))
    assert found.height == 4
    assert found.get_column("as_of").is_between(day(5), day(12)).all()


def test_each_equal_part_of_the_time_gets_one_whatever_lies_between() -> None:
    of = history([(1, 10, 0, True), (1, 10, 20, False), (1, 10, 100, True), (1, 10, 120, False)], until=END)
    found = sorted((at - day(0)).days for at in drawn(of).get_column("as_of"))
    assert [n // 10 for n in found] == [0, 1, 10, 11]


def test_a_persons_weights_sum_to_one_and_each_round_has_a_person_once() -> None:
    of = history([(1, 10, 5, True), (2, 20, 5, True), (3, 30, 170, True)], until=END)
    found = drawn(of)
    assert found.group_by("person_id").agg(pl.col("weight").sum()).get_column("weight").to_list() == [1, 1, 1]
    assert not found.select("person_id", "round").is_duplicated().any()


def test_the_same_seed_draws_the_same_and_another_seed_another() -> None:
    of = history([(n, n, 5, True) for n in range(1, 50)], until=END)
    assert drawn(of, seed=3).equals(drawn(of, seed=3))
    assert not drawn(of, seed=3).equals(drawn(of, seed=4))


@given(st.sets(st.integers(1, 40), min_size=1), st.integers(0, 2**40))
def test_who_else_there_is_moves_nobodys_instants(others: set[int], seed: int) -> None:
    def of(people: set[int]) -> pl.DataFrame:
        rows = [(n, n, n % 7, True) for n in people]
        return drawn(history(rows, [(n, 90) for n in people if n % 3], until=END), seed=seed)

    alone = of({7})
    assert of(others | {7}).filter(pl.col("person_id") == 7).equals(alone)


def test_instants_are_uniform_over_the_time() -> None:
    found = drawn(history([(n, n, 0, True) for n in range(1, 4001)], until=END), per_person=1)
    tenths = found.select(((pl.col("as_of") - day(0)).dt.total_seconds() // (17 * 86_400)).alias("tenth"))
    counts = tenths.group_by("tenth").len().get_column("len")
    assert len(counts) == 10
    assert 300 < counts.min() <= counts.max() < 500  # type: ignore[operator]


def test_instants_at_acts_are_those_of_the_person_and_any_for_the_silent() -> None:
    of = history([(1, 10, 5, True), (2, 20, 5, True)], until=END, acts=[(1, 9), (1, 9), (1, 30), (1, 190), (2, 3)])
    found = drawn(of, moments=Moments.ACTS)
    assert found.filter(pl.col("person_id") == 1).get_column("as_of").sort().to_list() == [day(9), day(30)]
    assert found.filter(pl.col("person_id") == 2).height == 4


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"where": {"plan": ["FREE"]}}, (0, 50)),
        ({"where": {"plan": ["pro"]}}, (50, 170)),
        ({"unless": {"plan": ["free"]}}, (50, 170)),
        ({"where": {"plan": ["free", "pro"]}}, (0, 170)),
    ],
)
def test_filters_hold_as_of_the_instant(filters: dict[str, Any], expected: tuple[int, int]) -> None:
    of = history([(1, 10, 0, True)], until=END, values=[(1, "plan", "free", 0), (1, "plan", " Pro", 50)])
    found = drawn(of, per_person=8, population=filters).get_column("as_of")
    assert found.is_between(day(expected[0]), day(expected[1])).all()
    assert len(found) >= 4


def test_a_value_that_is_not_known_satisfies_no_filter() -> None:
    of = history([(1, 10, 0, True)], until=END)
    assert drawn(of, population={"where": {"plan": ["free"]}}).is_empty()
    assert drawn(of, population={"unless": {"plan": ["free"]}}).height == 4


def test_the_segment_is_that_of_the_instant() -> None:
    of = history([(1, 10, 0, True)], until=END, values=[(1, "country", "Spain", 0), (1, "country", "France", 85)])
    found = drawn(of, segment="country").sort("as_of").get_column("segment").to_list()
    assert found == ["Spain", "Spain", "France", "France"]


def test_a_cleared_value_is_not_known() -> None:
    of = history([(1, 10, 0, True)], until=END, values=[(1, "plan", "free", 0), (1, "plan", None, 50)])
    instants = pl.DataFrame(
        {"person_id": [1, 1, 2], "as_of": [day(60), day(10), day(10)]},
        {"person_id": pl.Int64, "as_of": of.values.schema["known_at"]},
    )
    assert value_at(instants, of.values, "plan").to_list() == [None, "free", None]


def test_the_time_of_all_people_together_may_be_long() -> None:
    """Here more microseconds than 64 bits hold, as with a million people of a year each."""
    found = drawn(history([(n, n, -36_500, True) for n in range(4000)], until=END), per_person=2,
                  population={"created_within_months": None})  # fmt: skip
    assert found.height == 8000
    assert found.get_column("as_of").is_between(day(-36_500), day(170)).all()
