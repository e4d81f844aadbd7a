"""A retrained model moves from the champion only as far as the data ask."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest

from tests.unit.training.tables import leads
from worker.scoring.model import Model
from worker.scoring.model_parts import Tables, Trees
from worker.training.anchor import SHARES, anchored, mixed, near
from worker.training.fit import Fit, fit


@cache
def fitted(kind: str, seed: int, rows: int = 900) -> Fit:
    return fit(leads(rows, seed), candidates=[kind])


def model(kind: str, seed: int, without: str = "") -> Model:
    if not without:
        return fitted(kind, seed).model
    table = leads(900, seed)
    return fit(table.only([f.name for f in table.features if f.name != without]), candidates=[kind]).model


@pytest.mark.parametrize("fresh", ["logistic_bins", "additive_pairs", "forest"])
@pytest.mark.parametrize("champion", ["additive_pairs", "blend"])
def test_it_says_the_mean_of_what_the_two_say_and_adds_up(fresh: str, champion: str) -> None:
    one, other = model(fresh, 0), model(champion, 1)
    frame = leads(400, seed=2).frame.with_columns(source=pl.Series(["unseen", None, "web", "event"] * 100))
    both = mixed(one, other, 0.3)
    said = both.log_odds(frame)
    np.testing.assert_allclose(said, 0.3 * one.log_odds(frame) + 0.7 * other.log_odds(frame), atol=1e-12)
    base, parts = both.contributions(frame)
    assert np.abs(base + parts.sum(axis=1) - said).max() < 1e-9


@pytest.mark.parametrize("kind", ["forest", "additive_pairs"])
def test_retrained_again_and_again_it_stays_as_small_and_near_the_mean(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.training.anchor._MOST_TREES", 36)  # half as many again as a forest has here
    rows = leads(400, seed=2)
    champion, others = model("blend", 1), [model(kind, 0), model("blend", 1)]
    for fresh in others * 3:
        both, exact = near(fresh, champion, 0.2, rows), mixed(fresh, champion, 0.2)
        said, wanted = both.log_odds(rows.frame), exact.log_odds(rows.frame)
        assert np.abs(said - wanted).mean() < 0.1
        assert said.mean() == pytest.approx(wanted.mean(), abs=1e-9)
        champion = both
    base, parts = champion.contributions(rows.frame)
    assert np.abs(base + parts.sum(axis=1) - champion.log_odds(rows.frame)).max() < 1e-9
    grown = [part for part in champion.parts if isinstance(part, Trees)]
    assert max(sum(part.votes is votes for part in grown) for votes in (False, True)) <= 6
    assert sum(part.roots.size for part in grown if part.votes) <= 39
    assert sum(len(part.surfaces) for part in champion.parts if isinstance(part, Tables)) <= 6, "one of each pair"


def test_a_champion_of_fewer_features_keeps_them_in_their_places() -> None:
    one, other = model("additive", 0), model("boosted", 1, without="size")
    frame = leads(200, seed=2).frame
    said = mixed(one, other, 0.5).log_odds(frame)
    np.testing.assert_allclose(said, (one.log_odds(frame) + other.log_odds(frame)) / 2, atol=1e-12)


def test_where_nothing_changed_it_stays_near_the_champion() -> None:
    fresh, unseen = fitted("additive", 0).model, leads(300, seed=5)
    result = anchored(fresh, model("additive", 1), unseen, fresh.log_odds(unseen.frame))
    assert result.share == SHARES[0]
    assert "20%" in result.reason


def test_where_the_world_turned_round_the_fresh_model_stands_alone() -> None:
    def turned(visits: np.ndarray, size: np.ndarray) -> np.ndarray:
        return -2 * visits

    fresh = fit(leads(900, 0, odds=turned), candidates=["additive"]).model
    unseen = leads(4000, seed=5, odds=turned)
    result = anchored(fresh, model("additive", 1), unseen, fresh.log_odds(unseen.frame))
    assert result.share == 1
    assert result.model is fresh


def test_a_column_that_is_out_now_is_not_kept_by_way_of_the_champion() -> None:
    fresh = model("additive", 0, without="visits")
    unseen = leads(300, seed=5)
    result = anchored(fresh, model("additive", 1), unseen, fresh.log_odds(unseen.frame))
    assert result.model is fresh
    assert "visits" in result.reason


def test_without_anybody_to_tell_by_it_moves_least() -> None:
    fresh, nobody = model("additive", 0), leads(300, seed=5).take(np.zeros(0, np.int64))
    assert anchored(fresh, model("additive", 1), nobody, np.zeros(0)).share == SHARES[0]
