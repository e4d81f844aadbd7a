"""The calls that one CRM account allows, shared by every process that talks to it.

Two kinds of limit: short windows (so many calls in a second, by bucket) and the account's day. A short window is waited
for; a day is not. The counters lie in Redis and are moved by one script on the server's clock, so that processes on
machines with different clocks agree.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from redis import Redis
from redis.exceptions import RedisError

from connectors.allowance import DAY, HOUR, Allowance
from connectors.counters import ENTER
from connectors.errors import QuotaExhausted, Transient

T = TypeVar("T")


class Lane(StrEnum):
    """What a call is for. When the day runs short the later lanes stop first."""

    INBOUND = "inbound"  # new facts coming in
    WRITE = "write"  # scores going out
    REFRESH = "refresh"  # second looks, for completeness
    BACKFILL = "backfill"  # history


DEFAULT_SHARES: Mapping[Lane, float] = {Lane.INBOUND: 0.8, Lane.WRITE: 0.78, Lane.REFRESH: 0.7, Lane.BACKFILL: 0.5}
"""How much of the account's day may be gone when a lane calls; everyone's use counts."""

DEFAULT_OWN = 0.25
"""How much of the account's day we use at most: the rest is for people and for other apps."""


def ordered(shares: Mapping[Lane, float]) -> Mapping[Lane, float]:
    """`shares`, if they let the lanes stop in their order. Raises `ValueError` otherwise."""
    for lane, later in pairwise(Lane):
        if shares[later] > shares[lane]:
            raise ValueError(
                f"{later} ({shares[later]:g}) must not have more of the day than {lane} ({shares[lane]:g}): the lanes"
                f" stop in the order {', '.join(reversed(Lane))}"
            )
    return shares


ROOM: Mapping[Lane, float] = {Lane.INBOUND: 1, Lane.WRITE: 1, Lane.REFRESH: 0.9, Lane.BACKFILL: 0.75}
"""How full of our calls a short window may be when a lane calls, so that a backfill never keeps a new lead waiting."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` calls in any `per`. `lost`: for how long a counter that Redis has lost, or never had, counts as
    full (None: `per`); zero where the account allows `limit` calls beside these."""

    limit: int
    per: timedelta = timedelta(seconds=1)
    lost: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one account. `daily` is assumed until the CRM tells it; None: no day is counted until it does.

    `own` is what we use of a day at most. Of it, too, the later lanes leave the others their part: with the defaults a
    backfill stops at 5/8 of it.
    """

    windows: Mapping[str, Window]
    daily: int | None = None
    shares: Mapping[Lane, float] = field(default_factory=lambda: dict(DEFAULT_SHARES))
    own: float = DEFAULT_OWN

    def own_share(self, lane: Lane) -> float:
        """How much of the day may have gone to us when a lane calls."""
        return self.own * self.shares[lane] / max(self.shares.values())


@dataclass(frozen=True, slots=True)
class Lot:
    """What a lane may still call today, by everyone's use and by ours; `parked_until` once it was refused a call."""

    lane: str
    left: int
    parked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An account's day in calls: everyone's `used` of `limit`, `own` of them ours of at most `own_limit`.

    We stop `reserve` calls before the limit, whoever made the others: they are for people. `ends` is None where the day
    is the last 24 hours. `lots` are in the order in which the lanes go on longest.
    """

    limit: int
    used: int
    own: int
    own_limit: int
    reserve: int
    ends: datetime | None
    lots: tuple[Lot, ...]


class Gate(Protocol):
    """Entered once before every call that counts."""

    def enter(self, source: str, bucket: str, lane: Lane, cost: int = 1) -> None:
        """Take `cost` calls, waiting at most 2 seconds for a place in the bucket's window.

        Raises `Transient` with the wait that is left when it would be longer, `QuotaExhausted` when the lane's share of
        the day is spent. Nothing is taken then.
        """

    def learn(self, source: str, used: int, limit: int, resets_at: datetime | None = None) -> None:
        """Believe what the CRM says of its day: everyone's calls, its end (None: unknown, rolling). Never raises."""

    def narrow(self, source: str, bucket: str, limit: int) -> None:
        """Keep to `limit` calls in the bucket's window where that is fewer than in the budget. Never raises."""


class OpenGate:
    """No limits: for a connector used alone."""

    def enter(self, source: str, bucket: str, lane: Lane, cost: int = 1) -> None:
        """At once."""

    def learn(self, source: str, used: int, limit: int, resets_at: datetime | None = None) -> None:
        """Nothing to learn for."""

    def narrow(self, source: str, bucket: str, limit: int) -> None:
        """Nothing to narrow."""


LONGEST_WAIT = timedelta(seconds=2)
ALONE_FOR = timedelta(seconds=5)
"""How long Redis is left alone after it could not be reached: each try may cost its time-outs."""
PROBE_EVERY = timedelta(hours=1)
"""How often one call is let through a spent day whose end is not known, to hear how it stands."""


@dataclass(frozen=True, slots=True)
class _Told:
    """The day of an account as this process last heard of it; 0 for what it has not."""

    used: int
    limit: int
    ends: int = 0


@dataclass(frozen=True, slots=True)
class _Ours:
    """Our calls of the day as this process last heard of them, and when (microseconds since 1970)."""

    calls: int
    at: int


class RedisGate:
    """A gate shared through Redis.

    When Redis is lost its counters are too: a window counts as full until it has passed, a day as the CRM last told it
    to the process that asks, our part of it as that process last counted it. A process that has heard of neither hears
    of the day with its first answer; ours then counts from none, within what the CRM says of everyone's. While Redis
    cannot be reached each process keeps to a tenth of the bucket's rate.
    """

    def __init__(
        self,
        redis: Redis,
        budgets: Mapping[str, Budget],
        *,
        prefix: str = "quota",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._redis = redis
        self._budgets = budgets
        self._prefix = prefix
        self._sleep = sleep
        self._script = redis.register_script(ENTER)
        self._told = {source: _Told(0, budget.daily or 0) for source, budget in budgets.items()}
        self._ours = dict.fromkeys(budgets, _Ours(0, 0))
        self._narrowed: dict[tuple[str, str], int] = {}
        self._next_alone: dict[tuple[str, str], float] = {}
        self._alone_until = 0.0

    def enter(self, source: str, bucket: str, lane: Lane, cost: int = 1) -> None:
        if bucket not in self._budgets[source].windows:
            raise LookupError(f"the budget of {source} has no bucket {bucket!r}")
        left = LONGEST_WAIT
        while True:
            verdict, *rest = self._ask(source, bucket, lane, cost)
            if verdict == 0:
                return
            if verdict == 2:
                until = _instant(rest[0])
                raise QuotaExhausted(
                    source, f"the share of the day for {lane} calls is spent; it goes on at {until:%F %T} UTC", until
                )
            wait = timedelta(microseconds=rest[0])
            if wait > left:
                raise Transient(source, f"no free place for a {bucket} call", wait)
            self._sleep(wait.total_seconds() + random.uniform(0, 0.01))  # noqa: S311 - apart, or all wake at once
            left -= wait

    def learn(self, source: str, used: int, limit: int, resets_at: datetime | None = None) -> None:
        self._told[source] = _Told(used, limit, _coming(resets_at, datetime.now(UTC)))

        def tell() -> None:
            seconds, micros = self._redis.time()
            told = seconds * 1_000_000 + micros
            day: dict[Any, Any] = {
                "used": used,
                "limit": limit,
                "end": _coming(resets_at, _instant(told)),
                "told": told,
            }
            self._redis.hset(self._account(source), mapping=day)

        self._reached(tell)

    def narrow(self, source: str, bucket: str, limit: int) -> None:
        if self._narrowed.get((source, bucket)) == limit:
            return
        if self._reached(lambda: self._redis.hset(self._account(source), f"limit:{bucket}", str(limit))) is not None:
            self._narrowed[source, bucket] = limit

    def standing(self, source: str) -> Standing | None:
        """The account's day as any process last heard of it; None when nobody has, or Redis cannot tell."""
        try:
            day = self._day(source)
            waits = self._redis.hmget(self._account(source), *(f"until:{lane}" for lane in Lane)) if day else ()
        except RedisError:
            return None
        if day is None:
            return None
        budget = self._budgets[source]
        until = [_instant(int(at)) if at else None for at in waits]
        lots = [
            Lot(
                lane.value,
                day.left(budget.shares[lane], budget.own_share(lane)),
                at if at is not None and at > day.now else None,
            )
            for lane, at in zip(Lane, until, strict=True)
        ]
        reserve = day.limit - math.floor(day.limit * max(budget.shares.values()))
        return Standing(
            day.limit, day.used, day.own, math.floor(day.limit * budget.own), reserve, day.ends, tuple(lots)
        )

    def pace(self, source: str, every: timedelta, streams: int) -> timedelta:
        """How often to poll each of `streams`: `every`, or what the account's day allows where that is less often.

        `every` while nothing is known of the day. Never raises.
        """
        budget, day = self._budgets[source], self._reached(lambda: self._day(source))
        if day is None and budget.daily is not None:
            day = Allowance(budget.daily, 0, 0, datetime.now(UTC))
        if day is None:
            return every
        return day.pace(every, streams, budget.shares[Lane.INBOUND], budget.own_share(Lane.INBOUND))

    def forecast(self, source: str, rows_left: int, rows_per_call: int) -> datetime | None:
        """When a backfill of so many rows will be through, if calls are what it waits for. None while nothing is known.

        It is the earliest possible: the quickest bucket, others' use as it is, every call the backfill's own.
        """
        budget, day = self._budgets[source], self._reached(lambda: self._day(source))
        if day is None:
            return None
        per_second = max(window.limit / window.per.total_seconds() for window in budget.windows.values())
        per_second *= ROOM[Lane.BACKFILL]
        calls = math.ceil(rows_left / rows_per_call)
        return day.end_of(calls, per_second, budget.shares[Lane.BACKFILL], budget.own_share(Lane.BACKFILL))

    def _day(self, source: str) -> Allowance | None:
        """The day as it stands in Redis, without a call of the CRM; None before anybody heard of it."""
        account = self._account(source)
        seconds, micros = self._redis.time()
        held = self._redis.hmget(account, "used", "limit", "end", "told")
        used, limit, end, told = (int(number or 0) for number in held)
        if not limit or not told:
            return None
        now, ends = _instant(seconds * 1_000_000 + micros), _instant(end) if end else None
        over = now >= (ends or _instant(told) + DAY)
        if ends is not None and over:
            ends += DAY * math.ceil((now - ends + timedelta(microseconds=1)) / DAY)
        first = ((ends or now) - DAY - _EPOCH) // HOUR
        made: Mapping[Any, Any] = self._redis.hgetall(_ours(account))
        own = sum(int(calls) for hour, calls in made.items() if int(hour) >= first)
        return Allowance(limit, 0 if over else used, own, now, ends)

    def _account(self, source: str) -> str:
        return f"{self._prefix}:{{{source}}}"  # the braces keep an account on one node of a Redis cluster

    def _reached(self, call: Callable[[], T]) -> T | None:
        """`call()`, or None while Redis cannot be reached; it is left alone for some seconds then."""
        if time.monotonic() < self._alone_until:
            return None
        try:
            return call()
        except RedisError:
            self._alone_until = time.monotonic() + ALONE_FOR.total_seconds()
            return None

    def _ask(self, source: str, bucket: str, lane: Lane, cost: int) -> Sequence[int]:
        answer = self._reached(lambda: self._run(source, bucket, lane, cost))
        return self._alone(source, bucket, lane, cost) if answer is None else answer

    def _run(self, source: str, bucket: str, lane: Lane, cost: int) -> Sequence[int]:
        budget, told, ours = self._budgets[source], self._told[source], self._ours[source]
        window = budget.windows[bucket]
        limit = min(window.limit, self._narrowed.get((source, bucket), window.limit))  # Redis may have lost it
        account = self._account(source)
        spans = (window.per, PROBE_EVERY, window.per if window.lost is None else window.lost)
        per, probe, lost = (int(span / timedelta(microseconds=1)) for span in spans)
        verdict, until, own, now = self._script(
            keys=[account, f"{account}:{bucket}", _ours(account)],
            args=[
                bucket, limit, per, probe, cost, budget.shares[lane], budget.own_share(lane), lane.value,
                told.used, told.limit, told.ends, ours.calls, ours.at, ROOM[lane], lost,
            ],
        )  # fmt: skip
        self._ours[source] = _Ours(own, now)
        return verdict, until

    def _alone(self, source: str, bucket: str, lane: Lane, cost: int) -> tuple[int, ...]:
        """The verdict without Redis: a tenth of the rate, so that a few processes together still keep the limit."""
        budget, told, ours = self._budgets[source], self._told[source], self._ours[source]
        clock, now = time.monotonic(), math.floor(time.time() * 1e6)
        day = Allowance(told.limit, told.used, ours.calls, _instant(now))
        if told.limit and cost > day.left(budget.shares[lane], budget.own_share(lane)):
            return 2, (told.ends if told.ends > now else now + int(PROBE_EVERY / timedelta(microseconds=1)))
        due = self._next_alone.get((source, bucket), clock)
        if due > clock:
            return 1, math.ceil((due - clock) * 1e6)
        window = budget.windows[bucket]
        self._next_alone[source, bucket] = clock + cost * 10 * window.per.total_seconds() / window.limit
        self._told[source] = replace(told, used=told.used + cost)
        self._ours[source] = _Ours(ours.calls + cost, now)
        return (0,)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _coming(end: datetime | None, now: datetime) -> int:
    """The day's end in microseconds since 1970, 0 for an unknown one.

    One that has long passed comes from a clock that is wrong: the day goes on, and ends at that hour all the same.
    """
    if end is not None and end < now - HOUR:
        end += DAY * math.ceil((now - end) / DAY)
    return (end - _EPOCH) // timedelta(microseconds=1) if end is not None else 0


def _ours(account: str) -> str:
    """Where our calls by the hour are counted."""
    return f"{account}/own"
