"""The figures of the report against figures made by hand, and what they must not depend on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.unit.training.tables import leads, table
from worker.features.feature import Feature, FeatureType
from worker.scoring.model import Model
from worker.scoring.model_parts import Axis, Shape, Tables
from worker.training import parts, worth
from worker.training.metrics import Undefined
from worker.training.table import Table
from worker.training.validation import OURS, About, Held, Ladder, Report, figures, validate
from worker.training.worth import Bucket, aftermath, by_bucket

ABOUT = About("title", {})


def model(held: Table) -> Model:
    """More visits, more odds; nothing else counts."""
    axes = tuple(
        Axis(np.array([0.0]))
        if feature.type is FeatureType.NUMBER
        else Axis(np.empty(0), levels=("event",), is_category=True)
        if feature.type is FeatureType.CATEGORY
        else Axis(np.array([0.5]))
        for feature in held.features
    )
    shape = Shape(0, np.array([-0.1, -0.5, 0.5]))
    return Model(held.features, "additive", 0.3, True, axes, (Tables(-1.0, (shape,)),))


def held(drawn: Table, folds: int = 1) -> Held:
    rng = np.random.default_rng(1)
    said = np.where(drawn.label, 0.4, -0.4) + rng.normal(size=len(drawn))
    rivals = {"coin": rng.normal(size=len(drawn)), "points": 100 + said}
    return Held(drawn, said, np.arange(len(drawn)) % folds, rivals, frozenset({"points"}))


@pytest.fixture(scope="module")
def report() -> Report:
    drawn = leads(600, days=300)
    return validate(held(drawn, folds=2), model(drawn), ABOUT)


def test_figures_are_those_of_the_textbook(report: Report) -> None:
    drawn, its = held(leads(600, days=300), folds=2), report.figures
    assert (its.rows, its.people, its.conversions) == (600, 600, int(drawn.table.label.sum()))
    by_fold = [roc_auc_score(drawn.table.label[n::2], drawn.log_odds[n::2]) for n in (0, 1)]
    assert its.auc is not None
    assert its.gini is not None
    assert its.auc.value == pytest.approx(np.mean(by_fold))
    assert its.auc.low < its.auc.value < its.auc.high
    assert its.gini.value == pytest.approx(2 * its.auc.value - 1)
    best = [np.argsort(-drawn.log_odds[n::2])[:60] for n in (0, 1)]
    precision = np.mean([drawn.table.label[n::2][rows].mean() for n, rows in enumerate(best)])
    assert its.best["0.2"] == pytest.approx(precision)


def test_every_fold_has_every_figure_of_everybody(report: Report) -> None:
    assert list(report.folds) == ["fold 1", "fold 2"]
    for fold in report.folds.values():
        assert list(fold) == [OURS, "coin", "points"]
        assert all(its.rows == 300 and its.auc and its.lift is not None for its in fold.values())


def test_what_has_no_probabilities_is_only_ranked(report: Report) -> None:
    points, coin = report.rivals["points"], report.rivals["coin"]
    assert (points.log_loss, points.brier, points.ece) == (None, None, None)
    assert points.auc == report.figures.auc
    assert coin.log_loss is not None


def test_confusion_adds_up_and_the_best_fifth_is_called(report: Report) -> None:
    its = report.confusion
    assert its.hit + its.false_alarm + its.missed + its.rejected == pytest.approx(600)
    assert its.hit + its.false_alarm == pytest.approx(120, abs=1)
    assert report.called == "the best fifth"


def test_a_ladder_says_who_is_called() -> None:
    drawn = leads(300)
    its = validate(held(drawn), model(drawn), ABOUT, Ladder(called=0.0, words="everybody"))
    assert (its.confusion.missed, its.confusion.rejected, its.called) == (0, 0, "everybody")


def test_stretches_of_time_are_in_order_and_hold_every_row(report: Report) -> None:
    assert sum(part.rows for part in report.over_time) == 600
    assert [part.name for part in report.over_time] == sorted(part.name for part in report.over_time)
    assert sum(part.conversions for part in report.over_time) == report.figures.conversions


def test_one_class_is_said_not_shown() -> None:
    drawn = leads(100)
    with pytest.raises(Undefined, match="one class"):
        validate(held(replace(drawn, label=np.zeros(100, np.bool_))), model(drawn), ABOUT)


def test_people_weigh_one_each_whatever_their_rows() -> None:
    """Who stands there twenty times as often changes no figure but the counts of rows."""
    once = leads(200, seed=3)
    said = held(once).log_odds
    rows = np.concatenate([np.arange(200), np.zeros(19, np.int64)])
    often = once.take(rows).one_each()
    one = figures(once, said, np.zeros(200, np.int64))
    many = figures(often, said[rows], np.zeros(219, np.int64))
    for name in ("base_rate", "ks", "log_loss", "brier", "ece", "lift"):
        assert getattr(many, name) == pytest.approx(getattr(one, name)), name
    assert one.auc is not None
    assert many.auc is not None
    assert many.auc.value == pytest.approx(one.auc.value)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(60)), st.integers(1, 3))
def test_the_order_of_rows_changes_no_part(order: list[int], folds: int) -> None:
    drawn = leads(60, days=60)
    its, moved = held(drawn, folds), np.array(order)
    mixed = drawn.take(moved)
    for part, again in zip(
        parts.over_time(drawn, its.log_odds, its.fold),
        parts.over_time(mixed, its.log_odds[moved], its.fold[moved]),
        strict=True,
    ):
        assert (part.name, part.rows, part.conversions) == (again.name, again.rows, again.conversions)
        assert part.predicted == pytest.approx(again.predicted)
        assert part.auc == pytest.approx(again.auc)


def test_a_level_of_few_is_not_shown_by_itself() -> None:
    levels = ["DE"] * 60 + ["FR"] * 50 + [f"only {n}" for n in range(20)]
    drawn = table({"country": pl.Series(levels)}, np.arange(130) % 3 == 0)
    shown = parts.segments(drawn, np.linspace(-2, 2, 130), np.zeros(130, np.int64), [])["country"]
    assert [(part.name, part.rows) for part in shown] == [("DE", 60), ("FR", 50), (parts.OTHERS, 20)]


def test_segments_are_of_each_kind_before_there_are_two_of_one() -> None:
    rng = np.random.default_rng(0)
    names = ["first_source", "latest_source", "plan", "industry", "country"]
    columns = {name: pl.Series(rng.choice(["a", "b"], 80)) for name in names}
    shown = parts.segments(table(columns, np.arange(80) % 3 == 0), rng.normal(size=80), np.zeros(80, np.int64), names)
    assert list(shown) == ["first_source", "country", "industry", "latest_source"]


def test_buckets_hold_each_person_once_and_say_what_they_brought() -> None:
    drawn = table({"visits": pl.Series(np.arange(8.0))}, np.arange(8) % 2 == 0, rows_a_person=2)
    outcomes = pl.DataFrame(
        {
            "decided": [True, True, True, True, True, True, False, False],
            "won": [True, True, True, True, False, False, False, False],
            "days": [10.0, 10.0, 30.0, 30.0, None, None, None, None],
            "revenue": [500.0, 500.0, 100.0, 100.0, None, None, None, None],
        }
    )
    said = np.array([3.0, 3, 2, 2, 1, 1, 0, 0])
    hot, cold = by_bucket(drawn, said, outcomes, [Bucket("hot", 0.5), Bucket("cold", -9)])
    assert (hot.leads, hot.decided, hot.won, cold.leads, cold.decided) == (3, 3, 2, 1, 0)
    assert hot.close_rate == pytest.approx(2 / 3)
    assert hot.win_rate == pytest.approx(2 / 3)
    assert hot.days_to_close == 20
    assert (hot.revenue_per_lead, cold.revenue_per_lead) == (200, 0)
    assert (cold.win_rate, cold.days_to_close) == (None, None)
    shares = by_bucket(drawn, said, outcomes)
    assert [bucket.bucket for bucket in shares] == [name for name, _ in worth.SHARES]
    assert sum(bucket.leads for bucket in shares) == 4


def test_a_score_on_the_edge_of_a_bucket_belongs_to_the_upper_one() -> None:
    drawn = table({"visits": pl.Series([0.0, 1.0])}, np.array([True, False]))
    nothing = pl.DataFrame({"decided": [False] * 2, "won": [False] * 2, "days": [None] * 2, "revenue": [None] * 2})
    found = by_bucket(drawn, np.array([1.0, 0.999]), nothing, [Bucket("hot", 1.0), Bucket("cold", 0.0)])
    assert [bucket.leads for bucket in found] == [1, 1]


def test_what_came_after_an_instant_is_what_lies_within_the_horizon() -> None:
    drawn = table({"visits": pl.Series([0.0, 1, 2])}, np.array([True, False, True]), days=30)
    assert drawn.at is not None
    starts = pl.Series(drawn.at)
    deals = pl.DataFrame(
        {
            "person_id": [0, 0, 0, 1, 2],
            "at": [
                starts[0],  # at the instant itself: not after it
                starts[0] + timedelta(days=9),
                starts[0] + timedelta(days=10),
                starts[1] + timedelta(days=10, microseconds=1),
                starts[2] + timedelta(days=2),
            ],
            "won": [True, False, True, True, True],
            "amount": [1.0, 10.0, 100.0, 1000.0, None],
        }
    )
    found = aftermath(drawn, deals, timedelta(days=10))
    assert found.rows() == [(True, True, 10.0, 100.0), (False, False, None, None), (True, True, 2.0, None)]


def test_nothing_comes_after_rows_without_instants() -> None:
    with pytest.raises(ValueError, match="without an instant"):
        aftermath(table({"visits": pl.Series([0.0])}, np.array([True])), pl.DataFrame(), timedelta(1))


def test_a_feature_that_the_model_was_not_offered_may_be_a_segment_and_no_reason() -> None:
    drawn = leads(200)
    seen = replace(model(drawn), features=drawn.features[:1], axes=model(drawn).axes[:1])
    its = validate(held(drawn), seen, ABOUT)
    assert "source" in its.segments
    assert [each.feature for each in its.importance] == ["visits"]
    assert isinstance(seen.features[0], Feature)
