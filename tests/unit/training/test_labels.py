"""A label is an event in (instant, instant + horizon], known only when the horizon is over."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.training.history_by_hand import day, times
from worker.training.labels import labelled

HORIZON = timedelta(days=30)
MICROSECOND = timedelta(microseconds=1)


def label(at: float, *events: float, until: float = 365) -> bool | None:
    instants = pl.DataFrame(
        {"person_id": [1], "as_of": [day(at)]}, {"person_id": pl.Int64, "as_of": times([]).schema["at"]}
    )
    found = labelled(instants, times((1, event) for event in events), HORIZON, day(until)).get_column("label")
    value: bool | None = found.item()
    return value


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], False),
        ([10.0], False),  # exactly at the instant: it has happened already
        ([10 + 1 / 86_400_000_000], True),
        ([25.0], True),
        ([40.0], True),  # exactly at the horizon
        ([40 + 1e-6], False),
        ([9.0], False),
        ([9.0, 10.0, 39.0], True),
        ([9.0, 41.0], False),
    ],
)
def test_an_event_counts_after_the_instant_up_to_the_horizon(events: list[float], expected: bool) -> None:
    assert label(10, *events) is expected


def test_before_the_horizon_is_over_there_is_no_label_even_of_who_converted_already() -> None:
    assert label(10, until=39.999) is None
    assert label(10, 20, until=39.999) is None
    assert label(10, until=40) is False
    assert label(10, 20, until=40) is True


def test_somebody_elses_event_is_not_ones_own() -> None:
    instants = times([(1, 10), (2, 10)]).rename({"at": "as_of"})
    assert labelled(instants, times([(2, 20)]), HORIZON, day(365)).get_column("label").to_list() == [False, True]


people = st.integers(1, 4)
days = st.integers(0, 400).map(lambda quarter: quarter / 4)
pairs = st.lists(st.tuples(people, days), max_size=30)


@given(pairs.filter(len), pairs, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_label(
    instants: list[tuple[int, float]], events: list[tuple[int, float]], dice: object
) -> None:
    asked = times(instants).rename({"at": "as_of"})
    shuffled = sorted(events, key=lambda _: dice.random())  # type: ignore[attr-defined]
    assert labelled(asked, times(events), HORIZON, day(90)).equals(labelled(asked, times(shuffled), HORIZON, day(90)))


@given(pairs.filter(len), pairs, days)
def test_what_happens_after_the_horizon_changes_no_label(
    instants: list[tuple[int, float]], events: list[tuple[int, float]], later: float
) -> None:
    asked = times(instants).rename({"at": "as_of"})
    last = max(at for _, at in instants) + 30
    more = [*events, *((person, last + 0.25 + later) for person in range(1, 5))]
    assert labelled(asked, times(events), HORIZON, day(365)).equals(labelled(asked, times(more), HORIZON, day(365)))


@given(pairs.filter(len), pairs)
def test_labels_are_those_of_the_plain_definition(
    instants: list[tuple[int, float]], events: list[tuple[int, float]]
) -> None:
    found = labelled(times(instants).rename({"at": "as_of"}), times(events), HORIZON, day(100)).get_column("label")
    expected = [
        any(who == person and at < then <= at + 30 for who, then in events) if at + 30 <= 100 else None
        for person, at in instants
    ]
    assert found.to_list() == expected
