"""The learners by themselves: cells, tables read off trees, the linear fit, the sigmoid."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from tests.unit.training.tables import leads
from worker.scoring.model_parts import Axis
from worker.training import linear
from worker.training.calibrate import fit_sigmoid, levelled
from worker.training.candidates import balanced
from worker.training.cells import MOST_CELLS, Grid, coarse, grid
from worker.training.linear import fit_linear
from worker.training.tabulate import tabulate
from worker.training.trees import Rows, boost, from_boosting, grow_forest


def rows_of(count: int, seed: int = 0) -> tuple[Rows, Grid]:
    drawn = leads(count, seed)
    cut = grid(drawn)
    return Rows(cut.cells(drawn.frame), drawn.label, drawn.weight), cut


def test_cells_of_numbers_end_at_their_edge() -> None:
    axis = Axis(np.array([1.0, 2.0]))
    column = pl.Series([0.5, 1.0, 1.5, 2.0, 9.0, None, float("nan"), float("inf")])
    assert axis.cells(column).tolist() == [0, 0, 1, 1, 2, 3, 3, 3]


def test_cells_of_categories_hold_the_unseen_and_the_missing_apart() -> None:
    axis = Axis(np.empty(0), ("a", "é"), is_category=True)
    assert axis.cells(pl.Series(["é", "a", "new", None])).tolist() == [1, 0, 2, 3]
    assert Axis(np.empty(0), (), is_category=True).cells(pl.Series(["x", None])).tolist() == [0, 1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e308, 1e308), min_size=60, max_size=400), st.integers(1, 24))
def test_cells_keep_the_order_of_numbers_and_are_few(values: list[float], bins: int) -> None:
    drawn = leads(len(values))
    frame = drawn.frame.with_columns(size=pl.Series(values))
    cut = grid(type(drawn)(drawn.features, frame, drawn.label, drawn.person, drawn.weight))
    cells = cut.axes[1].cells(frame["size"])
    assert (np.diff(cells[np.argsort(values, kind="stable")]) >= 0).all()
    assert cells.max() <= MOST_CELLS
    assert (np.diff(coarse(cells, cut.axes[1], drawn.weight, bins)[:-1]) >= 0).all()


@pytest.mark.parametrize("kind", ["additive", "pairs", "boosted"])
def test_trees_as_arrays_predict_as_the_library_that_grew_them(kind: str) -> None:
    rows, cut = rows_of(2000)
    unseen, _ = rows_of(500, seed=1)
    grown = boost(kind, rows, cut, seed=0, rounds=60)
    expected = grown.margin(unseen.cells, 60)
    trees = from_boosting(grown)
    np.testing.assert_allclose(trees.margin(unseen.cells), expected, atol=1e-9)
    if kind != "boosted":
        tables = tabulate(trees, cut, rows.cells, rows.weight)
        np.testing.assert_allclose(tables.margin(unseen.cells), expected, atol=1e-9)


def test_a_tree_that_asks_about_three_features_is_no_table() -> None:
    rows, cut = rows_of(2000)
    trees = from_boosting(boost("boosted", rows, cut, seed=0, rounds=60))
    with pytest.raises(ValueError, match="features"):
        tabulate(trees, cut, rows.cells, rows.weight)


def test_a_surface_says_nothing_of_one_feature_alone() -> None:
    rows, cut = rows_of(3000)
    trees = from_boosting(boost("pairs", rows, cut, seed=0, rounds=60))
    tables = tabulate(trees, cut, rows.cells, rows.weight)
    assert tables.surfaces
    for surface in tables.surfaces:
        first = np.bincount(surface.rows[rows.cells[:, surface.first]], minlength=surface.values.shape[0])
        assert np.abs(first @ surface.values).max() / first.sum() < 1e-9
    for shape in tables.shapes:
        assert shape.values[rows.cells[:, shape.feature]].mean() == pytest.approx(0, abs=1e-9)


def test_a_forest_votes_as_its_trees_do() -> None:
    rows, cut = rows_of(1500)
    forest = grow_forest(rows, cut, seed=0)
    share = 1 / (1 + np.exp(-forest.margin(rows.cells)))
    assert share[rows.label].mean() > share[~rows.label].mean() + 0.1
    assert share.mean() == pytest.approx(rows.label.mean(), abs=0.03)


def test_the_linear_fit_is_the_ridge_that_scikit_learn_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "SMOOTH", 0.0)
    rows, cut = rows_of(1500)
    fitted = fit_linear(rows.cells, rows.label, rows.weight, cut)
    columns = []
    for place, axis in enumerate(cut.axes):
        bins = coarse(rows.cells[:, place], axis, rows.weight, linear.BINS)[rows.cells[:, place]]
        columns += [(bins == number).astype(float) for number in np.unique(bins)]
    peer = LogisticRegression(C=1 / linear.RIDGE, tol=1e-8, max_iter=2000).fit(np.column_stack(columns), rows.label)
    np.testing.assert_allclose(fitted.margin(rows.cells), peer.decision_function(np.column_stack(columns)), atol=5e-3)


def test_a_sigmoid_undoes_a_stretch_and_a_shift() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=20_000)
    label = rng.random(truth.size) < 1 / (1 + np.exp(-truth))
    found = fit_sigmoid(3 * truth + 2, label, np.ones(truth.size), np.arange(truth.size))
    assert found.slope == pytest.approx(1 / 3, rel=0.05)
    assert found.intercept == pytest.approx(-2 / 3, rel=0.1)
    assert found.signal


def test_a_sigmoid_that_turns_round_or_stands_still_is_no_signal() -> None:
    rng = np.random.default_rng(0)
    margin, person = rng.normal(size=2000), np.arange(2000)
    label = rng.random(2000) < 1 / (1 + np.exp(margin))
    assert not fit_sigmoid(margin, label, np.ones(2000), person).signal
    assert not fit_sigmoid(np.zeros(2000), label, np.ones(2000), person).signal


def test_a_person_told_twenty_times_is_no_more_evidence_than_once() -> None:
    rng = np.random.default_rng(3)
    margin, label = rng.normal(size=60), rng.random(60) < 0.5
    once = fit_sigmoid(margin, label, np.ones(60), np.arange(60))
    often = fit_sigmoid(
        np.repeat(margin, 20), np.repeat(label, 20), np.full(1200, 1 / 20), np.repeat(np.arange(60), 20)
    )
    assert often.p_value == pytest.approx(once.p_value, rel=1e-6)


def test_the_level_makes_the_mean_what_happened() -> None:
    rng = np.random.default_rng(0)
    margin, label, weight = rng.normal(size=500), rng.random(500) < 0.07, rng.random(500) + 0.1
    intercept = levelled(margin, 0.7, label, weight)
    predicted = 1 / (1 + np.exp(-(intercept + 0.7 * margin)))
    assert np.average(predicted, weights=weight) == pytest.approx(np.average(label, weights=weight), abs=1e-9)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_balancing_lifts_the_rarer_class_to_a_tenth_and_says_by_how_much(share: float) -> None:
    label = np.arange(1000) < share * 1000
    weight, added = balanced(label, np.ones(1000))
    raised = np.average(label, weights=weight)
    assert min(raised, 1 - raised) == pytest.approx(max(0.1, min(share, 1 - share)))
    restored = np.log(raised / (1 - raised)) - added
    assert restored == pytest.approx(np.log(share / (1 - share)))
