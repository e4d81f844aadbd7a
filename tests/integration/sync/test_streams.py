"""Who may read a stream, how far, and what a stale owner can do: nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from connectors.errors import AuthFailed, Transient
from tests.contract.connectors.crm_contract import START
from tests.integration.sync.conftest import World
from worker.lease import Next
from worker.store import streams
from worker.store.people import Scale
from worker.store.streams import Lease, LeaseLost
from worker.sync.plan import Pull, Rescore, plan
from worker.sync.pull import pull


def test_one_owner_at_a_time_until_the_lease_runs_out(world: World) -> None:
    with world.engine.begin() as connection:
        first = streams.take(connection, "acme", "leads", "one", world.now(), timedelta(seconds=60))
        assert first is not None
        assert streams.take(connection, "acme", "leads", "two", world.now(), timedelta(seconds=60)) is None
        late = world.now() + timedelta(seconds=61)
        second = streams.take(connection, "acme", "leads", "two", late, timedelta(seconds=60))
        assert second is not None
        assert second.epoch > first.epoch
        assert second.attempts == 2, "the first owner never came back"
        with pytest.raises(LeaseLost):
            streams.hold(connection, first, late, timedelta(seconds=60))


def test_a_clock_that_was_ahead_holds_nothing_for_long(world: World) -> None:
    minute = timedelta(seconds=60)
    with world.engine.begin() as connection:
        ahead = streams.take(connection, "acme", "leads", "one", world.now() + timedelta(days=1), minute)
        assert ahead is not None
        assert ("acme", "leads") in {its[:2] for its in streams.due(connection, ["acme"], world.now())}
        assert streams.take(connection, "acme", "leads", "two", world.now(), minute) is not None
        with pytest.raises(LeaseLost):
            streams.hold(connection, ahead, world.now(), minute)


def test_the_longest_due_comes_first_and_the_sources_take_turns(engine: Engine) -> None:
    minutes = {("a", "x"): 1, ("a", "y"): 3, ("a", "z"): 2, ("b", "x"): 1, ("b", "y"): 0, ("b", "z"): -1}
    with engine.begin() as connection:
        streams.ensure(
            connection, [(s, n, streams.Role.PULL, START - timedelta(minutes=m)) for (s, n), m in minutes.items()]
        )
        order = [(source, name) for source, name, _ in streams.due(connection, ["a", "b"], START)]
    assert order == [("a", "y"), ("b", "x"), ("a", "z"), ("b", "y"), ("a", "x")]


def test_a_stale_owner_stores_neither_facts_nor_cursor(world: World) -> None:
    world.org.add_people(3)
    world.wait(minutes=10)
    stolen = []

    class Robbed:
        """The connector of a process that is overtaken while it waits for the CRM."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.crm, name)

        def pull(self, *arguments: object) -> object:
            page = world.crm.pull(*arguments)  # type: ignore[arg-type]
            world.wait(seconds=61)
            with world.engine.begin() as connection:
                stolen.append(streams.take(connection, "acme", "leads", "two", world.now(), timedelta(seconds=60)))
            return page

    result = pull(world.holder(), Robbed(), world.leads)  # type: ignore[arg-type]
    assert stolen[0] is not None
    assert result is not None
    assert not result.drained
    assert world.number("SELECT count(*) FROM record") == 0
    assert world.number("SELECT count(*) FROM stream WHERE cursor IS NOT NULL") == 0


def test_the_fast_tier_sees_what_is_not_settled_and_moves_no_cursor(world: World) -> None:
    world.org.add_people(2)
    world.wait(minutes=10)
    assert (first := pull(world.holder(), world.crm, world.leads)) is not None
    assert first.drained
    with world.engine.connect() as connection:
        before = {s.name: s for s in streams.status(connection)}["leads"]
    world.org.add_people(1)
    world.wait(seconds=int(world.leads.every.total_seconds()))
    cursor = "SELECT count(*) FROM stream WHERE name = 'leads' AND cursor::text = '{}'"
    with world.engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT cursor::text FROM stream WHERE name = 'leads'").scalar_one()
    assert (fast := pull(world.holder(), world.crm, world.leads)) is not None
    assert fast.dirtied == 1
    assert world.number(cursor.format(stored.replace("'", "''"))) == 1
    with world.engine.connect() as connection:
        assert {s.name: s for s in streams.status(connection)}["leads"].complete_at == before.complete_at


def test_a_look_is_told_how_far_the_last_one_went_whichever_process_made_it(world: World) -> None:
    world.org.add_people(2)
    world.wait(minutes=10)
    told: list[object] = []

    class Asked:
        def __getattr__(self, name: str) -> object:
            return getattr(world.crm, name)

        def pull(self, *arguments: object) -> object:
            told.append(arguments[4])
            return world.crm.pull(*arguments)  # type: ignore[arg-type]

    def look() -> None:
        del told[:]
        world.wait(seconds=int(world.leads.every.total_seconds()))
        assert pull(world.holder(), Asked(), world.leads) is not None  # type: ignore[arg-type]

    look()
    assert told == [None, None], "a complete read, and the first look"
    look()
    (first,) = told
    look()
    assert told[0] not in (None, first)
    with world.engine.begin() as connection:
        assert streams.read_again(connection, "acme", "leads", world.now())
    look()
    assert told == [None, None], "from the beginning"


def test_how_far_a_first_read_is_and_when_it_will_be_through(world: World) -> None:
    world.org.add_people(6)
    world.wait(minutes=10)
    crm = world.org.open(page_size=2)

    class Cut:
        """The CRM stops answering after two pages, each of which takes it ten seconds."""

        pages = 0

        def __getattr__(self, name: str) -> object:
            return getattr(crm, name)

        def pull(self, *arguments: object) -> object:
            if self.pages == 2:
                raise Transient("acme", "it does not answer")
            self.pages += 1
            world.wait(seconds=10)
            return crm.pull(*arguments)  # type: ignore[arg-type]

    pull(world.holder(), Cut(), world.leads)  # type: ignore[arg-type]
    with world.engine.connect() as connection:
        (load,) = streams.loads(connection, ["acme"])
    assert (load.total, load.rows, load.pages, load.left) == (6, 4, 2, 2)
    assert load.at_its_pace(world.now()) == world.now() + timedelta(seconds=10)
    with world.engine.connect() as connection:
        assert streams.waiting(connection, world.now())["acme", "backfill"] == len(crm.streams)
    world.wait(minutes=10)
    assert (rest := pull(world.holder(), crm, world.leads)) is not None
    assert rest.drained
    with world.engine.connect() as connection:
        assert streams.loads(connection, ["acme"]) == []
        assert streams.waiting(connection, world.now())["acme", "backfill"] == len(crm.streams) - 1


def test_a_stream_that_is_not_due_is_left_alone(world: World) -> None:
    world.wait(minutes=10)
    assert pull(world.holder(), world.crm, world.leads) is not None
    assert pull(world.holder(), world.crm, world.leads) is None
    assert pull(world.holder(), world.crm, world.leads, force=True) is not None


def test_a_failure_is_stored_where_operators_look_and_the_cursor_stays(world: World) -> None:
    crm = world.org.open_with_wrong_credentials()
    result = pull(world.holder(), crm, world.leads)
    assert result is not None
    assert isinstance(result.problem, AuthFailed)
    with world.engine.connect() as connection:
        leads = {s.name: s for s in streams.status(connection)}["leads"]
    assert (leads.problem_code, leads.attempts) == ("AuthFailed", 1)
    assert leads.problem
    assert leads.due_at > world.now()
    world.wait(minutes=10)
    assert (again := pull(world.holder(), world.crm, world.leads)) is not None
    assert again.drained
    with world.engine.connect() as connection:
        assert {s.name: s for s in streams.status(connection)}["leads"].problem is None


@pytest.mark.parametrize(
    ("statement", "most"), [("SELECT pg_terminate_backend(pg_backend_pid())", 5), ("SELECT 1/0", 300)]
)
def test_a_lost_connection_is_tried_again_at_once_and_a_bug_is_not(world: World, statement: str, most: int) -> None:
    def task(lease: Lease) -> Next:
        with world.engine.begin() as connection:
            connection.execute(text(statement))
        raise AssertionError

    with pytest.raises(DBAPIError):
        world.holder().work("acme", "leads", task, force=True)
    with world.engine.connect() as connection:
        due = {s.name: s for s in streams.status(connection)}["leads"].due_at - world.now()
    assert timedelta(seconds=most / 5 - 1) < due <= timedelta(seconds=most)


def test_the_plan_names_what_is_due_and_scores_nobody_before_the_first_read_is_whole(world: World) -> None:
    world.org.add_people(2)
    world.wait(minutes=10)
    scale, after = Scale("default", 1, 1), timedelta(seconds=20)

    def due() -> list[object]:
        with world.engine.begin() as connection:
            return list(plan(connection, ["acme"], [scale], 4, after, world.now()))

    assert {wake for wake in due() if isinstance(wake, Pull)} == {Pull("acme", s.name) for s in world.crm.streams}
    assert (read := pull(world.holder(), world.crm, world.leads)) is not None
    assert read.dirtied == 2
    assert not any(isinstance(wake, Rescore) for wake in due())
    for stream in world.crm.streams:
        pull(world.holder(), world.crm, stream)
    assert any(isinstance(wake, Rescore) for wake in due())
    assert not any(isinstance(wake, Pull) for wake in due())
