"""Crossings, weeks and forecasts against plain loops and simulated weeks; a threshold that sales can take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.lifecycle.capacity import NEVER, Leads, Rate, outlook, plan
from worker.lifecycle.forecast import forecast
from worker.lifecycle.paths import DAY, NONE, Paths, crossings, micros, mondays, weekly
from worker.lifecycle.thresholds import Mql

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
HORIZON = timedelta(days=14)


def paths(*people: Sequence[tuple[float, int]]) -> Paths:
    """Each person's (day, score)."""
    rows = [(number, micros(MONDAY) + int(day * DAY), score) for number, its in enumerate(people) for day, score in its]
    return Paths(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(-1, 100), min_size=1, max_size=12), min_size=1, max_size=5),
    st.integers(0, 100),
    st.integers(0, 20),
)
def test_crossings_are_those_of_a_loop(people: list[list[int]], enter: int, gap: int) -> None:
    leave = max(0, enter - gap)
    rows, left = [], []
    number = 0
    for its in people:
        up, left_at = False, -1
        for day, score in enumerate(its):
            if not up and score >= enter:
                up = True
                rows.append(number)
                left.append(left_at)
            elif up and score < leave:
                up, left_at = False, micros(MONDAY) + day * DAY
            number += 1
    found = crossings(paths(*(list(enumerate(its)) for its in people)), enter, leave)
    assert (found.rows.tolist(), found.left_at.tolist()) == (rows, left)


def test_rows_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="in the order of person and time"):
        paths([(2, 50), (1, 60)])


def test_weeks_begin_on_monday_where_the_account_is() -> None:
    edges = mondays(datetime(2026, 10, 12, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC), "Europe/Berlin")
    begins = [datetime.fromtimestamp(edge / 1e6, UTC) for edge in edges.tolist()]
    assert [f"{at:%d.%m. %H:%M}" for at in begins] == ["18.10. 22:00", "25.10. 23:00", "01.11. 23:00"]
    just_before, just_after = (micros(begins[1] + timedelta(seconds=s)) for s in (-1, 0))
    assert weekly(np.array([just_before, just_after]), edges).tolist() == [1, 1]
    assert weekly(np.array([just_after]), edges[:1]).tolist() == []


@pytest.mark.parametrize("level", [15, 60, 400])
@pytest.mark.parametrize("excess", [1.0, 2.5])
@pytest.mark.parametrize("growth", [1.0, 1.01])
def test_the_interval_holds_eight_of_ten_weeks(level: float, excess: float, growth: float) -> None:
    dice, inside, widths = np.random.default_rng(7), [], []
    for _ in range(300):
        levels = level * growth ** np.arange(17)
        size = levels / (excess - 1) if excess > 1 else None
        counts = dice.poisson(levels) if size is None else dice.negative_binomial(size, 1 / excess)
        told = forecast(counts[:13].tolist())
        assert told is not None
        inside += [told.low <= count <= told.high for count in counts[13:]]
        widths.append(told.half_width)
    assert 0.70 < np.mean(inside) < 0.93
    if level * level / excess > 15_000:
        assert np.mean(widths) < 0.3


def test_too_few_weeks_say_nothing_and_none_at_all_say_none() -> None:
    assert forecast([3, 4, 5]) is None
    told = forecast([0, 0, 0, 0])
    assert told is not None
    assert (told.expected, told.low, told.high) == (0.0, 0, 0)


def world(dice: np.random.Generator, people: int = 1200) -> Leads:
    """New people over 13 weeks, scored at birth and a few times after; who has a high score buys more often."""
    rows, converted = [], []
    for person in range(people):
        born, score = dice.uniform(0, 13 * 7), int(dice.integers(0, 101))
        for day in (born, born + 3, born + 9):
            rows.append((person, micros(MONDAY) + int(day * DAY), int(np.clip(score + dice.integers(-4, 5), 0, 100))))
        buys = dice.random() < (score / 100) ** 3
        converted.append(micros(MONDAY) + int((born + dice.uniform(4, 12)) * DAY) if buys else NEVER)
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
    return Leads(
        Paths(*columns), MONDAY, MONDAY + timedelta(weeks=13), np.arange(people), np.array(converted, np.int64),
        np.arange(people) % 2, ("even", "odd"),
    )  # fmt: skip


def test_the_lowest_threshold_that_sales_can_take() -> None:
    leads, mql = world(np.random.default_rng(1)), Mql()
    told = plan(leads, mql, 20, "UTC", HORIZON)
    assert told.chosen is not None
    assert told.chosen.weekly is not None
    assert told.chosen.weekly.low < told.chosen.weekly.expected <= 20 < told.chosen.weekly.high + 5
    below = outlook(leads, mql, told.chosen.threshold - 1, "UTC", HORIZON)
    assert below.weekly is not None
    assert below.weekly.expected > 20
    precision = [its.precision.share for its in told.curve if its.precision.of > 30]
    assert precision[0] is not None
    assert precision[-1] is not None
    assert precision[-1] > 2 * precision[0]
    missed = [its.missed.share for its in told.curve]
    assert missed == sorted(missed, key=float)  # type: ignore[arg-type]
    assert missed[0] == 0
    parts = [told.segments[name].weekly for name in ("even", "odd")]
    assert sum(its.expected for its in parts if its) == pytest.approx(told.chosen.weekly.expected, rel=0.1)
    assert told.chosen.converting == pytest.approx(told.chosen.weekly.expected * (told.chosen.precision.share or 0))
    assert plan(leads, mql, 0.01, "UTC", HORIZON).chosen is None


def test_a_segment_with_people_of_its_own_has_a_threshold_of_its_own_and_burdens_nobody_else() -> None:
    leads, mql = world(np.random.default_rng(1)), Mql()
    told = plan(leads, mql, 20, "UTC", HORIZON, {"odd": (Mql(), 3.0)})
    apart = [plan(leads.only(number), mql, capacity, "UTC", HORIZON).chosen for number, capacity in ((0, 20), (1, 3))]
    assert [told.chosen, told.segments["odd"]] == apart
    assert told.segments["even"] == told.chosen
    assert told.segments["odd"].threshold > told.segments["even"].threshold


def test_who_counts() -> None:
    """Not who was above the line before, nor who returns within the cooldown; conversions within the horizon alone."""
    its = paths([(-1, 80), (1, 85)], [(-1, 50), (2, 75), (3, 20), (9, 75), (20, 10), (40, 90)], [(1, 99)], [(1, NONE)])
    converted = np.array([NEVER, micros(MONDAY) + 5 * DAY, micros(MONDAY) + 30 * DAY, micros(MONDAY) + 2 * DAY])
    leads = Leads(its, MONDAY, MONDAY + timedelta(weeks=8), np.arange(4), converted, np.zeros(4, np.int64))
    told = outlook(leads, Mql(cooldown_days=14), 70, "UTC", HORIZON)
    assert told.precision == Rate(1, 3)
    assert told.missed == Rate(0, 2)
    assert Rate(1, 3).interval == pytest.approx((0.061, 0.792), abs=0.001)
    assert Rate(0, 0).interval is None
