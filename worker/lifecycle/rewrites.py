"""How many writes a policy would have caused: buckets, stages and points over a replayed path, record by record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from worker.lifecycle.paths import DAY, NONE, Flags, Ints
from worker.lifecycle.policy import Policy
from worker.lifecycle.replay import Recorded, Run

_HOUR = DAY // 24


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


def due(recorded: Recorded, run: Run, policy: Policy) -> tuple[Ints, Ints]:
    """Whose score is written, and when: one entry each time. Of the rows before the time nothing is written."""
    bucket = buckets(run, policy)
    path, starts = run.path, np.flatnonzero(run.path.first)
    lengths = np.diff(np.append(starts, len(path)))
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    carried = recorded.paths.first & (recorded.paths.at < recorded.since)
    born = ~np.isin(path.person[starts], recorded.paths.person[carried])
    held = starts.copy()  # the row that each person's records hold
    written: list[Ints] = [starts[born]]
    oldest, points = policy.materiality.max_age_days * DAY, policy.materiality.points
    for step in range(1, int(lengths.max(initial=0))):
        row = starts[: np.searchsorted(-lengths, -step, side="left")] + step
        was = held[: len(row)]
        differs = (path.score[row] != path.score[was]) | (run.stage[row] != run.stage[was])
        one = (run.stage[row] != run.stage[was]) | (bucket[row] != bucket[was])
        none = (path.score[row] == NONE) != (path.score[was] == NONE)
        far = np.abs(path.score[row] - path.score[was]) >= max(points, 1)
        old = path.at[row] - path.at[was] >= oldest
        material: Flags = differs & (one | none | far | old)
        written.append(row[material])
        held[: len(row)][material] = row[material]
    rows = np.sort(np.concatenate(written))
    return path.person[rows], path.at[rows]


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


def at_once(current: Run, one: Policy, draft: Run, other: Policy, accounts: Mapping[str, Account]) -> Mapping[str, int]:
    """On publishing: records whose stage or bucket would be another at the end of the days."""
    ends = [np.append(np.flatnonzero(run.path.first)[1:], len(run.path)) - 1 for run in (current, draft)]
    names = [
        np.array([*(bucket.name for bucket in policy.buckets), ""])[buckets(run, policy)[end]]
        for run, policy, end in ((current, one, ends[0]), (draft, other, ends[1]))
    ]
    differs = (names[0] != names[1]) | (current.stage[ends[0]] != draft.stage[ends[1]])
    moved = current.path.person[ends[0]][differs]
    return {name: int(account.records[np.isin(account.people, moved)].sum()) for name, account in accounts.items()}
