"""Workers are killed, Redis is flushed, answers are lost; in the end the CRMs hold what they should, and nothing was
written that changed nothing.

The oracle: with materiality 0 and no hysteresis, a database that has seen none of it and reads the CRMs from nothing,
at the same instant, wants to write nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine, text

from tests.chaos import traces
from tests.chaos.conftest import Practice, Product, until
from tests.chaos.oracle import (
    NEUTRAL,
    assert_nothing_to_write,
    assert_stages_are_the_fold,
    numbers,
    read_from_nothing,
    settled,
)

LOST_ANSWERS = {"probability": 0.3, "seed": 5, "effect": {"reset_after": True}}
WRITES = {"salesforce": r"/composite/sobjects", "hubspot": r"/batch/update"}


def act(practice: Practice, engine: Engine, source: str, kind: str, how_many: int) -> None:
    with engine.connect() as connection:
        emails = connection.execute(
            text("""
            SELECT min(r.email) FROM record r JOIN subject s ON s.id = r.subject_id
            WHERE s.source = :source AND r.state = 'open' AND r.deleted_at IS NULL AND r.email IS NOT NULL
            GROUP BY lower(r.email) HAVING count(*) = 1 ORDER BY 1 LIMIT :n
            """),
            {"source": source, "n": how_many},
        ).scalars()
        for email in emails:
            practice.post(source, "activity", {"email": email, "kind": kind})


@pytest.mark.timeout(600)
def test_killed_workers_and_a_flushed_redis_lose_nothing(
    practice: Practice, product: Product, engine: Engine, redis_url: str, empty_database_url: str
) -> None:
    product.hurry()
    assert (run := product.run("migrate")).code == 0, run.err
    assert (run := product.run("policy", "set", *NEUTRAL)).code == 0, run.err
    for crm, path in WRITES.items():
        practice.post(crm, "faults", [{"path": path, **LOST_ANSWERS}])
    product.start("beat")
    first = product.start("worker", "--queues", "plan,sync", "--concurrency", "2")
    scorer = product.start("worker", "--queues", "compute", "--concurrency", "1")
    product.start("worker", "--queues", "plan,sync,compute", "--concurrency", "2")

    until(lambda: numbers(engine, "SELECT count(*) FROM record") > 40, 180, "reading begins")
    product.kill(first)
    redis.Redis.from_url(redis_url).flushdb()
    until(lambda: numbers(engine, "SELECT count(*) FROM ledger WHERE state <> 'intended'") > 10, 180, "writing begins")
    product.kill(scorer)
    redis.Redis.from_url(redis_url).flushdb()
    act(practice, engine, "hubspot", "content_download", 5)
    act(practice, engine, "salesforce", "content_download", 5)
    for crm in WRITES:
        practice.clear_faults(crm)
    changed = datetime.now(UTC) + timedelta(seconds=2)
    until(lambda: settled(engine, changed), 240, "everything read, scored and verified")
    assert numbers(engine, "SELECT count(*) FROM ledger WHERE state IN ('refused', 'drifted', 'parked')") == 0
    assert numbers(engine, "SELECT count(*) FROM ledger WHERE state = 'verified'") > 100

    for process in list(product.running):
        product.kill(process)
    held = (datetime.now(UTC) + timedelta(hours=25)).isoformat()
    run = product.run("sync", "--once", LEADGAUGE_CLOCK=held)
    assert run.code == 0, run.said
    assert numbers(engine, f"SELECT count(*) FROM score WHERE as_of < '{held}'") == 0, "everybody is as of then"

    read_from_nothing(product, empty_database_url, held)
    assert_nothing_to_write(empty_database_url)
    assert_stages_are_the_fold(engine)
    for crm in WRITES:
        for write in practice.get(crm, "writes?after=0"):
            before, after = (_ours(write[side]) for side in ("before", "after"))
            assert before != after, f"{crm}: write {write['n']} to {write['id']} changed nothing"
    with engine.connect() as connection:
        people = connection.execute(text("SELECT email, name FROM record WHERE kind = 'person'")).all()
    words = {word for row in people for word in row if word and len(word) > 6}
    log = Path(product.config["home"]).with_name("product.log")
    assert traces.in_files([log], words) + traces.in_redis(redis_url, words) == [], "people in logs or messages"


def _ours(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if not name.lower().endswith(("scored_at", "scored_at__c"))}
