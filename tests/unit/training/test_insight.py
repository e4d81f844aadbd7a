"""What moves a model's predictions, on a model whose tables anybody can look up."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from worker.features.feature import Feature, FeatureType
from worker.scoring.model import Model
from worker.scoring.model_parts import Axis, Shape, Tables
from worker.training.insight import chance, dependences, examples, importance, in_words
from worker.training.table import Table

FEATURES = (
    Feature("age", "Age of the lead", FeatureType.NUMBER, unit="days"),
    Feature("country", "Country", FeatureType.CATEGORY),
    Feature("idle", "Says nothing", FeatureType.NUMBER),
)
MODEL = Model(
    FEATURES, "additive", 0.2, True,
    (Axis(np.array([10.0])), Axis(np.empty(0), levels=("DE",), is_category=True), Axis(np.array([0.0]))),
    (Tables(-1.0, (Shape(0, np.array([0.0, 2.0, -2.0])), Shape(1, np.array([0.0, 0.5, 0.0])))),),
)  # fmt: skip


def people(rows: int = 100) -> Table:
    """Half of them young; one in ten from DE, one of an unknown age."""
    age = pl.Series([float(n % 20) + 0.5 if n else None for n in range(rows)])
    country = pl.Series(["DE" if n % 10 == 0 else "FR" for n in range(rows)])
    frame = pl.DataFrame({"age": age, "country": country, "idle": pl.Series(np.zeros(rows))})
    return Table(FEATURES, frame, np.arange(rows) % 4 == 0, np.arange(rows) + 1000, np.ones(rows))


def test_the_feature_that_moves_most_comes_first_and_what_moves_nobody_not_at_all() -> None:
    found = importance(MODEL, people().frame)
    assert [each.feature for each in found] == ["age", "country"]
    moved = np.array([-2.0, *([0.0 if n % 20 < 10 else 2.0 for n in range(1, 100)])])
    assert found[0].weight == pytest.approx(np.abs(moved - moved.mean()).mean())


def test_dependence_is_the_mean_prediction_with_the_value_held_for_everybody() -> None:
    held = people()
    age, country = dependences(MODEL, held.frame)
    young = held.frame.with_columns(pl.lit(3.5).alias("age"))
    at = min(age.points, key=lambda point: abs(float(point.value or 99) - 3.5))
    assert at.probability == pytest.approx(float(chance(MODEL.log_odds(young)).mean()))
    assert age.points[-1].value is None, "missing is a value of its own"
    assert age.points[-1].share == pytest.approx(0.01)
    assert [(point.value, point.share) for point in country.points] == [("FR", 0.9), ("DE", 0.1)]


def test_dependence_is_of_rows_from_everywhere_not_of_the_first_ones() -> None:
    """The first half of a long table is of another country: the mean must not be theirs."""
    frame = pl.concat([people(1000).frame.with_columns(country=pl.lit(name)) for name in ("DE", "FR")])
    age = dependences(MODEL, frame)[0]
    whole = frame.with_columns(pl.lit(age.points[0].value).alias("age"))
    assert age.points[0].probability == pytest.approx(float(chance(MODEL.log_odds(whole)).mean()), abs=1e-3)


def test_a_level_of_few_is_not_shown() -> None:
    rare = people().frame.with_columns(
        country=pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("only one")).otherwise("country")
    )
    assert {point.value for point in dependences(MODEL, rare)[1].points} == {"DE", "FR"}


def test_ten_leads_from_the_best_to_the_worst_with_reasons_that_are_the_models_own() -> None:
    found = examples(MODEL, people(), numbered=True)
    assert len(found) == 10
    likely = [each.probability for each in found]
    assert likely == sorted(likely, reverse=True)
    assert likely[0] == pytest.approx(1 / (1 + np.exp(-1.5)))
    best = found[0]
    assert best.rank == 0
    assert best.person is not None
    assert best.person >= 1000
    assert {reason.label for reason in best.reasons} == {"Age of the lead", "Country"}
    _, added = MODEL.contributions(people().frame)
    row = best.person - 1000
    wanted = dict(zip(["Age of the lead", "Country"], (added[row] - added.mean(axis=0))[:2].tolist(), strict=True))
    assert {reason.label: pytest.approx(reason.log_odds) for reason in best.reasons} == wanted


def test_rows_of_a_file_have_no_number_that_means_something() -> None:
    assert {each.person for each in examples(MODEL, people(), numbered=False)} == {None}


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, "", "missing"),
        (True, "", "yes"),
        (3.0, "", "3"),
        (12345.678, "", "12,346"),
        (29.8123, "days", "29.8 days"),
        (0.77981, "hours", "0.78 hours"),
        (2.0, "acts", "2"),
        ("  a\n b ", "", "a b"),
        ("x" * 40, "", "x" * 31 + "\u2026"),
    ],
)
def test_a_value_in_words(value: object, unit: str, said: str) -> None:
    assert in_words(value, unit) == said
