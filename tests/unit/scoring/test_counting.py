from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from tests.unit.features.making import DAY, NOW, ActivityRow, act, facts
from tests.unit.scoring.writing import each, rules
from worker.scoring.rules import Ruleset
from worker.scoring.score import score_rules


def raw(ruleset: Ruleset, *activities: ActivityRow) -> float:
    people = score_rules(facts(activities=activities), ruleset).people
    assert people.get_column("status").item() == "scored"
    return float(people.get_column("raw").item())


def viewed(days: float, detail: str | None = None) -> ActivityRow:
    return act("page_view", at=NOW - timedelta(days=days), detail=detail)


def test_every_act_counts() -> None:
    assert raw(each("{activity: page_view}"), viewed(1), viewed(2), viewed(300)) == 30


def test_only_acts_within_the_window_count() -> None:
    assert raw(each("{activity: page_view, within: 2w}"), viewed(1), viewed(13), viewed(15)) == 20


def test_only_acts_with_such_a_detail_count() -> None:
    ruleset = each("{activity: page_view, detail: {contains: [Pricing, demo]}}")
    assert raw(ruleset, viewed(1, "/en/pricing"), viewed(2, "/DEMO"), viewed(3, "/blog"), viewed(4)) == 20


def test_several_acts_in_one_span_count_once() -> None:
    ruleset = each("{activity: page_view, once_per: 1d}")
    assert raw(ruleset, viewed(1.0), viewed(1.1), viewed(1.2), viewed(3)) == 20


@pytest.mark.parametrize(("age", "points"), [(0, 10.0), (15, 10 * 2**-0.5), (30, 5.0), (60, 2.5), (300, 10 / 1024)])
def test_an_act_halves_with_every_half_life(age: int, points: float) -> None:
    assert raw(each("{activity: page_view}", more=", half_life: 30d"), viewed(age)) == pytest.approx(points, abs=1e-8)


def test_decay_has_no_steps() -> None:
    ruleset = each("{activity: page_view}", more=", half_life: 30d")
    later = [facts(activities=[viewed(50)], as_of=NOW + timedelta(hours=h)) for h in range(0, 2000, 40)]
    hourly = [score_rules(made, ruleset).people.get_column("raw").item() for made in later]
    drops = [before - after for before, after in pairwise(hourly)]
    assert all(0 < drop < 10 * 40 / 24 / 30 for drop in drops)


def test_of_too_many_acts_the_newest_count() -> None:
    ruleset = each("{activity: page_view, at_most: 2}", more=", half_life: 30d")
    assert raw(ruleset, viewed(90), viewed(0), viewed(30)) == 15


def test_a_count_may_end_within_a_second() -> None:
    ruleset = each("{activity: page_view, at_most: 3}", more=", half_life: 30d")
    assert raw(ruleset, *[viewed(0)] * 2, *[viewed(30)] * 2, viewed(60)) == 25


def test_a_flood_of_acts_is_counted_up_to_a_thousand() -> None:
    activities = [act("page_view", at=NOW - DAY - timedelta(seconds=i)) for i in range(1500)]
    assert raw(each("{activity: page_view}", points=0.01), *activities) == pytest.approx(10)
    decayed = raw(each("{activity: page_view}", points=0.01, more=", half_life: 3650d"), *activities)
    assert decayed == pytest.approx(10, abs=0.01)


def test_the_count_and_the_last_day_are_told_before_the_cap() -> None:
    scores = score_rules(facts(activities=[viewed(1), viewed(2), viewed(3)]), each("{activity: page_view, at_most: 2}"))
    row = scores.contributions.row(0, named=True)
    assert (row["code"], row["count"], row["last_at"], row["shown"]) == ("counted", 3, NOW - DAY, 20)


def test_a_condition_decides_whether_a_rule_counts() -> None:
    written = "{id: r, group: fit, points: 5, each: {activity: page_view}, when: {did: {activity: email_open}}}"
    assert raw(rules(written), viewed(1)) == 0
    assert raw(rules(written), viewed(1), act("email_open")) == 5


@pytest.mark.parametrize(("points", "held"), [(10, 25), (-10, -25)])
def test_a_rule_gives_or_takes_at_most_its_maximum(points: int, held: int) -> None:
    ruleset = rules(f"{{id: r, group: fit, points: {points}, each: {{activity: page_view}}, max_points: 25}}", base=50)
    scores = score_rules(facts(activities=[viewed(day) for day in range(4)]), ruleset)
    assert scores.people.get_column("score").item() == 50 + held
    assert scores.contributions.select("code", "points").rows() == [
        ("base", 50.0),
        ("r", 4.0 * points),
        ("rule_cap:r", held - 4.0 * points),
    ]
