"""A model's score is the sum of what its features gave, for everybody, or it is no score."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.unit.features.making import DAY, NOW, facts, value
from tests.unit.scoring.modelling import BASE, COUNTRY, MODEL, VISITS, matrix
from tests.unit.scoring.writing import rules
from worker.scoring.model import Model
from worker.scoring.reasons import crm_text, explain_all
from worker.scoring.rules import Ruleset
from worker.scoring.scale import PointScale
from worker.scoring.score import MISMATCH, SCORED, Scores, score_model

SCALE = PointScale(pdo=20, reference_odds=0.05)
A_RULE = "{id: a, group: fit, points: 10, when: {title: missing}}"
"""A point rule has no say where a model scores."""
NO_GUARDS = rules(A_RULE)
PER_UNIT = 20 / math.log(2)

Row = tuple[int, float | None, str | None, bool | None]


def scored(*rows: Row, ruleset: Ruleset = NO_GUARDS, model: Model = MODEL, titles: tuple[int, ...] = ()) -> Scores:
    known = facts([value("title", "CTO", person=person) for person in titles], people=[row[0] for row in rows])
    return score_model(known, matrix(rows), model, SCALE, ruleset)


def lines(result: Scores, person: int = 1) -> dict[str, float]:
    own = result.contributions.filter(pl.col("person_id") == person)
    return dict(own.select("code", "points").rows())


def log_odds(result: Scores) -> dict[int, float]:
    assert result.judged is not None
    return dict(zip(result.sheet.ids.to_list(), result.judged.log_odds.tolist(), strict=True))


def test_every_feature_has_its_line_in_points() -> None:
    result = scored((1, 3.0, "DE", True))
    assert lines(result) == pytest.approx(
        {
            "base": 50 + PER_UNIT * (BASE - math.log(0.05)),
            "feature:visits": PER_UNIT * 0.7,
            "feature:place": PER_UNIT * 0.4,
            "feature:asked": PER_UNIT * 1.1,
            "clip": 100 - SCALE.points(BASE + 2.2),
        }
    )
    assert result.people.row(0)[1:3] == (100, SCORED)
    assert log_odds(result) == {1: pytest.approx(BASE + 2.2)}


def test_groups_are_the_families() -> None:
    groups = dict(scored((1, 3.0, "DE", True)).contributions.select("code", "group").rows())
    assert groups["feature:visits"] == "engagement"
    assert groups["feature:place"] == "fit"
    assert groups["feature:asked"] == "explicit"


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-5, 50)),
            st.sampled_from([None, "DE", "US", "FR"]),
            st.sampled_from([None, True, False]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_shown_points_add_up_to_the_score_of_everybody(
    rows: list[tuple[float | None, str | None, bool | None]],
) -> None:
    people = [(person, *row) for person, row in enumerate(rows, 1)]
    result = scored(*people)
    shown = dict(result.contributions.group_by("person_id").agg(pl.col("shown").sum()).rows())
    said = log_odds(result)
    for person, score, status in result.people.select("person_id", "score", "status").rows():
        assert status == SCORED
        assert shown[person] == score == SCALE.score(said[person])


@pytest.mark.parametrize(
    ("guardrails", "score", "line"),
    [
        ("[{id: place, when: {title: present}, cap: 30}]", 30, "place"),
        ("[{id: f, when: {title: present}, floor: 90}]", 90, "f"),
        ("[{id: f, when: {title: missing}, floor: 90}]", 56, None),
    ],
)
def test_guardrails_bind_models_too(guardrails: str, score: int, line: str | None) -> None:
    """A guardrail may have a topic's name: they are told apart."""
    ruleset = rules(A_RULE, guardrails=guardrails)
    result = scored((1, 1.0, "US", False), ruleset=ruleset, titles=(1,))
    assert result.people.row(0)[1:3] == (score, SCORED)
    assert (line in lines(result)) is (line is not None)
    assert "feature:place" in lines(result)
    assert sum(result.contributions.get_column("shown")) == score


def test_who_is_excluded_has_no_score_and_one_reason() -> None:
    ruleset = rules(A_RULE, guardrails="[{id: e, when: {title: present}, exclude: internal}]")
    result = scored((1, 1.0, "US", False), (2, 1.0, "US", False), ruleset=ruleset, titles=(1,))
    assert result.people.select("score", "status").rows() == [(None, "excluded_internal"), (56, SCORED)]
    assert lines(result, 1) == {"e": 0}


class Liar(Model):
    """One whose contributions are not what it predicts, for whoever visited often."""

    def log_odds(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        told = super().log_odds(frame)
        return np.where(frame["visits"].to_numpy() > 5, told + 1e-4, told)


class Broken(Model):
    def log_odds(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        return np.where(frame["visits"].to_numpy() > 5, np.nan, super().log_odds(frame))


@pytest.mark.parametrize("kind", [Liar, Broken])
def test_a_mismatch_parks_that_person_and_nobody_else(kind: type[Model]) -> None:
    liar = kind(MODEL.features, MODEL.kind, MODEL.base_rate, MODEL.signal, MODEL.axes, MODEL.parts)
    result = scored((1, 1.0, "US", False), (2, 9.0, "US", False), model=liar)
    assert result.people.select("score", "status").rows() == [(56, SCORED), (None, MISMATCH)]


def test_whoever_did_not_exist_yet_is_not_scored() -> None:
    known = facts(people=[1, 2], as_of={1: NOW, 2: NOW - 2000 * DAY})
    result = score_model(known, matrix([(1, 1.0, "US", False)]), MODEL, SCALE, NO_GUARDS)
    assert result.people.select("score", "status").rows() == [(56, SCORED), (None, "not_known_yet")]


def test_reasons_name_the_feature_its_value_and_its_points() -> None:
    result = scored((1, 3.0, None, True))
    reasons = explain_all(NO_GUARDS, result)[1]
    assert [(reason.code, reason.text) for reason in reasons][:3] == [
        ("feature:asked", "Asked for a demo: yes"),
        ("feature:visits", "Pricing-page views: 3"),
        ("feature:place", "Country unknown"),
    ]
    assert sum(reason.points for reason in reasons) == result.people["score"][0]
    assert crm_text(reasons).startswith("+32 Asked for a demo: yes; +20 Pricing-page views: 3; ")


def test_braces_in_a_label_are_text() -> None:
    odd = replace(MODEL, features=(replace(VISITS, label="{visits} {0}"), COUNTRY, MODEL.features[2]))
    result = scored((1, 3.0, "DE", True), model=odd)
    texts = [reason.text for reason in explain_all(NO_GUARDS, result)[1]]
    assert "{visits} {0}: 3" in texts


@pytest.mark.parametrize(
    ("label", "unit", "value", "said"),
    [
        ("Employees (log10)", "powers of ten", 3.3979, "Employees: 2,500"),
        ("Age of the lead", "days", 34.6, "Age of the lead: 35 days"),
        ("Days since the last act", "days", 3.4499, "Days since the last act: 3.4"),
        ("Time on the website, 30 days", "minutes", 12.2, "Time on the website, 30 days: 12 minutes"),
        ("Time on the website, 30 days", "minutes", None, "Time on the website, 30 days: unknown"),
        ("Page views, halved every 14 days", "acts", 12.3456, "Page views, halved every 14 days: 12"),
    ],
)
def test_values_are_said_as_people_say_them(label: str, unit: str, value: float | None, said: str) -> None:
    spoken = replace(MODEL, features=(replace(VISITS, label=label, unit=unit), *MODEL.features[1:]))
    result = scored((1, value, "DE", True), model=spoken)
    texts = [reason.text for reason in explain_all(NO_GUARDS, result)[1]]
    assert said in texts
