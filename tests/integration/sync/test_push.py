"""What is intended is written once, by one writer, and proved; whatever happens in between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection

from connectors.port import Page
from connectors.records import Deletion, RecordRef, ScoreField
from tests.integration.sync.conftest import World
from worker.store import ledger, outbox
from worker.sync.apply import apply
from worker.sync.pull import pull
from worker.writeback.proof import retry_after
from worker.writeback.push import Pushed, push

AT_ONCE = timedelta(0)
LIMITS = outbox.Limits(per_record=12, rounds=3)


def write(world: World, verify_after: timedelta = AT_ONCE) -> Pushed:
    def forget(connection: Connection, gone: Sequence[Deletion], now: datetime) -> None:
        apply(connection, Page({}, True, deletions=gone), now)

    result = push(world.holder(), world.crm, verify_after, forget)
    assert result is not None
    return result


def held(world: World, ref: RecordRef) -> object:
    return world.crm.read_back([ref])[ref].get(ScoreField.SCORE)


def test_a_write_is_proved_by_reading_it_back(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.intend(lead)
    assert write(world) == Pushed(sent=1, verified=1)
    assert held(world, lead) == 71
    assert world.states() == ["verified"]


def test_a_write_may_wait_to_be_seen_in_a_pull(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.intend(lead)
    assert write(world, timedelta(minutes=1)) == Pushed(sent=1)
    assert world.states() == ["accepted"]
    world.wait(minutes=10)
    assert (seen := pull(world.holder(), world.crm, world.leads)) is not None
    assert seen.verified == 1
    assert world.states() == ["verified"]


def test_a_write_whose_answer_was_lost_is_read_back_and_not_done_twice(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.intend(lead)
    world.org.faults.add([{"path": "/composite/sobjects", "count": 20, "effect": {"reset_after": True}}])
    assert write(world).problem is not None
    assert world.states() == ["sent"]
    world.org.faults.clear()
    done = len(world.org.org.writes)
    world.wait(minutes=10)
    assert write(world) == Pushed(sent=0, verified=1)
    assert len(world.org.org.writes) == done


def test_a_write_that_never_left_is_done_by_the_next_owner(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.intend(lead)
    with world.engine.begin() as connection:
        taken = outbox.take(connection, "acme", LIMITS, world.now(), 10)
        assert len(taken.rows) == 1  # and then its process died
    assert write(world) == Pushed(sent=1, verified=1)
    assert held(world, lead) == 71


def test_the_newest_intention_wins(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.intend(lead, score=50)
    world.intend(lead, score=60)
    assert write(world) == Pushed(sent=1, verified=1)
    assert held(world, lead) == 60
    assert world.states() == ["superseded", "verified"]


def test_an_intention_that_comes_while_the_last_one_is_on_its_way_is_written_after_it(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.intend(lead, score=50)
    with world.engine.begin() as connection:
        rows = outbox.take(connection, "acme", LIMITS, world.now(), 10).rows
    world.intend(lead, score=60)
    with world.engine.begin() as connection:
        ledger.answer(connection, [ledger.Answer(rows[0].id, ledger.State.ACCEPTED, world.now())], world.now())
    assert world.states() == ["superseded", "intended"], "the answer to the old one revives nothing"
    write(world)
    assert held(world, lead) == 60


def test_each_record_has_its_own_outcome(world: World) -> None:
    good, gone, converted = world.org.add_people(3)
    world.org.org.delete("Lead", gone.id)
    made = world.org.org.convert(converted.id)
    world.intend(good, gone, converted)
    assert write(world).verified == 1
    assert world.states() == ["verified", "superseded", "superseded"]
    with world.engine.connect() as connection:
        answers = {row.ref.id: row for row in ledger.latest(connection, []).values()}
        assert answers == {}
        told = connection.exec_driver_sql("SELECT answer FROM ledger ORDER BY id").scalars().all()
    assert made.contact[:15] in (told[2] or "")


def test_only_one_writer_at_a_time(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.intend(lead)

    class Slow:
        def __getattr__(self, name: str) -> object:
            return getattr(world.crm, name)

        def push(self, writes: object, note: object) -> object:
            other = push(world.holder("two"), world.crm, AT_ONCE, lambda *_: None)
            assert other is None, "the stream is held"
            return world.crm.push(writes, note)  # type: ignore[arg-type]

    assert push(world.holder(), Slow(), AT_ONCE, lambda *_: None) == Pushed(sent=1, verified=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("attempts", [0, 1, 5, 20, 1000])
def test_retries_wait_longer_each_time_but_never_for_ever(attempts: int) -> None:
    wait = retry_after(attempts)
    assert timedelta(seconds=15) <= wait <= timedelta(hours=4)
    assert wait <= timedelta(seconds=30) * 2 ** min(attempts, 20)


def test_many_writes_go_as_one_parcel_that_any_process_collects(world: World) -> None:
    leads = world.org.add_people(260)
    world.crm = world.org.open(bulk_write_from=250, bulk_write_size=1000)
    world.intend(*leads)
    running = {"status": 200, "json": {"id": "750", "state": "InProgress"}}
    world.org.faults.add([{"method": "GET", "path": "/jobs/ingest/[^/]+$", "effect": running}])
    assert write(world) == Pushed(sent=260, under_way=True)
    assert set(world.states()) == {"sent"}
    world.intend(leads[0], score=99)
    assert write(world) == Pushed(under_way=True), "what is newer waits for the parcel, which would overwrite it"
    world.org.faults.clear()
    world.crm = world.org.open(bulk_write_from=250, bulk_write_size=1000)
    assert write(world) == Pushed(sent=1, verified=260)
    assert held(world, leads[0]) == 99
    assert sorted(set(world.states())) == ["superseded", "verified"]
    assert len(world.org.org.writes) == 261


def test_a_parcel_whose_process_died_is_called_off_and_written_anew(world: World) -> None:
    leads = world.org.add_people(260)
    world.crm = world.org.open(bulk_write_from=250, bulk_write_size=1000)
    world.intend(*leads)
    world.org.faults.add([{"method": "PUT", "effect": {"reset_before": True}}])
    assert write(world).problem is not None
    assert set(world.states()) == {"sent"}
    world.org.faults.clear()
    world.wait(minutes=10)
    assert write(world).verified == 260
    assert len(world.org.org.writes) == 260
    assert held(world, leads[0]) == 71


def test_a_job_that_lands_in_part_is_proved_in_part_and_the_rest_written(world: World) -> None:
    leads = world.org.add_people(260)
    world.crm = world.org.open(bulk_write_from=250, bulk_write_size=1000)
    world.intend(*leads)
    world.org.org.behaviour.bulk_fails_after = 1
    assert write(world) == Pushed(sent=260, verified=200)
    world.wait(minutes=10)
    assert write(world) == Pushed(sent=60, verified=60)
    assert set(world.states()) == {"verified"}
    assert len(world.org.org.writes) == 260
