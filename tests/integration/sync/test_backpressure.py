"""One slow CRM, dead workers, and a return after an outage: nobody starves, nothing piles up, not all come at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from sqlalchemy import Engine, text

from connectors.errors import Transient
from tests.contract.connectors.crm_contract import START
from tests.integration.sync.conftest import World
from worker import tasks
from worker.app import MOST_PLANS, BoundedScheduler, app, configure
from worker.bootstrap import Process
from worker.lease import wait_after
from worker.settings import Settings
from worker.store import backlog, brakes, streams
from worker.store.streams import Role
from worker.sync.plan import Push, Rescore, register


@pytest.mark.parametrize(
    ("slow", "other", "due", "crowded"),
    [
        (0, 0, True, False),  # nobody holds anything
        (1, 0, True, True),  # the other waits for a hand
        (1, 0, False, False),  # the other has nothing to do
        (1, 1, True, False),  # as much as the other
        (2, 1, True, True),
    ],
)
def test_a_source_leaves_the_next_hand_to_one_that_has_fewer_and_something_due(
    engine: Engine, slow: int, other: int, due: bool, crowded: bool
) -> None:
    with engine.begin() as connection:
        later = START + timedelta(hours=1)
        streams.ensure(connection, [("slow", f"s{n}", Role.PULL, START) for n in range(3)])
        streams.ensure(connection, [("other", f"s{n}", Role.PULL, START if due else later) for n in range(3)])
        streams.ensure(connection, [("gone", "s", Role.PULL, START)])
        for source, held in (("slow", slow), ("other", other)):
            for n in range(held):
                streams.take(connection, source, f"s{n}", "one", START, timedelta(seconds=60), force=True)
        assert streams.crowded(connection, "slow", ["slow", "other"], START) is crowded


@pytest.fixture
def process(database_url: str, redis_url: str, broker_url: str) -> Iterator[Process]:
    """A process of the product whose tasks nobody takes."""
    urls = {"database_url": database_url, "redis_url": redis_url, "broker_url": broker_url}
    process = app.process = Process(Settings.model_validate(urls))
    configure(process.settings, broker_url)
    yield process
    app.process = None
    app.pool.force_close_all()
    process.close()


def test_a_queue_that_nobody_serves_takes_no_more_than_its_bound(
    process: Process, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(tasks, "FULL", 3)
    for _ in range(5):
        tasks.wake(Push("acme"))
        tasks.wake(Rescore(0))
    beat = BoundedScheduler(app, schedule_filename=str(tmp_path_factory.mktemp("beat") / "schedule"))
    beat.setup_schedule()
    for _ in range(MOST_PLANS + 5):
        beat.apply_entry(beat.schedule["leadgauge.plan"])
    beat.close()
    with redis.Redis.from_url(redis_url) as client:
        assert [client.llen(queue) for queue in ("sync", "compute", "plan")] == [3, 3, MOST_PLANS]


def test_streams_that_were_told_to_wait_equally_long_do_not_come_back_together() -> None:
    told = Transient("acme", "503", timedelta(seconds=60))
    waits = {wait_after(told, 1, START) for _ in range(20)}
    assert len(waits) > 10
    assert all(timedelta(seconds=60) <= wait <= timedelta(seconds=75) for wait in waits)


def test_what_is_due_is_counted_for_a_scaler(engine: Engine) -> None:
    with engine.begin() as connection:
        streams.ensure(connection, [("acme", name, Role.PULL, START) for name in ("leads", "tasks")])
        connection.execute(
            text("INSERT INTO person (id, changed_at, dirty_at) SELECT n, :at, :at FROM generate_series(1, 5) n"),
            {"at": START},
        )
        assert backlog.count(connection, "sync", START) == 2
        assert backlog.count(connection, "compute", START) == 5
        streams.take(connection, "acme", "leads", "one", START, timedelta(seconds=60))
        assert backlog.count(connection, "sync", START) == 1
        assert connection.exec_driver_sql(backlog.query("compute")).scalar_one() == 5


def test_accounts_to_write_to_are_due_where_somebody_may_write_and_nobody_does(world: World) -> None:
    def due() -> int:
        with world.engine.connect() as connection:
            writes = backlog.count(connection, "sync", world.now())
            assert connection.exec_driver_sql(backlog.query("sync")).scalar_one() >= writes
            return writes - len(streams.due(connection, ["acme"], world.now()))

    assert due() == 0
    world.intend(*world.org.add_people(2))
    assert due() == 1, "an account is one task, however much is to be written"
    with world.engine.begin() as connection:
        assert streams.take(connection, "acme", streams.PUSH, "one", world.now(), timedelta(seconds=60), force=True)
    assert due() == 0, "a worker is at it"
    world.wait(seconds=61)
    assert due() == 1, "it died"
    with world.engine.begin() as connection:
        register(connection, {"acme": world.crm.streams}, world.now(), ["acme"])
    assert due() == 0, "a dry run writes nothing"
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE ledger SET state = 'accepted' WHERE id = (SELECT min(id) FROM ledger)"))
    assert due() == 1, "but proves what was written before"
    with world.engine.begin() as connection:
        connection.execute(text("DELETE FROM ledger WHERE state = 'accepted'"))
        register(connection, {"acme": world.crm.streams}, world.now())
    assert due() == 1
    with world.engine.begin() as connection:
        brakes.pause(connection, brakes.ALL, "a wrong rule", "ann", world.now())
    assert due() == 0
