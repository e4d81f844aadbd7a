"""Writing that must stop stops: another writer, a storm, a full hour, a pause, a dry run; and goes on by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from connectors.brakes import Brakes
from connectors.port import Page
from connectors.records import Deletion, RecordRef, ScoreField
from sandbox.salesforce.automation import Flow, ValidationRule
from tests.integration.sync.conftest import World
from worker.store import brakes, entries, ledger, outbox, subjects
from worker.store.entries import Filter
from worker.store.ledger import State
from worker.sync.apply import apply
from worker.sync.pull import pull
from worker.writeback.push import Pushed, push

DAY = timedelta(days=1)


def forget(connection: Connection, gone: Sequence[Deletion], now: datetime) -> None:
    apply(connection, Page({}, True, deletions=gone), now)


def write(world: World, **limits: Any) -> Pushed:
    done = push(world.holder(), world.crm, timedelta(0), forget, Brakes(**limits))
    assert done is not None
    assert done.problem is None
    return done


def look(world: World) -> None:
    """The next pull of leads, and what it makes the writer look at."""
    assert (seen := pull(world.holder(), world.crm, world.leads, force=True)) is not None
    assert seen.problem is None


def entry(world: World, ref: RecordRef) -> entries.Entry:
    """The newest row of a record."""
    with world.engine.connect() as connection:
        return entries.find(connection, Filter(record=ref.id, dismissed=True), world.now(), 1)[0]


def held(world: World, ref: RecordRef) -> object:
    return world.crm.read_back([ref])[ref].get(ScoreField.SCORE)


def writes(world: World) -> int:
    return len(world.org.org.writes)


def test_our_own_write_that_comes_back_changes_nothing_and_costs_no_scoring(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.wait(minutes=10)
    look(world)
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE person SET dirty_at = NULL"))
    world.intend(lead)
    write(world)
    world.wait(minutes=10)
    assert (echo := pull(world.holder(), world.crm, world.leads, force=True)) is not None
    assert (echo.seen > 0, echo.dirtied) == (True, 0)
    assert world.number("SELECT count(*) FROM person WHERE dirty_at IS NOT NULL") == 0
    assert world.number("SELECT count(*) FROM ledger WHERE suspected_at IS NOT NULL") == 0
    assert world.states() == ["verified"]


def test_another_writer_is_named_and_the_fight_ends_after_some_rounds(world: World) -> None:
    (lead,) = world.org.add_people(1)
    robot = world.org.org.insert(
        "User",
        {"Username": "auto@x.example", "LastName": "Process", "UserType": "AutomatedProcess", "Email": "a@x.example"},
    )
    world.wait(minutes=10)
    look(world)
    world.intend(lead)
    assert write(world) == Pushed(sent=1, verified=1)
    for rounds in (1, 2, 3):
        world.wait(hours=5)
        world.org.org.update("Lead", lead.id, {"Lead_Score__c": 5}, by=robot)
        look(world)
        assert write(world).contested == 1
        row = entry(world, lead)
        assert (row.rounds, row.code, row.author) == (rounds, "OVERWRITTEN", f"flow {robot}")
        world.wait(hours=1)
        assert write(world).sent == (rounds < 3)
    assert entry(world, lead).state is State.DRIFTED

    world.intend(lead, score=80)
    assert write(world).sent == 0, "a new score does not start the fight anew"
    assert (entry(world, lead).state, entry(world, lead).code) == (State.PARKED, outbox.CONTESTED)
    with world.engine.connect() as connection:  # which is not committed
        assert entries.retry(connection, Filter(codes=[outbox.CONTESTED]), world.now()) == 1
        assert outbox.take(connection, "acme", outbox.Limits(12, 3), world.now(), 9).rows, "unless a person says so"
    world.wait(hours=25)
    assert write(world) == Pushed(sent=1, verified=1), "but once a day it is tried"
    assert held(world, lead) == 80


def test_what_runs_along_with_our_own_write_is_told_as_such(world: World) -> None:
    (lead,) = world.org.add_people(1)

    def undo(org: Any, before: Any, after: Any) -> None:
        if after["Lead_Score__c"] == 71:
            org.update("Lead", after["Id"], {"Lead_Score__c": None}, by=after["LastModifiedById"])

    world.org.org.automation.flows.append(Flow("Lead", undo))
    world.intend(lead)
    assert write(world).contested == 1
    assert entry(world, lead).author == "flow that runs along with our write"


def test_what_a_person_sets_is_left_to_them_until_somebody_says_otherwise(world: World) -> None:
    (lead,) = world.org.add_people(1)
    rep = world.org.org.insert("User", {"Username": "rep@x.example", "LastName": "Rep", "Email": "r@x.example"})
    world.wait(minutes=10)
    look(world)
    world.intend(lead)
    write(world)
    world.wait(minutes=10)
    world.org.org.update("Lead", lead.id, {"Lead_Score__c": 99}, by=rep)
    look(world)
    assert write(world).drifted == 1
    row = entry(world, lead)
    assert (row.state, row.code, row.author) == (State.DRIFTED, "SET_BY_USER", f"user {rep}")
    world.wait(days=3)
    assert (write(world).sent, held(world, lead)) == (0, 99)
    with world.engine.begin() as connection:
        assert entries.retry(connection, Filter(ids=[row.id]), world.now()) == 1
    assert (write(world).verified, held(world, lead)) == (1, 71)


def test_a_record_that_is_written_to_too_often_waits_out_the_hour_and_gets_the_newest_values(world: World) -> None:
    storm, calm = world.org.add_people(2)
    for score in (10, 20, 30):
        world.intend(storm, score=score)
        done = write(world, per_record=2)
    assert (done.sent, done.held) == (0, 1)
    assert entry(world, storm).code == outbox.STORM
    world.intend(storm, score=40)
    world.intend(calm)
    assert write(world, per_record=2).sent == 1
    world.wait(minutes=61)
    assert write(world, per_record=2).sent == 1
    assert (held(world, storm), held(world, calm)) == (40, 71)


def test_a_write_that_a_newer_score_overtook_on_its_way_counts_too(world: World) -> None:
    (lead,) = world.org.add_people(1)

    class Slow:
        """A job that takes long: a newer score is there before its answer."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.crm, name)

        newer = iter((80, 90, 95))

        def push(self, batch: Any, note: Any) -> Any:
            if score := next(self.newer, None):
                world.intend(lead, score=score)
            return world.crm.push(batch, note)

    world.intend(lead)
    done = push(world.holder(), Slow(), timedelta(0), forget, Brakes(per_record=2))  # type: ignore[arg-type]
    assert done is not None
    assert (done.sent, done.held) == (2, 1)


def test_an_hour_has_no_more_writes_than_allowed_whoever_writes(world: World) -> None:
    leads = world.org.add_people(5)
    world.intend(*leads)
    with world.engine.begin() as connection:
        brakes.sent(connection, "another account", 100, world.now(), full=False)
    assert write(world, per_hour=3) == Pushed(sent=3, verified=3, capped=True)
    world.crm = world.org.open()  # another process
    assert write(world, per_hour=3) == Pushed(capped=True)
    world.wait(minutes=61)
    assert write(world, per_hour=3) == Pushed(sent=2, verified=2)


def test_a_pause_stops_writing_between_two_batches_and_nothing_else(world: World) -> None:
    first, second = world.org.add_people(2)
    world.intend(first, second)

    class Interrupted:
        """While its first batch is on its way somebody pauses writing."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.crm, name)

        def push_size(self, waiting: int) -> int:
            return 1

        def push(self, batch: Any, note: Any) -> Any:
            with world.engine.begin() as connection:
                brakes.pause(connection, brakes.ALL, "a wrong rule", "ann", world.now())
            return world.crm.push(batch, note)

    done = push(world.holder(), Interrupted(), timedelta(0), forget)  # type: ignore[arg-type]
    assert done == Pushed(sent=1, verified=1)
    assert sorted(world.states()) == ["intended", "verified"]
    with world.engine.begin() as connection:
        assert outbox.due_sources(connection, ["acme"], world.now(), world.now(), held=["acme"]) == []
        assert brakes.resume(connection, "acme") == 0, "all are stopped"
        assert brakes.resume(connection, brakes.ALL) == 1
        assert brakes.pause(connection, "another account", "not ours", "bob", world.now())
    assert write(world).verified == 1
    world.intend(first, score=80)
    with world.engine.begin() as connection:
        assert brakes.pause(connection, "acme", "a wrong rule", "ann", world.now())
        assert not brakes.pause(connection, "acme", "once more", "bob", world.now()), "the first one stands"
        assert [(its.source, its.author) for its in brakes.pauses(connection)] == [
            ("acme", "ann"), ("another account", "bob")
        ]  # fmt: skip
    assert write(world).sent == 0
    with world.engine.begin() as connection:
        assert brakes.resume(connection, "acme") == 1
        assert len(brakes.pauses(connection)) == 1


def test_a_pause_calls_a_job_off_that_the_crm_is_at_and_nothing_is_lost(world: World) -> None:
    leads = world.org.add_people(210)
    world.crm = world.org.open(bulk_write_from=205, bulk_write_size=1000)
    world.intend(*leads)
    queued = {"status": 200, "json": {"id": "750", "state": "UploadComplete"}}
    world.org.faults.add([{"method": "PATCH", "path": "/jobs/ingest", "count": 1, "effect": {**queued}},
                          {"method": "GET", "path": "/jobs/ingest/[^/]+$", "effect": queued}])  # fmt: skip
    assert write(world) == Pushed(sent=210, under_way=True)
    with world.engine.begin() as connection:
        brakes.pause(connection, brakes.ALL, "a wrong rule", "ann", world.now())
    assert write(world) == Pushed()
    assert (writes(world), set(world.states())) == (0, {"intended"})
    world.org.faults.clear()
    with world.engine.begin() as connection:
        brakes.resume(connection, brakes.ALL)
    world.wait(minutes=10)
    assert write(world).verified == 210


def test_a_dry_run_writes_nothing_and_shows_what_it_would(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.intend(lead)
    before = writes(world)
    assert write(world, dry_run=True) == Pushed()
    assert writes(world) == before
    with world.engine.connect() as connection:
        (shown,) = entries.find(connection, Filter(states=(State.INTENDED,)), world.now())
    assert shown.differences() == {"score": (None, 71)}


@pytest.mark.parametrize("mended", [False, True])
def test_a_refusal_is_looked_at_once_a_day_by_one_row_of_its_kind(world: World, mended: bool) -> None:
    leads = world.org.add_people(3)
    world.org.org.automation.validation_rules.append(ValidationRule("Lead", "No scores here", lambda row: True))
    world.intend(*leads)
    write(world)
    assert set(world.states()) == {"refused"}
    assert write(world).sent == 0
    world.wait(hours=20)
    if mended:
        world.org.org.automation.validation_rules.clear()
    sent = 0
    for _ in range(12):  # each of them is due at another time
        world.wait(hours=3)
        sent += write(world).sent
    assert sent == (3 if mended else 2), "one of them finds out, once a day"
    assert world.number("SELECT max(attempts) FROM ledger") == 2, "and another one the next day"
    assert set(world.states()) == {"verified" if mended else "refused"}


def test_a_record_that_was_changed_since_it_refused_is_tried_again(world: World) -> None:
    lead, other = world.org.add_people(2)
    rule = ValidationRule("Lead", "Company is missing", lambda row: row["Company"] == "Acme")
    world.org.org.automation.validation_rules.append(rule)
    world.wait(minutes=10)
    look(world)
    world.intend(lead, other)
    write(world)
    world.wait(hours=2)
    world.org.org.update("Lead", lead.id, {"Company": "Bolt"})
    look(world)
    assert write(world).verified == 1
    assert sorted(world.states()) == ["refused", "verified"]


def test_a_dismissed_row_is_neither_tried_nor_told_of_but_a_newer_score_is_written(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.org.org.automation.validation_rules.append(ValidationRule("Lead", "No", lambda row: True))
    world.intend(lead)
    write(world)
    with world.engine.begin() as connection:
        with pytest.raises(ValueError, match="say why"):
            entries.dismiss(connection, Filter(record=lead.id), " ", "ann", world.now())
        assert entries.dismiss(connection, Filter(record=lead.id), "a test record", "ann", world.now()) == 1
        (figure,) = entries.figures(connection, world.now() - DAY)
    assert (figure.intended, figure.verified, figure.dismissed, figure.share) == (1, 0, 1, 1)
    row = entry(world, lead)
    assert (row.dismissed_by, row.dismissed_why) == ("ann", "a test record")
    (other,) = world.org.add_people(1)
    world.intend(other)
    write(world)
    world.org.org.automation.validation_rules.clear()
    world.wait(days=2)
    assert [write(world).sent, write(world).sent] == [1, 0], "the mended cause of another one's changes nothing"
    assert (entry(world, lead).state, entry(world, other).state) == (State.REFUSED, State.VERIFIED)
    world.intend(lead, score=50)
    with world.engine.begin() as connection:
        assert entries.dismiss(connection, Filter(states=[State.INTENDED]), "not now", "ann", world.now()) == 1
    assert entry(world, lead).state is State.PARKED, "it is not on its way"
    world.intend(lead, score=60)
    assert write(world).verified == 1


def test_rows_are_found_by_what_is_known_of_them(world: World) -> None:
    lead, other = world.org.add_people(2)
    world.wait(minutes=10)
    look(world)
    world.intend(lead)
    world.wait(hours=2)
    world.intend(other)
    everything = {"record": f"acme/Lead/{lead.id}", "sources": ["acme"], "states": [State.INTENDED]}
    with world.engine.connect() as connection:

        def found(**which: Any) -> list[RecordRef]:
            return [each.ref for each in entries.find(connection, Filter(**which), world.now())]

        assert found() == [other, lead]
        assert found(**everything, older=timedelta(hours=1)) == found(record=lead.id) == [lead]
        assert found(older=timedelta(hours=3)) == []
        for wrong in (
            {"record": f"acme/Contact/{lead.id}"},
            {"sources": ["b"]},
            {"states": [State.SENT]},
            {"codes": ["X"]},
        ):
            assert found(**wrong) == []
        (person,) = {each.person_id for each in entries.find(connection, Filter(record=other.id), world.now())}
        assert found(person=person) == [other]


def test_what_a_newer_score_replaced_is_no_write_that_was_missed(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.intend(lead)
    write(world)
    world.intend(lead, score=80)
    world.intend(lead, score=90)
    with world.engine.connect() as connection:
        (figure,) = entries.figures(connection, world.now() - DAY)
    assert (figure.intended, figure.verified) == (2, 1)


class Small:
    """The CRM, with calls that carry few records."""

    def __init__(self, world: World, size: int) -> None:
        self._world, self._size = world, size

    def __getattr__(self, name: str) -> object:
        return getattr(self._world.crm, name)

    def push_size(self, waiting: int) -> int:
        return self._size


def test_where_much_is_written_the_rest_waits_for_a_full_call_but_not_for_long(world: World) -> None:
    leads = world.org.add_people(6)
    world.intend(*leads[:5])

    def sent() -> int:
        done = push(world.holder(), Small(world, 2), timedelta(seconds=40), forget)  # type: ignore[arg-type]
        assert done is not None
        return done.sent

    assert sent() == 4
    world.wait(seconds=30)
    assert sent() == 0
    world.wait(seconds=11)
    assert sent() == 1
    world.wait(seconds=1)
    world.intend(leads[5])
    assert sent() == 1, "nobody waits where little is written"


def test_what_just_happened_is_written_before_what_time_brought_and_that_before_history(world: World) -> None:
    leads = world.org.add_people(3)
    world.wait(minutes=10)
    look(world)
    world.wait(days=2)
    causes = {leads[0]: ("first", True), leads[1]: ("age", False), leads[2]: ("score", True)}
    with world.engine.begin() as connection:
        ids, _ = subjects.ensure(connection, leads)
        rows = [
            ledger.Intention(ids[ref], ids[ref], "acme", {"score": 7}, cause, urgent)
            for ref, (cause, urgent) in causes.items()
        ]
        ledger.intend(connection, rows, 1, 1, world.now())
        first = [outbox.take(connection, "acme", outbox.Limits(12, 3), world.now(), 1).rows[0].ref for _ in leads]
        assert outbox.waiting(connection, "acme", world.now(), 10) == (0, 0)
    assert first == leads[::-1]
