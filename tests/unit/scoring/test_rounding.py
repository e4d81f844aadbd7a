from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.scoring.sheet import adds_up, whole_points


@pytest.mark.parametrize(
    ("points", "score", "shown"),
    [
        ([10.0, -3.0], 7, [10, -3]),
        ([10.4, 10.4, 10.4], 31, [11, 10, 10]),  # equal remainders: the first
        ([10.2, 10.7, 10.3], 31, [10, 11, 10]),
        ([0.25, 0.25], 1, [1, 0]),  # half a point rounds up
        ([-0.5, 2.0], 2, [0, 2]),
        ([-2.6, 5.9], 3, [-3, 6]),
        ([0.5, 0.5, 0.5], 2, [1, 1, 0]),
        ([], 0, []),
    ],
)
def test_the_largest_remainders_are_rounded_up(points: list[float], score: int, shown: list[int]) -> None:
    assert whole_points(np.array([points]), np.array([score], np.int32)).tolist() == [shown]


@given(st.lists(st.lists(st.integers(-(2**38), 2**38), min_size=6, max_size=6), min_size=1, max_size=9))
def test_whole_points_add_up_in_every_row_and_none_is_a_point_off(written: list[list[int]]) -> None:
    points = np.array(written) / 2**30
    score = np.floor(points.sum(axis=1) + 0.5).astype(np.int32)
    shown = whole_points(points, score)
    assert (shown.sum(axis=1) == score).all()
    assert (np.abs(shown - points) < 1).all()
    assert (shown[points == np.round(points)] == points[points == np.round(points)]).all()


@pytest.mark.parametrize(
    ("points", "shown", "raw"),
    [
        ([20.0, 5.0], [20, 6], 25.0),
        ([20.0, 5.0 + 1e-8], [20, 5], 25.0),
        ([20.0, 5.0], [21, 4], 25.0),
        ([90.0, 15.0], [90, 15], 105.0),
        ([20.0, float("nan")], [20, 0], float("nan")),
    ],
    ids=["shown points", "exact points", "a point off", "off the scale", "no number"],
)
def test_lines_that_do_not_add_up_are_found_alone(points: list[float], shown: list[int], raw: float) -> None:
    right = ([20.0, 5.0], [20, 5], 25.0)
    rows = [right, (points, shown, raw), right]
    found = adds_up(*(np.array(column) for column in zip(*rows, strict=True)))
    assert found.tolist() == [True, False, True]
