"""How many writes a policy would have caused: what records show over a replayed path, and when that is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.lifecycle.guard import withheld
from worker.lifecycle.machine import Stage
from worker.lifecycle.paths import DAY, NONE, Flags, Ints, Paths
from worker.lifecycle.policy import Policy
from worker.lifecycle.replay import STAGES, Recorded, Run, last_rows

_HOUR = DAY // 24
_MQL, _NURTURING = STAGES.index(Stage.MQL), STAGES.index(Stage.NURTURING)


@dataclass(frozen=True, slots=True)
class Account:
    """A CRM account: `records` open for each of `people` (ascending), and how many go into a call."""

    people: Ints
    records: Ints
    batch: int


@dataclass(frozen=True, slots=True)
class Load:
    """Of one account: `writes`, and the `calls` that they take at the least, were each hour's sent together. `at_once`:
    writes on publishing, by what records hold now."""

    writes: int
    calls: int
    at_once: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """What records show at each row of a run's `path`: the score, the bucket (a number into the policy's, one more for
    none) and the stage; of those whose score is kept from view neither a score nor what follows from one alone."""

    path: Paths
    score: Ints
    bucket: Ints
    stage: Ints


def shown(run: Run, policy: Policy) -> Shown:
    score, bucket, stage = run.path.score, buckets(run, policy), run.stage
    if policy.guard.share:
        people = run.path.person[run.path.first]
        drawn = people[[withheld(person, policy.guard) for person in people.tolist()]]
        hidden = np.isin(run.path.person, drawn)
        score = np.where(hidden, NONE, score)
        bucket = np.where(hidden, len(policy.buckets), bucket)
        stage = np.where(hidden & (stage == _MQL), _NURTURING, stage)
    return Shown(run.path, score, bucket, stage)


def due(recorded: Recorded, its: Shown, policy: Policy) -> tuple[Ints, Ints]:
    """Whose score is written, and when: one entry each time. Of the rows before the time nothing is written."""
    path = its.path
    starts = np.flatnonzero(path.first)
    lengths = np.diff(np.append(starts, len(path)))
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    born = ~np.isin(path.person[starts], recorded.paths.person[recorded.carried])
    held = starts.copy()  # the row that each person's records hold
    written: list[Ints] = [starts[born]]
    oldest, points = policy.materiality.max_age_days * DAY, policy.materiality.points
    for step in range(1, int(lengths.max(initial=0))):
        row = starts[: np.searchsorted(-lengths, -step, side="left")] + step
        was = held[: len(row)]
        old = path.at[row] - path.at[was] >= oldest
        differs = (its.score[row] != its.score[was]) | (its.stage[row] != its.stage[was])
        material = _material(its, row, its, was, points) | (differs & old)
        written.append(row[material])
        held[: len(row)][material] = row[material]
    rows = np.sort(np.concatenate(written))
    return path.person[rows], path.at[rows]


def _material(one: Shown, row: Ints, other: Shown, was: Ints, points: int) -> Flags:
    """Whether rows differ by so much that it is written whatever the age."""
    none = (one.score[row] == NONE) != (other.score[was] == NONE)
    far = np.abs(one.score[row] - other.score[was]) >= max(points, 1)
    decisive = (one.stage[row] != other.stage[was]) | (one.bucket[row] != other.bucket[was])
    material: Flags = none | far | decisive
    return material


def buckets(run: Run, policy: Policy) -> Ints:
    """The bucket of each row, with its hysteresis: a number into the policy's, one more for who has no score."""
    count = len(policy.buckets)
    numbers = {bucket.name: number for number, bucket in enumerate(policy.buckets)}
    table = np.array(
        [[numbers[policy.bucket(score, before).name] for score in range(101)] for before in (*numbers, None)],
        np.int64,
    )
    path, starts = run.path, np.flatnonzero(run.path.first)
    lengths = np.diff(np.append(starts, len(path)))
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    result = np.full(len(path), count, np.int64)
    for step in range(int(lengths.max(initial=0))):
        row = starts[: np.searchsorted(-lengths, -step, side="left")] + step
        before = result[row - 1] if step else np.full(len(row), count, np.int64)
        score = path.score[row]
        result[row] = np.where(score == NONE, count, table[before, np.maximum(score, 0)])
    return result


def loads(written: tuple[Ints, Ints], accounts: Mapping[str, Account]) -> Mapping[str, Load]:
    """The writes of each account."""
    return {name: _load(*written, account) for name, account in accounts.items()}


def _load(person: Ints, at: Ints, account: Account) -> Load:
    if not len(account.people) or not len(person):
        return Load(0, 0)
    place = np.minimum(np.searchsorted(account.people, person), len(account.people) - 1)
    records = np.where(account.people[place] == person, account.records[place], 0)
    hours = np.bincount((at - at.min()) // _HOUR, weights=records)
    return Load(int(records.sum()), int(np.ceil(hours / account.batch).sum()))


def at_once(
    current: Shown, one: Policy, draft: Shown, other: Policy, accounts: Mapping[str, Account]
) -> Mapping[str, int]:
    """On publishing: records that would show something materially different at the end of the days, for the same people
    under both."""
    names = np.unique([bucket.name for policy in (one, other) for bucket in policy.buckets])
    was, now = (_at_the_end(its, policy, names) for its, policy in ((current, one), (draft, other)))
    rows = np.arange(len(now.path))
    moved = now.path.person[_material(now, rows, was, rows, other.materiality.points)]
    return {name: int(account.records[np.isin(account.people, moved)].sum()) for name, account in accounts.items()}


def _at_the_end(its: Shown, policy: Policy, names: NDArray[np.str_]) -> Shown:
    """Each person's last row; the buckets as numbers into these names, which two policies can share."""
    end = last_rows(its.path)
    number = np.append(np.searchsorted(names, [bucket.name for bucket in policy.buckets]), len(names))
    path = Paths(its.path.person[end], its.path.at[end], its.path.score[end])
    return Shown(path, its.score[end], number[its.bucket[end]], its.stage[end])
