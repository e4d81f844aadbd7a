"""The command on a Mixpanel project: from the events of its users to a property that is proved to be there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox.clock import Clock, wall_time
from sandbox.mixpanel.app import build_app
from sandbox.mixpanel.limits import VENDORS_LIMITS
from sandbox.mixpanel.project import ACCOUNT, ACCOUNT_SECRET, TOKEN, Project
from tests.contract.connectors.practice import hosted
from tests.integration.cli.product import Product
from worker import embedded

USERS = 6


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, dict[str, Any]]]:
    """A project whose users looked at prices yesterday, each once more than the one before, under Mixpanel's limits."""
    clock = Clock(wall_time() - timedelta(days=1))
    project = Project(clock, region="eu", limits=VENDORS_LIMITS)
    for number in range(USERS):
        project.put(f"u-{number}", **{"$email": f"u-{number}@acme.test", "$country_code": "DE"})
        for visit in range(number):
            project.add_event("Viewed pricing", clock.now(), f"u-{number}", f"visit-{visit}")
    clock.advance(timedelta(days=1))
    with hosted(tmp_path_factory.mktemp("mixpanel")) as host:
        host.show(build_app(project), clock)
        yield project, {
            "kind": "mixpanel", "name": "app", "region": "eu", "project_id": project.id, "ca_bundle": str(host.ca),
            "hosts": dict.fromkeys(("ingest", "export", "query"), host.url), "timings": {"history": "P3D"},
            "auth": {"user": ACCOUNT, "secret": {"env": "SECRET_SECRET"}, "token": {"env": "SECRET_TOKEN"}},
            "spool": str(tmp_path_factory.mktemp("spool") / "events"),
        }  # fmt: skip


@pytest.fixture(scope="module")
def product(
    served: tuple[Project, dict[str, Any]], module_database_url: str, servers: embedded.Addresses,
    tmp_path_factory: pytest.TempPathFactory,
) -> Product:  # fmt: skip
    """The command after its first pass."""
    hidden = {"SECRET_SECRET": ACCOUNT_SECRET, "SECRET_TOKEN": TOKEN}
    addresses = {"LEADGAUGE_DATABASE_URL": module_database_url, "LEADGAUGE_REDIS_URL": servers.redis_url}
    directory: Path = tmp_path_factory.mktemp("product")
    product = Product(directory, {**addresses, **hidden}, {"sources": [served[1]]}, list(hidden.values()))
    first = product.run("sync", "--once", "--json")
    assert (first.code, first.err) == (0, ""), first.said
    done = json.loads(first.out)
    assert (done["sent"], done["verified"], done["unproved"]) == (USERS, USERS, 0)
    return product


def test_every_user_has_the_score_that_the_ledger_meant(
    product: Product, served: tuple[Project, dict[str, Any]]
) -> None:
    project, _ = served
    with psycopg.connect(product.environment["LEADGAUGE_DATABASE_URL"].replace("+psycopg", "")) as database:
        rows = database.execute(
            "SELECT s.key, l.values->>'score', l.state FROM ledger l JOIN subject s ON s.id = l.subject_id"
        ).fetchall()
    assert {row[2] for row in rows} == {"verified"}
    held = {id: profile.properties for id, profile in project.profiles.items()}
    assert {(id, int(score)) for id, score, _ in rows} == {(id, its["lead_gauge_score"]) for id, its in held.items()}
    assert held["u-5"]["lead_gauge_score"] > held["u-0"]["lead_gauge_score"], "whoever looks at prices is warmer"
    assert project.meter.refused == 0


def test_a_second_pass_finds_nothing_to_do(product: Product) -> None:
    again = json.loads(product.run("sync", "--once", "--json").out)
    assert (again["scored"], again["sent"], again["unproved"]) == (0, 0, 0)
