"""What a stage reaches in a CRM beside the score fields, there and back: a field of its own, a task, and who is asked
what holds a person from the next stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from connectors.records import RecordRef
from tests.contract.connectors.practice import Host, hosted
from tests.contract.connectors.salesforce_org import KEY, SECRET, PracticeOrg
from tests.integration.console.conftest import Browser, served
from worker.bootstrap import Process
from worker.cli.explain import report_of
from worker.lifecycle import policy as policies
from worker.once import sync
from worker.settings import Settings
from worker.steering import policies as steering
from worker.store import alerts, brakes, ledger, people, revisions

RULES = """
    version: 1
    base: 0
    groups: {fit: {label: Fit, max: 100}}
    rules: [{id: big, group: fit, points: 80, when: {employees: {at_least: 100}}, say: Big}]
"""
NEW, MINE, WORKING = "Open - Not Contacted", "Marketing Qualified", "Working - Contacted"
STREAMS = ["contacts", "campaign_members", "events", "email_messages", "opportunities", "opportunity_roles", "accounts",
           "lead_history", "contact_history", "purges"]  # fmt: skip


class House(Process):
    """A product whose clock is the org's."""

    org: PracticeOrg

    def now(self) -> datetime:
        return self.org.clock.now()

    def passes(self, **later: float) -> None:
        """Time, and then a whole pass."""
        self.org.clock.advance(timedelta(**later))
        assert not sync(self, lambda step, count: None).problems

    def status(self, lead: RecordRef) -> str:
        row = self.org.org.get("Lead", lead.id)
        assert row is not None
        return str(row["Status"])

    def tasks(self) -> list[Any]:
        return list(self.org.org.tables["Task"].visible.values())

    def told(self, lead: RecordRef) -> dict[str, Any]:
        with self.engine.connect() as connection:
            (person,) = people.lookup(connection, str(lead))
            return report_of(self, connection, person, "default")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("salesforce")


@pytest.fixture(scope="module")
def host(directory: Path) -> Iterator[Host]:
    with hosted(directory) as running:
        yield running


@pytest.fixture
def house(
    host: Host, directory: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    monkeypatch.setenv("SF_SECRET", SECRET)
    org = PracticeOrg(host, directory)
    lead = org.org.schema["Lead"]
    lead.put(_with(lead.fields["Status"], MINE))
    source = {
        "kind": "salesforce", "name": "acme", "login_url": org.url, "ca_bundle": host.ca, "settle": 0,
        "auth": {"type": "client_credentials", "consumer_key": KEY, "consumer_secret": {"env": "SF_SECRET"}},
        "without": STREAMS, "calls_per_second": 500,
        "lead_status": {"stages": {"mql": MINE, "recycled": NEW}}, "alert": {"entering": "mql"},
    }  # fmt: skip
    settings = {"database_url": database_url, "redis_url": redis_url, "partitions": 1, "sources": [source]}
    house = House(Settings.model_validate(settings))
    house.org = org
    house.migrate()
    policy = policies.change(policies.Policy(), "recycling.silence_days=40", "sales.bant=2").model_dump(mode="json")
    with house.engine.begin() as connection:
        for table, body in (("rules", RULES), ("policy", policy)):
            revisions.publish(connection, table, "default", body, after=1, author="", comment="", now=house.now())
    yield house
    house.close()
    org.close()


def _with(field: Any, *values: str) -> Any:
    from dataclasses import replace

    return replace(field, values=(*field.values, *values))


def test_a_status_follows_until_a_rep_takes_it_and_the_owner_is_told_once(house: House) -> None:
    lead = house.org.lead(NumberOfEmployees=120, OwnerId=house.org.org.admin)
    with house.engine.begin() as connection:
        brakes.pause(connection, brakes.ALL, "a wrong rule", "ann", house.now())
    house.passes(minutes=5)
    assert (house.tasks(), house.status(lead)) == ([], NEW), "a pause holds tasks, too"
    with house.engine.begin() as connection:
        brakes.resume(connection, brakes.ALL)
    house.passes(minutes=5)
    assert house.status(lead) == MINE
    (task,) = house.tasks()
    assert (task["WhoId"], task["OwnerId"]) == (lead.id, house.org.org.admin)
    assert "Score 80 of 100 (warm)." in task["Description"]
    written = len(house.org.org.writes)
    for _ in range(2):
        house.passes(minutes=5)
    assert (house.status(lead), len(house.tasks()), len(house.org.org.writes)) == (MINE, 1, written)
    with house.engine.connect() as connection:
        assert ledger.counts(connection) == {"acme": {"verified": 1}}
        kinds = "SELECT count(*) FROM activity WHERE retracted_at IS NULL"
        assert connection.execute(text(kinds)).scalar_one() == 0, "our own task is no act of sales'"

    house.org.org.update("Lead", lead.id, {"Status": WORKING})
    house.passes(minutes=5)
    told = house.told(lead)["stage"]
    assert (told["stage"], told["cause"]) == ("accepted", "sales accepted it")
    assert [its["code"] for its in told["ahead"]] == ["confirmed", "bant"]
    assert [(its["from_stage"], its["to_stage"]) for its in told["moves"]] == [("mql", "accepted"), (None, "mql")]
    assert [its["state"] for its in told["alerts"]] == ["made"]

    house.passes(days=41)
    told = house.told(lead)
    assert told["stage"]["stage"] == "recycled"
    assert house.status(lead) == WORKING, "what a rep chose stands"
    assert told["writes"][0]["state"] == "verified"
    assert f"'{WORKING}' was set in the CRM" in told["writes"][0]["kept"]["crm:Status"]["why"]


def test_what_a_rep_sets_before_the_write_goes_out_stays(house: House) -> None:
    lead = house.org.lead(NumberOfEmployees=10)
    house.passes(minutes=5)
    assert house.status(lead) == NEW
    house.org.org.update("Lead", lead.id, {"NumberOfEmployees": 120})
    real = house.crm("acme").push

    def a_rep_is_faster(*given: Any) -> Any:
        house.org.org.update("Lead", lead.id, {"Status": "Closed - Not Converted"})
        return real(*given)

    house.crm("acme").push = a_rep_is_faster  # type: ignore[method-assign, assignment]
    house.passes(minutes=5)
    assert house.status(lead) == "Closed - Not Converted"
    (write, *_) = house.told(lead)["writes"]
    assert "somebody set it to Closed - Not Converted meanwhile" in write["kept"]["crm:Status"]["why"]


@pytest.mark.parametrize("fault", ["killed after the call", "the answer is lost"])
def test_there_is_one_task_whatever_happens(house: House, fault: str) -> None:
    house.org.lead(NumberOfEmployees=10, OwnerId=house.org.org.admin)
    house.passes(minutes=5)
    (lead,) = house.org.org.tables["Lead"].visible
    house.org.org.update("Lead", lead, {"NumberOfEmployees": 120})
    if fault == "the answer is lost":
        lost = {"method": "POST", "path": "/composite/sobjects$", "count": 1, "effect": {"reset_after": True}}
        house.org.faults.add([lost])
    else:
        _dies(house, house.crm("acme"))
    house.passes(minutes=5)
    house.passes(minutes=5)
    assert len(house.tasks()) == 1
    with house.engine.connect() as connection:
        assert alerts.counts(connection, house.now() - timedelta(days=1)) == {"acme": {"made": 1}}


def _dies(house: House, crm: Any) -> None:
    """The process dies between the call and the record of it."""
    real: Callable[[Any], Any] = crm.alert

    def dying(given: Any) -> Any:
        crm.alert = real
        real(given)
        raise _Killed

    crm.alert = dying
    house.org.clock.advance(timedelta(minutes=5))
    with pytest.raises(_Killed):
        sync(house, lambda step, count: None)
    house.org.clock.advance(timedelta(minutes=5))  # its lease runs out


class _Killed(BaseException):
    pass


def test_whoever_is_owned_by_a_queue_and_old_acquaintances_are_not_told(house: House) -> None:
    queue = house.org.org.insert("Group", {"Name": "New leads", "Type": "Queue"})
    house.org.lead(NumberOfEmployees=120, OwnerId=house.org.org.admin)
    house.org.clock.advance(timedelta(days=2))
    lead = house.org.lead(NumberOfEmployees=120, OwnerId=queue)
    house.passes(minutes=5)
    assert house.tasks() == [], "the one is no news, the other has nobody to tell"
    (told,) = house.told(lead)["stage"]["alerts"]
    assert (told["state"], told["code"]) == ("refused", "NO_OWNER")


def test_a_policy_that_the_configuration_or_a_crm_contradicts_is_refused(house: House) -> None:
    house.org.populate()
    held = policies.Policy()
    for changes, said in (
        ("sales.accepted=Marketing Qualified", "acme: lead_status.stages.mql: 'Marketing Qualified' stands under"),
        ("buckets.0.name=burning", "lacks burning; there are hot, warm, nurture, cold, unscored; add the values"),
    ):
        with pytest.raises(policies.PolicyError) as refused:
            house.agree("default", policies.change(held, changes), held)
        assert said in str(refused.value)
    house.agree("default", policies.change(held, "buckets.0.at_least=95"), held)
    with house.engine.begin() as connection:
        steering.edit(connection, "default", "draft", ["buckets.0.name=burning"], "ann", house.now())
    with served(house) as base:
        refused_there = Browser(base).post("/threshold/publish", version=1)
    assert refused_there.status_code == 422
    assert "lacks burning" in refused_there.text, "the console asks as the command does"
