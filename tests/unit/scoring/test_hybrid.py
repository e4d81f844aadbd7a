"""Rules hand over to a model by as much as it has learnt from, in points, and both bow to the guardrails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.features.making import facts, value
from tests.unit.scoring.modelling import MODEL, VISITS, matrix
from tests.unit.scoring.writing import rules
from worker.features.feature import Family
from worker.scoring.model import Model
from worker.scoring.model_parts import Surface, Tables
from worker.scoring.reasons import Speech, crm_text
from worker.scoring.rules import Ruleset
from worker.scoring.scale import ChanceScale, PointScale, Scale
from worker.scoring.score import SCORED, Scores, score_model, score_rules
from worker.scoring.verdict import Cuts, grades, verdicts
from worker.scoring.wording import shipped

SCALE = PointScale(pdo=20, reference_odds=0.05)
RULES = rules(
    "{id: titled, group: fit, points: 20, when: {title: present}, say: 'Is {title}'}",
    "{id: seen, group: engagement, points: 6.3, each: {activity: page_view}, max_points: 9}",
    base=40,
    groups="{fit: {max: 15}, engagement: {}}",
    guardrails="[{id: rival, when: {title: {contains: rival}}, exclude: competitor, say: 'Works for a rival'},"
    " {id: held, when: {title: {contains: intern}}, cap: 30, say: 'An intern is never hot'}]",
)
(PART,) = MODEL.parts
assert isinstance(PART, Tables)
CORNER = Surface(
    0, 1, np.arange(4, dtype=np.int16), np.arange(4, dtype=np.int16), np.linspace(-0.6, 0.9, 16).reshape(4, 4)
)
PAIRED = replace(MODEL, parts=(replace(PART, surfaces=(CORNER,)),))
SCALES: tuple[Scale, ...] = (SCALE, ChanceScale())

Row = tuple[float | None, str | None, bool | None, str | None]
rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(-5, 50)),
        st.sampled_from([None, "DE", "US", "FR"]),
        st.sampled_from([None, True, False]),
        st.sampled_from([None, "CTO", "intern", "rival"]),
    ),
    min_size=1,
    max_size=12,
)


def scored(
    made: list[Row], weight: float, scale: Scale = SCALE, model: Model = MODEL, ruleset: Ruleset = RULES
) -> Scores:
    people = range(1, len(made) + 1)
    known = facts([value("title", row[3], person=p) for p, row in zip(people, made, strict=True)], people=list(people))
    return score_model(
        known, matrix([(p, *row[:3]) for p, row in zip(people, made, strict=True)]), model, scale, ruleset, weight
    )


def points(scores: Scores, person: int = 1) -> dict[str, float]:
    return dict(scores.contributions.filter(person_id=person).select("code", "points").rows())


def test_each_has_its_share_and_the_start_moves_in_a_line_of_its_own() -> None:
    row = (3.0, "US", False, "CTO")
    given = points(scored([row], 0.25))
    alone, by_rules = points(scored([row], 1.0)), points(score_rules(facts([value("title", "CTO")]), RULES))
    assert given == pytest.approx(
        {
            "base": 40,
            "titled": 0.75 * by_rules["titled"],
            "group_cap:fit": 0.75 * by_rules["group_cap:fit"],
            "handover": 0.25 * (alone["base"] - 40),
            **{code: 0.25 * its for code, its in alone.items() if code.startswith("feature:")},
        }
    )


@given(rows, st.sampled_from(SCALES), st.sampled_from([MODEL, PAIRED]), st.floats(0.01, 1))
@settings(deadline=None, max_examples=40)
def test_whole_points_add_up_at_any_weight_on_any_scale(
    made: list[Row], scale: Scale, model: Model, weight: float
) -> None:
    scores = scored(made, weight, scale, model)
    assert scores.judged is not None
    speech = Speech(RULES, scores, shipped(), conversions=12)
    for row, (score, status, raw) in enumerate(scores.people.select("score", "status", "raw").rows()):
        if made[row][3] == "rival":
            assert (score, status) == (None, "excluded_competitor")
            continue
        assert status == SCORED
        assert abs(raw - score) <= 0.5
        assert sum(reason.points for reason in speech.reasons(row)) == score
        if weight == 1 and made[row][3] != "intern":
            assert raw == pytest.approx(np.clip(scale.points(scores.judged.log_odds[row]), 0, 100), abs=1e-6)


@given(rows, st.floats(0.01, 0.99))
@settings(deadline=None, max_examples=25)
def test_the_text_of_the_crm_is_that_of_the_reasons(made: list[Row], weight: float) -> None:
    scores = scored(made, weight)
    speech = Speech(RULES, scores, shipped(), conversions=12)
    for limit in (40, 255):
        assert speech.texts(limit) == [crm_text(speech.reasons(row), limit) for row in range(len(made))]


@given(rows, st.floats(0.05, 0.9), st.floats(0.001, 0.01))
@settings(deadline=None, max_examples=20)
def test_a_little_more_weight_moves_no_score_by_a_jump(made: list[Row], weight: float, more: float) -> None:
    before, after = (scored(made, each).sheet.raw for each in (weight, weight + more))
    assert (np.abs(after - before) <= 300 * more).all()


def test_the_hand_over_is_told_with_its_figures() -> None:
    scores = scored([(3.0, "DE", True, None)], 0.2)
    told = {r.code: r.text for r in Speech(RULES, scores, shipped(), conversions=1012).reasons(0)}
    assert told["handover"] == "Model 20 %, rules 80 % of the say (1,012 conversions so far)"
    told = {r.code: r.text for r in Speech(RULES, scores, shipped("ru"), conversions=12).reasons(0)}
    assert told["handover"] == shipped("ru").text("handover", model="20", rules="80", conversions="12")


def test_guardrails_hold_over_the_mixture() -> None:
    scores = scored([(9.0, "DE", True, "intern"), (9.0, "DE", True, "rival")], 0.5)
    assert scores.people.select("score", "status").rows() == [(30, SCORED), (None, "excluded_competitor")]
    speech = Speech(RULES, scores, shipped())
    assert "An intern is never hot" in {reason.text for reason in speech.reasons(0)}
    assert speech.texts()[1] == "Not scored (competitor): Works for a rival"


@pytest.mark.parametrize("weight", [0, -0.1, 1.01, float("nan")])
def test_a_weight_that_cannot_be_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        scored([(1.0, "DE", True, None)], weight)


def test_features_of_one_topic_share_a_reason_and_the_strongest_speaks() -> None:
    week = replace(VISITS, name="pricing_views_7d", needs=("pricing_page_view",), unit="acts")
    month = replace(week, name="pricing_views_30d")
    model = replace(MODEL, features=(week, MODEL.features[1], month), axes=(MODEL.axes[0], *MODEL.axes[1:]))
    table = matrix([(1, 2.0, "FR", None)]).rename({"visits": "pricing_views_7d", "asked": "pricing_views_30d"})
    scores = score_model(facts(), table.with_columns(pricing_views_30d=pl.lit(4.0)), model, SCALE, RULES)
    assert scores.judged is not None
    (reason,) = [r for r in Speech(RULES, scores, shipped()).reasons(0) if r.code == "feature:pricing_views"]
    assert reason.text == "Visited pricing 4x in 30 days", "it gives 1.1 and the week 0.7 of log-odds"
    assert points(scores)["feature:pricing_views"] == pytest.approx(SCALE.per_unit * 1.8)


def test_chances_are_shared_out_as_log_odds_are() -> None:
    scores = scored([(3.0, "DE", True, None)], 1.0, ChanceScale())
    given = points(scores)
    assert scores.judged is not None
    assert given["base"] == pytest.approx(ChanceScale().points(-3.0))
    assert sum(given.values()) == pytest.approx(100 / (1 + np.exp(0.8)))
    assert given["feature:asked"] / given["feature:visits"] == pytest.approx(1.1 / 0.7)


def test_grades_follow_the_subtotals_at_their_cuts() -> None:
    scores = scored([(9.0, "DE", True, None), (0.0, "US", False, None), (3.0, "FR", None, None)], 1.0)
    fit, active = scores.sheet.subtotal(Family.FIT), scores.sheet.subtotal(Family.ENGAGEMENT)
    assert grades(scores, Cuts((fit[0], fit[2]), (active[0], active[2]))) == ["A1", "C3", "B2"]
    assert grades(scores, Cuts((fit[0] + 1e-6, 0), (99, active[0] + 1e-6)))[0] == "B3"


def test_a_verdict_has_the_text_and_puts_reasons_into_words_when_asked() -> None:
    scores = scored([(3.0, "DE", True, "CTO"), (3.0, "DE", True, "rival")], 0.5)
    found = verdicts(scores, Speech(RULES, scores, shipped()), Cuts((10, 0), (10, 0)), model=7)
    assert found[1].score == sum(reason.points for reason in found[1].reasons)
    assert found[1].text == crm_text(found[1].reasons)
    assert (found[1].model, found[1].grade is None, found[2].grade, found[2].score) == (7, False, None, None)
