from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from connectors.errors import QuotaExhausted, Transient
from connectors.quota import Budget, Lane, RedisGate, Window

SECOND = timedelta(seconds=1)
FAST = Window(5, timedelta(milliseconds=200))


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connected:
        yield connected


def gate(client: redis.Redis, window: Window = FAST, daily: int | None = None) -> RedisGate:
    return RedisGate(client, {"acme": Budget({"general": window, "search": Window(1, SECOND)}, daily)})


def born(client: redis.Redis, made: RedisGate) -> RedisGate:
    """The gate once its windows have passed for the first time."""
    made.enter("acme", "general", Lane.INBOUND)
    client.delete("quota:{acme}:general")
    return made


def test_calls_in_any_window_never_exceed_its_limit(client: redis.Redis) -> None:
    made, taken = born(client, gate(client)), []
    for _ in range(23):
        made.enter("acme", "general", Lane.INBOUND)
        taken.append(time.monotonic())
    assert all(later - earlier >= 0.19 for earlier, later in zip(taken, taken[5:], strict=False))


def _enter(url: str, until: float, counted: multiprocessing.Queue[list[float]]) -> None:
    made, taken = gate(redis.Redis.from_url(url)), []
    while time.time() < until:
        made.enter("acme", "general", Lane.INBOUND)
        taken.append(time.time())
    counted.put(taken)


def test_processes_share_one_window(redis_url: str, client: redis.Redis) -> None:
    born(client, gate(client))
    context = multiprocessing.get_context("spawn")
    counted: multiprocessing.Queue[list[float]] = context.Queue()
    until = time.time() + 2.5
    processes = [context.Process(target=_enter, args=(redis_url, until, counted)) for _ in range(3)]
    for process in processes:
        process.start()
    taken = sorted(at for _ in processes for at in counted.get(timeout=30))
    for process in processes:
        process.join()
    assert len(taken) > 5
    # The clock is read after the answer came back, so the gaps are judged with some allowance.
    assert all(later - earlier >= 0.15 for earlier, later in zip(taken, taken[5:], strict=False))


def test_a_wait_beyond_two_seconds_is_raised_and_nothing_is_taken(client: redis.Redis) -> None:
    made = gate(client, Window(1, timedelta(seconds=30)))
    with pytest.raises(Transient) as raised:
        made.enter("acme", "general", Lane.INBOUND)
    assert raised.value.retry_after is not None
    assert timedelta(seconds=29) < raised.value.retry_after <= timedelta(seconds=30)
    assert client.llen("quota:{acme}:general") == 0


def test_a_lost_counter_counts_as_spent_until_its_window_has_passed(client: redis.Redis) -> None:
    made = born(client, gate(client))
    for _ in range(5):
        made.enter("acme", "general", Lane.INBOUND)
    client.flushdb()
    before = time.monotonic()
    made.enter("acme", "general", Lane.INBOUND)
    assert time.monotonic() - before >= 0.19


def test_a_narrower_limit_of_the_crm_holds_for_every_process(client: redis.Redis) -> None:
    gate(client).narrow("acme", "general", 1)
    made, taken = born(client, gate(client)), []
    for _ in range(3):
        made.enter("acme", "general", Lane.INBOUND)
        taken.append(time.monotonic())
    assert all(later - earlier >= 0.19 for earlier, later in pairwise(taken))


@pytest.mark.parametrize(
    ("used", "open_to"),
    [
        (49, {Lane.BACKFILL, Lane.REFRESH, Lane.WRITE, Lane.INBOUND}),
        (50, {Lane.REFRESH, Lane.WRITE, Lane.INBOUND}),
        (70, {Lane.WRITE, Lane.INBOUND}),
        (80, set()),
    ],
)
def test_the_lower_lanes_stop_first(client: redis.Redis, used: int, open_to: set[Lane]) -> None:
    resets_at = datetime.now(UTC) + timedelta(hours=3)
    for lane in Lane:
        made = born(client, gate(client))
        made.learn("acme", used, 100, resets_at)
        if lane in open_to:
            made.enter("acme", "general", lane)
        else:
            with pytest.raises(QuotaExhausted) as raised:
                made.enter("acme", "general", lane)
            assert abs(raised.value.resume_at - resets_at) < SECOND
        client.flushdb()


def test_what_others_use_counts_for_every_process(client: redis.Redis) -> None:
    made = born(client, gate(client, daily=1_000))
    gate(client, daily=1_000).learn("acme", 990, 1_000)
    with pytest.raises(QuotaExhausted):
        made.enter("acme", "general", Lane.INBOUND)


def test_our_calls_are_counted_between_two_answers(client: redis.Redis) -> None:
    made = born(client, gate(client, Window(100, timedelta(milliseconds=50))))
    made.learn("acme", 75, 100, datetime.now(UTC) + timedelta(hours=1))
    for _ in range(5):
        made.enter("acme", "general", Lane.INBOUND)
    with pytest.raises(QuotaExhausted):
        made.enter("acme", "general", Lane.INBOUND)


def test_the_day_begins_anew_when_it_ends(client: redis.Redis) -> None:
    made = born(client, gate(client))
    made.learn("acme", 100, 100, datetime.now(UTC) - SECOND)
    made.enter("acme", "general", Lane.BACKFILL)
    assert client.hget("quota:{acme}", "used") == b"1"


def test_a_flush_falls_back_on_what_the_crm_last_told(client: redis.Redis) -> None:
    made = born(client, gate(client))
    made.learn("acme", 99, 100, datetime.now(UTC) + timedelta(hours=1))
    client.flushdb()
    with pytest.raises(QuotaExhausted):
        made.enter("acme", "general", Lane.INBOUND)


def test_a_spent_day_without_a_known_end_lets_one_call_an_hour_through(client: redis.Redis) -> None:
    made = born(client, gate(client))
    made.learn("acme", 100, 100)
    with pytest.raises(QuotaExhausted) as raised:
        made.enter("acme", "general", Lane.INBOUND)
    assert timedelta(minutes=59) < raised.value.resume_at - datetime.now(UTC) <= timedelta(hours=1)
    hour_ago = int((time.time() - 3_601) * 1e6)
    client.hset("quota:{acme}", "told", str(hour_ago))
    made.enter("acme", "general", Lane.INBOUND)
    with pytest.raises(QuotaExhausted):
        made.enter("acme", "general", Lane.INBOUND)


def test_accounts_do_not_share_anything(client: redis.Redis) -> None:
    budget = Budget({"general": FAST})
    made = RedisGate(client, {"one": budget, "two": budget})
    made.learn("one", 100, 100)
    made.enter("two", "general", Lane.BACKFILL)
    with pytest.raises(QuotaExhausted):
        made.enter("one", "general", Lane.INBOUND)


def test_without_redis_each_process_keeps_to_a_tenth_of_the_rate() -> None:
    nobody = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    made = gate(nobody, Window(10, SECOND))
    began = time.monotonic()
    made.enter("acme", "general", Lane.INBOUND)
    made.enter("acme", "general", Lane.INBOUND)
    assert time.monotonic() - began >= 0.95
    made.learn("acme", 100, 100, datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(QuotaExhausted):
        made.enter("acme", "general", Lane.INBOUND)


def test_a_bucket_that_is_not_in_the_budget_is_a_mistake_of_the_caller(client: redis.Redis) -> None:
    with pytest.raises(LookupError, match="serach"):
        gate(client).enter("acme", "serach", Lane.INBOUND)
