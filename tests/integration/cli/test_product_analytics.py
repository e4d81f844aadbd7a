"""The command on two Amplitude projects: in the US, where a write is proved, and in the EU, where it cannot be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox.amplitude.app import build_app
from sandbox.amplitude.project import Cohort, Project
from sandbox.amplitude.settings import AmplitudeServer
from sandbox.clock import Clock, wall_time
from tests.contract.connectors.practice import hosted
from tests.integration.cli.product import Product
from worker import embedded

USERS = 6
COHORTS = {"cold": "Leadgauge cold", "warm": "Leadgauge warm"}


def used(server: AmplitudeServer) -> Project:
    """A project that some people used yesterday: each of them once more than the one before."""
    clock = Clock(wall_time() - timedelta(days=1))
    project = Project(clock, server.export_latency, server.updates_per_hour)
    for number in range(USERS):
        user = f"u-{number}"
        project.track(user, {"event_type": "Signed up", "user_properties": {"email": f"{user}@acme.test"}})
        for visit in range(number):
            project.track(user, {"event_type": "Viewed pricing", "insert_id": f"visit-{visit}"})
    clock.advance(timedelta(days=1))
    for number, bucket in enumerate(COHORTS):
        project.cohorts[f"c{number}"] = Cohort(f"c{number}", COHORTS[bucket], "ann", set())
    return project


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Project, dict[str, Any]]]]:
    """By region, a project and how it is configured."""
    with ExitStack() as stack:
        found: dict[str, tuple[Project, dict[str, Any]]] = {}
        for region in ("us", "eu"):
            host = stack.enter_context(hosted(tmp_path_factory.mktemp(region)))
            server = AmplitudeServer(eu=region == "eu")
            project = used(server)
            host.show(build_app(project, server), project.clock)
            hosts = {"ingest": host.url, "analytics": host.url} | ({"profile": host.url} if region == "us" else {})
            found[region] = project, {
                "kind": "amplitude", "name": f"app_{region}", "region": region, "hosts": hosts,
                "project": server.app_id,
                "ca_bundle": str(host.ca), "api_key": {"env": "SECRET_KEY"}, "secret_key": {"env": "SECRET_SECRET"},
                "events": [{"pattern": "pricing", "kind": "pricing_page_view"}], "timings": {"history": "P3D"},
                "cohorts": COHORTS,
            }  # fmt: skip
        yield found


@pytest.fixture(scope="module")
def product(
    projects: dict[str, tuple[Project, dict[str, Any]]], module_database_url: str, servers: embedded.Addresses,
    tmp_path_factory: pytest.TempPathFactory,
) -> Product:  # fmt: skip
    """The command after its first pass."""
    hidden = {"SECRET_KEY": AmplitudeServer().api_key, "SECRET_SECRET": AmplitudeServer().secret_key}
    addresses = {"LEADGAUGE_DATABASE_URL": module_database_url, "LEADGAUGE_REDIS_URL": servers.redis_url}
    config = {"sources": [source for _, source in projects.values()]}
    directory: Path = tmp_path_factory.mktemp("analytics")
    product = Product(directory, {**addresses, **hidden}, config, list(hidden.values()))
    first = product.run("sync", "--once", "--json")
    assert (first.code, first.err) == (0, "")
    done = json.loads(first.out)
    assert (done["sent"], done["verified"], done["unproved"]) == (2 * USERS, USERS, 0)
    return product


@pytest.mark.parametrize(("region", "state"), [("us", "verified"), ("eu", "unprovable")])
def test_every_user_has_the_score_that_the_ledger_meant(
    product: Product, projects: dict[str, tuple[Project, dict[str, Any]]], region: str, state: str
) -> None:
    with psycopg.connect(product.environment["LEADGAUGE_DATABASE_URL"].replace("+psycopg", "")) as database:
        rows = database.execute(
            """SELECT s.key, l.values->>'score', l.values->>'bucket', l.state
               FROM ledger l JOIN subject s ON s.id = l.subject_id WHERE l.source = %s""",
            (f"app_{region}",),
        ).fetchall()
    assert {row[3] for row in rows} == {state}
    project, _ = projects[region]
    held = {id: user.properties for id, user in project.users.items()}
    assert {(id, int(score), bucket) for id, score, bucket, _ in rows} == {
        (id, its["lead_gauge_score"], its["lead_gauge_bucket"]) for id, its in held.items()
    }
    assert held["u-5"]["lead_gauge_score"] > held["u-0"]["lead_gauge_score"], "whoever looks at prices is warmer"
    members = {cohort.name: cohort.members for cohort in project.cohorts.values()}
    for bucket, name in COHORTS.items():
        assert members[name] == {id for id, its in held.items() if its["lead_gauge_bucket"] == bucket}


def test_status_and_ledger_tell_what_is_proved_from_what_cannot_be(product: Product) -> None:
    status = product.run("status")
    assert status.code == 0, status.said
    assert f"app_us: {USERS} of {USERS} writes of the last 24 hours are proved" in status.out
    assert f"{USERS} unprovable" in status.out
    assert f"{USERS} were accepted and cannot be: it cannot be asked" in " ".join(status.out.split())
    days = json.loads(product.run("ledger", "figure", "--json").out)["days"]
    assert {day["source"]: (day["verified"], day["unprovable"]) for day in days} == {
        "app_us": (USERS, 0), "app_eu": (0, USERS),
    }  # fmt: skip
    listed = product.run("ledger", "list")
    assert listed.code == 0, "nothing needs a person"
    assert f"app_eu  0 of {USERS} writes of the last 24 hours are verified (-), {USERS} cannot be" in listed.out


def test_a_second_pass_finds_nothing_to_do(product: Product) -> None:
    again = json.loads(product.run("sync", "--once", "--json").out)
    assert (again["scored"], again["sent"], again["unproved"]) == (0, 0, 0)


def test_the_doctor_looks_at_both(product: Product) -> None:
    looked = product.run("doctor", "--json")
    told = json.dumps(json.loads(looked.out))
    assert "project 153957 (us)" in told
    assert "project 153957 (eu)" in told
