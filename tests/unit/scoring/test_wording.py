"""The words of reasons: every feature has some in every language, and a file of one's own is checked to the line."""

from __future__ import annotations

import re
from dataclasses import replace
from string import Formatter

import numpy as np
import pytest

from tests.unit.features.making import DAY, NOW, act, facts, value
from tests.unit.scoring.modelling import MODEL, matrix
from tests.unit.scoring.writing import CATALOGUE, rules
from worker.features.bant import Item, evidence
from worker.features.features import Features
from worker.scoring import bant
from worker.scoring.model_parts import Axis
from worker.scoring.rates import Rates
from worker.scoring.reasons import Speech, crm_text, explain_all
from worker.scoring.rules import LONGEST_SAY, RulesError, load
from worker.scoring.rules import shipped as shipped_rules
from worker.scoring.scale import PointScale
from worker.scoring.score import score_model, score_rules
from worker.scoring.wording import LANGUAGES, TEXTS, shipped
from worker.scoring.wording import load as load_wording

NAMES = {feature.name for feature in Features.shipped()}
RULES = rules("{id: a, group: fit, points: 10, when: {title: missing}}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_feature_and_every_sentence_has_its_words(language: str) -> None:
    wording = shipped(language)
    assert set(wording.features) == NAMES
    assert set(wording.texts) == set(TEXTS)
    for name, saying in wording.features.items():
        for form in (saying.say, saying.none, saying.little, saying.missing):
            assert form is None or len(form) <= LONGEST_SAY, name
    for name, text in wording.texts.items():
        assert {blank for _, blank, _, _ in Formatter().parse(text) if blank} == set(TEXTS[name]), name


def test_the_shipped_rules_are_said_in_russian_and_a_changed_one_as_it_was_changed() -> None:
    ruleset = load(shipped_rules(), "default_rules.yaml", CATALOGUE)
    russian = shipped("ru")
    assert set(russian.rules) == {each.id for part in (ruleset.rules, ruleset.guardrails) for each in part}
    made = facts([value("title", "CEO"), value("employees", "2500")], [act("pricing_page_view", at=NOW - DAY)])
    told = crm_text(explain_all(ruleset, score_rules(made, ruleset), wording=russian)[1], wording=russian)
    assert re.search("[a-zA-Z]", told.replace("CEO", "").replace("x", "")) is None, told
    assert "Крупная компания (сотрудников: 2\u00a0500)" in told
    changed = load(shipped_rules().replace("Visited the pricing page", "Checked prices"), "r.yaml", CATALOGUE)
    assert "Checked prices" in crm_text(explain_all(changed, score_rules(made, changed), wording=russian)[1])


def test_a_file_of_ones_own_changes_what_it_names_and_nothing_else() -> None:
    text = "version: 1\nfeatures: {country: {say: 'From {value}', missing: 'From nowhere'}}\nvalues: {DE: Germany}\n"
    wording = load_wording(text, "w.yaml", "en", NAMES)
    scores = score_model(facts(), matrix([(1, None, "DE", True)]), MODEL, PointScale(20, 0.05), RULES)
    texts = {reason.code: reason.text for reason in Speech(RULES, scores, wording).reasons(0)}
    assert texts["feature:place"] == "From Germany"
    assert texts["base"] == shipped().texts["base"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("features: {}\n", "lacks version"),
        ("version: 2\n", "allowed: 1"),
        ("version: 1\nfeatures: {contry: 'From {value}'}\n", "w.yaml:2:12: unknown feature: 'contry'"),
        ("version: 1\nfeatures: {country: 'From {town}'}\n", "w.yaml:2:21: country has no blank {town}; allowed: "),
        ("version: 1\nfeatures: {country: 'From {value'}\n", "cannot be read"),
        ("version: 1\nfeatures: {country: {none: 'x'}}\n", "lacks say"),
        ("version: 1\ntexts: {clip: 'Ends at {max}'}\n", "clip has no blank {max}; allowed: none"),
        ("version: 1\ntexts: {klip: x}\n", "unknown sentence: 'klip'; did you mean 'clip'"),
        ("version: 1\nrules: {a: b}\n", "unknown key of the file: 'rules'"),
        ("version: 1\nfeatures: {country: '%s'}\n" % ("x" * 81), "1 to 80 printable characters"),
    ],
)  # fmt: skip
def test_each_mistake_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(RulesError, match=re.escape(said)):
        load_wording(text, "w.yaml", "en", NAMES)


def test_ages_are_told_as_dates_so_that_words_do_not_change_by_the_day() -> None:
    feature = next(feature for feature in Features.shipped() if feature.name == "days_since_act")
    model = MODEL.__class__((feature, *MODEL.features[1:]), *[getattr(MODEL, n) for n in
                            ("kind", "base_rate", "signal", "axes", "parts")])  # fmt: skip
    said = []
    for days in (0, 1, 2):
        table = matrix([(1, 1.5 + days, "DE", True)]).rename({"visits": "days_since_act"})
        scores = score_model(facts(as_of=NOW + days * DAY), table, model, PointScale(20, 0.05), RULES)
        told = Speech(RULES, scores, shipped()).reasons(0)
        said += [reason.text for reason in told if reason.code == "feature:last_act"]
    assert said == ["Last active on 2025-05-31"] * 3


def test_a_reason_quotes_how_often_people_alike_convert_where_that_agrees() -> None:
    bins = (Axis(np.array([0.0, 5.0])), np.array([0.25, 4.04, 1.1, np.nan]))
    rates = Rates.read(Rates({"visits": bins}).plain())
    scores = score_model(
        facts(people=range(1, 5)),
        matrix([(person, views, "DE", True) for person, views in enumerate((3.0, 0.0, 9.0, None), 1)]),
        MODEL, PointScale(20, 0.05), RULES,
    )  # fmt: skip
    speech = Speech(RULES, scores, shipped(), rates)
    texts = [{r.code: r.text for r in speech.reasons(row)}["feature:visits"] for row in range(4)]
    assert texts == [
        "Pricing-page views: 3 (such leads buy 4x as often)",
        "Pricing-page views: 0 (such leads buy 4x less often)",
        "Pricing-page views: 9",
        "Pricing-page views: unknown",
    ]
    against = Speech(RULES, scores, shipped(), Rates({"visits": (bins[0], np.array([4.0, 0.25, 1, 1]))}))
    assert {r.code: r.text for r in against.reasons(0)}["feature:visits"] == "Pricing-page views: 3"


@pytest.mark.parametrize(
    ("points", "times", "language", "said"),
    [
        (10, 4.04, "en", "Views (2x, last 2025-05-31) (such leads buy 4x as often)"),
        (10, 4.04, "ru", "Views (2x, последний раз 2025-05-31) (покупают чаще, раз: 4)"),
        (-10, 0.25, "en", "Views (2x, last 2025-05-31) (such leads buy 4x less often)"),
        (-10, 4.04, "en", "Views (2x, last 2025-05-31)"),
        (10, 1.2, "en", "Views (2x, last 2025-05-31)"),
    ],
)
def test_a_rules_reason_quotes_it_too_in_the_crm_and_in_the_product(
    points: int, times: float, language: str, said: str
) -> None:
    ruleset = rules(f"{{id: a, group: fit, points: {points}, each: {{activity: page_view}}, say: Views}}")
    made = facts([], [act("page_view", at=NOW - n * DAY) for n in (1, 2)])
    rates = Rates(rules={ruleset.rules[0].asks: times})
    speech = Speech(ruleset, score_rules(made, ruleset), shipped(language), rates)
    (told,) = [reason.text for reason in speech.reasons(0) if reason.code == "a"]
    assert told == said
    assert told in speech.texts()[0]


def test_bant_is_told_with_the_next_question() -> None:
    made = facts([value("budget", "5000"), value("timeline", "This month"), value("title", "CTO", person=2)],
                 [act("demo_request")], people=(1, 2, 3))  # fmt: skip
    known = bant.known(evidence(made, CATALOGUE))
    assert known == {1: {Item.BUDGET, Item.NEED, Item.TIMELINE}, 2: {Item.AUTHORITY}}
    assert bant.text(known[1], shipped()) == "BANT 3 of 4. Ask: who decides?"
    assert bant.text(known[2], shipped("ru")) == "BANT 1 из 4. Спросите: есть ли бюджет?"
    assert bant.text(list(Item), shipped()) == "BANT 4 of 4"
    assert bant.text((), shipped()) == "BANT 0 of 4. Ask: is there a budget?"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_of_bant_is_longer_than_its_field(language: str) -> None:
    texts = [bant.text([item for item in Item if item != gone], shipped(language)) for gone in (None, *Item)]
    assert all(len(text) < bant.LONGEST for text in texts)
    assert len(set(texts)) == 5


def test_a_column_of_words_is_said_once_for_all_who_share_them() -> None:
    scores = score_model(
        facts(people=range(1, 301)),
        matrix([(p, float(p % 3), "DE", True) for p in range(1, 301)]), MODEL, PointScale(20, 0.05), RULES,
    )  # fmt: skip
    assert len(set(Speech(RULES, scores, shipped()).texts())) == 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+5 A", "+5 A; https://lg.example.com/leads/7"),
        ("x" * 220, "x" * 220 + "; https://lg.example.com/leads/7"),
        ("x" * 230, "x" * 230),
        ("", ""),
    ],
)
def test_a_link_to_the_persons_page_where_there_is_room(text: str, shown: str) -> None:
    wording = replace(shipped(), link="https://lg.example.com/leads/")
    assert wording.linked(text, 7) == shown
    assert shipped().linked(text, 7) == text
