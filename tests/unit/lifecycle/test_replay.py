"""A replay of columns says what plain folds over every row say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.lifecycle.evidence import Evidence
from worker.lifecycle.machine import Stage
from worker.lifecycle.paths import DAY, NONE, Paths, micros
from worker.lifecycle.policy import Policy, change
from worker.lifecycle.replay import STAGES, Recorded, compare, run
from worker.lifecycle.rewrites import Account, Load, at_once, buckets, due, loads
from worker.lifecycle.stage import Position, decide, next_due

SINCE = datetime(2026, 8, 1, tzinfo=UTC)
Row = tuple[float, int, Stage]
"""Day, score, recorded stage."""
NURTURING, MQL = Stage.NURTURING, Stage.MQL


def recorded(*people: Sequence[Row], days: int = 90, **more: dict[int, Evidence] | dict[int, str]) -> Recorded:
    rows = [(who, micros(SINCE) + int(day * DAY), score, STAGES.index(stage))
            for who, its in enumerate(people) for day, score, stage in its]  # fmt: skip
    person, at, score, stage = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    end = micros(SINCE + timedelta(days=days))
    return Recorded(Paths(person, at, score), stage, micros(SINCE), end, **more)  # type: ignore[arg-type]


def told(*assignments: str) -> Policy:
    return change(Policy(), *assignments)


POLICIES = [
    told(),
    told("mql.enter=50", "mql.leave=45", "bucket_hysteresis=0", "materiality.points=1"),
    told("mql.enter=80", "mql.leave=80", "mql.cooldown_days=0", "mql.max_entries=1"),
    told("segments.by=country", "segments.of.odd.mql.enter=90"),
    told("mql.required=company", "mql.cooldown_days=3", "materiality.max_age_days=5"),
]
PEOPLE = st.lists(
    st.lists(st.tuples(st.integers(1, 9), st.integers(NONE, 100)), min_size=1, max_size=9), min_size=1, max_size=4
)


@settings(max_examples=100, deadline=None)
@given(PEOPLE, st.sampled_from(POLICIES), st.booleans())
def test_the_machine_is_that_of_every_row(people: list[list[tuple[int, int]]], policy: Policy, carried: bool) -> None:
    """Where sales did nothing."""
    days = [np.cumsum([gap for gap, _ in its]) - (5 if carried else 0) for its in people]
    histories = [
        [(float(day), score, NURTURING if score != NONE else Stage.NEW) for day, (_, score) in zip(d, its, strict=True)]
        for d, its in zip(days, people, strict=True)
    ]
    histories = [[row for n, row in enumerate(its) if n + 1 == len(its) or its[n + 1][0] > 0] for its in histories]
    filled = {who: Evidence(filled=frozenset({"company"})) for who in range(0, 9, 2)}
    segment = {who: "odd" if who % 2 else "even" for who in range(9)}
    record = recorded(*histories, evidence=filled, segment=segment)
    got = run(record, policy)
    silent = policy.model_copy(update={"recycling": policy.recycling.model_copy(update={"silence_days": 0.0})})
    for who, its in enumerate(histories):
        position: Position | None = None
        expected: list[tuple[datetime, Stage]] = []
        gates, own, score = filled.get(who, Evidence()), silent.of(segment[who]), NONE
        for day, points, stage in [*its, (90.0, None, NURTURING)]:
            now = SINCE + timedelta(days=max(day, 0))
            if day < 0:
                born = SINCE + timedelta(days=day)
                position = Position(stage, born, reached_at=born)
            while position is not None and expected and (at := next_due(position, gates, own, expected[-1][0])):
                if at >= now:
                    break
                position = decide(position, None if score == NONE else score, gates, own, at)
                expected.append((at, position.stage))
            if points is None:  # the end
                break
            score = points
            position = decide(position, None if score == NONE else score, gates, own, now)
            expected.append((now, position.stage))
        mine = got.path.person == who
        at, stages = got.path.at[mine], [STAGES[code] for code in got.stage[mine].tolist()]
        reached = dict(zip(at.tolist(), stages, strict=True))
        shown = {micros(now): stage for now, stage in expected}
        assert {at: reached.get(at, shown[at]) for at in shown} == shown
        assert [stage for stage, _ in groupby(stages)] == [stage for stage, _ in groupby(shown.values())]


@settings(max_examples=100, deadline=None)
@given(PEOPLE, st.sampled_from(POLICIES))
def test_writes_are_those_of_a_loop(people: list[list[tuple[int, int]]], policy: Policy) -> None:
    histories = [
        [(float(day), score, NURTURING) for day, (_, score) in zip(np.cumsum([g for g, _ in its]), its, strict=True)]
        for its in people
    ]
    record = recorded(*histories)
    got = run(record, policy)
    names = [*(bucket.name for bucket in policy.buckets), "unscored"]
    expected = []
    for who in range(len(people)):
        mine = np.flatnonzero(got.path.person == who)
        held: tuple[int, int, str, int] | None = None
        bucket: str | None = None
        for row in mine.tolist():
            at, score, stage = int(got.path.at[row]), int(got.path.score[row]), int(got.stage[row])
            bucket = policy.bucket(score, bucket).name if score != NONE else "unscored"
            assert names[buckets(got, policy)[row]] == bucket
            if (
                held is None
                or (stage, bucket) != (held[1], held[2])
                or (held[0] == NONE) != (score == NONE)
                or abs(score - held[0]) >= policy.materiality.points
                or (score != held[0] and at - held[3] >= policy.materiality.max_age_days * DAY)
            ):
                expected.append((who, at))
                held = (score, stage, bucket, at)
    people_written, instants = due(record, got, policy)
    assert list(zip(people_written.tolist(), instants.tolist(), strict=True)) == expected


def test_a_draft_against_what_is_in_force() -> None:
    record = recorded(
        [(-3, 75, MQL), (10, 76, MQL)],
        [(5, 72, MQL), (6, 20, NURTURING)],
        [(-9, 65, NURTURING), (40, 66, NURTURING)],
        [(2, 85, MQL), (3, 86, Stage.ACCEPTED), (9, 30, Stage.ACCEPTED), (20, 88, Stage.RECYCLED)],
        [(1, 10, NURTURING)],
    )
    current, draft = run(record, told()), run(record, told("mql.enter=80", "mql.leave=70"))
    difference = compare(current, draft)
    assert (difference.becoming, difference.ceasing) == ([], [1])
    assert (difference.entered, difference.now) == ((2, 1), (1, 1))
    lower = run(record, told("mql.enter=65"))
    assert compare(current, lower).becoming == [2]
    ends = dict(zip(lower.path.person.tolist(), (STAGES[code] for code in lower.stage), strict=True))
    assert ends[3] is Stage.RECYCLED


@pytest.mark.parametrize(("dwell", "entered"), [(0, [5]), (6, [11]), (30, [])])
def test_a_dwell_ends_between_two_scores(dwell: int, entered: list[int]) -> None:
    record = recorded([(1, 10, NURTURING), (5, 72, MQL), (20, 40, NURTURING)])
    got = run(record, told(f"mql.dwell_days={dwell}"))
    assert ((got.entered[1] - record.since) // DAY).tolist() == entered


def test_calls_are_full_batches_of_an_hour() -> None:
    hour = DAY // 24
    accounts = {"org": Account(np.arange(300), np.ones(300, np.int64), 200), "portal": Account(
        np.array([1, 2]), np.array([3, 1]), 2)}  # fmt: skip
    written = (np.array([*range(300), 1, 2, 999]), np.array([0] * 300 + [2 * hour, 2 * hour, 2 * hour]))
    assert loads(written, accounts) == {"org": Load(302, 3), "portal": Load(8, 4)}
    assert loads((np.zeros(0, np.int64), np.zeros(0, np.int64)), accounts)["org"] == Load(0, 0)


def test_publishing_writes_whoever_stands_otherwise() -> None:
    record = recorded([(1, 75, MQL)], [(1, 20, NURTURING)], [(1, 92, MQL)])
    one, other = told(), told("mql.enter=80")
    accounts = {"org": Account(np.arange(3), np.array([2, 1, 1]), 200)}
    assert at_once(run(record, one), one, run(record, other), other, accounts) == {"org": 2}
