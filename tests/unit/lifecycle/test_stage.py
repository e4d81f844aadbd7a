"""Stages: what leads into each, what does not, and the laws that every fold of decisions keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.lifecycle.evidence import Evidence, Hold, Standing, held
from worker.lifecycle.policy import Policy, change
from worker.lifecycle.stage import Position, Stage, ahead, decide, next_due, obstacles

NOW = datetime(2026, 11, 23, tzinfo=UTC)
POLICY = Policy()  # enters at 70, leaves below 60
QUIET = Evidence()


def day(days: float) -> datetime:
    return NOW + timedelta(days=days)


def at(stage: Stage, **more: Any) -> Position:
    return Position(stage, more.pop("since", day(-10)), **more)


def told(*assignments: str) -> Policy:
    return change(POLICY, *assignments)


@pytest.mark.parametrize(
    ("was", "score", "becomes"),
    [
        (None, 70, Stage.MQL),
        (None, 69, Stage.NURTURING),
        (None, None, Stage.NEW),
        (Stage.NEW, 10, Stage.NURTURING),
        (Stage.NURTURING, 69, Stage.NURTURING),
        (Stage.NURTURING, 70, Stage.MQL),
        (Stage.NURTURING, None, Stage.NEW),
        (Stage.MQL, 69, Stage.MQL),
        (Stage.MQL, 60, Stage.MQL),
        (Stage.MQL, 59, Stage.NURTURING),
        (Stage.MQL, None, Stage.NEW),
        (Stage.ACCEPTED, 5, Stage.ACCEPTED),
        (Stage.SQL, None, Stage.SQL),
        (Stage.DISQUALIFIED, 95, Stage.MQL),
        (Stage.CUSTOMER, 65, Stage.NURTURING),
        (Stage.OPPORTUNITY, 95, Stage.RECYCLED),
        (Stage.RECYCLED, 95, Stage.RECYCLED),
    ],
)
def test_by_score_alone(was: Stage | None, score: int | None, becomes: Stage) -> None:
    after = decide(at(was) if was else None, score, QUIET, POLICY, NOW)
    assert after.stage is becomes
    assert after.since == (day(-10) if was is becomes else NOW)
    assert (after.mql_at == NOW) == (becomes is Stage.MQL and was is not Stage.MQL)


@pytest.mark.parametrize(
    ("was", "evidence", "becomes", "cause"),
    [
        (Stage.MQL, Evidence(Standing.CUSTOMER), Stage.CUSTOMER, "a deal was won"),
        (Stage.MQL, Evidence(Standing.DISQUALIFIED), Stage.DISQUALIFIED, "sales disqualified every record"),
        (Stage.MQL, Evidence(deal_open=True), Stage.OPPORTUNITY, "a deal was opened"),
        (Stage.MQL, Evidence(accepted_at=day(-1)), Stage.ACCEPTED, "sales accepted it"),
        (Stage.MQL, Evidence(confirmed_at=day(-1)), Stage.SQL, "sales confirmed it"),
        (Stage.MQL, Evidence(meeting_at=day(-1)), Stage.SQL, "sales confirmed it"),
        (Stage.NURTURING, Evidence(accepted_at=day(-1)), Stage.ACCEPTED, "sales accepted it"),
        (Stage.ACCEPTED, Evidence(accepted_at=day(-9), meeting_at=day(-1)), Stage.SQL, "sales confirmed it"),
        (Stage.SQL, Evidence(accepted_at=day(-1)), Stage.SQL, ""),
        (Stage.MQL, Evidence(rejected_at=day(-1)), Stage.RECYCLED, "sales gave it back"),
        (Stage.MQL, Evidence(rejected_at=day(-1), rejection="too small"), Stage.RECYCLED, "too small"),
        (Stage.MQL, Evidence(rejected_at=day(-1), accepted_at=day(-2)), Stage.RECYCLED, "gave it back"),
        (Stage.MQL, Evidence(rejected_at=day(-2), accepted_at=day(-1)), Stage.ACCEPTED, "accepted"),
        (Stage.MQL, Evidence(accepted_at=day(-91)), Stage.MQL, ""),
        (Stage.MQL, Evidence(meeting_at=day(-200)), Stage.MQL, ""),
        (Stage.OPPORTUNITY, Evidence(deal_open=True), Stage.OPPORTUNITY, ""),
        (Stage.OPPORTUNITY, Evidence(), Stage.RECYCLED, "no deal is open"),
    ],
)
def test_what_sales_says(was: Stage, evidence: Evidence, becomes: Stage, cause: str) -> None:
    after = decide(at(was), 80, evidence, POLICY, NOW)
    assert after.stage is becomes
    assert cause in after.cause


def test_a_meeting_confirms_only_where_the_policy_says_so() -> None:
    assert decide(at(Stage.MQL), 80, Evidence(meeting_at=day(-1)), told("sales.meeting=false"), NOW) == replace(
        at(Stage.MQL), reached_at=NOW
    )


def test_sales_qualified_waits_for_bant_where_the_policy_wants_it() -> None:
    policy = told("sales.bant=3")
    evidence = Evidence(confirmed_at=day(-1), accepted_at=day(-1), bant=2)
    assert decide(at(Stage.MQL), 80, evidence, policy, NOW).stage is Stage.ACCEPTED
    assert decide(at(Stage.ACCEPTED), 80, replace(evidence, bant=3), policy, NOW).stage is Stage.SQL


@pytest.mark.parametrize("stage", [Stage.MQL, Stage.ACCEPTED, Stage.SQL])
def test_silence_recycles_and_only_a_new_act_brings_back(stage: Stage) -> None:
    was = at(stage, since=day(-100))
    assert decide(was, 95, Evidence(active_at=day(-89)), POLICY, NOW).stage is stage
    assert decide(was, 95, Evidence(active_at=day(-90)), told("recycling.silence_days=0"), NOW).stage is stage
    recycled = decide(was, 95, Evidence(active_at=day(-90), meeting_at=day(-95)), POLICY, NOW)
    assert (recycled.stage, recycled.cause) == (Stage.RECYCLED, "nothing happened for 90 days")
    later = day(20)
    assert decide(recycled, 95, Evidence(active_at=day(-90)), POLICY, later).stage is Stage.RECYCLED
    assert decide(recycled, 95, Evidence(active_at=day(19)), POLICY, later).stage is Stage.MQL


def test_what_sales_said_before_it_gave_a_lead_back_counts_no_more() -> None:
    recycled = decide(at(Stage.ACCEPTED), 80, Evidence(accepted_at=day(-9), rejected_at=day(-1)), POLICY, NOW)
    old = Evidence(accepted_at=day(-9), rejected_at=day(-1), active_at=day(19))
    assert decide(recycled, 80, old, POLICY, day(20)).stage is Stage.MQL
    assert decide(recycled, 80, replace(old, accepted_at=day(5)), POLICY, day(20)).stage is Stage.ACCEPTED
    again = decide(recycled, 80, replace(old, rejected_at=day(18)), POLICY, day(20))
    assert (again.stage, again.since) == (Stage.RECYCLED, day(20))


def test_the_score_must_hold_for_the_dwell() -> None:
    policy = told("mql.dwell_days=6")
    first = decide(None, 72, QUIET, policy, NOW)
    assert (first.stage, next_due(first, QUIET, policy, NOW)) == (Stage.NURTURING, day(6))
    dipped = decide(first, 65, QUIET, policy, day(3))
    assert decide(dipped, 71, QUIET, policy, day(6)).stage is Stage.MQL
    fallen = decide(first, 59, QUIET, policy, day(3))
    again = decide(fallen, 71, QUIET, policy, day(6))
    assert (again.stage, again.reached_at) == (Stage.NURTURING, day(6))


def test_no_return_within_the_cooldown_and_no_more_often_than_allowed() -> None:
    policy = told("mql.cooldown_days=14", "mql.max_entries=2", "mql.window_days=100")
    position = decide(None, 80, QUIET, policy, NOW)
    position = decide(position, 10, QUIET, policy, day(5))
    assert decide(position, 80, QUIET, policy, day(18)).stage is Stage.NURTURING
    position = decide(position, 80, QUIET, policy, day(19))
    assert (position.stage, position.mql_at, position.entries) == (Stage.MQL, day(19), (NOW, day(19)))
    position = decide(position, 10, QUIET, policy, day(20))
    position = decide(position, 80, QUIET, policy, day(60))
    assert [o.code for o in obstacles(position, QUIET, policy, day(60))] == ["entries"]
    assert next_due(position, QUIET, policy, day(60)) == day(100)
    assert decide(position, 80, QUIET, policy, day(99)).stage is Stage.NURTURING
    assert decide(position, 80, QUIET, policy, day(100)).stage is Stage.MQL


@pytest.mark.parametrize(
    ("assignment", "lacking", "enough", "words"),
    [
        ("mql.required=company,title", {"filled": frozenset({"title"})},
         {"filled": frozenset({"title", "company"})}, "company must be filled"),
        ("mql.bant=2", {"bant": 1}, {"bant": 2}, "1 of 4 of BANT are known, 2 must be"),
    ],
)  # fmt: skip
def test_gates(assignment: str, lacking: dict[str, Any], enough: dict[str, Any], words: str) -> None:
    policy = told(assignment)
    position = decide(None, 99, Evidence(**lacking), policy, NOW)
    assert position.stage is Stage.NURTURING
    assert [o.words for o in obstacles(position, Evidence(**lacking), policy, NOW)] == [words]
    assert decide(position, 99, Evidence(**enough), policy, NOW).stage is Stage.MQL


@pytest.mark.parametrize("stage", Stage)
def test_what_a_person_set_stands_above_everything_until_it_is_released(stage: Stage) -> None:
    hold = Hold(stage, day(-3))
    strong = Evidence(Standing.CUSTOMER, hold, accepted_at=day(-1), deal_open=True)
    position = decide(at(Stage.NURTURING), 99, strong, POLICY, NOW)
    assert position.stage is stage
    assert decide(position, 99, replace(strong, hold=None), POLICY, day(1)).stage is Stage.CUSTOMER
    policy = told("human.release_days=30")
    due = next_due(decide(at(Stage.ACCEPTED), 99, strong, policy, NOW), strong, policy, NOW)
    assert due is not None
    assert due <= day(27)
    assert decide(position, 99, strong, policy, day(27)).stage is Stage.CUSTOMER


@pytest.mark.parametrize(
    ("shown", "ours", "before", "after"),
    [
        ("sql", ["mql"], None, "sql"),
        ("mql", ["mql"], None, None),
        ("mql", ["nurturing", "mql"], None, None),
        ("sql", [], None, None),
        (None, ["mql"], "sql", None),
        ("", ["mql"], "sql", None),
        ("sql", ["sql"], "sql", "sql"),
        ("recycled", ["sql"], "sql", "recycled"),
        ("mql", ["mql"], "sql", None),
        ("Hot prospect", ["mql"], None, None),
    ],
)
def test_whose_a_stage_in_the_crm_is(shown: str | None, ours: list[str], before: str | None, after: str | None) -> None:
    was = Hold(Stage(before), day(-5)) if before else None
    hold = held(shown, ours, was, NOW)
    assert (hold.stage.value if hold else None) == after
    assert hold is None or hold.at == (day(-5) if before == after else NOW)


STAMPS = st.none() | st.integers(-120, 0).map(day)
EVIDENCE = st.builds(
    Evidence, st.sampled_from(Standing),
    st.none() | st.builds(Hold, st.sampled_from(Stage), st.integers(-9, 0).map(day)),
    STAMPS, STAMPS, STAMPS, st.sampled_from(["", "budget"]), STAMPS, st.booleans(), STAMPS, st.integers(0, 4),
    st.frozensets(st.sampled_from(["company", "title"])),
)  # fmt: skip
SCORES = st.none() | st.integers(0, 100)
POLICIES = st.sampled_from(
    [
        POLICY,
        told("mql.dwell_days=6", "mql.max_entries=1", "mql.required=company", "human.release_days=5"),
        told("mql.cooldown_days=0", "recycling.silence_days=0", "sales.bant=2", "mql.leave=70"),
        told("recycling.silence_days=10", "mql.bant=1", "mql.window_days=20"),
    ]
)
PAST = st.none() | st.builds(
    Position, st.sampled_from(Stage), st.integers(-120, -1).map(day), STAMPS, st.just(""), STAMPS, STAMPS, STAMPS,
    st.lists(st.integers(-300, -1).map(day), max_size=3).map(lambda entries: tuple(sorted(entries))),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(PAST, SCORES, EVIDENCE, POLICIES)
def test_a_decision_made_again_changes_nothing(
    past: Position | None, score: int | None, evidence: Evidence, policy: Policy
) -> None:
    once = decide(past, score, evidence, policy, NOW)
    assert decide(once, score, evidence, policy, NOW) == once


@settings(max_examples=200, deadline=None)
@given(PAST, SCORES, EVIDENCE, POLICIES, st.floats(0.01, 0.99), st.integers(1, 400))
def test_nothing_changes_before_it_is_due(
    past: Position | None, score: int | None, evidence: Evidence, policy: Policy, part: float, days: int
) -> None:
    position = decide(past, score, evidence, policy, NOW)
    due = next_due(position, evidence, policy, NOW)
    assert due is None or due > NOW
    between = NOW + ((due - NOW) if due else timedelta(days=days)) * part
    assert decide(position, score, evidence, policy, between) == position


@settings(deadline=None)
@given(PAST, EVIDENCE, POLICIES, st.integers(0, 100), st.integers(0, 100))
def test_a_higher_score_never_takes_a_qualification_away(
    past: Position | None, evidence: Evidence, policy: Policy, one: int, other: int
) -> None:
    lower, higher = (decide(past, score, evidence, policy, NOW).stage for score in sorted((one, other)))
    assert higher is lower or (lower is Stage.NURTURING and higher is Stage.MQL) or lower is Stage.RECYCLED


@settings(deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.integers(5, 95))
def test_noise_of_five_points_around_the_line_gives_no_flips(noise: list[int], line: int) -> None:
    policy = told(f"mql.leave={max(0, line - 10)}", f"mql.enter={line}", "mql.cooldown_days=0", "mql.max_entries=100")
    position, stages = decide(None, line - 1, QUIET, policy, NOW), [Stage.NURTURING]
    for number, points in enumerate(noise):
        position = decide(position, line + points, QUIET, policy, day(number))
        if position.stage is not stages[-1]:
            stages.append(position.stage)
    assert stages in ([Stage.NURTURING], [Stage.NURTURING, Stage.MQL])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), SCORES, EVIDENCE), max_size=8), POLICIES)
def test_a_fold_over_the_record_reproduces_every_position(
    inputs: list[tuple[int, int | None, Evidence]], policy: Policy
) -> None:
    """Through JSON, as the record is kept."""
    position, now, rows = None, NOW, []
    for days, score, evidence in inputs:
        now += timedelta(days=days)
        position = decide(position, score, evidence, policy, now)
        rows.append((now, score, json.dumps(evidence.plain()), position, json.dumps(position.memory())))
    before: Position | None = None
    for instant, score, evidence_json, position, memory in rows:
        before = decide(before, score, Evidence.read(json.loads(evidence_json)), policy, instant)
        assert before == position
        before = Position.remembered(before.stage.value, before.since, before.mql_at, json.loads(memory))
        assert before == position


@pytest.mark.parametrize(
    ("position", "score", "evidence", "policy", "codes"),
    [
        (at(Stage.NEW), None, QUIET, POLICY, ["score"]),
        (at(Stage.NURTURING), 62, QUIET, told("mql.bant=2"), ["score", "bant"]),
        (at(Stage.NURTURING, left_at=day(-3)), 80, QUIET, POLICY, ["cooldown"]),
        (at(Stage.RECYCLED), 80, QUIET, POLICY, ["quiet"]),
        (at(Stage.MQL), 80, QUIET, POLICY, ["confirmed"]),
        (at(Stage.ACCEPTED), 80, Evidence(confirmed_at=day(-1)), told("sales.bant=3"), ["bant"]),
        (at(Stage.ACCEPTED, spent_at=day(-1)), 80, Evidence(meeting_at=day(-2)), POLICY, ["confirmed"]),
        (at(Stage.SQL), 80, QUIET, POLICY, ["deal"]),
        (at(Stage.CUSTOMER), 80, QUIET, POLICY, ["lasts"]),
        (at(Stage.MQL), 80, Evidence(hold=Hold(Stage.SQL, day(-1))), POLICY, ["held"]),
        (at(Stage.MQL), 80, Evidence(hold=Hold(Stage.SQL, day(-9))), told("human.release_days=5"), ["confirmed"]),
    ],
)
def test_what_holds_a_person_from_the_next_stage(
    position: Position, score: int | None, evidence: Evidence, policy: Policy, codes: list[str]
) -> None:
    assert [its.code for its in ahead(position, score, evidence, policy, NOW)] == codes
