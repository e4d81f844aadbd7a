"""Why a score changed, from a real history: a model that took half of the say, a week of decay, and a new act."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.port import Page
from connectors.records import Activity, ActivityKind, RecordRef
from tests.integration.cli.product import Product
from tests.integration.models.conftest import GOAL, House
from worker.rescoring.changed import changed
from worker.scoring.change import Cause
from worker.store import scores
from worker.sync.apply import apply
from worker.training import registry


def visit(house: House, lead: str) -> None:
    """The lead looks at the prices now."""
    now, ref = house.time[0], RecordRef("crm", "Visit", f"{lead}-now")
    whose = (RecordRef("crm", "Lead", lead),)
    act = Activity(ref, ActivityKind.PRICING_PAGE_VIEW, whose, occurred_at=now, recorded_at=now)
    with house.process.engine.begin() as connection:
        apply(connection, Page(cursor={}, done=True, activities=[act]), now)


def test_a_change_is_set_off_between_the_model_time_and_the_lead(house: House, tmp_path: Path) -> None:
    house.meet(4)
    house.rescore()
    before, then = house.process.goals.bases()[0], house.time[0]
    house.later(days=7)
    number = house.register(data={"conversions": 40})
    with house.process.engine.begin() as connection:
        registry.promote(connection, GOAL, number, author="ann", reason="", force=True, now=house.time[0])
    visit(house, "0001")
    house.rescore()
    after, now = house.process.goals.bases()[0], house.time[0]
    (person,) = (row.person_id for row in house.rows("SELECT person_id FROM subject WHERE key = '0001'"))
    with house.process.engine.connect() as connection:
        standing = scores.load(connection, GOAL, [person])[person]
        held = scores.held_at(connection, GOAL, person, then)
        assert scores.held_at(connection, GOAL, person, then - timedelta(days=1)) is None
    assert held is not None
    found = changed(house.process.arrow, person, then, before, now, after)
    assert found is not None
    assert (found.change.before, found.change.after) == (held.score, standing.score)
    moved = {cause: found.change.moved(cause) for cause in Cause}
    assert sum(moved.values()) + found.change.rounding == pytest.approx(standing.score - held.score)
    assert moved[Cause.TIME] < 0 < moved[Cause.LEAD]
    assert "handover" in {move.code for move in found.change.moves if move.cause is Cause.MODEL}
    assert [(event.what, event.count) for event in found.events] == [("pricing_page_view", 1)]
    assert house.wanted()[person]["version"].startswith("model 1, rules 1, policy ")

    addresses = house.process.addresses
    places = {"LEADGAUGE_DATABASE_URL": addresses.database, "LEADGAUGE_REDIS_URL": addresses.redis, "COLUMNS": "80"}
    product = Product(tmp_path, places)
    report = json.loads(product.run("explain", "crm/Lead/0001", "--since", "7d", "--json").out)[0]
    told, score = report["change"], report["score"]
    assert sum(score["subtotals"].values()) == standing.score
    assert {name: score[name] for name in ("grade", "probability")}.items() <= house.wanted()[person].items()
    assert (score["horizon_days"], score["bant"][0]["ask"]) == (90, "is there a budget?")
    assert sum(move["points"] for move in told["change"]["moves"]) == pytest.approx(sum(moved.values()))
    shown = product.run("explain", "crm/Lead/0001", "--since", "7d").out
    assert all(words in shown for words in ("the lead moved", "time passed", "rounding", "pricing page view"))
    assert f"Grade {score['grade']}: " in shown
    assert f"Probability {score['probability']:g} % of" in shown
    assert "write 12h, 7d, 2w" in product.run("explain", "crm/Lead/0001", "--since", "soon").said
    assert "choose an earlier time" in product.run("explain", "crm/Lead/0001", "--since", "2030-01-01").said
