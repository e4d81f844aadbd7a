"""What a policy would have done: the machine of stages and the materiality of writes over the scores of the last days.

Scores are taken as they were recorded. So is what sales did: whoever it accepted, confirmed, won, lost or gave back was
moved then, whatever the policy. Evidence for gates (required fields, BANT) is that of today. A score that rose is taken
for a sign of life. Silence is taken from the record, so a draft's words of sales and days of silence are not replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from worker.lifecycle.evidence import Evidence, Hold
from worker.lifecycle.machine import Stage
from worker.lifecycle.paths import NONE, Flags, Ints, Paths, above, instant
from worker.lifecycle.policy import Policy
from worker.lifecycle.stage import Position, decide, next_due

STAGES = tuple(Stage)
_HELD = frozenset({Stage.ACCEPTED, Stage.SQL, Stage.OPPORTUNITY, Stage.CUSTOMER, Stage.DISQUALIFIED})
"""Stages that are sales' to leave; in all others the replayed policy decides."""
_SALES = np.array([stage in _HELD or stage is Stage.RECYCLED for stage in STAGES])
_MQL, _RECYCLED = STAGES.index(Stage.MQL), STAGES.index(Stage.RECYCLED)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The scores from `since` on, each person's first row being where they stood then if it lies before.

    `stage`: for each row of `paths` the recorded one, a number into `STAGES`. `evidence`: by person, what gates need;
    who is not in it has none. `segment`: by person, where the policy has segments.
    """

    paths: Paths
    stage: Ints
    since: int
    until: int
    evidence: Mapping[int, Evidence] = field(default_factory=dict)
    segment: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One policy's days. `entered`: who became marketing qualified, each time (person, at). `qualified`: who is at the
    end. `path`: the scores with a row for every change of stage, and the `stage` at each row."""

    entered: tuple[Ints, Ints]
    qualified: Ints
    path: Paths
    stage: Ints


def run(recorded: Recorded, policy: Policy) -> Run:
    """Decide everybody's stage anew."""
    policies, paths = _by_segment(policy, recorded), recorded.paths
    enter, leave = _lines(recorded, policies)
    code, walked = _plain(recorded, policies, enter, leave)
    starts = np.flatnonzero(paths.first)[walked]
    people: list[int] = []
    instants: list[int] = []
    stages: list[int] = []
    for start, own in zip(starts.tolist(), _rows(recorded, walked, enter, leave), strict=True):
        person = int(paths.person[start])
        its = policies.get(recorded.segment.get(person, ""), policies[""])
        for at, stage in _walk(recorded, person, own, its):
            people.append(person)
            instants.append(at)
            stages.append(STAGES.index(stage))
    changes = (np.array(people, np.int64), np.array(instants, np.int64), np.array(stages, np.int64))
    return _applied(recorded, code, changes)


def _by_segment(policy: Policy, recorded: Recorded) -> dict[str, Policy]:
    """Without silence: when somebody was recycled is in the record."""
    kept = {"": policy} | {name: policy.of(name) for name in policy.segments.of}
    silent = {name: its.recycling.model_copy(update={"silence_days": 0.0}) for name, its in kept.items()}
    return {name: its.model_copy(update={"recycling": silent[name]}) for name, its in kept.items()}


def _lines(recorded: Recorded, policies: Mapping[str, Policy]) -> tuple[Ints, Ints]:
    """For each row the lines that hold for its person."""
    count = len(recorded.paths)
    enter, leave = (np.full(count, getattr(policies[""].mql, name), np.int64) for name in ("enter", "leave"))
    if len(policies) > 1:
        person = recorded.paths.person
        for name, its in policies.items():
            members = np.array([p for p, own in recorded.segment.items() if own == name and name], np.int64)
            mine = np.isin(person, members)
            enter[mine], leave[mine] = its.mql.enter, its.mql.leave
    return enter, leave


def _plain(recorded: Recorded, policies: Mapping[str, Policy], enter: Ints, leave: Ints) -> tuple[Ints, Flags]:
    """Each row's stage where scores alone decide; and, by person, who must be walked instead: whom sales moved, who
    comes to the line where there are gates or a dwell, and who comes to it twice, so that a cooldown may matter."""
    paths = recorded.paths
    first = paths.first
    carried = first & (paths.at < recorded.since) & (recorded.stage == _MQL)
    up = above(paths, enter, leave, carried)
    code = np.where(paths.score == NONE, STAGES.index(Stage.NEW), STAGES.index(Stage.NURTURING))
    code[up] = _MQL
    gated = any(its.mql.required or its.mql.bant or its.mql.dwell_days for its in policies.values())
    came = up & (first | ~np.concatenate(([False], up[:-1]))[: len(up)])
    starts = np.flatnonzero(first)
    if not len(starts):
        return code, np.zeros(0, np.bool_)
    times = np.add.reduceat(came.astype(np.int64), starts)
    return code, np.logical_or.reduceat(_SALES[recorded.stage], starts) | (times > (0 if gated else 1))


def _rows(recorded: Recorded, walked: Flags, enter: Ints, leave: Ints) -> Iterator[Ints]:
    """For each person who is walked the rows at which something can happen: the score's side of the lines changes, or
    it rises while the person may come back, or sales moved."""
    paths, stage = recorded.paths, recorded.stage
    side = (paths.score >= enter).astype(np.int8) + (paths.score >= leave)
    first = paths.first
    changed = np.concatenate(([True], (side[1:] != side[:-1]) | (stage[1:] != stage[:-1])))[: len(side)]
    rose = np.concatenate(([False], paths.score[1:] > paths.score[:-1]))[: len(side)]
    rose &= np.isin(paths.person, np.unique(paths.person[stage == _RECYCLED]))
    telling = np.flatnonzero(first | changed | rose)
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(side))
    lows, highs = np.searchsorted(telling, starts[walked]), np.searchsorted(telling, ends[walked])
    for low, high in zip(lows.tolist(), highs.tolist(), strict=True):
        yield telling[low:high]


def _walk(recorded: Recorded, person: int, rows: Ints, policy: Policy) -> Iterator[tuple[int, Stage]]:
    """A person's changes of stage, the first being where they stand at the beginning."""
    paths = recorded.paths
    evidence = recorded.evidence.get(person, Evidence())
    position: Position | None = None
    before, due, score = NONE, None, None
    for row in rows.tolist():
        at = max(int(paths.at[row]), recorded.since)
        while position is not None and due is not None and due < at:
            position, due, was = *_decided(position, score, evidence, policy, due), position.stage
            if position.stage is not was:
                yield _micros(position), position.stage
        points, stage, now = int(paths.score[row]), STAGES[recorded.stage[row]], instant(at)
        if position is None and paths.at[row] < recorded.since:
            position = Position(stage, instant(int(paths.at[row])), reached_at=instant(int(paths.at[row])))
        if points > before and position is not None and position.stage is Stage.RECYCLED:
            evidence = replace(evidence, active_at=now)
        moved = row == rows[0] or recorded.stage[row] != recorded.stage[row - 1]
        if stage in _HELD or (moved and stage is Stage.RECYCLED):
            evidence = replace(evidence, hold=evidence.hold or Hold(stage, now))
            evidence = replace(evidence, hold=Hold(stage, now)) if moved else evidence
        elif evidence.hold is not None:
            evidence = replace(evidence, hold=None)
            if position is not None and position.stage in _HELD:  # sales let go of it
                position = replace(position, stage=Stage.NURTURING, since=now)
        stood, score, before = position, None if points == NONE else points, points
        position, due = _decided(position, score, evidence, policy, at)
        if stood is None or position.stage is not stood.stage or row == rows[0]:
            yield at, position.stage
    while position is not None and due is not None and due <= recorded.until:
        position, due, was = *_decided(position, score, evidence, policy, due), position.stage
        if position.stage is not was:
            yield _micros(position), position.stage


def _decided(
    position: Position | None, score: int | None, evidence: Evidence, policy: Policy, at: int
) -> tuple[Position, int | None]:
    now = instant(at)
    after = decide(position, score, evidence, policy, now)
    if after.stage is Stage.MQL or after.reached_at is None or evidence.hold is not None:
        return after, None  # time alone changes nothing: silence is not replayed
    due = next_due(after, evidence, policy, now)
    return after, None if due is None else at + round((due - now).total_seconds() * 1e6)


def _micros(position: Position) -> int:
    return round(position.since.timestamp() * 1e6)


def _applied(recorded: Recorded, code: Ints, changes: tuple[Ints, Ints, Ints]) -> Run:
    """The changes of stage of those who were walked put among the rows of the scores; `code` holds for the others."""
    paths, (who, when, stage) = recorded.paths, changes
    began = np.flatnonzero(paths.first)
    known = np.isin(paths.person, np.unique(who))
    person = np.concatenate((paths.person, who))
    at = np.concatenate((np.maximum(paths.at, recorded.since), when))
    score = np.concatenate((paths.score, np.full(len(who), NONE - 1)))
    mark = np.concatenate((np.where(known, -1, code), stage))
    order = np.lexsort((np.arange(len(at)), at, person))
    person, at, score, mark = person[order], at[order], score[order], mark[order]
    last = np.concatenate(((person[1:] != person[:-1]) | (at[1:] != at[:-1]), [True]))[: len(at)]
    score, mark = _filled(score, score > NONE - 1), _filled(mark, mark >= 0)
    path = Paths(person[last], at[last], score[last])
    mark = mark[last]
    entered = _entered(path, mark, began, recorded)
    ends = np.concatenate((path.person[1:] != path.person[:-1], [True]))[: len(mark)]
    return Run(entered, path.person[ends & (mark == _MQL)], path, mark)


def _filled(values: Ints, told: Flags) -> Ints:
    """Each value as the last one told."""
    rows: NDArray[np.int64] = np.maximum.accumulate(np.where(told, np.arange(len(values)), 0))
    return values[rows]


def _entered(path: Paths, mark: Ints, began: Ints, recorded: Recorded) -> tuple[Ints, Ints]:
    qualified = mark == _MQL
    before = np.concatenate(([False], qualified[:-1]))[: len(mark)] & ~path.first
    started = np.zeros(len(mark), np.bool_)
    carried = recorded.paths.person[began][
        (recorded.paths.at[began] < recorded.since) & (recorded.stage[began] == _MQL)
    ]
    started[path.first] = np.isin(path.person[path.first], carried)
    new = qualified & ~before & ~started
    return path.person[new], path.at[new]


@dataclass(frozen=True, slots=True)
class Difference:
    """Who would be qualified otherwise. `becoming` and `ceasing`: who became marketing qualified within the days under
    one policy alone; `now`: how many are at the end, under each."""

    entered: tuple[int, int]
    becoming: Sequence[int]
    ceasing: Sequence[int]
    now: tuple[int, int]


def compare(current: Run, draft: Run) -> Difference:
    one, other = np.unique(current.entered[0]), np.unique(draft.entered[0])
    return Difference(
        (len(current.entered[0]), len(draft.entered[0])),
        np.setdiff1d(other, one).tolist(),
        np.setdiff1d(one, other).tolist(),
        (len(current.qualified), len(draft.qualified)),
    )
