from __future__ import annotations

import polars as pl
import pytest

from worker.scoring.rounding import whole_points


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
    ],
)
def test_the_largest_remainders_are_rounded_up(points: list[float], score: int, shown: list[int]) -> None:
    lines = pl.DataFrame(
        {"person_id": [7] * len(points), "code": [f"c{i}" for i in range(len(points))], "points": points}
    )
    rounded = whole_points(lines, pl.DataFrame({"person_id": [7], "score": [score]}))
    assert rounded.get_column("shown").to_list() == shown
    assert rounded.columns == ["person_id", "code", "points", "shown"]
