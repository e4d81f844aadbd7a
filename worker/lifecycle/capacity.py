"""From what sales can take to a threshold: how many leads a week reach it, how many of them buy, and who is missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from worker.lifecycle.forecast import Forecast, forecast
from worker.lifecycle.paths import DAY, NONE, Ints, Paths, crossings, micros, mondays, weekly
from worker.lifecycle.thresholds import Mql

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Leads:
    """What happened: scores over time in [since, until), when each person converted (`NEVER`), and who they are.

    `people`: ascending; `converted_at` and `segment` (a number into `segments`) are theirs. `chance`: for each score
    from 0 to 100 the probability that the model gives it, where a model scores.
    """

    paths: Paths
    since: datetime
    until: datetime
    people: Ints
    converted_at: Ints
    segment: Ints
    segments: Sequence[str] = ("",)
    chance: NDArray[np.float64] | None = None

    @cached_property
    def best_before(self) -> Ints:
        """Of each person the highest score that they had before they converted; `NONE` where they had none."""
        best, starts = np.full(len(self.people), NONE, np.int64), np.flatnonzero(self.paths.first)
        if len(starts):
            whom = np.searchsorted(self.people, self.paths.person[starts])
            converted = np.repeat(self.converted_at[whom], np.diff(starts, append=len(self.paths)))
            best[whom] = np.maximum.reduceat(np.where(self.paths.at < converted, self.paths.score, NONE), starts)
        return best

    def only(self, *segments: int) -> Leads:
        chosen = np.isin(self.segment, segments)
        rows = np.isin(self.paths.person, self.people[chosen])
        return Leads(
            self.paths.only(rows), self.since, self.until, self.people[chosen], self.converted_at[chosen],
            self.segment[chosen], self.segments, self.chance,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of so many, with its 95 % interval (Wilson's). None of all where there is nothing to divide."""

    hits: int
    of: int

    @property
    def share(self) -> float | None:
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        if not self.of:
            return None
        z, n, p = NormalDist().inv_cdf(0.975), self.of, self.hits / self.of
        middle, spread = p + z * z / (2 * n), z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5
        return (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a threshold would mean, by what happened.

    `weekly`: marketing qualified leads of a coming week (80 %); None where fewer than four whole weeks are known.
    `precision`: of those whose horizon is over, who converted within it. `missed`: of those who converted, who were not
    qualified before. `converting`: of a week's leads, how many are to be expected to convert.
    """

    threshold: int
    weekly: Forecast | None
    precision: Rate
    missed: Rate
    converting: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The lowest threshold whose leads sales can take (None: not even 100 is high enough), all thresholds, and each
    segment at the one chosen; a segment that sells for itself is at its own, and counts in neither."""

    capacity: float
    chosen: Outlook | None
    curve: Sequence[Outlook]
    segments: Mapping[str, Outlook]


def plan(
    leads: Leads,
    mql: Mql,
    capacity: float,
    zone: str,
    horizon: timedelta,
    own: Mapping[str, tuple[Mql, float]] | None = None,
) -> Plan:
    """`mql`: its distance of the two lines and its cooldown hold at every threshold. `capacity`: leads a week. `own`:
    the same two of segments whose leads go to people of their own."""
    own = own or {}
    shared = [number for number, name in enumerate(leads.segments) if name not in own]
    rest = leads.only(*shared) if len(shared) < len(leads.segments) else leads
    curve = [outlook(rest, mql, threshold, zone, horizon) for threshold in range(0, 101, 5)]
    chosen = _lowest(rest, mql, capacity, zone, horizon)
    segments: dict[str, Outlook] = {}
    for number, name in enumerate(leads.segments) if len(leads.segments) > 1 else ():
        if name in own:
            its = _lowest(leads.only(number), *own[name], zone, horizon)
        else:
            its = outlook(leads.only(number), mql, chosen.threshold, zone, horizon) if chosen is not None else None
        if its is not None:
            segments[name] = its
    return Plan(capacity, chosen, curve, segments)


def _lowest(leads: Leads, mql: Mql, capacity: float, zone: str, horizon: timedelta) -> Outlook | None:
    """A higher threshold has no more leads a week, give or take returns: so halve the span until two are neighbours."""
    low, high = 0, 101
    found: Outlook | None = None
    while low < high:
        middle = (low + high) // 2
        if middle == 101:
            break
        its = outlook(leads, mql, middle, zone, horizon)
        if its.weekly is not None and its.weekly.expected <= capacity:
            found, high = its, middle
        else:
            low = middle + 1
    return found


def outlook(leads: Leads, mql: Mql, threshold: int, zone: str, horizon: timedelta) -> Outlook:
    """What one threshold would mean."""
    person, at, score = entries(leads, mql, threshold)
    counts = weekly(at, mondays(leads.since, leads.until, zone))
    expected = forecast(counts.tolist())
    converted = leads.converted_at[np.searchsorted(leads.people, person)]
    span, end = horizon // timedelta(microseconds=1), micros(leads.until)
    over = at + span <= end
    precision = Rate(int(np.sum(over & (converted > at) & (converted - at <= span))), int(np.sum(over)))
    rate = precision.share if leads.chance is None else float(np.mean(leads.chance[score])) if len(score) else None
    converting = expected.expected * rate if expected is not None and rate is not None else None
    return Outlook(threshold, expected, precision, _missed(leads, threshold), converting)


def entries(leads: Leads, mql: Mql, threshold: int) -> tuple[Ints, Ints, Ints]:
    """Who became marketing qualified, when, and with what score; no return within the cooldown counts."""
    paths, leave = leads.paths, max(0, threshold - (mql.enter - mql.leave))
    found = crossings(paths, threshold, leave)
    at = paths.at[found.rows]
    allowed = (found.left_at < 0) | (at - found.left_at >= int(mql.cooldown_days * DAY))
    counted = found.rows[allowed & (at >= micros(leads.since)) & (at < micros(leads.until))]
    return paths.person[counted], paths.at[counted], paths.score[counted]


def _missed(leads: Leads, threshold: int) -> Rate:
    """Of those who converted in the time and had a score before: who never came to the line before they did."""
    won = (leads.converted_at >= micros(leads.since)) & (leads.converted_at < micros(leads.until))
    best = leads.best_before[won]
    return Rate(int(np.sum((best >= 0) & (best < threshold))), int(np.sum(best >= 0)))
