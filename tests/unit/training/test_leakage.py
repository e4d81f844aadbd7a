"""Verdicts on columns: what is declared, when it is filled, and what the data by itself gives away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from connectors.records import Cause
from tests.unit.training.tables import Floats, table
from worker.features.features import Features
from worker.training.fit import fit
from worker.training.leakage import BadOverride, Level, Verdict, by_need, judge, kept
from worker.training.table import Table

ROWS = 1500
HONEST = ["visits", "opens", "clicks", "pages", "size", "age", "source"]
DECLARED = {feature.name: feature for feature in Features.shipped()}


def people(seed: int = 0, rows: int = ROWS, **more: Any) -> Table:
    """Honest columns, most of which tell of one interest, and one that tells nothing; `more`: columns made from
    (generator, label)."""
    rng = np.random.default_rng(seed)
    interest, size, age = rng.normal(size=(3, rows))
    source = rng.choice(["web", "event", "fair"], rows)
    label = rng.random(rows) < 1 / (1 + np.exp(1.5 - 1.2 * interest - 0.3 * size - 0.5 * (source == "event")))
    views = {name: interest + 0.8 * rng.normal(size=rows) for name in ("visits", "opens", "clicks", "pages")}
    columns = {**views, "size": size, "age": age, "source": source}
    made = {name: column(rng, label) for name, column in more.items()}
    series = {
        name: pl.Series(values, dtype=pl.Float64 if values.dtype.kind == "f" else None)
        for name, values in {**columns, **made}.items()
    }
    return table({name: one.fill_nan(None) if one.dtype.is_float() else one for name, one in series.items()}, label)


def declared(drawn: Table, **how: Mapping[str, Any]) -> Table:
    """The table with more said of some of its features."""
    return replace(drawn, features=tuple(replace(one, **how.get(one.name, {})) for one in drawn.features))


def verdicts(drawn: Table, **given: Any) -> dict[str, Verdict]:
    return {verdict.feature: verdict for verdict in judge(drawn, **given)}


def shifted(by: float) -> Any:
    """A number that is `by` standard deviations higher for those who converted."""
    return lambda rng, label: rng.normal(size=label.size) + by * label


def test_honest_columns_are_all_kept() -> None:
    found = judge(people())
    assert [verdict.level for verdict in found] == [Level.OK] * 7
    assert kept(found) == HONEST


@pytest.mark.parametrize("seed", range(4))
def test_on_noise_as_the_target_nothing_is_named_and_nothing_is_learnt(seed: int) -> None:
    drawn = people(seed, 600)
    drawn = replace(drawn, label=np.random.default_rng(seed + 9).random(600) < 0.2)
    assert {verdict.level for verdict in judge(drawn)} == {Level.OK}
    assert not fit(drawn, seed=seed, candidates=["logistic_bins"]).model.signal


def test_a_demo_that_sales_runs_is_out_and_a_video_that_people_watch_stays() -> None:
    drawn = people(meetings_90d=shifted(1.0), demo_videos_90d=shifted(0.6))
    names = {"meetings_90d", "demo_videos_90d"}
    drawn = replace(drawn, features=tuple(DECLARED[f.name] if f.name in names else f for f in drawn.features))
    found = verdicts(drawn)
    assert found["meetings_90d"].level is Level.DOWNSTREAM
    assert found["demo_videos_90d"].level is Level.OK
    assert kept(list(found.values())) == [*HONEST, "demo_videos_90d"]


def test_a_demo_of_sales_that_nobody_declared_is_found_by_the_data() -> None:
    found = verdicts(people(demo_held=lambda rng, label: rng.random(label.size) < np.where(label, 0.75, 0.02)))
    assert found["demo_held"].level is Level.SUSPICIOUS
    assert not found["demo_held"].kept
    assert all(found[name].kept for name in HONEST)
    assert found["demo_held"].figures["with_it"] > found["demo_held"].figures["without_it"] + 0.05


def test_what_settles_the_outcome_by_itself_is_a_leak() -> None:
    found = verdicts(people(contract=shifted(6.0)))["contract"]
    assert (found.level, found.kept) == (Level.LEAK, False)
    assert "settles the outcome by itself" in found.sentence


def test_what_is_only_filled_for_those_who_converted_is_a_leak_by_its_gaps() -> None:
    def reason(rng: np.random.Generator, label: NDArray[np.bool_]) -> Floats:
        return np.where(label, rng.normal(size=label.size), np.nan)

    found = verdicts(people(win_reason=reason))["win_reason"]
    assert found.level is Level.LEAK
    assert "by whether it is filled at all" in found.sentence
    assert found.figures["by_gaps"] > 0.97
    assert found.figures["missing"] == pytest.approx(0.73, abs=0.1)


@pytest.mark.parametrize("others", [3, 7])
def test_two_leaks_hide_neither_each_other_nor_behind_honest_columns(others: int) -> None:
    leaks = {"call_minutes", "price"}
    found = verdicts(people(call_minutes=shifted(2.0), price=shifted(1.8)).only([*leaks, *HONEST[-others:]]))
    assert {name for name, verdict in found.items() if not verdict.kept} == leaks


def test_where_one_leak_was_found_a_weaker_one_is_asked_about_too() -> None:
    honest = {f"honest_{number}": shifted(0.3) for number in range(6)}
    alone = verdicts(people(discount=shifted(0.7), **honest))
    found = verdicts(people(discount=shifted(0.7), price=shifted(2.0), **honest))
    assert all(verdict.kept for verdict in alone.values())
    assert {name for name, verdict in found.items() if not verdict.kept} == {"price", "discount"}


def test_a_level_in_which_a_class_is_absent_is_asked_about() -> None:
    def stage(rng: np.random.Generator, label: NDArray[np.bool_]) -> Any:
        return np.where(~label & (rng.random(label.size) < 0.2), "closed", rng.choice(["a", "b"], label.size))

    found = verdicts(people(stage=stage))["stage"]
    assert (found.level, found.kept) == (Level.SUSPICIOUS, False)
    assert "without exception" in found.sentence


def with_counts(later: Floats) -> Table:
    """People with a count up to the instant and one that is `later` higher."""
    drawn = people()
    before = np.random.default_rng(5).poisson(3, ROWS).astype(float)
    return table({**drawn.frame.to_dict(), "calls": pl.Series(before), "all_calls": pl.Series(before + later)},
                 drawn.label)  # fmt: skip


def test_a_count_to_the_end_beside_the_count_to_the_instant_is_found() -> None:
    later = np.random.default_rng(6).poisson(np.where(people().label, 1.6, 0.3)).astype(float)
    found = verdicts(with_counts(later))
    assert not found["all_calls"].kept
    assert found["calls"].kept


def test_a_total_beside_its_parts_stays() -> None:
    drawn = people()
    rng = np.random.default_rng(6)
    others, pricing = rng.poisson(5.0, ROWS), rng.poisson(np.where(drawn.label, 1.2, 0.5))
    views = {"views": others + pricing, "other_views": others, "pricing_views": pricing}
    made = {name: pl.Series(values, dtype=pl.Float64) for name, values in views.items()}
    assert all(verdict.kept for verdict in judge(table({**drawn.frame.to_dict(), **made}, drawn.label)))


@pytest.mark.parametrize(
    ("late", "stable", "level", "stays"),
    [
        (0.1, False, Level.OK, True),
        (0.3, False, Level.SUSPICIOUS, True),
        (0.3, True, Level.SUSPICIOUS, False),
        (0.6, False, Level.LEAK, False),
    ],
)
def test_when_a_field_is_filled_decides(late: float, stable: bool, level: Level, stays: bool) -> None:
    days = np.where(np.arange(100) < 100 * late, 0.5, -20.0)
    drawn = declared(people(), size={"stable": stable})
    found = verdicts(drawn, fills={"size": days})["size"]
    assert (found.level, found.kept) == (level, stays)
    assert found.figures["late"] == pytest.approx(late)


def test_a_stable_field_is_assumed_until_its_gaps_tell_the_outcome() -> None:
    def industry(rng: np.random.Generator, label: NDArray[np.bool_]) -> Floats:
        return np.where(rng.random(label.size) < np.where(label, 0.8, 0.4), rng.normal(size=label.size), np.nan)

    drawn = declared(people(industry=industry), size={"stable": True}, industry={"stable": True})
    found = verdicts(drawn)
    assert (found["size"].level, found["size"].kept) == (Level.ASSUMED, True)
    assert (found["industry"].level, found["industry"].kept) == (Level.LEAK, False)
    assert "whether it is filled tells the outcome" in found["industry"].sentence


@pytest.mark.parametrize(("live", "stays"), [(0.15, True), (0.25, False)])
def test_a_column_that_is_missing_far_more_often_today_is_another_column(live: float, stays: bool) -> None:
    found = verdicts(people(), live={"visits": live})["visits"]
    assert found.kept is stays
    assert found.figures["missing_live"] == live
    assert stays or found.sentence == "is missing for 0% in training and for 25% today: not the same thing"


def test_an_act_of_people_with_a_rule_for_the_past_is_listed_and_kept() -> None:
    def trials(rng: np.random.Generator, label: NDArray[np.bool_]) -> Floats:
        return rng.poisson(np.where(label, 4.0, 0.5)).astype(float)

    honest = {"cause": Cause.PROSPECT, "as_of": "acts known by then"}
    found = verdicts(declared(people(trials=trials), trials=honest))["trials"]
    assert (found.level, found.kept) == (Level.SUSPICIOUS, True)


def test_an_override_keeps_the_column_and_the_verdict_and_stores_the_reason() -> None:
    drawn = declared(people(demo=shifted(1.0)), demo={"cause": Cause.SALES})
    found = verdicts(drawn, overrides={"demo": "booked by the prospect here", "size": "not needed"})
    assert (found["demo"].level, found["demo"].kept) == (Level.DOWNSTREAM, True)
    assert found["demo"].override == "booked by the prospect here"
    assert found["size"].override is None


@pytest.mark.parametrize(
    ("overrides", "words"),
    [({"sise": "because"}, "no column is called 'sise' .did you mean 'size'"), ({"size": " "}, "needs a reason")],
)
def test_an_override_of_nothing_or_without_a_reason_is_refused(overrides: dict[str, str], words: str) -> None:
    with pytest.raises(BadOverride, match=words):
        judge(people(), overrides=overrides)


def test_with_few_conversions_the_data_is_no_witness_and_says_so() -> None:
    drawn = people(price=shifted(1.5))
    few = drawn.take(np.concatenate([np.flatnonzero(drawn.label)[:30], np.flatnonzero(~drawn.label)[:400]]))
    found = verdicts(few)
    assert found["price"].level is Level.OK
    assert "too few conversions to judge by the data" in found["price"].sentence


def test_a_field_has_the_gravest_verdict_of_what_is_computed_from_it() -> None:
    drawn = declared(
        people(), visits={"needs": ("page_view",)}, age={"needs": ("page_view", "title"), "cause": Cause.SALES}
    )
    found = by_need(judge(drawn), drawn.features)
    assert list(found) == ["page_view", "title"]
    assert {verdict.level for verdict in found.values()} == {Level.DOWNSTREAM}


def test_one_seed_gives_the_same_verdicts() -> None:
    drawn = people(rows=300, price=shifted(1.5)).only(["visits", "size", "source", "price"])
    assert judge(drawn, seed=3) == judge(drawn, seed=3)
