"""A change of score is set off exactly: what the lead did, what time did, and what a new model or new rules did."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.features.making import DAY, NOW, ActivityRow, AttributeRow, act, facts, value
from tests.unit.scoring.writing import rules
from worker.features.facts import Facts
from worker.scoring.change import Cause, Change, aged, change
from worker.scoring.reasons import Speech
from worker.scoring.rules import Ruleset
from worker.scoring.score import score_rules
from worker.scoring.verdict import Cuts, Verdict, verdicts
from worker.scoring.wording import shipped

WEEK = 7 * DAY
OLD = rules(
    "{id: visits, group: engagement, points: 10, each: {activity: page_view}, half_life: 7d, say: Visits}",
    "{id: titled, group: fit, points: 8, when: {title: present}}",
    base=20,
    guardrails="[{id: out, when: {title: rival}, exclude: competitor}]".replace(
        "title: rival", "title: {equals: rival}"
    ),
)
NEW = rules(
    "{id: visits, group: engagement, points: 10, each: {activity: page_view}, half_life: 7d, say: Visits}",
    "{id: titled, group: fit, points: 12, when: {title: present}}",
    base=20,
)


def judged(known: Facts, ruleset: Ruleset) -> Verdict:
    scores = score_rules(known, ruleset)
    return verdicts(scores, Speech(ruleset, scores, shipped()), Cuts((10, 0), (10, 0)))[1]


def changed(attributes: list[AttributeRow], acts: list[ActivityRow], old: Ruleset = OLD, new: Ruleset = OLD) -> Change:
    """Over the last week."""
    then, now = facts(attributes, acts, as_of=NOW - WEEK), facts(attributes, acts)
    return change(
        judged(then, old), judged(then, new), judged(aged(then, NOW - WEEK, NOW), new), judged(now, new)
    )  # fmt: skip


def test_each_cause_has_its_moves() -> None:
    """20 points of visits halve; a new visit, and a title that 12 points are given for now instead of 8."""
    visits = [act("page_view", at=NOW - WEEK), act("page_view", at=NOW - WEEK), act("page_view", at=NOW)]
    found = changed([value("title", "CTO", at=NOW - 9 * DAY)], visits, new=NEW)
    assert (found.before, found.after) == (48, 52)
    assert [(move.cause, move.code, move.points) for move in found.moves] == [
        (Cause.MODEL, "titled", 4),
        (Cause.TIME, "visits", pytest.approx(-10)),
        (Cause.LEAD, "visits", pytest.approx(10)),
    ]
    assert found.moves[2].text == "Visits (3x, last 2025-06-01)"
    assert found.rounding == pytest.approx(0, abs=0.5)


def test_what_was_withdrawn_since_is_the_leads() -> None:
    found = changed([value("title", "CTO", at=NOW - 9 * DAY, until=NOW - DAY)], [])
    assert [(move.cause, move.code, move.points, move.text) for move in found.moves] == [
        (Cause.LEAD, "titled", -8, "Titled")
    ]


def test_who_lost_the_score_is_told_why_and_nothing_is_set_off() -> None:
    found = changed([value("title", "rival")], [])
    assert found == Change(20, None, "scored", "excluded_competitor")


instants = st.integers(-30 * 86_400, 0).map(lambda seconds: NOW + timedelta(seconds=seconds))


@given(st.lists(instants, max_size=8), st.lists(instants, max_size=3), st.booleans())
@settings(deadline=None, max_examples=20)
def test_the_parts_add_up_and_only_time_moves_where_nothing_happened(visits: list, titles: list, quiet: bool) -> None:  # type: ignore[type-arg]
    earlier = [at for at in visits if at <= NOW - WEEK] if quiet else visits
    told = [at for at in titles if at <= NOW - WEEK] if quiet else titles
    found = changed([value("title", "CTO", at=at) for at in told], [act("page_view", at=at) for at in earlier], new=NEW)
    assert found.before is not None
    assert found.after is not None
    moved = sum(found.moved(cause) for cause in Cause)
    assert moved + found.rounding == pytest.approx(found.after - found.before, abs=1e-9)
    assert abs(found.rounding) <= 1
    if quiet:
        assert found.moved(Cause.LEAD) == 0
