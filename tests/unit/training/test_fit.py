"""Models as a whole: right, repeatable, additive, calibrated, monotone; and silent where there is nothing to say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import product

import numpy as np
import polars as pl
import pytest
import skops.io
from scipy.special import expit

from tests.unit.training.tables import leads, noise, table
from worker.features.feature import FeatureType
from worker.scoring.model import TRUSTED
from worker.training.candidates import CANDIDATES, offered
from worker.training.fit import Fit, _choose, fit
from worker.training.metrics import auc, ece
from worker.training.split import split

EXACT = {"logistic_bins", "additive", "additive_blend", "additive_pairs"}

SINGLE = [kind for kind, learners in CANDIDATES.items() if len(learners) == 1]


@cache
def of_kind(kind: str) -> Fit:
    """One fit of each kind is enough for whoever only asks it."""
    return fit(leads(600), candidates=[kind])


@pytest.mark.parametrize("kind", CANDIDATES)
def test_contributions_add_up_to_the_log_odds_of_the_predict_path(kind: str) -> None:
    fitted = of_kind(kind).model
    frame = leads(400, seed=1).frame.with_columns(source=pl.Series(["unseen", None, "web", "event"] * 100))
    base, contributions = fitted.contributions(frame)
    assert fitted.kind == kind
    assert contributions.shape == (400, 4)
    error = np.abs(base + contributions.sum(axis=1) - fitted.log_odds(frame)).max()
    assert error < (1e-9 if kind in EXACT else 1e-6)
    assert contributions.std(axis=0)[:2].min() > 0.05


@pytest.mark.parametrize("kind", CANDIDATES)
def test_a_model_survives_its_artefact_with_the_trusted_types_alone(kind: str) -> None:
    model = of_kind(kind).model
    data = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(TRUSTED)
    read = skops.io.loads(data, trusted=list(TRUSTED))
    frame = leads(300, seed=1).frame
    assert read.features == model.features
    assert all(isinstance(one.type, FeatureType) for one in read.features)
    np.testing.assert_array_equal(read.log_odds(frame), model.log_odds(frame))


@pytest.mark.parametrize(("kind", "days"), [("blend_of_three", 0), ("boosted", 300)])
def test_one_seed_gives_one_model_bit_for_bit(kind: str, days: int) -> None:
    one, other = (fit(leads(300, days=days), seed=3, candidates=[kind]) for _ in range(2))
    frame = leads(300, seed=1).frame
    assert one.model.log_odds(frame).tobytes() == other.model.log_odds(frame).tobytes()
    assert one.oof.tobytes() == other.oof.tobytes()
    assert one.choice == other.choice


@pytest.mark.parametrize(
    ("kind", "rows", "how"),
    [("forest", 90, {}), ("additive", 1500, {"rows_a_person": 3}), ("additive", 1200, {"days": 200})],
    ids=["few rows", "several rows a person", "instants"],
)
def test_on_noise_it_says_no_signal_and_predicts_the_base_rate(kind: str, rows: int, how: dict[str, int]) -> None:
    trained = noise(rows, 5, **how)
    found = fit(trained, candidates=["logistic_bins", kind])
    base_rate = trained.label.mean()
    base, contributions = found.model.contributions(trained.frame)
    assert not found.model.signal
    assert found.model.base_rate == pytest.approx(base_rate)
    np.testing.assert_allclose(expit(found.model.log_odds(trained.frame)), base_rate)
    assert expit(base) == pytest.approx(base_rate)
    assert not contributions.any()


def test_labels_turned_round_in_time_are_no_signal() -> None:
    trained = leads(2000, days=400)
    turned = np.where(np.arange(2000) % 2 == 0, trained.label, ~trained.label)
    assert not fit(replace(trained, label=turned), candidates=["logistic_bins"]).model.signal


@pytest.mark.usefixtures("whole_forests")
def test_it_finds_what_is_there_and_its_probabilities_mean_what_they_say() -> None:
    found = fit(leads(2500))
    unseen = leads(6000, seed=9)
    probability = expit(found.model.log_odds(unseen.frame))
    assert auc(unseen.label, probability) > 0.74
    assert ece(unseen.label, probability) < 0.03
    assert probability.mean() == pytest.approx(unseen.label.mean(), abs=0.02)


def test_two_features_that_only_matter_together_are_found_by_pairs_and_not_by_shapes() -> None:
    trained, unseen = (leads(1500, seed, odds=lambda a, b: 2.5 * np.sign(a * b), offset=0.0) for seed in (0, 1))
    kinds = ["logistic_bins", "additive", "additive_pairs"]
    found = fit(trained, candidates=kinds)
    by_kind = {trial.kind: trial.mean for trial in found.choice.trials}
    assert found.model.kind == "additive_pairs"
    assert not found.model.additive
    assert by_kind["additive"] < 0.62
    assert auc(unseen.label, found.model.log_odds(unseen.frame)) > 0.80


# A mean of several is as monotone as they are: one of them stands for all.
@pytest.mark.parametrize(("kind", "direction"), [*product(SINGLE, (1, -1)), ("blend_of_three", 1)])
def test_more_of_a_monotone_feature_never_counts_the_other_way(kind: str, direction: int) -> None:
    drawn = leads(600, odds=lambda visits, size: np.sin(3 * visits) - 0.5 * size, monotone=direction)
    model = fit(drawn, candidates=[kind]).model
    steps = pl.Series("visits", np.linspace(-3, 3, 200))
    for row in drawn.frame.head(5).iter_rows(named=True):
        frame = pl.DataFrame({**row, "visits": steps}, schema_overrides=drawn.frame.schema)
        assert (direction * np.diff(model.log_odds(frame)) >= -1e-9).all()


def test_the_simplest_within_one_standard_error_wins_and_the_reason_says_so() -> None:
    found = fit(leads(3000, odds=lambda visits, size: visits + size), candidates=["logistic_bins", "boosted"]).choice
    simple = found.trials[0]
    assert found.kind == simple.kind == "logistic_bins"
    assert simple.behind <= simple.error or simple.behind == 0
    assert "logistic_bins" in found.reason or "within one standard error" in found.reason


@pytest.mark.parametrize(
    ("incumbent", "kind", "why"),
    [(None, "logistic_bins", "the simplest within"), ("additive", "additive", "the kind that scores now, within"),
     ("boosted", "boosted", "boosted ranks best"), ("forest", "logistic_bins", "the simplest within")],
)  # fmt: skip
def test_the_kind_that_scores_now_stays_where_no_other_is_better_beyond_chance(
    incumbent: str | None, kind: str, why: str
) -> None:
    judged = {
        "logistic_bins": (0.70, 0.74, 0.72), "additive": (0.71, 0.74, 0.71), "boosted": (0.72, 0.73, 0.74),
        "forest": (0.60, 0.61, 0.62),
    }  # fmt: skip
    some = leads(60)
    found = _choose(judged, some, split(some, seed=0), incumbent)
    assert found.kind == kind
    assert why in found.reason


def test_few_people_get_no_boosting() -> None:
    assert "boosted" in offered(5000, 20)
    assert {"logistic_bins", "forest", "forest_blend"} == set(offered(500, 20))
    assert "additive_pairs" not in offered(5000, 400)


def test_rare_conversions_keep_their_prior() -> None:
    trained = leads(8000, offset=-4.5)
    assert trained.label.mean() < 0.04
    for kind in ("logistic_bins", "boosted"):
        model = fit(trained, candidates=[kind]).model
        assert expit(model.log_odds(trained.frame)).mean() == pytest.approx(trained.label.mean(), rel=0.02)


def test_dirty_columns_are_survived() -> None:
    rows, drawn = 800, leads(800)
    rng = np.random.default_rng(0)
    text = pl.Series([f"note {number} é" for number in range(rows)])
    dirty = {
        "visits": drawn.frame["visits"],
        "missing": pl.Series([None] * rows, dtype=pl.Float64),
        "nearly": pl.Series([1.0, *[None] * (rows - 1)], dtype=pl.Float64),
        "constant": pl.Series([7.0] * rows),
        "endless": pl.Series(np.where(rng.random(rows) < 0.1, np.inf, rng.normal(size=rows) * 1e300)),
        "text": text,
        "no text": pl.Series([None] * rows, dtype=pl.String),
        "id": pl.Series(np.arange(rows, dtype=float)),
        "flag": pl.Series([None, True] * (rows // 2)),
    }
    found = fit(table(dirty, drawn.label))
    base, contributions = found.model.contributions(pl.DataFrame(dirty))
    useless = [found.model.features.index(one) for one in found.model.features if one.name in
               {"missing", "nearly", "constant", "text", "no text"}]  # fmt: skip
    assert found.model.signal
    assert not contributions[:, useless].any()
    assert np.isfinite(base + contributions).all()


def test_columns_without_any_information_are_no_signal() -> None:
    columns = {"constant": pl.Series([1.0] * 200), "missing": pl.Series([None] * 200, dtype=pl.String)}
    assert not fit(table(columns, np.arange(200) % 3 == 0)).model.signal


def test_a_wide_table_of_little_information_is_survived() -> None:
    rng = np.random.default_rng(0)
    drawn = leads(150)
    columns = {f"column {place}": pl.Series(rng.normal(size=150)) for place in range(150)}
    found = fit(table({"visits": drawn.frame["visits"], **columns}, drawn.label), candidates=["logistic_bins"])
    assert np.isfinite(found.model.log_odds(pl.DataFrame({"visits": drawn.frame["visits"], **columns}))).all()


def test_out_of_fold_predictions_are_of_later_slices_only() -> None:
    trained = leads(2000, days=400)
    found = fit(trained, candidates=["logistic_bins"], horizon=timedelta(days=30))
    assert found.choice.by_time
    assert np.isnan(found.oof[:700]).all()
    assert np.isfinite(found.oof[900:]).all()
    assert auc(trained.label[900:], found.oof[900:]) > 0.7


def test_one_class_and_unknown_candidates_are_refused_with_what_to_do() -> None:
    trained = leads(200)
    with pytest.raises(ValueError, match="fewer than two people who converted"):
        fit(replace(trained, label=np.zeros(200, bool)))
    with pytest.raises(ValueError, match="unknown candidate magic; there are logistic_bins"):
        fit(trained, candidates=["magic"])
    with pytest.raises(ValueError, match="no candidate"):
        fit(trained, candidates=[])


def test_a_frame_without_a_column_is_refused_by_its_name() -> None:
    model = fit(leads(300), candidates=["logistic_bins"]).model
    with pytest.raises(ValueError, match="needs the columns visits"):
        model.log_odds(leads(10).frame.drop("visits"))


def test_progress_only_moves_forward_and_ends_at_one() -> None:
    told: list[float] = []
    fit(leads(300), candidates=["logistic_bins"], progress=lambda share, words: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_many_levels_are_ordered_by_rate_and_rare_ones_count_together() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 60, 6000)
    label = rng.random(6000) < np.where(codes % 2 == 0, 0.45, 0.1)
    found = fit(table({"code": pl.Series([f"c{code}" for code in codes])}, label), candidates=["boosted"])
    probe = pl.DataFrame({"code": ["c2", "c4", "c1", "c3", "never seen"]})
    odds = found.model.log_odds(probe)
    assert odds[:2].min() > odds[4] > odds[2:4].max()
