from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import redis
from cryptography.fernet import Fernet
from redis.backoff import NoBackoff
from redis.retry import Retry

from connectors.tokens import MemoryTokens, RedisTokens, Tokens

HOUR = timedelta(hours=1)
KEY, NEXT = Fernet.generate_key(), Fernet.generate_key()


@pytest.fixture(params=["memory", "redis"])
def tokens(request: pytest.FixtureRequest) -> Tokens:
    if request.param == "memory":
        return MemoryTokens()
    client = redis.Redis.from_url(request.getfixturevalue("redis_url"))
    return RedisTokens(client, [KEY])


def test_a_token_is_found_again_under_its_key(tokens: Tokens) -> None:
    tokens.put("acme", "00Dxx!secret", HOUR)
    assert tokens.get("acme") == "00Dxx!secret"
    assert tokens.get("other") is None


def test_a_later_token_replaces_the_earlier(tokens: Tokens) -> None:
    tokens.put("acme", "one", HOUR)
    tokens.put("acme", "two", HOUR)
    assert tokens.get("acme") == "two"


def test_one_holder_at_a_time(tokens: Tokens) -> None:
    inside, most = [0], [0]

    def hold() -> None:
        for _ in range(20):
            with tokens.lock("acme"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_the_lock_is_free_again_after_an_error(tokens: Tokens) -> None:
    with pytest.raises(RuntimeError), tokens.lock("acme"):
        raise RuntimeError
    with tokens.lock("acme"):
        pass


def test_a_value_in_redis_cannot_be_read_without_the_key(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    RedisTokens(client, [KEY]).put("acme", "00Dxx!secret", HOUR)
    stored = [client.get(key) for key in client.scan_iter()]
    assert stored
    assert not any(b"secret" in value for value in stored if isinstance(value, bytes))
    assert RedisTokens(client, [NEXT]).get("acme") is None  # another key: log in anew


def test_a_rotated_key_still_reads_and_the_new_one_writes(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    RedisTokens(client, [KEY]).put("acme", "one", HOUR)
    both = RedisTokens(client, [NEXT, KEY])
    assert both.get("acme") == "one"
    both.put("acme", "two", HOUR)
    assert RedisTokens(client, [NEXT]).get("acme") == "two"
    assert RedisTokens(client, [KEY]).get("acme") is None


def test_machines_without_a_common_key_do_not_overwrite_each_others_tokens(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    here, there = RedisTokens(client, [KEY], apart="a:"), RedisTokens(client, [NEXT], apart="b:")
    here.put("acme", "one", HOUR)
    there.put("acme", "two", HOUR)
    assert (here.get("acme"), there.get("acme")) == ("one", "two")


def test_a_token_lapses(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    RedisTokens(client, [KEY]).put("acme", "one", HOUR)
    assert 0 < client.pttl("leadgauge:token:acme") <= HOUR.total_seconds() * 1000
    memory = MemoryTokens()
    memory.put("acme", "one", timedelta(0))
    assert memory.get("acme") is None


def test_a_lock_that_lapsed_is_not_released_for_its_next_holder(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    tokens = RedisTokens(client, [KEY])
    with tokens.lock("acme"):
        client.set("leadgauge:token:acme:lock", "of another")
    assert client.get("leadgauge:token:acme:lock") == b"of another"


def test_a_living_holder_keeps_its_lock_and_a_dead_one_keeps_nobody_waiting_for_long(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    with RedisTokens(client, [KEY]).lock("dead"):
        assert 0 < client.pttl("leadgauge:token:dead:lock") <= 10_000
    with RedisTokens(client, [KEY], held=timedelta(seconds=2)).lock("acme"):
        owner, lives, renewed = client.get("leadgauge:token:acme:lock"), 2_000, 0
        while renewed < 2:
            before, lives = lives, client.pttl("leadgauge:token:acme:lock")
            assert lives > 0
            renewed += lives > before
        assert client.get("leadgauge:token:acme:lock") == owner


def test_without_redis_each_process_keeps_its_own() -> None:
    nowhere = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    tokens = RedisTokens(nowhere, [KEY])
    with tokens.lock("acme"):
        tokens.put("acme", "one", HOUR)
    assert tokens.get("acme") == "one"
