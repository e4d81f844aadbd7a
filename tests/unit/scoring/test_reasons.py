from __future__ import annotations

from datetime import timedelta

from tests.unit.features.making import DAY, NOW, act, facts, value
from tests.unit.scoring.writing import each, rules, when
from worker.scoring.reasons import Reason, crm_text, explain_all
from worker.scoring.rules import LONGEST_SAY, Ruleset
from worker.scoring.score import score_rules


def told(ruleset: Ruleset, *activities: int, kind: str = "page_view", **attributes: str) -> list[Reason]:
    """The reasons for one person with these attributes, who acted so many days ago."""
    made = facts(
        [value(name, text) for name, text in attributes.items()],
        [act(kind, at=NOW - days * DAY) for days in activities],
    )
    return explain_all(ruleset, score_rules(made, ruleset)).get(1, [])


def test_the_strongest_come_first_up_or_down_and_the_starting_score_last() -> None:
    ruleset = rules(
        "{id: small, group: fit, points: 3, when: {title: present}}",
        "{id: down, group: fit, points: -20, when: {title: present}}",
        "{id: up, group: fit, points: 12, when: {title: present}}",
        base=60,
    )
    reasons = told(ruleset, title="CTO")
    assert [(reason.code, reason.points) for reason in reasons] == [
        ("down", -20),
        ("up", 12),
        ("small", 3),
        ("base", 60),
    ]
    assert crm_text(reasons) == "-20 Down; +12 Up; +3 Small; +60 Starting score"


def test_acts_are_told_with_their_count_and_last_day() -> None:
    (reason,) = told(each("{activity: page_view}", more=', say: "Visited the site"'), 3, 5, 8)
    assert reason.text == "Visited the site (3x, last 2025-05-29)"


def test_a_limited_count_is_told() -> None:
    (reason,) = told(each("{activity: page_view, at_most: 2}", more=", say: Visits"), 3, 5, 8)
    assert (reason.points, reason.text) == (20, "Visits (3x, 2 counted, last 2025-05-29)")


def test_the_cap_of_a_rule_is_part_of_its_reason() -> None:
    (reason,) = told(each("{activity: page_view}", more=", max_points: 15, say: Visits"), 3, 5)
    assert reason == Reason("counted", "engagement", 15, "Visits (2x, last 2025-05-29), at most 15 points")


def test_blanks_are_filled_from_attributes_and_counts() -> None:
    written = (
        "{id: r, group: fit, points: 5, each: {activity: page_view}, say: '{employees} staff, {count}, {last}, {{x}}'}"
    )
    (reason,) = told(rules(written), 2, employees="12500")
    assert reason.text == "12,500 staff, 1, 2025-05-30, {x}"


def test_a_blank_is_filled_in_words_and_never_with_markup_or_length() -> None:
    ruleset = rules("{id: r, group: fit, points: 5, when: {title: present}, say: '{title}; {budget}; {has_phone}'}")
    (reason,) = told(ruleset, title="Chief {count}\n Officer of " + "x" * 99, budget="2.5", has_phone="yes")
    assert reason.text == "Chief {count} Officer of " + "x" * 6 + "\u2026; 2.5; yes"
    assert told(rules("{id: r, group: fit, points: 5, when: {title: missing}, say: '{title}'}"))[0].text == "unknown"


def test_limits_of_groups_and_guardrails_are_reasons() -> None:
    ruleset = rules(
        "{id: a, group: fit, points: 40, when: {title: present}}",
        groups="{fit: {label: Fit, max: 30}}",
        guardrails="[{id: g, when: {title: present}, cap: 25, say: Held down}]",
    )
    assert crm_text(told(ruleset, title="CTO")) == "+40 A; -5 Held down; -10 Fit gives at most 30 points"


def test_who_is_excluded_is_told_why() -> None:
    ruleset = rules(
        "{id: a, group: fit, points: 4, when: {title: present}}",
        guardrails="[{id: g, when: {title: present}, exclude: existing_customer, say: Buys already}]",
    )
    assert crm_text(told(ruleset, title="CTO")) == "Not scored (existing customer): Buys already"


def test_the_words_do_not_change_with_time_alone() -> None:
    ruleset = each("{activity: page_view}", more=", say: Visits")
    acts = [act("page_view", at=NOW - DAY)]
    texts = {
        crm_text(explain_all(ruleset, score_rules(facts(activities=acts, as_of=NOW + timedelta(hours=h)), ruleset))[1])
        for h in range(0, 2400, 101)
    }
    assert texts == {"+10 Visits (1x, last 2025-05-31)"}


def test_only_whole_reasons_are_written_and_the_rest_is_counted() -> None:
    reasons = [Reason(f"c{i}", "fit", 9 - i, "n\u00e9" * 20) for i in range(9)]
    text = crm_text(reasons, 100)
    assert text == "+9 " + "n\u00e9" * 20 + "; +8 " + "n\u00e9" * 20 + "; +7 more"
    assert crm_text(reasons, 90) == "+9 " + "n\u00e9" * 20 + "; +8 " + "n\u00e9" * 20  # no room for the count
    assert crm_text(reasons[:2], 88) == "+9 " + "n\u00e9" * 20 + "; +8 " + "n\u00e9" * 20  # to the character
    assert crm_text([]) == ""


def test_a_reason_shown_as_nothing_is_not_written() -> None:
    assert crm_text([Reason("a", "fit", 2, "A"), Reason("b", "fit", 0, "B")]) == "+2 A"


def test_the_longest_possible_reason_fits_into_the_field() -> None:
    say = "{title}{industry}{country}"
    say += "w" * (LONGEST_SAY - len(say))
    rule = "{id: r, group: fit, points: 99.5, each: {activity: page_view, at_most: 999}, max_points: 999.25, say: '%s'}"
    ruleset = rules(rule % say)
    long = "W" * 99
    made = facts(
        [value(name, long) for name in ("title", "industry", "country")],
        [act("page_view", at=NOW - timedelta(seconds=i)) for i in range(1000)],
    )
    reasons = explain_all(ruleset, score_rules(made, ruleset))[1]
    capped = next(reason for reason in reasons if reason.code == "r")
    assert crm_text([capped]).endswith("at most 999.25 points")
    assert len(capped.text) > 200


def test_reasons_of_some_are_the_same_as_those_of_all() -> None:
    ruleset = when("{title: present}")
    scores = score_rules(facts([value("title", "A", person=p) for p in (1, 2, 3)], people=(1, 2, 3)), ruleset)
    everyone = explain_all(ruleset, scores)
    assert explain_all(ruleset, scores, [2, 3]) == {2: everyone[2], 3: everyone[3]}
