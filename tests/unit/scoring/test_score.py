from __future__ import annotations

import pytest

from tests.unit.features.making import DAY, NOW, act, facts, value
from tests.unit.scoring.writing import CATALOGUE, rules
from worker.features.facts import Facts
from worker.scoring.rules import Ruleset, load, shipped
from worker.scoring.score import Scores, score_rules


def lines(scores: Scores) -> dict[str, float]:
    return dict(scores.contributions.select("code", "points").rows())


def person(scores: Scores) -> tuple[int | None, str]:
    score, status = scores.people.select("score", "status").row(0)
    return score, status


TITLED = facts([value("title", "CTO")])
A_TITLE = "{id: %s, group: %s, points: %s, when: {title: present}}"


def test_groups_are_held_between_their_limits() -> None:
    groups = "{fit: {max: 30}, engagement: {min: -5}}"
    ruleset = rules(
        A_TITLE % ("a", "fit", 20),
        A_TITLE % ("b", "fit", 25),
        A_TITLE % ("c", "engagement", -12),
        base=40,
        groups=groups,
    )
    scores = score_rules(TITLED, ruleset)
    assert lines(scores) == {
        "base": 40, "a": 20, "b": 25, "c": -12, "group_cap:fit": -15, "group_cap:engagement": 7
    }  # fmt: skip
    assert person(scores) == (65, "scored")


@pytest.mark.parametrize(("points", "score", "clip"), [(90, 100, -40), (-90, 0, 40)])
def test_the_scale_ends_at_0_and_100_and_says_so(points: int, score: int, clip: int) -> None:
    scores = score_rules(TITLED, rules(A_TITLE % ("a", "fit", points), base=50))
    assert person(scores) == (score, "scored")
    assert lines(scores)["clip"] == clip


@pytest.mark.parametrize(
    ("guardrails", "score", "line"),
    [
        ("[{id: c, when: {title: present}, cap: 30}]", 30, {"c": -20}),
        ("[{id: c, when: {title: missing}, cap: 30}]", 50, {}),
        ("[{id: c, when: {title: present}, cap: 60}]", 50, {}),
        ("[{id: f, when: {title: present}, floor: 70}]", 70, {"f": 20}),
        ("[{id: f, when: {title: present}, floor: 40}]", 50, {}),
        ("[{id: c, when: {title: present}, cap: 40}, {id: d, when: {title: present}, cap: 30}]", 30, {"d": -20}),
        ("[{id: f, when: {title: present}, floor: 60}, {id: g, when: {title: present}, floor: 70}]", 70, {"g": 20}),
        (
            "[{id: c, when: {title: present}, cap: 60}, {id: f, when: {title: present}, floor: 80}]",
            60,
            {"f": 30, "c": -20},
        ),
    ],
)
def test_guardrails_hold_the_score_and_a_cap_wins_over_a_floor(
    guardrails: str, score: int, line: dict[str, float]
) -> None:
    scores = score_rules(TITLED, rules(A_TITLE % ("a", "fit", 20), base=30, guardrails=guardrails))
    assert person(scores) == (score, "scored")
    assert lines(scores) == {"base": 30, "a": 20, **line}


def test_the_first_guardrail_that_excludes_gives_the_reason_and_there_is_no_score() -> None:
    ruleset = rules(
        A_TITLE % ("a", "fit", 20),
        guardrails="[{id: none, when: {title: missing}, exclude: nobody}, {id: rival, when: {title: present}, "
        "exclude: competitor}, {id: staff, when: {title: present}, exclude: employee}]",
    )
    scores = score_rules(TITLED, ruleset)
    assert person(scores) == (None, "excluded_competitor")
    assert scores.contributions.select("code", "group", "points", "shown").rows() == [("rival", "excluded", 0.0, 0)]


def test_who_has_no_record_at_the_instant_is_not_known_yet() -> None:
    scores = score_rules(facts(since=NOW + DAY), rules(A_TITLE % ("a", "fit", 20), base=30))
    assert person(scores) == (None, "not_known_yet")
    assert scores.contributions.is_empty()


def test_a_score_of_nothing_is_0_without_a_line() -> None:
    scores = score_rules(facts(), rules(A_TITLE % ("a", "fit", 20)))
    assert person(scores) == (0, "scored")
    assert scores.contributions.is_empty()


def test_nobody_asked_for_gives_empty_frames_of_the_same_shape() -> None:
    ruleset = rules(A_TITLE % ("a", "fit", 20), "{id: b, group: fit, points: 1, each: {activity: page_view}}")
    nobody = score_rules(facts(people=()), ruleset)
    assert nobody.people.is_empty()
    assert nobody.contributions.schema == score_rules(TITLED, ruleset).contributions.schema


def test_people_without_rows_do_not_borrow_those_of_others() -> None:
    made = facts([value("title", "CTO", person=2)], people=(1, 2, 3))
    assert score_rules(made, rules(A_TITLE % ("a", "fit", 20))).people.get_column("score").to_list() == [0, 20, 0]


# The shipped rules.


@pytest.fixture(scope="module")
def default() -> Ruleset:
    return load(shipped(), "default_rules.yaml", CATALOGUE)


@pytest.mark.parametrize(
    ("made", "code", "points"),
    [
        (facts(activities=[act("content_download", at=NOW, detail="The AI Whitepaper")]), "whitepaper", 10),
        (facts(activities=[act("pricing_page_view", at=NOW)]), "pricing_page", 15),
        (facts([value("employees", "1000")]), "enterprise_company", 20),
        (facts(), "no_budget_information", -10),
    ],
)
def test_the_shipped_rules_hold_the_classics(default: Ruleset, made: Facts, code: str, points: int) -> None:
    assert lines(score_rules(made, default))[code] == points
