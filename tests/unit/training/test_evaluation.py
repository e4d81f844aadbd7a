"""A table judged from end to end: what is held out, what is left out, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tests.unit.training.tables import feature, leads, noise, table
from worker.training.evaluation import BASE_RATE, NAIVE_BAYES, CannotJudge, evaluate, planned
from worker.training.findings import headline
from worker.training.fit import fit
from worker.training.metrics import auc
from worker.training.rivals import naive_bayes
from worker.training.table import Table
from worker.training.validation import OURS, Report

DAY = np.timedelta64(1, "D")


def with_leak(drawn: Table) -> Table:
    """What somebody filled in after the outcome was known."""
    rng = np.random.default_rng(9)
    told = np.where(drawn.label, 3.0, 0.0) + rng.normal(0, 0.3, len(drawn))
    frame = drawn.frame.with_columns(discount=pl.Series(told))
    return replace(drawn, features=(*drawn.features, feature("discount")), frame=frame)


def honest(rows: int) -> Table:
    """Six columns that say a little each."""
    drawn = np.random.default_rng(2).normal(size=(6, rows))
    label = np.random.default_rng(3).random(rows) < 1 / (1 + np.exp(1 - 0.6 * drawn.sum(axis=0)))
    return table({f"x{n}": pl.Series(column) for n, column in enumerate(drawn)}, label)


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(with_leak(honest(480)), title="leads", subject={"File": "leads.csv"}, folds=2, notes=["a note"])


def test_a_column_that_knows_the_outcome_is_called_out_and_the_figures_are_those_without_it(report: Report) -> None:
    verdict = next(each for each in report.about.verdicts if each.feature == "discount")
    assert not verdict.kept
    assert report.figures.auc is not None
    assert 0.55 < report.figures.auc.value < 0.9
    assert "discount" not in {each.feature for each in report.importance}


def test_every_fold_and_every_rival_is_there(report: Report) -> None:
    assert list(report.folds) == ["fold 1", "fold 2"]
    assert all(list(fold) == [OURS, BASE_RATE, NAIVE_BAYES] for fold in report.folds.values())
    assert sum(fold[OURS].rows for fold in report.folds.values()) == 480
    assert report.about.subject == {"File": "leads.csv", "Held out": "2 shuffled folds, each person in one"}
    assert report.about.notes[0] == "a note"
    assert any(trial["chosen"] for trial in report.about.candidates)


def test_the_learning_curve_ends_with_all_rows(report: Report) -> None:
    rows = [count for count, _ in report.about.learning]
    assert rows == sorted(rows)
    assert rows[-1] == pytest.approx(240, abs=2)
    assert len(rows) > 1


def test_noise_has_no_signal_and_everybody_gets_the_base_rate() -> None:
    found = evaluate(noise(300, 4), title="", subject={}, folds=1)
    assert not found.signal
    assert headline(found).startswith("No signal")
    assert found.about.learning == []
    assert any(note.startswith("no signal") for note in found.about.notes)
    assert found.figures.log_loss == pytest.approx(found.rivals[BASE_RATE].log_loss or 0, abs=1e-6)


def test_with_instants_the_newest_fifth_is_held_out_and_labels_that_were_not_known_then_are_not_learnt() -> None:
    drawn = leads(500, days=500)
    assert drawn.at is not None
    plan = planned(drawn, timedelta(days=30), None, 0)
    (fold,) = plan.folds
    assert plan.by_time
    assert len(fold.test) == 100
    begins = drawn.at[fold.test].min()
    assert drawn.at[fold.train].max() + 30 * DAY <= begins
    assert len(fold.train) == pytest.approx(370, abs=2)
    assert "purged by 30 days" in plan.words


def test_a_person_is_on_one_side_only() -> None:
    by_time = leads(600, days=100, rows_a_person=7)
    for drawn, folds in ((by_time, None), (replace(by_time, at=None), 3)):
        for fold in planned(drawn, timedelta(0), folds, 0).folds:
            assert not set(drawn.person[fold.train]) & set(drawn.person[fold.test])


def test_a_large_table_has_one_fold_and_a_small_one_five() -> None:
    assert len(planned(leads(200), timedelta(0), None, 0).folds) == 5
    (one,) = planned(leads(100_000), timedelta(0), None, 0).folds
    assert len(one.test) == pytest.approx(20_000, abs=2)


@pytest.mark.parametrize(
    ("label", "days", "horizon", "said"),
    [
        ([n < 30 for n in range(200)], 100, 0, "among the newest fifth, 0 rows converted"),
        ([n % 3 == 0 for n in range(200)], 100, 79, "before, "),
        ([n == 0 for n in range(200)], 0, 0, "fewer than two people who converted"),
    ],
)
def test_what_cannot_be_judged_is_said_with_what_to_do(label: list[bool], days: int, horizon: int, said: str) -> None:
    drawn = table({"visits": pl.Series(np.arange(200.0))}, np.array(label), days=days)
    with pytest.raises(CannotJudge, match=said):
        planned(drawn, timedelta(days=horizon), None, 0)


def test_a_forest_of_one_column_is_one() -> None:
    visits = np.random.default_rng(0).normal(size=120)
    drawn = table({"visits": pl.Series(visits)}, visits + np.random.default_rng(1).normal(size=120) > 0.5)
    model = fit(drawn, candidates=["forest"]).model
    assert model.signal
    assert auc(drawn.label, model.log_odds(drawn.frame)) > 0.7


def test_where_every_column_is_suspicious_there_is_no_figure_to_believe() -> None:
    drawn = with_leak(leads(300)).only(["discount"])
    with pytest.raises(CannotJudge, match="every column is suspicious"):
        evaluate(drawn, title="", subject={}, folds=1)


def naive(values: Sequence[str | None], asked: Sequence[str | None]) -> list[float]:
    """Six rows to learn from, the first three converted."""
    train = table({"a": pl.Series(values, dtype=pl.String)}, np.array([True] * 3 + [False] * 3))
    test = table({"a": pl.Series(asked, dtype=pl.String)}, np.array([False] * len(asked)))
    return [float(score) for score in naive_bayes(train, test)]


def test_naive_bayes_counts_values_and_an_unseen_one_says_nothing() -> None:
    often, seldom, missing, unseen = naive(["x", "x", "y", "y", "y", None], ["x", "y", None, "z"])
    assert often == pytest.approx(np.log(3 / 6) - np.log(1 / 6))
    assert seldom == pytest.approx(np.log(2 / 6) - np.log(3 / 6))
    assert missing == pytest.approx(np.log(1 / 6) - np.log(2 / 6))
    assert unseen == pytest.approx(0.0)
