"""Writes to a CRM that cannot be asked what it holds, and what past events of one prove."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from connectors.port import Crm, Page
from connectors.records import Deletion, RecordRef, ScoreField
from sandbox.amplitude.settings import AmplitudeServer
from tests.contract.connectors.amplitude_project import API_KEY, SECRET_KEY, SOURCE, PracticeProject
from tests.contract.connectors.practice import Host
from worker.lease import Holder
from worker.store import entries, ledger, outbox, pulse, streams, subjects
from worker.store.streams import Role
from worker.sync.apply import apply
from worker.sync.plan import register
from worker.sync.pull import pull
from worker.writeback.push import Pushed, push

AT_ONCE = timedelta(0)
HOUR = timedelta(hours=1) / 24
"""Of the practice clock."""


@dataclass
class App:
    """A project, its connector, and the database; both sides of the wire follow one clock."""

    project: PracticeProject
    crm: Crm
    engine: Engine

    def now(self) -> datetime:
        return self.project.clock.now()

    def holder(self) -> Holder:
        return Holder(self.engine, "one", self.now, timedelta(seconds=60))

    def intend(self, *refs: RecordRef, score: int = 71) -> None:
        with self.engine.begin() as connection:
            ids, _ = subjects.ensure(connection, refs)
            rows = [ledger.Intention(ids[ref], ids[ref], SOURCE, {"score": score}, "first") for ref in refs]
            ledger.intend(connection, rows, 1, 1, self.now())

    def write(self) -> Pushed:
        def forget(connection: Connection, gone: Sequence[Deletion], now: datetime) -> None:
            apply(connection, Page({}, True, deletions=gone), now)

        done = push(self.holder(), self.crm, AT_ONCE, forget)
        assert done is not None
        return done

    def read(self, name: str = "events") -> None:
        stream = next(stream for stream in self.crm.streams if stream.name == name)
        seen = pull(self.holder(), self.crm, stream, force=True)
        assert seen is not None
        assert seen.problem is None

    def states(self) -> list[str]:
        with self.engine.connect() as connection:
            return [entry.state.value for entry in entries.find(connection, entries.Filter(), self.now())][::-1]

    def found(self, words: str) -> int:
        """How many rows of all tables hold them."""
        with self.engine.connect() as connection:
            tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
            queries = [f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE :words' for table in tables]
            return sum(connection.execute(text(query), {"words": f"%{words}%"}).scalar_one() for query in queries)

    def asked(self) -> int:
        return sum(call.endpoint == "/v1/userprofile" for call in self.project.calls)


def opened(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch, *, eu: bool) -> App:
    monkeypatch.setenv(API_KEY, AmplitudeServer().api_key)
    monkeypatch.setenv(SECRET_KEY, AmplitudeServer().secret_key)
    project = PracticeProject(host, eu=eu)
    app = App(project, project.open(cohorts={}), engine)
    with engine.begin() as connection:
        register(connection, {SOURCE: app.crm.streams}, app.now())
        streams.ensure(connection, [(SOURCE, streams.PUSH, Role.PUSH, app.now())])
    return app


@pytest.fixture
def eu(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    app = opened(host, engine, monkeypatch, eu=True)
    yield app
    app.project.close()


@pytest.fixture
def us(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    app = opened(host, engine, monkeypatch, eu=False)
    yield app
    app.project.close()


def test_what_was_accepted_ends_as_what_nobody_can_prove_and_is_counted_apart(eu: App) -> None:
    eu.intend(*eu.project.add_people(2))
    assert eu.write() == Pushed(sent=2)
    assert eu.states() == ["unprovable"] * 2
    assert eu.project.project.users["u1"].properties["lead_gauge_score"] == 71
    with eu.engine.connect() as connection:
        assert ledger.counts(connection) == {SOURCE: {"unprovable": 2}}
        (figure,) = entries.figures(connection, eu.now() - timedelta(days=1))
        assert (figure.intended, figure.verified, figure.unprovable, figure.share) == (2, 0, 2, 1)
        today = eu.now().replace(hour=0, minute=0, second=0, microsecond=0)
        (day,) = pulse.days(connection, [SOURCE], today, today + timedelta(days=1))
        assert (day.intended, day.failed, day.unprovable, day.share) == (2, 0, 2, None)
        assert entries.find(connection, entries.Filter(states=entries.UNPROVED), eu.now()) == []
        assert outbox.due_sources(connection, [SOURCE], eu.now(), eu.now()) == [], "nothing is left to do"
        (entry, _) = entries.find(connection, entries.Filter(), eu.now())
    assert (entry.answer, entry.accepted_at) == ("the CRM said yes, and cannot be asked what it holds", eu.now())
    assert entry.closed_at is not None


def test_the_user_s_next_event_proves_it(eu: App) -> None:
    (ref,) = eu.project.add_people(1)
    eu.read()
    eu.intend(ref)
    eu.write()
    eu.project.clock.advance(HOUR)
    eu.project.edit(ref)
    eu.project.clock.advance(6 * HOUR)
    eu.read()
    assert eu.states() == ["verified"]


def test_an_event_of_before_the_write_neither_proves_nor_contradicts_it(eu: App) -> None:
    (ref,) = eu.project.add_people(1)
    eu.read()
    eu.project.project.identify(ref.id, {"$set": {"lead_gauge_score": 71}})
    eu.project.edit(ref)
    eu.project.clock.advance(HOUR)
    eu.intend(ref)
    eu.write()
    eu.project.clock.advance(6 * HOUR)
    eu.read()
    assert eu.states() == ["unprovable"]


def test_a_write_whose_answer_was_lost_is_written_again(eu: App) -> None:
    (ref,) = eu.project.add_people(1)
    eu.intend(ref)
    eu.project.faults.add([{"path": "^/batch$", "effect": {"reset_before": True}}])
    assert eu.write().problem is not None
    assert eu.states() == ["sent"]
    eu.project.faults.clear()
    eu.project.clock.advance(HOUR)
    assert eu.write() == Pushed(sent=1)
    assert eu.states() == ["unprovable"]
    assert len(eu.project.writes()) == 1


def test_a_newer_score_supersedes_it(eu: App) -> None:
    (ref,) = eu.project.add_people(1)
    eu.intend(ref)
    eu.write()
    eu.intend(ref, score=5)
    assert eu.states() == ["superseded", "intended"]
    eu.write()
    assert eu.states() == ["superseded", "unprovable"]


def test_a_refusal_that_is_over_lets_all_of_its_code_go(eu: App) -> None:
    made = eu.project.add_people(3)
    for ref in made:
        eu.project.forbid_writes(ref)
    eu.intend(*made)
    eu.write()
    assert eu.states() == ["refused"] * 3
    eu.project.project.silenced.clear()
    eu.project.clock.advance(40 * HOUR)
    assert eu.write().sent == 1, "one looks whether it still stands"
    assert eu.write().sent == 2
    assert eu.states() == ["unprovable"] * 3


def test_where_it_can_be_asked_it_is_and_past_events_raise_no_suspicion(us: App) -> None:
    (ref,) = us.project.add_people(1)
    us.read()
    us.project.edit(ref)
    us.project.clock.advance(HOUR)
    us.intend(ref)
    assert us.write() == Pushed(sent=1, verified=1)
    assert us.asked() == 1
    us.project.clock.advance(6 * HOUR)
    us.read()
    assert us.states() == ["verified"]
    assert us.write() == Pushed()
    assert us.asked() == 1, "an event of before says nothing of what is held now"
    assert us.crm.read_back([ref]) == {ref: {ScoreField.SCORE: 71}}


def test_a_stage_that_an_event_shows_was_nobody_s_doing(us: App) -> None:
    (ref,) = us.project.add_people(1)
    for stage in ("nurturing", "sql"):
        us.project.project.identify(ref.id, {"$set": {"lead_gauge_stage": stage}})
        us.project.edit(ref)
        us.project.clock.advance(6 * HOUR)
        us.read()
    with us.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM stage_hold")).scalar_one() == 0
        assert connection.execute(text("SELECT written FROM record")).scalars().all() == [{}]


def test_of_a_user_who_is_to_be_forgotten_nothing_is_left_though_their_events_come_again(us: App) -> None:
    """Here the user's id is an address, too."""
    us.project.act("ann@acme.test", "Viewed pricing", user_properties={"plan": "free"})
    us.project.act("bob@acme.test", "Viewed pricing")
    us.project.clock.advance(6 * HOUR)
    us.read()
    us.intend(us.project.ref("ann@acme.test"))
    us.write()
    assert us.found("ann@acme") > 0
    us.project.erase(us.project.ref("ann@acme.test"))
    us.read("erasures")
    assert us.found("ann@acme") == 0
    us.project.act("ann@acme.test", "Viewed pricing")
    us.project.clock.advance(6 * HOUR)
    us.read()
    assert (us.found("ann@acme"), us.found("bob@acme") > 0) == (0, True)


def test_a_user_whom_amplitude_has_forgotten_is_written_to_no_more(us: App) -> None:
    (ref,) = us.project.add_people(1)
    us.project.clock.advance(6 * HOUR)
    us.read()
    us.intend(ref)
    with us.engine.begin() as connection:
        bounds = outbox.Limits(per_record=12, rounds=3)
        assert len(outbox.take(connection, SOURCE, bounds, us.now(), 10).rows) == 1  # and its process died
    us.project.delete(ref)
    us.write()
    assert us.states() == ["superseded"]
    assert us.project.writes() == []
