"""What holds for any facts under the shipped rules and under odd ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.records import ActivityKind
from tests.unit.features.making import NOW, ActivityRow, AttributeRow, act, facts, value
from tests.unit.scoring.writing import CATALOGUE, rules
from worker.features.facts import Facts
from worker.scoring.reasons import Reason, Speech, explain_all
from worker.scoring.rules import load, shipped
from worker.scoring.score import Scores, score_rules
from worker.scoring.wording import shipped as wording

DEFAULT = load(shipped(), "default_rules.yaml", CATALOGUE)
ENGLISH = wording()
ODD = rules(
    "{id: a, group: fit, points: 0.3, each: {activity: page_view}, half_life: 12h}",
    "{id: b, group: fit, points: -7.7, each: {activity: [page_view, email_open], at_most: 2}, half_life: 9d,"
    " max_points: 9}",
    "{id: c, group: engagement, points: 33.3, when: {title: present}}",
    "{id: d, group: engagement, points: 0.1, each: {caused_by: prospect, once_per: 6h}, max_points: 0.25}",
    base=12.5,
    groups="{fit: {min: -6.1, max: 0.7}, engagement: {max: 33.35}}",
    guardrails="[{id: cap, when: {has_phone: true}, cap: 41.5}, {id: out, when: {title: {contains: x}}, exclude: why},"
    " {id: low, when: {has_phone: false}, floor: 13.9}]",
)

instants = st.integers(-400 * 86_400, 30 * 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds))
persons = st.integers(1, 3)
held = st.sampled_from(
    [
        *(("title", text) for text in ("CTO", "x", None)),
        *(("employees", text) for text in ("1200", "3", "?")),
        *(("budget", text) for text in ("5000", None)),
        *(("has_phone", text) for text in ("true", "false")),
        ("email_domain", "gmail.com"),
        ("opted_out", "true"),
        ("timeline", "This month"),
        ("authority", "Decision maker"),
    ]
)


@st.composite
def values(draw: st.DrawFn) -> AttributeRow:
    at = draw(instants)
    known = at + timedelta(days=draw(st.integers(0, 40)))
    rank, record = draw(st.integers(0, 1)), draw(st.integers(10, 12))
    return value(*draw(held), person=draw(persons), at=at, known=known, rank=rank, record=record)


@st.composite
def acts(draw: st.DrawFn) -> ActivityRow:
    kind = draw(st.sampled_from(list(ActivityKind)))
    detail = draw(st.sampled_from([None, "/pricing", "Whitepaper: X"]))
    source = draw(st.sampled_from(["org", "portal"]))
    return act(kind.value, person=draw(persons), at=draw(instants), detail=detail, source=source)


Rows = tuple[list[AttributeRow], list[ActivityRow]]
rows = st.tuples(st.lists(values(), max_size=25), st.lists(acts(), max_size=25))


def scored(made: Rows, as_of: datetime | Mapping[int, datetime] = NOW) -> tuple[Scores, Scores]:
    known = facts(*made, people=(1, 2, 3), as_of=as_of)
    return score_rules(known, DEFAULT), score_rules(known, ODD)


def told(scores: Scores) -> list[list[Reason]]:
    ruleset = DEFAULT if len(scores.sheet.lines) > 20 else ODD
    speech = Speech(ruleset, scores, ENGLISH)
    return [speech.reasons(row) for row in range(len(scores.sheet.ids))]


def identical(some: tuple[Scores, Scores], others: tuple[Scores, Scores]) -> bool:
    return all(
        getattr(a, name).equals(getattr(b, name)) and told(a) == told(b)
        for a, b in zip(some, others, strict=True)
        for name in ("people", "contributions")
    )


@given(rows)
@settings(deadline=None, max_examples=20)
def test_reasons_add_up_and_no_line_is_a_point_off(made: Rows) -> None:
    for ruleset, scores in zip((DEFAULT, ODD), scored(made), strict=True):
        words = explain_all(ruleset, scores)
        for person, score, status, raw in scores.people.rows():
            own = scores.contributions.filter(person_id=person)
            if score is None:
                assert status == "excluded_why"
                continue
            assert status == "scored"
            assert own["shown"].sum() == score
            assert sum(own["points"]) == raw
            assert abs(raw - score) <= 0.5
            assert all(abs(shown - points) < 1 for shown, points in own.select("shown", "points").rows())
            assert sum(reason.points for reason in words.get(person, [])) == score


@given(rows, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=10)
def test_the_order_of_facts_changes_nothing(made: Rows, random: Random) -> None:
    attributes, activities = list(made[0]), list(made[1])
    random.shuffle(attributes)
    random.shuffle(activities)
    assert identical(scored(made), scored((attributes, activities)))


@given(rows, rows, st.integers(1, 10**7))
@settings(deadline=None, max_examples=10)
def test_what_happened_or_became_known_after_the_instant_changes_nothing(made: Rows, later: Rows, seconds: int) -> None:
    after = NOW + timedelta(seconds=seconds)
    learnt: list[AttributeRow] = [(*row[:4], after, *row[5:]) for row in later[0]]
    happened: list[ActivityRow] = [(*row[:3], after, *row[4:]) for row in later[1]]
    assert identical(scored(made), scored(([*made[0], *learnt], [*made[1], *happened])))


@given(rows)
@settings(deadline=None, max_examples=8)
def test_what_a_third_crm_repeats_changes_nothing(made: Rows) -> None:
    once = [row for row in made[1] if row[5] == "org"]
    copies: list[ActivityRow] = [(*row[:5], "third", *row[6:]) for row in once]
    assert identical(scored((made[0], once)), scored((made[0], once + copies)))


@given(rows, st.tuples(instants, instants, instants))
@settings(deadline=None, max_examples=6)
def test_people_at_different_instants_score_as_each_does_at_their_own(
    made: Rows, at: tuple[datetime, datetime, datetime]
) -> None:
    for person, instant in enumerate(at, start=1):
        for together, alone in zip(scored(made, dict(enumerate(at, start=1))), scored(made, instant), strict=True):
            for name in ("people", "contributions"):
                mine, other = (getattr(each, name).filter(person_id=person) for each in (together, alone))
                assert mine.equals(other)


@given(rows)
@settings(deadline=None, max_examples=5)
def test_people_scored_together_score_as_they_do_alone(made: Rows) -> None:
    for ruleset, together in zip((DEFAULT, ODD), scored(made), strict=True):
        known = facts(*made, people=(1, 2, 3))
        for person in (1, 2, 3):
            alone = score_rules(
                Facts(
                    known.people.filter(person_id=person),
                    known.attributes.filter(person_id=person),
                    known.activities.filter(person_id=person),
                ),
                ruleset,
            )
            assert alone.people.equals(together.people.filter(person_id=person))
            assert alone.contributions.equals(together.contributions.filter(person_id=person))


@given(st.lists(st.floats(-60, 60).map(lambda points: round(points, 2)), min_size=1, max_size=12))
@settings(deadline=None, max_examples=25)
def test_whole_points_of_any_lines_add_up(points: list[float]) -> None:
    written = [f"{{id: r{i}, group: fit, points: {p}, when: {{title: present}}}}" for i, p in enumerate(points) if p]
    ruleset = rules(*written, "{id: last, group: fit, points: 1, when: {title: present}}", base=50)
    scores = score_rules(facts([value("title", "CTO")]), ruleset)
    assert scores.people.get_column("status").item() == "scored"
    assert scores.contributions.select(pl.col("shown").sum()).item() == scores.people.get_column("score").item()
