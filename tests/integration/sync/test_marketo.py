"""A Marketo instance as the application meets it: read, scored, written, proved by what comes back, and a campaign for
whoever becomes hot; joined with another account by the address that both know."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from connectors.records import RecordRef
from sandbox.marketo import log
from sandbox.marketo.instance import PERSON, flow
from tests.contract.connectors.marketo_instance import SECRET, VARIABLE, PracticeInstance
from tests.contract.connectors.practice import Host, hosted
from worker.bootstrap import Process
from worker.once import sync
from worker.settings import Settings
from worker.store import alerts, ledger, people, revisions

RULES = """
    version: 1
    base: 0
    groups: {fit: {label: Fit, max: 60}, engagement: {label: Acts, max: 60}}
    rules:
      - {id: big, group: fit, points: 50, when: {employees: {at_least: 100}}, say: Big}
      - {id: demo, group: engagement, points: 45, when: {did: {activity: demo_request, within: 30d}}, say: Demo}
"""


class House(Process):
    """A product whose clock is the instance's."""

    marketo: PracticeInstance

    def now(self) -> datetime:
        return self.marketo.clock.now()

    def passes(self, **later: float) -> None:
        """Time, and then a whole pass."""
        self.marketo.clock.advance(timedelta(**later))
        assert not sync(self, lambda step, count: None).problems

    def person(self, ref: RecordRef) -> int:
        with self.engine.connect() as connection:
            (person,) = people.lookup(connection, str(ref))
        return person

    def told(self) -> Any:
        with self.engine.connect() as connection:
            return ledger.counts(connection), alerts.counts(connection, self.now() - timedelta(days=1))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosted(tmp_path_factory.mktemp("marketo")) as running:
        yield running


@pytest.fixture
def house(
    host: Host, tmp_path: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    monkeypatch.setenv(VARIABLE, SECRET)
    marketo = PracticeInstance(host)
    campaign = marketo.instance.add_campaign("Hot leads", rule="once")
    (tmp_path / "leads.csv").write_text("id,created_at,email\nF1,2026-03-01T10:00:00Z,p1@acme.test\n")
    (tmp_path / "mapping.yaml").write_text("leads: {file: leads.csv, columns: {email: email}}\n")
    source = marketo.settings(alert={"campaign": campaign}, calls_per_20_seconds=10_000).model_dump(mode="json")
    folder = {"kind": "files", "name": "export", "directory": tmp_path, "output": "scored.csv"}
    settings = {"database_url": database_url, "redis_url": redis_url, "partitions": 1, "sources": [source, folder]}
    house = House(Settings.model_validate(settings))
    house.marketo = marketo
    house.migrate()
    with house.engine.begin() as connection:
        revisions.publish(connection, "rules", "default", RULES, after=1, author="", comment="", now=house.now())
    yield house
    house.close()
    marketo.close()


def test_a_lead_is_read_scored_written_proved_and_told_of_once(house: House) -> None:
    marketo, instance = house.marketo, house.marketo.instance
    ref = marketo.add(numberOfEmployees=1200, title="CTO")
    other = marketo.add(numberOfEmployees=3)
    house.passes(minutes=5)
    (lead, small) = (instance.lead(int(each.id)) for each in (ref, other))
    assert lead is not None
    assert small is not None
    assert (lead.get("leadGaugeScore"), small.get("leadGaugeScore")) == (50, 0)
    assert house.person(ref) == house.person(RecordRef("export", "leads", "F1")), "one address, one person"

    instance.happen(int(ref.id), log.FORM, primary=5, value="Request a demo")
    house.passes(minutes=5)
    assert (lead.get("leadGaugeScore"), lead.get("leadGaugeStage")) == (95, "mql")
    assert "Demo" in str(lead.get("leadGaugeReasons"))
    (campaign,) = instance.campaigns.values()
    assert [run[0] for run in campaign.runs] == [lead.id]

    written = len(instance.writes)
    for _ in range(3):
        house.passes(minutes=5)
    counts, told = house.told()
    assert counts["acme-mkto"] == {"verified": 3}, "two of one lead, one of the other"
    assert told == {"acme-mkto": {"made": 1}}
    assert len(instance.writes) == written
    assert [run[0] for run in campaign.runs] == [lead.id]

    instance.change(int(ref.id), {"leadGaugeScore": 3}, cause=flow("Old scoring"))
    house.passes(minutes=10)
    house.passes(minutes=10)
    assert lead.get("leadGaugeScore") == 95, "what a flow wrote over is seen, and made good"
    instance.change(int(ref.id), {"leadGaugeScore": 4}, cause=PERSON)
    house.passes(minutes=10)
    assert (lead.get("leadGaugeScore"), house.told()[0]["acme-mkto"]["drifted"]) == (4, 1), "a person's stays"
    instance.delete(int(other.id))
    house.passes(minutes=30)
    with house.engine.connect() as connection:
        gone = connection.execute(text("SELECT count(*) FROM record WHERE deleted_at IS NOT NULL")).scalar_one()
    assert gone == 1
