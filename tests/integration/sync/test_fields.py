"""A field that appears is read of every record, whether it is new or was away for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from connectors.port import Crm
from connectors.records import RecordRef
from connectors.transport import Exchange
from tests.contract.connectors.crm_contract import START, Practice
from tests.contract.connectors.hubspot_portal import PracticePortal
from tests.contract.connectors.hubspot_site import TOKEN, VARIABLE
from tests.contract.connectors.practice import Host
from tests.contract.connectors.salesforce_org import PracticeOrg
from worker.bootstrap import Process
from worker.cli.status import gather
from worker.lease import Holder
from worker.settings import Settings
from worker.store import readings
from worker.sync.audit import Audited
from worker.sync.plan import Reconcile, plan, register
from worker.sync.pull import Pulled, pull
from worker.sync.reconcile import Reconciled, reconcile

TITLE = "title"


@dataclass
class Admin:
    """A practice CRM, the hands of whoever takes a field out and puts it back, and what its rows are worth to us."""

    practice: Practice
    engine: Engine
    hide: Callable[[], None]
    show: Callable[[], None]
    calls: list[Exchange]
    open: Callable[..., Crm]

    def holder(self) -> Holder:
        return Holder(self.engine, "one", self.practice.clock.now, timedelta(minutes=1))

    def wait(self, **time: float) -> None:
        self.practice.clock.advance(timedelta(**time))

    def pull(self, crm: Crm) -> Pulled:
        (stream,) = [stream for stream in crm.streams if stream.name == self.practice.people_stream]
        pulled = pull(self.holder(), crm, stream, force=True)
        assert pulled is not None
        assert (pulled.problem, pulled.drained) == (None, True)
        return pulled

    def planned(self, crm: Crm) -> bool:
        """Whether a plan of now has the source counted."""
        with self.engine.begin() as connection:
            due = plan(connection, [crm.source], [], 1, timedelta(seconds=45), self.practice.clock.now())
            return Reconcile(crm.source) in list(due)

    def reconcile(self, crm: Crm) -> Reconciled:
        done = reconcile(self.holder(), crm)
        assert done is not None
        assert (done.problem, done.done) == (None, True)
        return done

    def titles(self) -> dict[str, str | None]:
        with self.engine.connect() as connection:
            query = "SELECT s.key, r.attributes ->> 'title' AS title FROM record r JOIN subject s ON s.id = subject_id"
            return {row.key: row.title for row in connection.execute(text(query))}

    def grown(self) -> list[str]:
        with self.engine.connect() as connection:
            return [name for its in readings.grown(connection, self.practice.clock.now()) for name in its.names]


@pytest.fixture(params=["salesforce", "hubspot"])
def admin(
    request: pytest.FixtureRequest, host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Admin]:
    calls: list[Exchange] = []
    portal: PracticePortal | None = None
    made: Admin
    if request.param == "salesforce":
        org: PracticeOrg = request.getfixturevalue("org")
        org.clock.hold(START)
        hidden = org.org.access.hidden
        made = Admin(
            org, engine, lambda: hidden.add("Lead.Title"), lambda: hidden.discard("Lead.Title"), calls,
            lambda **its: org.open(observer=calls.append, **its),
        )  # fmt: skip
    else:
        monkeypatch.setenv(VARIABLE, TOKEN)
        portal = PracticePortal(host, "v3")
        schema = portal.portal.schemas["contacts"]
        held = schema.get("jobtitle")
        assert held is not None
        made = Admin(
            portal, engine, lambda: schema.archive("jobtitle", 1), lambda: schema.put(held), portal.site.calls,
            portal.open,
        )  # fmt: skip
    crm = made.open()
    with engine.begin() as connection:
        register(connection, {crm.source: crm.streams}, made.practice.clock.now())
    yield made
    if portal is not None:
        portal.site.close()


def loaded(admin: Admin, people: int) -> tuple[Crm, list[RecordRef]]:
    """People with a title each, read for the first time."""
    crm, made = admin.open(), admin.practice.add_people(people)
    for ref in made:
        admin.practice.edit(ref)
    admin.wait(minutes=20)
    admin.pull(crm)
    assert admin.titles() == {ref.id: "CEO" for ref in made}
    assert not admin.planned(crm)
    return crm, made


def change(admin: Admin, ref: RecordRef, crm: Crm) -> None:
    """What is not the title changes, and is read."""
    practice: Any = admin.practice
    if isinstance(practice, PracticeOrg):
        practice.org.update("Lead", ref.id, {"Company": "Another"})
    else:
        practice.portal.update("contacts", ref.id, {"company": "Another"})
    admin.wait(minutes=20)
    admin.pull(crm)


def test_a_field_that_was_away_while_records_changed_is_in_all_of_them_after_the_next_count(admin: Admin) -> None:
    crm, (first, second, *others) = loaded(admin, 7)
    admin.hide()
    change(admin, first, crm)
    change(admin, first, late := admin.open())
    assert admin.titles()[first.id] is None
    assert not admin.planned(crm), "what went is not looked for"
    admin.show()
    another = admin.open()  # a process that has not seen the field go
    change(admin, second, another)
    change(admin, others[0], crm)  # which goes by what it was told when the field was away
    assert admin.titles() == {first.id: None, **{ref.id: "CEO" for ref in (second, *others)}}
    assert admin.grown() == ["title=Title" if first.object == "Lead" else "title=jobtitle"]
    assert admin.planned(another), "at once, not in the night"
    done = admin.reconcile(late)  # as does this one
    assert (done.appeared, done.counted) == (Audited(rows=7, missed=1), 0)
    assert set(admin.titles().values()) == {"CEO"}
    assert admin.grown() == []
    assert not admin.planned(crm)
    admin.wait(hours=23)
    assert admin.planned(crm), "the night's count is when it was"
    night = admin.reconcile(crm)
    assert (night.appeared, night.counted) == (Audited(), 7)


def test_an_attribute_that_is_mapped_to_what_is_read_already_is_read_of_every_record(admin: Admin) -> None:
    crm, made = loaded(admin, 3)
    field = "Title" if made[0].object == "Lead" else "jobtitle"
    crm = admin.open(attributes={"seniority": field})
    change(admin, made[0], crm)
    assert admin.grown() == [f"seniority={field}"]
    assert admin.planned(crm)
    assert admin.reconcile(crm).appeared == Audited(rows=3, missed=2)
    with admin.engine.connect() as connection:
        held = connection.execute(text("SELECT count(*) FROM record WHERE attributes ->> 'seniority' = 'CEO'"))
        assert held.scalar_one() == 3


def test_a_field_that_comes_and_goes_uses_up_no_calls(admin: Admin) -> None:
    crm, made = loaded(admin, 3)
    for first in (True, False):
        admin.hide()
        change(admin, made[0], crm)
        admin.show()
        change(admin, made[1], crm := admin.open())
        assert admin.planned(crm) is first, "once an hour"
        if first:
            assert admin.reconcile(crm).appeared.rows == 3
    admin.wait(hours=1)
    assert admin.planned(crm)
    assert admin.reconcile(crm).appeared.rows == 3
    assert set(admin.titles().values()) == {"CEO"}


def test_while_nothing_appears_nothing_more_is_asked(admin: Admin) -> None:
    crm, (one, *_) = loaded(admin, 3)
    change(admin, one, crm)
    admin.calls.clear()
    change(admin, one, crm)
    asked = [exchange.endpoint for exchange in admin.calls]
    assert not [each for each in asked if "describe" in each or "properties" in each], asked


def test_where_reading_on_fails_the_comparison_goes_on_where_it_stood(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.sync.audit.AT_ONCE", 2)
    crm, made = loaded(admin, 5)
    admin.hide()
    change(admin, made[0], crm)
    admin.show()
    crm = admin.open()
    change(admin, made[4], crm)
    assert admin.planned(crm)
    path = "/queryAll" if made[0].object == "Lead" else "/objects/contacts/batch/read"
    rows: list[Mapping[str, Any]] = [{"path": path, "skip": 1, "count": 50, "effect": {"status": 400, "json": []}}]
    admin.practice.faults.add(rows)
    stopped = reconcile(admin.holder(), crm)
    assert stopped is not None
    assert stopped.problem is not None
    assert stopped.appeared.rows == 2
    assert not admin.planned(crm), "it waits for as long as it is told"
    admin.practice.faults.clear()
    admin.wait(minutes=10)
    assert admin.planned(crm)
    assert admin.reconcile(crm).appeared.rows == 3
    assert set(admin.titles().values()) == {"CEO"}


def test_what_is_known_of_a_field_that_appeared(engine: Engine) -> None:
    def grown() -> dict[str, list[str]]:
        return {its.object: list(its.names) for its in readings.grown(connection, now, "acme")}

    now = START
    with engine.begin() as connection:
        for object in ("Lead", "Contact"):
            readings.note(connection, "acme", object, {"a", "b"}, now)
        assert readings.held(connection, "acme") == {object: {"a", "b"} for object in ("Lead", "Contact")}
        assert grown() == {}, "nobody lacks what the first page had"
        readings.note(connection, "acme", "Lead", {"b", "c", "d"}, now)
        readings.note(connection, "acme", "Lead", {"d", "b", "c"}, now + timedelta(minutes=1))
        (appeared,) = readings.grown(connection, now, "acme")
        assert (appeared.names, appeared.at) == (["c", "d"], now)
        readings.note(connection, "acme", "Lead", {"b", "d"}, now)
        assert grown() == {"Lead": ["d"]}, "what has gone again is not to be had"
        readings.note(connection, "acme", "Lead", {"b", "c", "d"}, later := now + timedelta(minutes=2))
        readings.compared(connection, "acme", "Lead", appeared.at, now)
        assert grown() == {}, "not so soon"
        now += timedelta(hours=1)
        assert grown() == {"Lead": ["c", "d"]}, "a row may have been stored without it, and compared before"
        readings.compared(connection, "acme", "Lead", later, now)
        now += timedelta(hours=1)
        assert grown() == {}
        assert readings.grown(connection, now) == []


def test_status_says_which_field_appeared(engine: Engine, database_url: str, redis_url: str) -> None:
    with engine.begin() as connection:
        for fields in ({"Email"}, {"Email", "region=Region__c"}):
            readings.note(connection, "acme", "Lead", fields, START)
    settings = {"database_url": database_url, "redis_url": redis_url, "clock": START + timedelta(minutes=5)}
    process = Process(Settings.model_validate(settings))
    process.migrate()
    with engine.connect() as connection:
        waits = gather(process, connection)["waits"]
    process.close()
    assert waits == ["acme: all rows of Lead are compared, as region=Region__c appeared 5 min ago"]
