"""The machine of stages in columns, for people whom scores and time alone decide: everybody's first row, then
everybody's second, and so on. A property test holds it to `decide` at every instant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.lifecycle.machine import Stage
from worker.lifecycle.paths import DAY, NONE, Flags, Ints, Paths, micros
from worker.lifecycle.policy import Policy
from worker.lifecycle.stage import Position

STAGES = tuple(Stage)
_NEW, _NURTURING, _MQL = (STAGES.index(stage) for stage in (Stage.NEW, Stage.NURTURING, Stage.MQL))
_NEVER = -(2**62)


@dataclass(frozen=True, slots=True)
class Steps:
    """The changes of stage, in the order of time for each person: `place` (a number into the people), `at`, `stage`.
    The first of each person is where they stand at the beginning, or with the first score. `silent`: who was marketing
    qualified for so long that silence may have ended it. `reached`: who ever came to the line."""

    place: Ints
    at: Ints
    stage: Ints
    silent: Flags
    reached: Flags


def steps(
    paths: Paths, since: int, until: int, stood: Ints, positions: Mapping[int, Position], policy: Policy
) -> Steps:
    """Everybody in `paths` by one policy. `stood`: by person the stage before the time (a number into `STAGES`, read of
    those whose first row lies there); `positions`: who has something to remember from then."""
    first = np.flatnonzero(paths.first)
    length = np.diff(np.append(first, len(paths)))
    held = _Held.at_first(paths.person[first], positions, policy)
    held.stage[:] = np.where(paths.at[first] < since, np.where(stood == _MQL, _MQL, stood), -1)
    begun = held.stage == _MQL
    held.qualified[begun & (held.qualified == _NEVER)] = since - held.silence  # nobody knows since when
    order = np.argsort(-length, kind="stable")
    ever = np.zeros(len(first), np.bool_)
    silent = np.zeros(len(first), np.bool_)
    changes: list[tuple[Ints, Ints, Ints]] = []
    for step in range(int(length.max(initial=0))):
        who = order[: np.searchsorted(-length[order], -step, side="left")]
        row = first[who] + step
        at, score = np.maximum(paths.at[row], since), paths.score[row]
        more = length[who] > step + 1
        following = np.where(more, np.maximum(paths.at[np.minimum(row + 1, len(paths) - 1)], since), until + 1)
        ever[who] |= score >= policy.mql.enter
        changes += held.through(who, at, score, following, silent, told=step == 0)
    last = held.stage == _MQL
    silent |= last & (until - held.qualified >= held.silence)
    place, at, stage = (np.concatenate([change[n] for change in changes] or [np.zeros(0, np.int64)]) for n in range(3))
    sorted_ = np.lexsort((np.arange(len(at)), at, place))
    return Steps(place[sorted_], at[sorted_], stage[sorted_], silent, ever)


@dataclass(slots=True)
class _Held:
    """What is remembered of each person: the stage (-1: none yet), since when they are marketing qualified, when they
    last ceased to be, since when the score holds, and the last entries, the newest first."""

    policy: Policy
    stage: Ints
    qualified: Ints
    left: Ints
    reached: Ints
    entries: NDArray[np.int64]
    silence: int

    @classmethod
    def at_first(cls, people: Ints, positions: Mapping[int, Position], policy: Policy) -> _Held:
        count, most = len(people), policy.mql.max_entries
        qualified, left, reached = (np.full(count, _NEVER, np.int64) for _ in range(3))
        entries = np.full((count, most), _NEVER, np.int64)
        days = policy.recycling.silence_days
        silence = int(days * DAY) if days else 2**61
        held = cls(policy, np.full(count, -1, np.int64), qualified, left, reached, entries, silence)
        if positions:
            known = np.fromiter(positions, np.int64, len(positions))
            for place in np.flatnonzero(np.isin(people, known)).tolist():
                its = positions[int(people[place])]
                held.left[place] = micros(its.left_at) if its.left_at else _NEVER
                held.reached[place] = micros(its.reached_at) if its.reached_at else _NEVER
                held.qualified[place] = micros(its.since)
                for n, entry in enumerate(its.entries[: -most - 1 : -1]):
                    entries[place, n] = micros(entry)
        return held

    def through(
        self, who: Ints, at: Ints, score: Ints, following: Ints, silent: Flags, *, told: bool
    ) -> list[tuple[Ints, Ints, Ints]]:
        """One row of each of these people, and the time until their next: the changes of stage."""
        mql, was = self.policy.mql, self.stage[who]
        none = score == NONE
        below = none | (score < mql.leave)
        since = self.reached[who]
        since = np.where(below, _NEVER, np.where((score >= mql.enter) & (since == _NEVER), at, since))
        self.reached[who] = since
        left = (was == _MQL) & below
        silent[who] |= left & (at - self.qualified[who] >= self.silence)
        self.left[who] = np.where(left, at, self.left[who])
        stage = np.where(none, _NEW, np.where((was == _MQL) & ~left, _MQL, _NURTURING))
        when = np.maximum(at, self.left[who] + int(mql.cooldown_days * DAY))
        when = np.maximum(when, since + int(mql.dwell_days * DAY))
        when = np.maximum(when, self.entries[who, -1] + mql.window_days * DAY)
        enters = (stage != _MQL) & ~none & (score >= mql.enter) & ((when == at) | (when < following))
        now = np.where(enters & (when == at), _MQL, stage)
        moved = (now != was) | told
        later = enters & (when > at)
        changes = [(who[moved], at[moved], now[moved]), (who[later], when[later], np.full(later.sum(), _MQL))]
        self.stage[who] = np.where(enters, _MQL, stage)
        entered = who[enters]
        self.qualified[entered] = when[enters]
        self.entries[entered, 1:] = self.entries[entered, :-1]
        self.entries[entered, 0] = when[enters]
        return changes
