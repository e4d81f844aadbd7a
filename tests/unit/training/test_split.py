"""Nobody on both sides, and nothing known before its time."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.training.tables import leads
from worker.training.split import sample, split


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 7))
def test_shuffled_folds_cut_nobody_in_two_and_hold_every_row_once(seed: int, rows_a_person: int) -> None:
    drawn = leads(400, seed, rows_a_person=rows_a_person)
    folds = split(drawn, seed=seed).folds
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(400))
    for fold in folds:
        assert not set(drawn.person[fold.train]) & set(drawn.person[fold.test])
        assert 0 < drawn.label[fold.test].mean() < 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 60))
def test_folds_in_time_are_fitted_on_labels_known_before_the_first_row_they_are_judged_on(seed: int, days: int) -> None:
    drawn = leads(600, seed, days=365)
    found = split(drawn, seed=seed, horizon=timedelta(days=days))
    assert found.by_time
    assert drawn.at is not None
    for fold in found.folds:
        known = drawn.at[fold.train] + np.timedelta64(days, "D").astype("timedelta64[us]")
        assert known.max() <= drawn.at[fold.test].min()


def test_a_history_shorter_than_the_horizon_is_shuffled_and_says_why() -> None:
    found = split(leads(600, days=30), seed=0, horizon=timedelta(days=42))
    assert not found.by_time
    assert "too little history" in found.words


def test_rows_of_one_instant_stay_in_one_slice() -> None:
    drawn = leads(600, days=6)
    assert drawn.at is not None
    drawn.at[:] = drawn.at.astype("datetime64[D]")
    for fold in split(drawn, seed=0).folds:
        assert not set(drawn.at[fold.train].tolist()) & set(drawn.at[fold.test].tolist())


def test_a_sample_takes_whole_people() -> None:
    drawn = leads(1000, rows_a_person=5)
    rows = sample(drawn, 300, seed=0)
    taken = np.unique(drawn.person[rows])
    assert rows.size == taken.size * 5
    assert 200 <= rows.size <= 400
    assert sample(drawn, 1000, seed=0).size == 1000


def test_too_few_people_are_refused() -> None:
    drawn = leads(100)
    drawn.label[:] = False
    drawn.label[0] = True
    with pytest.raises(ValueError, match="bring more history"):
        split(drawn, seed=0)
