from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from multiprocessing.synchronize import Barrier

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.backoff import NoBackoff
from redis.retry import Retry

from connectors.allowance import DAY, POLLS, SLOWEST, Allowance
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
    made, asked, taken = born(client, gate(client)), [], []
    for _ in range(23):
        asked.append(time.monotonic())
        made.enter("acme", "general", Lane.INBOUND)
        taken.append(time.monotonic())
    # A call was granted at some time between: a busy machine may hear of it late.
    assert all(later - earlier >= 0.19 for earlier, later in zip(asked, taken[5:], strict=False))


def _enter(url: str, ready: Barrier, counted: multiprocessing.Queue[list[tuple[float, float]]]) -> None:
    made, taken = gate(redis.Redis.from_url(url)), []
    ready.wait()
    for _ in range(8):
        asked = time.time()
        made.enter("acme", "general", Lane.INBOUND)
        taken.append((asked, time.time()))
    counted.put(taken)


def test_processes_share_one_window(redis_url: str, client: redis.Redis) -> None:
    born(client, gate(client))
    context = multiprocessing.get_context("spawn")
    counted: multiprocessing.Queue[list[tuple[float, float]]] = context.Queue()
    ready = context.Barrier(3)
    processes = [context.Process(target=_enter, args=(redis_url, ready, counted)) for _ in range(3)]
    for process in processes:
        process.start()
    calls = [call for _ in processes for call in counted.get(timeout=60)]
    for process in processes:
        process.join()
    assert len(calls) == 24
    asked, taken = sorted(at for at, _ in calls), sorted(at for _, at in calls)
    assert all(later - earlier >= 0.19 for earlier, later in zip(asked, taken[5:], strict=False))


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


def test_a_lost_counter_that_costs_nothing_is_not_waited_for(client: redis.Redis) -> None:
    made = gate(client, Window(2, timedelta(seconds=30), timedelta(0)))
    for _ in range(2):
        made.enter("acme", "general", Lane.INBOUND)
    with pytest.raises(Transient):
        made.enter("acme", "general", Lane.INBOUND)
    client.flushdb()
    made.enter("acme", "general", Lane.INBOUND)
    assert client.llen("quota:{acme}:general") == 1


def test_a_narrower_limit_of_the_crm_holds_for_every_process(client: redis.Redis) -> None:
    gate(client).narrow("acme", "general", 1)
    made, taken = born(client, gate(client)), []
    for _ in range(3):
        asked = time.monotonic()
        made.enter("acme", "general", Lane.INBOUND)
        taken.append((asked, time.monotonic()))
    assert all(later - earlier >= 0.19 for (earlier, _), (_, later) in pairwise(taken))


@pytest.mark.parametrize(
    ("used", "open_to"),
    [
        (49, {Lane.BACKFILL, Lane.REFRESH, Lane.WRITE, Lane.INBOUND}),
        (50, {Lane.REFRESH, Lane.WRITE, Lane.INBOUND}),
        (70, {Lane.WRITE, Lane.INBOUND}),
        (78, {Lane.INBOUND}),
        (80, set()),
    ],
)
def test_the_lower_lanes_stop_first(client: redis.Redis, used: int, open_to: set[Lane]) -> None:
    resets_at = datetime.now(UTC) + timedelta(hours=3)
    for lane in Lane:
        made = born(client, gate(client, Window(5, timedelta(milliseconds=20))))
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


TOMORROW = timedelta(hours=10)


def told(client: redis.Redis, made: RedisGate, used: int, limit: int, end: timedelta | None = TOMORROW) -> RedisGate:
    born(client, made).learn("acme", used, limit, datetime.now(UTC) + end if end else None)
    return made


def entered(made: RedisGate, lane: Lane, most: int = 1_000) -> int:
    """How many calls get through before the day is spent for `lane`."""
    for taken in range(most):
        try:
            made.enter("acme", "general", lane)
        except QuotaExhausted:
            return taken
    return most


WIDE = Window(100_000, timedelta(milliseconds=1))


@pytest.mark.parametrize("end", [TOMORROW, None])
def test_we_use_a_quarter_of_the_day_at_most_and_leave_the_rest_to_people(
    client: redis.Redis, end: timedelta | None
) -> None:
    made = told(client, gate(client, WIDE), 10, 400, end)
    assert [entered(made, lane) for lane in (Lane.BACKFILL, Lane.REFRESH, Lane.INBOUND)] == [61, 25, 13]  # 1 was made
    day = made.standing("acme")
    assert day is not None
    assert (day.used, day.limit, day.own, day.own_limit, day.reserve) == (109, 400, 100, 100, 80)
    assert [(lot.lane, lot.left) for lot in day.lots] == [
        ("inbound", 0), ("write", 0), ("refresh", 0), ("backfill", 0)
    ]  # fmt: skip
    assert [lot.lane for lot in day.lots if lot.parked_until] == ["inbound", "refresh", "backfill"]
    wait = min(lot.parked_until for lot in day.lots if lot.parked_until) - datetime.now(UTC)
    # Ours of the last 24 hours are counted by the hour: the oldest ones are forgotten when their hour has passed whole.
    assert timedelta(hours=9.9) < wait <= TOMORROW if end else timedelta(hours=24) < wait <= timedelta(hours=25)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    used=st.integers(0, 100),
    steps=st.lists(
        st.one_of(st.sampled_from(Lane), st.just("flush"), st.integers(1, 10).map(lambda others: ("others", others))),
        max_size=60,
    ),
)
def test_whatever_happens_no_lane_passes_its_share_of_everyone_s_day_nor_of_ours(
    client: redis.Redis, used: int, steps: list[Lane | str | tuple[str, int]]
) -> None:
    client.flushdb()
    made = told(client, gate(client, WIDE), used, 100)
    budget, ours, everyone = Budget({}), 1, used
    for step in steps:
        if isinstance(step, tuple):
            everyone += step[1]
            made.learn("acme", everyone, 100, datetime.now(UTC) + TOMORROW)
        elif not isinstance(step, Lane):
            made.learn("acme", everyone, 100, datetime.now(UTC) + TOMORROW)  # the answer to the last call
            client.flushdb()
        else:
            allowed = everyone < int(100 * budget.shares[step]) and ours < int(100 * budget.own_share(step))
            try:
                made.enter("acme", "general", step)
            except QuotaExhausted:
                assert not allowed
            else:
                assert allowed
                ours, everyone = ours + 1, everyone + 1


def test_a_backfill_never_fills_the_window_that_a_new_lead_needs(client: redis.Redis) -> None:
    made = gate(client, Window(8, timedelta(seconds=5)))
    client.hset("quota:{acme}", "born:general", "1")
    for _ in range(6):
        made.enter("acme", "general", Lane.BACKFILL)
    with pytest.raises(Transient):
        made.enter("acme", "general", Lane.BACKFILL)
    for _ in range(2):
        made.enter("acme", "general", Lane.INBOUND)


def test_a_small_account_is_polled_less_often_and_a_big_one_as_often_as_wished(client: redis.Redis) -> None:
    half_a_minute = timedelta(seconds=30)
    made = told(client, gate(client), 0, 15_000)
    assert timedelta(minutes=6) < made.pace("acme", half_a_minute, 10) < timedelta(minutes=7)
    made.learn("acme", 0, 1_000_000, datetime.now(UTC) + TOMORROW)
    assert made.pace("acme", half_a_minute, 10) == half_a_minute
    made.learn("acme", 799_990, 1_000_000, datetime.now(UTC) + TOMORROW)
    assert made.pace("acme", half_a_minute, 10) == timedelta(hours=1)
    assert gate(client, daily=None).pace("acme", timedelta(hours=2), 1) == timedelta(hours=2)


def test_the_pace_before_the_crm_told_anything_follows_what_is_assumed(client: redis.Redis) -> None:
    assert gate(client).pace("acme", SECOND, 10) == SECOND
    assert gate(client, daily=15_000).pace("acme", SECOND, 10) > timedelta(minutes=6)
    assert gate(client).forecast("acme", 10, 1) is None
    assert gate(client).standing("acme") is None


def test_a_backfill_of_more_than_a_day_is_foretold_to_the_day(client: redis.Redis) -> None:
    made = told(client, gate(client), 0, 1_000)
    now = datetime.now(UTC)
    soon, later = made.forecast("acme", 10_000, 100), made.forecast("acme", 40_000, 100)
    assert soon is not None
    assert later is not None
    assert soon - now < timedelta(minutes=1)
    # 155 calls today, 156 on each further day, the last 89 of 400 on the second one
    assert timedelta(hours=34) - timedelta(minutes=1) < later - now < timedelta(hours=34) + timedelta(minutes=1)


MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
days = st.builds(
    Allowance,
    limit=st.integers(100, 1_000_000),
    used=st.integers(0, 1_000_000),
    own=st.integers(0, 250_000),
    now=st.just(datetime(2026, 3, 2, tzinfo=UTC)),
    ends=st.none()
    | st.timedeltas(timedelta(seconds=1), timedelta(days=1)).map(datetime(2026, 3, 2, tzinfo=UTC).__add__),
)


@given(days, st.integers(1, 30))
def test_polls_at_their_pace_stay_within_what_is_left_of_the_day(day: Allowance, streams: int) -> None:
    every = timedelta(seconds=15)
    pace = day.pace(every, streams, 0.8, 0.25)
    assert every <= pace <= SLOWEST
    if pace < SLOWEST:
        polls = streams * (((day.ends or day.now + DAY) - day.now) / pace)
        assert polls <= min(day.left(0.8, 0.25), 0.25 * POLLS * day.limit) + 1


@example(
    Allowance(148_420, 0, 0, datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 2, 0, 0, 1, tzinfo=UTC)), 12, 22_252
)
@given(days, st.integers(1, 100_000), st.integers(1, 100_000))
def test_more_rows_never_end_earlier_and_never_need_more_than_a_day_s_share(
    day: Allowance, calls: int, more: int
) -> None:
    end = day.end_of(calls, 10, 0.5, 0.15)
    assert day.now < end <= day.end_of(calls + more, 10, 0.5, 0.15)
    days_needed = -(-max(0, calls - day.left(0.5, 0.15)) // int(day.limit * 0.15))
    assert end >= day.now + max(0, days_needed - 1) * DAY


def test_an_end_of_the_day_that_a_wrong_clock_puts_into_the_past_frees_nothing(client: redis.Redis) -> None:
    made = told(client, gate(client), 90, 100, -timedelta(days=3, hours=2))
    with pytest.raises(QuotaExhausted) as raised:
        made.enter("acme", "general", Lane.INBOUND)
    assert timedelta(hours=21.9) < raised.value.resume_at - datetime.now(UTC) < timedelta(hours=22)
    client.flushdb()
    with pytest.raises(QuotaExhausted):
        made.enter("acme", "general", Lane.INBOUND)


def test_our_calls_survive_a_flush_in_every_process_that_heard_of_them(client: redis.Redis) -> None:
    made = told(client, gate(client, WIDE), 0, 100)
    assert entered(made, Lane.INBOUND) == 24
    client.flushdb()
    assert entered(made, Lane.INBOUND) == 0
    nobody = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    alone = gate(nobody, Window(10_000, SECOND))
    alone.learn("acme", 0, 100, datetime.now(UTC) + TOMORROW)
    assert entered(alone, Lane.BACKFILL) == 15
