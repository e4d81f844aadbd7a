"""Figures against scikit-learn and scipy, against tables worked by hand, and against their own laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics as theirs

from worker.training import metrics as ours
from worker.training.metrics import Bin, Confusion, Undefined

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

HAND = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
SCORE = np.array([0.9, 0.8, 0.8, 0.4, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1])


def drawn(seed: int, rows: int = 400) -> tuple[Flags, Floats, Floats]:
    """Labels, probabilities with many ties, and weights."""
    rng = np.random.default_rng(seed)
    probability = np.round(rng.beta(1, 4, rows), 2)
    return rng.random(rows) < probability, probability, rng.uniform(0.1, 3, rows)


@pytest.mark.parametrize("seed", range(5))
def test_figures_agree_with_scikit_learn_and_scipy(seed: int) -> None:
    label, p, weight = drawn(seed)
    assert ours.auc(label, p, weight) == pytest.approx(theirs.roc_auc_score(label, p, sample_weight=weight), abs=1e-12)
    assert ours.log_loss(label, p, weight) == pytest.approx(theirs.log_loss(label, p, sample_weight=weight), abs=1e-12)
    assert ours.brier(label, p, weight) == pytest.approx(
        theirs.brier_score_loss(label, p, sample_weight=weight), abs=1e-12
    )
    assert ours.ks(label, p) == pytest.approx(stats.ks_2samp(p[label], p[~label]).statistic, abs=1e-12)
    (rejected, false_alarm), (missed, hit) = theirs.confusion_matrix(label, p >= 0.3, sample_weight=weight)
    found = ours.confusion(label, p, 0.3, weight)
    assert (found.hit, found.false_alarm, found.missed, found.rejected) == pytest.approx(
        (hit, false_alarm, missed, rejected)
    )


def test_auc_and_gini_of_a_table_worked_by_hand() -> None:
    # 21 pairs: the best beats 7; the second ties 1 and beats 6; the third ties 1 and beats 5.
    assert ours.auc(HAND, SCORE) == pytest.approx((7 + 6.5 + 5.5) / 21)
    assert ours.gini(HAND, SCORE) == pytest.approx(2 * 19 / 21 - 1)


def test_a_cut_through_equal_scores_counts_their_expectation() -> None:
    # The best two rows: one at .9, and half of the two at .8, of which one converted.
    assert ours.precision_at(0.2, HAND, SCORE) == pytest.approx(1.5 / 2)
    found = np.array(ours.gains(HAND, SCORE, None, [0.2, 0.5, 1.0]))
    assert found == pytest.approx(np.array([[0.2, 0.75, 2.5, 0.5], [0.5, 0.5, 5 / 3, 1.0], [1.0, 0.0, 0.0, 1.0]]))


def test_deciles_by_default_and_all_conversions_by_the_last() -> None:
    label, p, weight = drawn(1)
    slices = ours.gains(label, p, weight)
    assert [s.until for s in slices] == pytest.approx([i / 10 for i in range(1, 11)])
    assert slices[-1].gain == pytest.approx(1)
    base = np.average(label, weights=weight)
    assert sum(s.rate for s in slices) / 10 == pytest.approx(base)


def test_calibration_of_a_table_worked_by_hand() -> None:
    label = np.array([0, 0, 1, 1], dtype=bool)
    p = np.array([0.1, 0.3, 0.6, 0.8])
    assert np.array(ours.calibration(label, p, bins=2)) == pytest.approx(np.array([[2, 0.2, 0], [2, 0.7, 1]]))
    assert ours.ece(label, p, bins=2) == pytest.approx(0.25)


def test_equal_predictions_share_a_bin() -> None:
    label = np.array([1, 0, 0, 0], dtype=bool)
    assert ours.calibration(label, np.full(4, 0.25)) == [Bin(4.0, 0.25, 0.25)]
    assert ours.ece(label, np.full(4, 0.25)) == 0


def test_constant_predictions_rank_by_chance() -> None:
    p = np.full(10, 0.3)
    assert (ours.auc(HAND, p), ours.gini(HAND, p), ours.ks(HAND, p)) == (0.5, 0, 0)
    assert [s.lift for s in ours.gains(HAND, p)] == pytest.approx([1.0] * 10)


@pytest.mark.parametrize("converted", [True, False])
def test_one_class_has_no_ranking_and_says_so(converted: bool) -> None:
    label = np.full(4, converted)
    for figure in (ours.auc, ours.gini, ours.ks):
        with pytest.raises(Undefined, match="needs both converted and other rows"):
            figure(label, SCORE[:4])
    assert ours.log_loss(label, np.full(4, float(converted))) == pytest.approx(0, abs=1e-12)
    assert ours.brier(label, np.full(4, 0.5)) == 0.25


def test_nobody_converted_has_no_lift() -> None:
    with pytest.raises(Undefined, match="lift needs converted rows"):
        ours.gains(np.zeros(3, dtype=bool), np.arange(3.0))


def test_a_wrong_certainty_is_finite() -> None:
    assert math.isfinite(ours.log_loss(np.array([True]), np.array([0.0])))


@pytest.mark.parametrize(
    ("label", "score", "weight", "problem"),
    [
        (np.array([1, 0]), np.array([0.1, 0.2]), None, "not bool"),
        (np.array([True, False]), np.array([0.1]), None, "do not fit"),
        (np.array([True, False]), np.array([0.1, np.nan]), None, "not all finite"),
        (np.array([True, False]), np.array([0.1, 0.2]), np.array([1.0, -1.0]), "weights"),
        (np.array([], dtype=bool), np.array([]), None, "needs rows"),
        (np.array([True, False]), np.array([0.1, 0.2]), np.zeros(2), "needs rows"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(label: Flags, score: Floats, weight: Floats | None, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ours.auc(label, score, weight)


def test_a_probability_lies_between_0_and_1() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        ours.brier(np.array([True]), np.array([1.5]))


def test_precision_and_recall_of_nobody_called_is_none() -> None:
    found = ours.confusion(HAND, SCORE, 1.0)
    assert found == Confusion(1.0, 0.0, 0.0, 3.0, 7.0)
    assert (found.precision, found.recall) == (None, 0.0)
    at = ours.confusion(HAND, SCORE, 0.4)
    assert at.precision == pytest.approx(0.6)
    assert at.recall == 1


def test_intervals_widen_when_rows_belong_to_few_persons() -> None:
    label, p, _ = drawn(3, 1000)
    alone = ours.bootstrap({"auc": ours.auc}, label, p, np.arange(1000))["auc"]
    repeated = np.tile(np.arange(1000), 4)
    same = ours.bootstrap({"auc": ours.auc}, label[repeated], p[repeated], repeated)["auc"]
    fooled = ours.bootstrap({"auc": ours.auc}, label[repeated], p[repeated], np.arange(4000))["auc"]
    assert alone.low < alone.value < alone.high
    assert same.high - same.low == pytest.approx(alone.high - alone.low, rel=0.3)
    assert fooled.high - fooled.low < (same.high - same.low) * 0.7


def test_bootstrap_repeats_bit_for_bit_and_covers_about_what_it_says() -> None:
    label, p, weight = drawn(4)
    person = np.arange(400)
    assert ours.bootstrap({"auc": ours.auc}, label, p, person, weight, seed=7) == ours.bootstrap(
        {"auc": ours.auc}, label, p, person, weight, seed=7
    )
    inside = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        score = np.concatenate([rng.normal(1, 1, 60), rng.normal(0, 1, 140)])
        found = ours.bootstrap({"auc": ours.auc}, np.arange(200) < 60, score, np.arange(200), seed=seed)["auc"]
        inside += found.low <= stats.norm.cdf(1 / math.sqrt(2)) <= found.high
    assert inside >= 52


def test_too_few_rows_for_an_interval_say_so() -> None:
    with pytest.raises(Undefined, match="auc: too few rows"):
        ours.bootstrap({"auc": ours.auc}, np.array([True, False]), np.array([0.2, 0.1]), np.arange(2))


@given(st.integers(0, 10_000), st.integers(2, 60))
def test_laws(seed: int, rows: int) -> None:
    label, p, weight = drawn(seed, rows)
    label[0], label[1] = True, False
    mixed = np.random.default_rng(seed).permutation(rows)
    for figure in (ours.auc, ours.ks, ours.ece, ours.log_loss, ours.brier):
        there = figure(label, p, weight)
        assert figure(label[mixed], p[mixed], weight[mixed]) == pytest.approx(there, abs=1e-9)
        assert figure(label, p, weight * 3) == pytest.approx(there, abs=1e-9)
    assert ours.auc(~label, -p, weight) == pytest.approx(ours.auc(label, p, weight), abs=1e-9)
    assert ours.auc(label, np.exp(p * 3), weight) == pytest.approx(ours.auc(label, p, weight), abs=1e-9)
    gained = [s.gain for s in ours.gains(label, p, weight)]
    assert gained == sorted(gained)


@given(st.integers(0, 10_000))
def test_a_row_of_weight_two_is_two_rows(seed: int) -> None:
    label, p, _ = drawn(seed, 30)
    label[0], label[1] = True, False
    times = np.random.default_rng(seed).integers(1, 4, 30)
    label_r, p_r = np.repeat(label, times), np.repeat(p, times)
    for figure in (ours.auc, ours.ks, ours.ece, ours.log_loss, ours.brier):
        assert figure(label, p, times.astype(float)) == pytest.approx(figure(label_r, p_r), abs=1e-9)
