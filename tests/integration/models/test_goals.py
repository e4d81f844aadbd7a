"""Several goals at once: each has scores, models and CRM fields of its own, from one read of the facts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from connectors.records import RecordRef
from connectors.salesforce.settings import STREAMS
from sandbox.salesforce.objects import score_fields
from tests.contract.connectors.crm_contract import START
from tests.contract.connectors.practice import Host, hosted
from tests.contract.connectors.salesforce_org import KEY, SECRET, PracticeOrg
from tests.integration.cli.product import Product
from tests.integration.models.conftest import by_hand, configure
from worker.bootstrap import Process
from worker.once import Pass, sync
from worker.scoring.model import Model
from worker.settings import Settings
from worker.store import models
from worker.training import health, registry
from worker.training.artefact import pack

WON, UPGRADE = "won", "upgrade"
OURS = {f"{field.name.removesuffix('__c')}{suffix}__c" for field in score_fields() for suffix in ("", "_Upgrade")} - {
    "Lead_Scored_At__c", "Lead_Scored_At_Upgrade__c"
}  # fmt: skip
"""All that is written to a record, but for when."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosted(tmp_path_factory.mktemp("salesforce")) as running:
        yield running


@dataclass
class Shop:
    """The product on a practice org, both on the org's clock."""

    org: PracticeOrg
    process: Process
    command: Product

    def sync(self) -> Pass:
        self.org.clock.advance(timedelta(minutes=10))
        done = sync(self.process, lambda what, n: None)
        assert not done.problems, done.problems
        assert not done.unproved, self.rows("SELECT state, code, answer, values FROM ledger WHERE state <> 'verified'")
        return done

    def model(self, base: float) -> Model:
        return by_hand({feature.name: feature for feature in self.process.vocabulary.features}, base)

    def promote(self, goal: str, base: float, segment: str = "") -> int:
        model = self.model(base)
        artefact, manifest = pack(model, {"goal": goal, "segment": segment}, None)
        now = self.process.now()
        with self.process.engine.begin() as connection:
            number = models.register(connection, goal, segment, model.kind, artefact, manifest, None, "ann", "", now)
            registry.promote(connection, goal, number, author="ann", reason="test", force=True, now=now)
        return number

    def held(self, ref: RecordRef) -> Mapping[str, Any]:
        row = self.org.org.get(ref.object, ref.id)
        assert row is not None
        return row

    def rows(self, query: str) -> list[Any]:
        with self.process.engine.connect() as connection:
            return list(connection.execute(text(query)))


@pytest.fixture
def shop(
    host: Host, tmp_path: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    monkeypatch.setenv("SF_SECRET", SECRET)
    org = PracticeOrg(host, tmp_path)
    for object in ("Lead", "Contact"):
        for field in score_fields():
            suffixed = field.name.removesuffix("__c") + "_Upgrade__c"
            org.org.add_field(object, replace(field, name=suffixed))
    settings = {
        "database_url": database_url,
        "redis_url": redis_url,
        "goal": WON,
        "goals": {
            WON: {"segment": "country"},
            UPGRADE: {
                "event": "opportunity_created",
                "population": {"customers": "include", "unless": {"lead_source": "Partner Referral"}},
                "field_suffix": "Upgrade",
            },
        },
        "sources": [
            {
                "kind": "salesforce",
                "name": "acme",
                "login_url": host.url,
                "ca_bundle": str(host.ca),
                "calls_per_second": 500,
                "without": [name for name in STREAMS if name not in ("leads", "contacts")],
                "auth": {"type": "client_credentials", "consumer_key": KEY, "consumer_secret": {"env": "SF_SECRET"}},
            }
        ],
    }
    config = {**settings, "clock": START.isoformat()}
    process = Process(Settings.model_validate(settings))
    process.now = org.clock.now  # type: ignore[method-assign]
    process.migrate()
    yield Shop(org, process, Product(tmp_path, {"SF_SECRET": SECRET}, config))
    process.close()
    org.close()


def test_each_goals_score_stands_in_fields_of_its_own(shop: Shop) -> None:
    german, american = shop.org.lead(Country="Germany"), shop.org.lead(Country="US")
    partner = shop.org.lead(Country="US", LeadSource="Partner Referral")
    assert shop.sync().scored == 3
    before = shop.held(german)
    assert before["Lead_Score__c"] is not None, "rules score the primary goal"
    assert (before["Lead_Score_Status_Upgrade__c"], before["Lead_Score_Upgrade__c"]) == ("no_model", None)
    assert before["Lead_Score_Bucket_Upgrade__c"] == "unscored"

    everybody, own = shop.promote(WON, -3.0), shop.promote(WON, -1.0, segment="US")
    upgrade = shop.promote(UPGRADE, -2.0)
    assert shop.sync().scored == 3
    first, second, third = (shop.held(ref) for ref in (german, american, partner))
    assert first["Lead_Score_Version__c"] == f"model {everybody}, policy 1, 90 days"
    assert second["Lead_Score_Version__c"] == f"model {own}, policy 1, 90 days", "the segment has a champion of its own"
    for row in (first, second):
        assert row["Lead_Score_Version_Upgrade__c"] == f"model {upgrade}, policy 1, 90 days"
        assert row["Lead_Score_Status_Upgrade__c"] == "scored"
        assert row["Lead_Score_Reasons_Upgrade__c"]
        assert row["Lead_Stage_Upgrade__c"] is None, "a person has one stage"
    assert first["Lead_Score_Upgrade__c"] > first["Lead_Score__c"], "one unit of log-odds more"
    assert first["Lead_Score_Probability_Upgrade__c"] == 13.0, "of log-odds of -1.9"
    assert (third["Lead_Score_Upgrade__c"], third["Lead_Score_Status_Upgrade__c"]) == (None, "not_eligible")
    assert third["Lead_Score__c"] is not None
    assert len(shop.rows("SELECT FROM ledger WHERE intended_at = (SELECT max(intended_at) FROM ledger)")) == 3

    told = json.loads(shop.command.run("explain", german.id, "--goal", UPGRADE, "--json").out)[0]
    assert (
        told["standing"]["score"]
        == sum(reason["points"] for reason in told["reasons"])
        == first["Lead_Score_Upgrade__c"]
    )
    assert told["other_goals"][WON]["score"] == first["Lead_Score__c"]
    shown = json.loads(shop.command.run("status", "--json").out)
    assert sum(shown["further_goals"][UPGRADE].values()) == 3
    assert {model["goal"] for model in shown["models"]} == {WON, UPGRADE}

    upgrade = shop.promote(UPGRADE, 0.5)
    assert shop.sync().scored == 3, "everybody is due when one goal's champion changes"
    after = shop.held(german)
    assert after["Lead_Score_Version_Upgrade__c"] == f"model {upgrade}, policy 1, 90 days"
    assert after["Lead_Score__c"] == first["Lead_Score__c"]
    newest = shop.rows("SELECT DISTINCT ON (subject_id) cause FROM ledger ORDER BY subject_id, id DESC")
    assert "upgrade: bucket" in {row.cause for row in newest}
    with shop.process.engine.begin() as connection:
        registry.rollback(connection, UPGRADE, "", author="ann", reason="", now=shop.process.now())
    assert shop.sync().scored == 3
    back = shop.held(german)
    assert {n: v for n, v in back.items() if n in OURS} == {n: v for n, v in first.items() if n in OURS}
    assert shop.sync().scored == 0


def test_a_goal_that_is_added_later_scores_everybody(shop: Shop) -> None:
    ref = shop.org.lead()
    whole = shop.process.settings
    configure(shop.process, goals={WON: whole.goals[WON]})
    with shop.process.engine.begin() as connection:
        connection.execute(text("DELETE FROM policy WHERE goal = 'upgrade'"))
    assert shop.sync().scored == 1
    configure(shop.process, goals=whole.goals)
    with shop.process.engine.connect() as connection:
        assert len(shop.process.goals.scales(connection)) == 1, "there is no policy of it yet"
        assert "upgrade" in health.summary(connection, UPGRADE, shop.process.now()).problems[0]
    shop.org.clock.advance(timedelta(minutes=1))
    shop.process.migrate()
    assert shop.sync().scored == 1
    assert shop.held(ref)["Lead_Score_Status_Upgrade__c"] == "no_model"
    assert shop.sync().scored == 0


def test_a_broken_champion_of_a_further_goal_stops_no_other(shop: Shop) -> None:
    ref = shop.org.lead()
    number = shop.promote(UPGRADE, -2.0)
    shop.sync()
    held = shop.held(ref)["Lead_Score_Upgrade__c"]
    with shop.process.engine.begin() as connection:
        connection.execute(text("UPDATE model SET artefact = artefact || 'x'"))
    del shop.process.goals  # as another process would see it
    shop.org.edit(ref)
    assert shop.sync().scored == 1
    assert shop.held(ref)["Lead_Score_Upgrade__c"] == held
    with shop.process.engine.connect() as connection:
        assert f"model {number}" in health.summary(connection, UPGRADE, shop.process.now()).problems[0]


def test_a_goals_field_that_is_missing_is_found_before_anything_is_written(shop: Shop) -> None:
    shop.org.org.drop_field("Lead", "Lead_Score_Upgrade__c")
    problems = shop.process.crm("acme").check()
    (missing,) = (problem for problem in problems if problem.code.startswith("field_"))  # all others are there
    assert (missing.code, missing.where) == ("field_missing", "acme/Lead.Lead_Score_Upgrade__c")
    assert "map `upgrade.score` to another field" in missing.fix
