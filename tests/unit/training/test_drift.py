"""Drift by hand: the index, what chance explains of it, and when it is an alert."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from worker.features.feature import Feature, FeatureType
from worker.training.drift import Level, Matured, Report, compare, judge_closed, psi, reference
from worker.training.promotion import Figures

VISITS = Feature("visits", "Visits", FeatureType.NUMBER)
COUNTRY = Feature("country", "Country", FeatureType.CATEGORY)
OPTED = Feature("opted", "Opted out", FeatureType.FLAG)
FEATURES = (VISITS, COUNTRY, OPTED)
N = 2000


def people(shift: float = 0.0, missing: float = 0.0, us: float = 0.3, n: int = N, seed: int = 1) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    visits = draw.exponential(3.0, n) * (1 + shift)
    return pl.DataFrame(
        {
            "visits": [None if gap else float(v) for v, gap in zip(visits, draw.random(n) < missing, strict=True)],
            "country": ["US" if u < us else "DE" for u in draw.random(n)],
            "opted": [bool(f) for f in draw.random(n) < 0.1],
        },
        {"visits": pl.Float64, "country": pl.String, "opted": pl.Boolean},
    )


def said(frame: pl.DataFrame) -> NDArray[np.float64]:
    return -3 + 0.3 * frame["visits"].fill_null(0.0).to_numpy()


THEN = reference(people(), np.ones(N), FEATURES, said(people()))


def levels(report: Report) -> dict[str, Level]:
    return {moved.name: moved.level for moved in report.features}


def test_the_index_by_hand() -> None:
    expected = (0.4 - 0.25) * math.log(0.4 / 0.25) + (0.3 - 0.25) * math.log(0.3 / 0.25)
    expected += (0.2 - 0.25) * math.log(0.2 / 0.25) + (0.1 - 0.25) * math.log(0.1 / 0.25)
    assert psi([0.25] * 4, [0.4, 0.3, 0.2, 0.1], 1e6, 1e6) == pytest.approx(expected)
    assert expected == pytest.approx(0.2282, abs=1e-4)


def test_an_empty_bin_counts_as_half_a_person() -> None:
    assert psi([0.5, 0.5], [1.0, 0.0], 1000, 100) == pytest.approx(
        (1 - 0.5) * math.log(2) + (0.005 - 0.5) * math.log(0.005 / 0.5)
    )


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=8), st.lists(st.floats(0.01, 1), min_size=2, max_size=8))
def test_the_index_is_never_negative_symmetric_and_zero_without_drift(one: list[float], other: list[float]) -> None:
    n = min(len(one), len(other))
    then, now = (np.array(part[:n]) / sum(part[:n]) for part in (one, other))
    assert psi(then.tolist(), then.tolist(), 1e9, 1e9) == 0
    assert psi(then.tolist(), now.tolist(), 1e9, 1e9) >= 0
    assert psi(then.tolist(), now.tolist(), 1e9, 1e9) == pytest.approx(psi(now.tolist(), then.tolist(), 1e9, 1e9))


def test_the_same_world_is_ok() -> None:
    frame = people(seed=2)
    report = compare(THEN, frame, said(frame))
    assert report.level is Level.OK
    assert report.why == []
    assert set(levels(report)) == {"visits", "country", "opted"}


def test_a_reference_outlives_json() -> None:
    frame = people(shift=2.0, seed=2)
    assert compare(json.loads(json.dumps(THEN)), frame, said(frame)) == compare(THEN, frame, said(frame))


def test_a_column_that_moves_the_score_is_an_alert() -> None:
    frame = people(shift=2.0, seed=2)
    report = compare(THEN, frame, said(frame))
    assert report.score is not None
    assert report.score.level is Level.ALERT
    assert report.level is Level.ALERT
    assert levels(report) == {"visits": Level.ALERT, "country": Level.OK, "opted": Level.OK}
    assert report.why[0].startswith("score: PSI")


def test_a_column_that_moves_without_the_score_is_worth_a_look() -> None:
    report = compare(THEN, (frame := people(us=0.42, seed=2)), said(frame))
    assert report.score is not None
    assert report.score.level is Level.OK
    assert levels(report)["country"] is Level.OK, "0.06 is below 0.10"
    report = compare(THEN, (frame := people(us=0.5, seed=2)), said(frame))
    assert levels(report)["country"] is Level.WATCH
    assert report.level is Level.WATCH
    assert report.why == ["country: PSI 0.19; US was 28% and is 49%"]


@pytest.mark.parametrize(
    ("missing", "level"), [(0.0, Level.OK), (0.08, Level.OK), (0.15, Level.WATCH), (0.3, Level.ALERT)]
)
def test_missing_values(missing: float, level: Level) -> None:
    report = compare(THEN, people(missing=missing, seed=3), None)
    moved = next(moved for moved in report.features if moved.name == "visits")
    # The index has a bin for missing values too, which nobody was in: it rises with them.
    assert Level.ALERT if moved.psi >= 0.25 else level == moved.level
    assert moved.missing_now == pytest.approx(missing, abs=0.03)


def test_of_few_people_chance_explains_a_large_index() -> None:
    alarms = 0
    for seed in range(60):
        frame = people(n=30, seed=seed)
        report = compare(THEN, frame, said(frame))
        assert max(moved.psi for moved in report.features) > 0.1
        alarms += report.level is not Level.OK
    assert alarms <= 2


def test_nobody_there_is_no_drift() -> None:
    report = compare(THEN, people(n=0), np.empty(0))
    assert (report.level, report.people, report.score) == (Level.OK, 0, None)


def test_a_new_category_is_seen() -> None:
    frame = people(seed=2).with_columns(country=pl.lit("FR"))
    (moved,) = [m for m in compare(THEN, frame, None).features if m.name == "country"]
    assert moved.level is Level.ALERT
    assert moved.gained[0] == "(other)"


CLOSED = Figures(2000, 200, 0.75, 0.72, 0.78, 0.3, 0.33, 0.02)


@pytest.mark.parametrize(
    ("closed", "expected", "level", "why"),
    [
        (CLOSED, 200.0, Level.OK, None),
        (CLOSED, 240.0, Level.OK, None),
        (CLOSED, 256.0, Level.WATCH, "200 of 2000 converted where 256 were expected"),
        (CLOSED, 320.0, Level.ALERT, "200 of 2000 converted where 320 were expected"),
        (CLOSED, 120.0, Level.ALERT, "120 were expected"),
        (replace(CLOSED, auc=0.74), 200.0, Level.OK, None),
        (replace(CLOSED, auc=0.71), 200.0, Level.WATCH, "AUC 0.710"),
        (replace(CLOSED, auc=0.65, auc_high=0.69), 200.0, Level.ALERT, "AUC 0.650"),
        (replace(CLOSED, auc=0.65, auc_high=0.80), 200.0, Level.WATCH, "AUC 0.650"),
        (replace(CLOSED, people=100, conversions=39, auc=0.5), 39.0, Level.OK, "too few to judge"),
    ],
)
def test_those_who_matured_since(closed: Figures, expected: float, level: Level, why: str | None) -> None:
    matured = Matured(closed.people, closed.conversions, expected, 13.0, closed)
    report = judge_closed(Report(Level.OK, 10, None, []), CLOSED, matured)
    assert report.level is level
    assert report.closed == closed
    assert (report.why == []) if why is None else (why in report.why[0])


def test_nobody_converted_where_many_were_expected() -> None:
    report = judge_closed(Report(Level.OK, 10, None, []), CLOSED, Matured(2000, 0, 200.0, 13.0, None))
    assert report.level is Level.ALERT
    assert report.why == ["0 of 2000 converted where 200 were expected"]
