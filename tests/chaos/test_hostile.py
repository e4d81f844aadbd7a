"""Both CRMs do to the product everything that CRMs are known to do, all at once, while their world goes on changing.

Afterwards, with the clock held: nothing is missing, nothing is there twice, every write landed or says why it did not,
and no quota was exceeded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, NullPool, create_engine

from tests.chaos.conftest import Practice, Product, until
from tests.chaos.disturbances import CRMS, alone, disturb
from tests.chaos.oracle import (
    NEUTRAL,
    assert_every_row_is_known_once,
    assert_every_write_landed_or_says_why,
    assert_nothing_to_write,
    assert_same_facts,
    facts,
    numbers,
    read_from_nothing,
)
from tests.chaos.primary import Primary

SEED = 3
TIGHT: Mapping[str, Mapping[str, Any]] = {
    "salesforce": {"bulk_from": 40, "bulk_page_size": 30, "page_size": 60},
    "hubspot": {"page_size": 40},
}
"""So small a world still takes bulk jobs and many pages."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("practice", [("--live", "--live-rate", "150")], ids=["live"], indirect=True)
def test_after_a_hostile_day_nothing_is_missing_and_nothing_is_there_twice(
    practice: Practice, product: Product, engine: Engine, empty_database_url: str
) -> None:
    for source in product.config["sources"]:
        source |= TIGHT[source["kind"]]
    product.configure()
    for command in (("migrate",), ("policy", "set", *NEUTRAL)):
        assert (run := product.run(*command)).code == 0, run.err
    for crm in CRMS:
        practice.post(crm, "profile", {"name": "hostile", "seed": SEED})
    began = datetime.now(UTC)
    product.start("beat")
    for queues in ("plan,sync", "plan,sync", "compute"):
        product.start("worker", "--queues", queues, "--concurrency", "1" if queues == "compute" else "2")

    unread = "SELECT count(*) FROM stream WHERE role = 'pull' AND complete_at IS NULL"
    until(lambda: numbers(engine, "SELECT count(*) FROM stream") > 0, 90, "the streams are known")
    until(lambda: numbers(engine, unread) == 0, 300, "everything was read once")
    disturb(practice, alone(engine, "contacts", 4), alone(engine, "Lead", 2))
    lately = "SELECT count(*) FROM activity WHERE occurred_at > :began"
    until(lambda: numbers(engine, lately, began=began) > 30, 180, "the changing world is followed")
    landed = "SELECT count(*) FROM ledger WHERE state IN ('accepted', 'verified')"
    until(lambda: numbers(engine, landed) > 100, 180, "writes land")

    spoilt = {crm: sum(rule["applied"] for rule in practice.get(crm, "faults")) for crm in CRMS}
    assert min(spoilt.values()) > 5, spoilt
    usage = practice.get("hubspot", "usage")
    for crm in CRMS:
        practice.post(crm, "profile", {"name": "calm"})
    practice.restart()
    for process in list(product.running):
        product.kill(process)
    held = (datetime.now(UTC) + timedelta(hours=25)).isoformat()
    for crm in CRMS:  # what was committed late has come to light a day later
        practice.post(crm, "clock", {"hold": held})
    product.hurry()
    run = product.run("sync", "--once", LEADGAUGE_CLOCK=held)
    assert run.code in (0, 1), run.said

    primary = Primary(practice.told)
    assert_every_row_is_known_once(engine, primary)
    explained = assert_every_write_landed_or_says_why(engine, primary)
    used, allowed = primary.calls_left()
    assert used < allowed / 4
    assert usage["refused"] == 0, "HubSpot had to refuse calls over its limits"
    primary.close()
    read_from_nothing(product, empty_database_url, held)
    assert_same_facts(facts(engine), facts(create_engine(empty_database_url, poolclass=NullPool)))
    assert_nothing_to_write(empty_database_url, explained)
