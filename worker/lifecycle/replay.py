"""What a policy would have done: the machine of stages over the scores of the last days and all that happened in them.

Everybody begins where they stood. From then on every stage is decided anew: by the scores, by what sales said and did,
by what people set in the CRM, by silence, and by time, as they came to be known. Whom scores alone decide is decided in
columns; whoever sales, gates or silence concern is walked from instant to instant through `decide` itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from worker.lifecycle.evidence import Evidence
from worker.lifecycle.happenings import Happening, Happenings, Told, What, telling
from worker.lifecycle.lockstep import STAGES, Steps, steps
from worker.lifecycle.machine import Stage
from worker.lifecycle.paths import NONE, Flags, Ints, Paths, instant, micros
from worker.lifecycle.policy import Policy
from worker.lifecycle.stage import Position, decide, next_due

__all__ = ["STAGES", "Difference", "Recorded", "Run", "Share", "compare", "last_rows", "run", "split", "walkers"]

MARKETING = (Stage.NEW, Stage.NURTURING, Stage.MQL)
"""Stages in which scores decide as long as sales says nothing."""
_MARKETING = np.array([stage in MARKETING for stage in STAGES])
_SALES = frozenset({Stage.ACCEPTED, Stage.SQL, Stage.OPPORTUNITY, Stage.CUSTOMER, Stage.DISQUALIFIED})
_CODES = {stage: number for number, stage in enumerate(STAGES)}
_MQL = _CODES[Stage.MQL]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The scores from `since` on, each person's first row being where they stood then if it lies before.

    `stage`: by row of `paths`, a number into `STAGES`; what counts is that of a first row before the time.
    `positions`: who then stood where with something to remember (whoever is not in it has nothing to). `happenings`:
    by person, from the beginning on; a person's own acts are needed only where something else happened, or silence can
    matter. `segment`: by person, where the policy has segments.
    """

    paths: Paths
    stage: Ints
    since: int
    until: int
    happenings: Happenings = field(default_factory=dict)
    positions: Mapping[int, Position] = field(default_factory=dict)
    segment: Mapping[int, str] = field(default_factory=dict)
    customers_are_leads: bool = False

    @property
    def carried(self) -> Flags:
        """Rows that tell where somebody stood before the time."""
        return self.paths.first & (self.paths.at < self.since)


@dataclass(frozen=True, slots=True)
class Run:
    """One policy's days. `entered`: who became marketing qualified, each time (person, at). `qualified`: who is at the
    end. `path`: the scores with a row for every change of stage, and the `stage` at each row."""

    entered: tuple[Ints, Ints]
    qualified: Ints
    path: Paths
    stage: Ints


@dataclass(frozen=True, slots=True)
class Share:
    """The people of one segment, by its policy: `mine` (numbers into all people), everybody `told` as scores and time
    alone decide, and who must be `walked` instead."""

    policy: Policy
    mine: Ints
    told: Steps
    walked: Flags


def split(recorded: Recorded, policy: Policy) -> Sequence[Share]:
    """Whom columns decide and whom not. Own acts, attributes and BANT make no difference to it."""
    return [Share(its, mine, *_split(recorded, its, mine)) for its, mine in _segments(recorded, policy)]


def walkers(recorded: Recorded, shares: Sequence[Share]) -> Ints:
    """Who is walked, ascending: theirs are the own acts that a replay needs."""
    people = recorded.paths.person[recorded.paths.first]
    return np.sort(np.concatenate([people[its.mine][its.walked] for its in shares]))


def run(recorded: Recorded, policy: Policy, shares: Sequence[Share] | None = None) -> Run:
    """Decide everybody's stage anew. `shares`: as `split` gave them, where it was asked."""
    paths = recorded.paths
    starts = np.flatnonzero(paths.first)
    ends = np.append(starts[1:], len(paths))
    changes = []
    for its in split(recorded, policy) if shares is None else shares:
        told, plain = its.told, ~its.walked[its.told.place]
        changes.append((paths.person[starts[its.mine]][told.place[plain]], told.at[plain], told.stage[plain]))
        changes.append(_walks(recorded, its.policy, starts[its.mine][its.walked], ends[its.mine][its.walked]))
    person, at, stage = (np.concatenate([change[n] for change in changes]) for n in range(3))
    return _applied(recorded, (person, at, stage))


def _segments(recorded: Recorded, policy: Policy) -> Iterator[tuple[Policy, Ints]]:
    """The policies of segments, each with its people (numbers into all of them)."""
    people = recorded.paths.person[recorded.paths.first]
    if not policy.segments.of:
        yield policy, np.arange(len(people))
        return
    names = {name: number for number, name in enumerate(policy.segments.of, 1)}
    code = np.array([names.get(recorded.segment.get(person, ""), 0) for person in people.tolist()], np.int64)
    for name, number in {"": 0, **names}.items():
        yield (policy.of(name) if name else policy), np.flatnonzero(code == number)


def _split(recorded: Recorded, policy: Policy, mine: Ints) -> tuple[Steps, Flags]:
    """Everybody as scores and time alone decide; and who must be walked instead: whoever begins where sales put them,
    whom sales or a person moved, who comes to the line where there are gates, and who stays there so long that silence
    may matter."""
    paths, all_starts = recorded.paths, np.flatnonzero(recorded.paths.first)
    rows = np.repeat(np.isin(np.arange(len(all_starts)), mine), np.diff(np.append(all_starts, len(paths))))
    own = paths if len(mine) == len(all_starts) else paths.only(rows)
    starts = all_starts[mine]
    stood, carried = recorded.stage[starts], recorded.carried[starts]
    told = steps(own, recorded.since, recorded.until, stood, recorded.positions, policy)
    moved = [person for person, its in recorded.happenings.items() if telling(its, policy)]
    away = [person for person, its in recorded.positions.items() if its.stage not in MARKETING]
    walked = np.isin(paths.person[starts], np.array([*moved, *away], np.int64)) | told.silent
    walked |= carried & ~_MARKETING[stood]
    if policy.mql.required or policy.mql.bant:
        walked |= told.reached
    return told, walked


def _walks(recorded: Recorded, policy: Policy, starts: Ints, ends: Ints) -> tuple[Ints, Ints, Ints]:
    """The changes of stage of those who are walked, person by person."""
    paths, mql = recorded.paths, policy.mql
    side = (paths.score >= mql.enter).astype(np.int8) + (paths.score >= mql.leave) + (paths.score != NONE)
    telling_ = np.flatnonzero(paths.first | np.concatenate(([True], side[1:] != side[:-1]))[: len(side)])
    lows, highs = np.searchsorted(telling_, starts), np.searchsorted(telling_, ends)
    people: list[int] = []
    instants: list[int] = []
    stages: list[int] = []
    for low, high in zip(lows.tolist(), highs.tolist(), strict=True):
        rows = telling_[low:high]
        person = int(paths.person[rows[0]])
        for at, stage in _Walk(recorded, person, policy).through(rows):
            people.append(person)
            instants.append(at)
            stages.append(_CODES[stage])
    return np.array(people, np.int64), np.array(instants, np.int64), np.array(stages, np.int64)


class _Walk:
    """One person's days, decision by decision."""

    def __init__(self, recorded: Recorded, person: int, policy: Policy) -> None:
        self._recorded, self._policy, self._person = recorded, policy, person
        self._told = Told(recorded.customers_are_leads)
        self._evidence: Evidence | None = None
        self._position: Position | None = None
        self._score: int | None = None
        self._due: int | None = None
        self._moves: list[tuple[int, Stage]] = []

    def through(self, rows: Ints) -> Sequence[tuple[int, Stage]]:
        """The changes of stage, the first being where the person stands at the beginning, or with the first score."""
        recorded, paths = self._recorded, self._recorded.paths
        its = recorded.happenings.get(self._person, ())
        begins = max(int(paths.at[rows[0]]), recorded.since)
        before = [each for each in its if each.at <= begins]
        for each in before:
            self._told.hear(each)
        if paths.at[rows[0]] < recorded.since:
            self._position = self._began(int(rows[0]))
        scores = [(max(int(paths.at[row]), begins), int(paths.score[row])) for row in rows.tolist()]
        self._score = None if scores[0][1] == NONE else scores[0][1]
        self._decide(begins, told=True)
        news: list[tuple[int, int | Happening]] = [*scores[1:], *((each.at, each) for each in its[len(before) :])]
        news.sort(key=itemgetter(0))
        for at, together in groupby(news, key=itemgetter(0)):
            while self._due is not None and self._due < at:  # what time alone does until then
                self._decide(self._due)
            calls = [self._learn(new) for _, new in together]  # all of them, whatever the first says
            if any(calls):
                self._decide(at)
        while self._due is not None and self._due <= recorded.until:
            self._decide(self._due)
        return self._moves

    def _learn(self, new: int | Happening) -> bool:
        """Whether it calls for a decision. An act only puts silence off, which is found out when silence is due, and
        brings back who was recycled if the score does. No score takes a lead from sales, and none above the leaving
        line moves who is qualified."""
        position, mql = self._position, self._policy.mql
        stage = None if position is None else position.stage
        if isinstance(new, Happening):
            self._told.hear(new)
            self._evidence = None
            back = stage is Stage.RECYCLED and self._score is not None and self._score >= mql.enter
            return new.what is not What.ACT or back
        self._score = None if new == NONE else new
        if stage is Stage.MQL and position is not None and position.reached_at is not None:
            return new < mql.leave
        return stage not in _SALES or mql.dwell_days > 0  # how long a score has held is remembered meanwhile

    def _began(self, row: int) -> Position:
        """Where the person stood, and with what to remember."""
        held = self._recorded.positions.get(self._person)
        if held is not None:
            return held
        return Position(STAGES[self._recorded.stage[row]], instant(int(self._recorded.paths.at[row])))

    def _decide(self, at: int, *, told: bool = False) -> None:
        now, was = instant(at), self._position
        known = self._evidence = self._evidence or self._told.evidence(self._policy)
        self._position = after = decide(was, self._score, known, self._policy, now)
        due = next_due(after, known, self._policy, now)
        self._due = None if due is None else max(at + 1, micros(due))
        if told or was is None or after.stage is not was.stage:
            self._moves.append((at, after.stage))


def _applied(recorded: Recorded, changes: tuple[Ints, Ints, Ints]) -> Run:
    """The changes of stage put among the rows of the scores."""
    paths, (who, when, stage) = recorded.paths, changes
    order = np.lexsort((when, who))
    who, when, stage = who[order], when[order], stage[order]
    at = np.maximum(paths.at, recorded.since)
    place = _after(at, np.searchsorted(paths.person, who), np.searchsorted(paths.person, who, "right"), when)
    person, at = np.insert(paths.person, place, who), np.insert(at, place, when)
    score, mark = np.insert(paths.score, place, NONE - 1), np.insert(np.full(len(paths), -1), place, stage)
    last = np.concatenate(((person[1:] != person[:-1]) | (at[1:] != at[:-1]), [True]))[: len(at)]
    score, mark = _filled(score, score > NONE - 1), _filled(mark, mark >= 0)
    path = Paths(person[last], at[last], score[last])
    mark = mark[last]
    entered = _entered(path, mark, recorded)
    ends = np.concatenate((path.person[1:] != path.person[:-1], [True]))[: len(mark)]
    return Run(entered, path.person[ends & (mark == _MQL)], path, mark)


def _after(at: Ints, low: Ints, high: Ints, when: Ints) -> Ints:
    """Of each slice of `at`, from `low` to before `high`, the first place that is later than its `when`."""
    low, high = low.copy(), high.copy()
    while np.any(searching := low < high):
        middle = (low + high) // 2
        later = at[np.minimum(middle, len(at) - 1)] > when
        high = np.where(searching & later, middle, high)
        low = np.where(searching & ~later, middle + 1, low)
    return low


def _filled(values: Ints, told: Flags) -> Ints:
    """Each value as the last one told."""
    rows: NDArray[np.int64] = np.maximum.accumulate(np.where(told, np.arange(len(values)), 0))
    return values[rows]


def _entered(path: Paths, mark: Ints, recorded: Recorded) -> tuple[Ints, Ints]:
    qualified = mark == _MQL
    before = np.concatenate(([False], qualified[:-1]))[: len(mark)] & ~path.first
    started = np.zeros(len(mark), np.bool_)
    were = recorded.paths.person[recorded.carried & (recorded.stage == _MQL)]
    started[path.first] = np.isin(path.person[path.first], were)
    new = qualified & ~before & ~started
    return path.person[new], path.at[new]


@dataclass(frozen=True, slots=True)
class Difference:
    """Who would be qualified otherwise. `becoming` and `ceasing`: who became marketing qualified within the days under
    one policy alone; `now`: how many are at the end, under each; `stages`: by stage, how many stand there at the end.
    """

    entered: tuple[int, int]
    becoming: Sequence[int]
    ceasing: Sequence[int]
    now: tuple[int, int]
    stages: Mapping[str, tuple[int, int]]


def compare(current: Run, draft: Run) -> Difference:
    one, other = np.unique(current.entered[0]), np.unique(draft.entered[0])
    ends = [np.bincount(run.stage[last_rows(run.path)], minlength=len(STAGES)).tolist() for run in (current, draft)]
    return Difference(
        (len(current.entered[0]), len(draft.entered[0])),
        np.setdiff1d(other, one).tolist(),
        np.setdiff1d(one, other).tolist(),
        (len(current.qualified), len(draft.qualified)),
        {stage.value: (was, now) for stage, was, now in zip(STAGES, *ends, strict=True) if was or now},
    )


def last_rows(path: Paths) -> Ints:
    """Each person's last row."""
    return np.append(np.flatnonzero(path.first)[1:], len(path))[: len(path)] - 1
