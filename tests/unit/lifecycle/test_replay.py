"""A replay of columns says what plain folds over every row say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.lifecycle.guard import withheld
from worker.lifecycle.happenings import Happening, Told, What
from worker.lifecycle.machine import Stage
from worker.lifecycle.paths import DAY, NONE, Paths, micros
from worker.lifecycle.policy import Policy, change
from worker.lifecycle.replay import STAGES, Recorded, Run, compare, run
from worker.lifecycle.rewrites import Account, Load, at_once, buckets, due, loads, shown
from worker.lifecycle.stage import Position, decide, next_due

SINCE = datetime(2026, 8, 1, tzinfo=UTC)
Row = tuple[float, int, Stage]
"""Day, score, recorded stage."""
NURTURING, MQL = Stage.NURTURING, Stage.MQL


def recorded(*people: Sequence[Row], days: int = 90, **more: Any) -> Recorded:
    rows = [(who, micros(SINCE) + int(day * DAY), score, STAGES.index(stage))
            for who, its in enumerate(people) for day, score, stage in its]  # fmt: skip
    person, at, score, stage = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    end = micros(SINCE + timedelta(days=days))
    return Recorded(Paths(person, at, score), stage, micros(SINCE), end, **more)


def happens(day: float, what: What, value: str | None = None, name: str | None = None, subject: int = 1) -> Happening:
    at = micros(SINCE) + int(day * DAY)
    return Happening(at, what, subject, name, value, at)


def says(day: float, status: str | None, subject: int = 1) -> Happening:
    return happens(day, What.WORD, status, "status", subject)


def told(*assignments: str) -> Policy:
    return change(Policy(), *assignments)


POLICIES = [
    told(),
    told("mql.enter=50", "mql.leave=45", "bucket_hysteresis=0", "materiality.points=1"),
    told("mql.enter=80", "mql.leave=80", "mql.cooldown_days=0", "mql.max_entries=1"),
    told("segments.by=country", "segments.of.odd.mql.enter=90", "recycling.silence_days=20"),
    told("mql.required=company", "mql.cooldown_days=3", "materiality.max_age_days=5", "human.release_days=4"),
    told("sales.accepted=Qualified", "sales.confirmed=Working", "sales.meeting=false", "mql.bant=2"),
    told("mql.dwell_days=4", "mql.window_days=30", "mql.max_entries=2", "mql.cooldown_days=6"),
]
AGO = st.one_of(st.none(), st.integers(1, 40).map(lambda days: SINCE - timedelta(days=days)))
MEMORIES = st.builds(
    lambda stage, since, left, reached, entries: Position(
        stage, SINCE - timedelta(days=since), left_at=left, reached_at=reached,
        entries=tuple(sorted(filter(None, entries))),
    ),
    st.sampled_from([NURTURING, MQL, Stage.RECYCLED, Stage.SQL]), st.integers(5, 60), AGO, AGO,
    st.lists(AGO, max_size=3),
)  # fmt: skip
PEOPLE = st.lists(
    st.lists(st.tuples(st.integers(1, 9), st.integers(NONE, 100)), min_size=1, max_size=9), min_size=1, max_size=4
)
THINGS = st.one_of(
    st.builds(lambda value, n: (What.WORD, value, "status", n),
              st.sampled_from(["Working", "Qualified", "BAD_TIMING", "New", None]), st.integers(1, 2)),
    st.just((What.MEETING, None, None, 1)),
    st.just((What.ACT, None, None, 1)),
    st.builds(lambda value: (What.DEAL, value, None, 3), st.sampled_from(["open", "won", "lost", None])),
    st.builds(lambda value, n: (What.STATE, value, None, n), st.sampled_from(["open", "disqualified", None]),
              st.integers(1, 2)),
    st.builds(lambda value: (What.HOLD, value, None, 1), st.sampled_from(["nurturing", "sql", None])),
    st.builds(lambda value: (What.FILLED, value, "company", 1), st.sampled_from(["x", None])),
    st.builds(lambda value: (What.BANT, value, None, 0), st.sampled_from(["0", "3"])),
)  # fmt: skip
HAPPENINGS = st.lists(st.tuples(st.integers(-9, 80), THINGS), max_size=6)


@settings(max_examples=100, deadline=None)
@given(
    PEOPLE,
    st.lists(HAPPENINGS, min_size=4, max_size=4),
    st.sampled_from(POLICIES),
    st.one_of(st.none(), st.lists(st.one_of(st.none(), MEMORIES), min_size=4, max_size=4)),
)
def test_the_machine_is_that_of_every_instant(
    people: list[list[tuple[int, int]]], things: list[list[Any]], policy: Policy, memories: list[Position | None] | None
) -> None:
    """Whoever is not walked stands as if they were, and nobody's walk leaves out an instant that matters."""
    days = [np.cumsum([gap for gap, _ in its]) - (0 if memories is None else 5) for its in people]
    histories = [
        [(float(day), score, NURTURING if score != NONE else Stage.NEW) for day, (_, score) in zip(d, its, strict=True)]
        for d, its in zip(days, people, strict=True)
    ]
    positions = {
        who: its for who, its in enumerate(memories or ()) if its and who < len(people) and histories[who][0][0] < 0
    }
    for who, stood in positions.items():
        histories[who] = [(day, score, stood.stage) for day, score, _ in histories[who]]
    histories = [[row for n, row in enumerate(its) if n + 1 == len(its) or its[n + 1][0] > 0] for its in histories]
    segment = {who: "odd" if who % 2 else "even" for who in range(9)}
    happenings = {
        who: sorted((happens(day + 0.5, *its) for day, its in own), key=lambda its: its.at)
        for who, own in enumerate(things)
    }
    record = recorded(*histories, happenings=happenings, segment=segment, positions=positions)
    got = run(record, policy)
    for who, its in enumerate(histories):
        shown = _folded(its, happenings[who], policy.of(segment[who]), positions.get(who))
        mine = got.path.person == who
        at, stages = got.path.at[mine], [STAGES[code] for code in got.stage[mine].tolist()]
        reached = dict(zip(at.tolist(), stages, strict=True))
        assert {at: reached.get(at, shown[at]) for at in shown} == shown
        assert [stage for stage, _ in groupby(stages)] == [stage for stage, _ in groupby(shown.values())]


def _folded(
    history: Sequence[Row], happenings: Sequence[Happening], policy: Policy, stood: Position | None
) -> dict[int, Stage]:
    """By instant the stage, through every row, every happening and every instant at which time alone may matter."""
    begins = SINCE + timedelta(days=max(history[0][0], 0))
    held: Position | None = None
    if history[0][0] < 0:
        held = stood or Position(history[0][2], SINCE + timedelta(days=history[0][0]))
    score, told = history[0][1], Told()
    news: list[tuple[datetime, int | Happening]] = [(SINCE + timedelta(days=d), points) for d, points, _ in history[1:]]
    news += [(SINCE + timedelta(microseconds=its.at - micros(SINCE)), its) for its in happenings]
    instants = sorted({begins, *(at for at, _ in news if at > begins)})
    for its in happenings:
        if its.at <= micros(begins):
            told.hear(its)
    found: dict[int, Stage] = {}
    end, last = SINCE + timedelta(days=90), None
    while instants and instants[0] <= end:
        now = instants.pop(0)
        for at, new in news:
            if at == now > begins:
                score = new if isinstance(new, int) else score
                told.hear(new) if isinstance(new, Happening) else None
        known = told.evidence(policy)
        held = decide(held, None if score == NONE else score, known, policy, now)
        found[micros(now)] = held.stage
        due = next_due(held, known, policy, now)
        if due is not None and due != last:
            instants, last = sorted({*instants, due}), due
    return found


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
    people_written, instants = due(record, shown(got, policy), policy)
    assert list(zip(people_written.tolist(), instants.tolist(), strict=True)) == expected


def test_a_draft_against_what_is_in_force() -> None:
    record = recorded(
        [(-3, 75, MQL), (10, 76, MQL)],
        [(5, 72, MQL), (6, 20, NURTURING)],
        [(-9, 65, NURTURING), (40, 66, NURTURING)],
        [(2, 85, MQL), (20, 88, Stage.RECYCLED)],
        [(1, 10, NURTURING)],
        happenings={0: [happens(60, What.ACT)], 3: [says(3, "Working"), says(9, "BAD_TIMING")]},
    )
    current, draft = run(record, told()), run(record, told("mql.enter=80", "mql.leave=70"))
    difference = compare(current, draft)
    assert (difference.becoming, difference.ceasing) == ([], [1])
    assert (difference.entered, difference.now) == ((2, 1), (1, 1))
    assert difference.stages == {"nurturing": (3, 3), "mql": (1, 1), "recycled": (1, 1)}
    lower = run(record, told("mql.enter=65"))
    assert compare(current, lower).becoming == [2]
    assert stages_of(lower)[3] is Stage.RECYCLED


def stages_of(its: Run) -> dict[int, Stage]:
    """Where everybody stands at the end."""
    return dict(zip(its.path.person.tolist(), (STAGES[code] for code in its.stage), strict=True))


@pytest.mark.parametrize(
    ("assignments", "end"),
    [
        ((), {0: Stage.ACCEPTED, 1: Stage.RECYCLED, 2: Stage.SQL, 3: Stage.MQL, 4: Stage.NURTURING}),
        (("sales.confirmed=Working", "sales.accepted=x"), {0: Stage.SQL}),
        (("sales.meeting=false",), {2: Stage.MQL}),
        (("recycling.silence_days=30",), {0: Stage.RECYCLED, 2: Stage.RECYCLED, 3: Stage.RECYCLED}),
        (("recycling.silence_days=0",), {1: Stage.MQL}),
        (("human.release_days=20",), {4: Stage.MQL}),
    ],
)
def test_what_sales_said_is_heard_as_the_draft_reads_it(assignments: tuple[str, ...], end: dict[int, Stage]) -> None:
    """Sales' words and meetings, silence, and stages that people set."""
    record = recorded(
        [(1, 75, MQL)], [(-1, 80, MQL)], [(1, 75, MQL)], [(50, 75, MQL)], [(1, 75, MQL)],
        happenings={
            0: [says(40, "Working")],
            2: [happens(20, What.MEETING), happens(50, What.ACT)],
            4: [happens(60, What.HOLD, "nurturing")],
        },
        positions={1: Position(MQL, SINCE - timedelta(days=30))},
    )  # fmt: skip
    ends = stages_of(run(record, told(*assignments)))
    assert {who: ends[who] for who in end} == end


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
    assert at_once(shown(run(record, one), one), one, shown(run(record, other), other), other, accounts) == {"org": 2}


def test_the_guard_writes_stages_of_sales_alone_for_those_who_are_drawn() -> None:
    guarded = told("guard.share=0.2")
    drawn = next(who for who in range(50) if withheld(who, guarded.guard))
    people = [[(1, 75, MQL), (9, 20, NURTURING)]] * (drawn + 1)
    record = recorded(*people, happenings={drawn: [says(4, "Working")]})
    written, at = due(record, shown(run(record, guarded), guarded), guarded)
    days = ((at[written == drawn] - record.since) // DAY).tolist()
    assert days == [1, 4], "withheld at first, then what sales itself said"
    assert ((at[written == drawn - 1] - record.since) // DAY).tolist() == [1, 9]
    accounts = {"org": Account(np.arange(drawn + 1), np.ones(drawn + 1, np.int64), 200)}
    both = [recorded(*([[(1, 75, MQL)]] * (drawn + 1)))] * 2
    runs = [run(its, policy) for its, policy in zip(both, (told(), guarded), strict=True)]
    kept = sum(withheld(who, guarded.guard) for who in range(drawn + 1))
    assert at_once(shown(runs[0], told()), told(), shown(runs[1], guarded), guarded, accounts) == {"org": kept}


@pytest.mark.parametrize(
    ("assignments", "memory", "qualified"),
    [
        ((), Position(NURTURING, SINCE, left_at=SINCE - timedelta(days=4)), 10),
        (("mql.dwell_days=9",), Position(NURTURING, SINCE, reached_at=SINCE - timedelta(days=4)), 5),
        (("mql.dwell_days=9",), Position(NURTURING, SINCE), 9),
        (("mql.max_entries=2", "mql.window_days=30"),
         Position(NURTURING, SINCE, entries=(SINCE - timedelta(days=22), SINCE - timedelta(days=3))), 8),
        (("mql.max_entries=2", "mql.window_days=30"),
         Position(NURTURING, SINCE, entries=(SINCE - timedelta(days=40), SINCE - timedelta(days=3))), 0),
    ],
)  # fmt: skip
def test_what_is_remembered_from_before_counts(assignments: tuple[str, ...], memory: Position, qualified: int) -> None:
    record = recorded([(-1, 80, NURTURING)], positions={0: memory})
    got = run(record, told(*assignments))
    assert ((got.entered[1] - record.since) // DAY).tolist() == [qualified]
