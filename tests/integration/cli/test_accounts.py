"""Two Salesforce orgs and two HubSpot portals in one configuration; what machines and narrow screens get to see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from copy import deepcopy
from typing import Any

import psycopg
import pytest
import requests

from tests.chaos.conftest import until
from tests.integration.cli.product import Product, hubspot, salesforce, secrets
from tests.integration.sandbox.sandbox_process import Sandbox, running
from worker import embedded

SOURCES = ("salesforce_a", "hubspot_a", "salesforce_b", "hubspot_b")
SCORE = {"salesforce": "Lead_Score__c", "hubspot": "lead_gauge_score"}


@pytest.fixture(scope="module")
def practices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Sandbox]]:
    """Two worlds, each with an org and a portal. Their portals give out the same ids."""
    with ExitStack() as stack:
        yield {
            world: stack.enter_context(
                running(tmp_path_factory.mktemp(f"practice_{world}"), "--people", "40", "--seed", seed)
            )
            for world, seed in (("a", "5"), ("b", "6"))
        }


@pytest.fixture(scope="module")
def accounts(
    practices: dict[str, Sandbox],
    module_database_url: str,
    servers: embedded.Addresses,
    tmp_path_factory: pytest.TempPathFactory,
) -> Product:
    """The command on all four, after its first pass, which ended well."""
    sources = []
    environment = {"LEADGAUGE_DATABASE_URL": module_database_url, "LEADGAUGE_REDIS_URL": servers.redis_url}
    for world, practice in practices.items():
        org = f"salesforce_{world}"
        sources += [salesforce(practice, org), hubspot(practice, f"hubspot_{world}", salesforce=org)]
        environment |= secrets(practice, f"_{world.upper()}")
    hidden = [value for name, value in environment.items() if name.startswith("SECRET")]
    product = Product(tmp_path_factory.mktemp("accounts"), environment, {"sources": sources}, hidden)
    first = product.run("sync", "--once", "--json")
    assert (first.code, first.err) == (0, "")
    done = json.loads(first.out)
    assert done["sent"] == done["verified"] > 0
    assert done["unproved"] == 0
    return product


@pytest.fixture
def database(accounts: Product) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(accounts.environment["LEADGAUGE_DATABASE_URL"].replace("+psycopg", "")) as connection:
        yield connection


def written(practice: Sandbox, crm: str) -> dict[tuple[str, str], int]:
    """The last score that this server was told of each record, by object and id."""
    scores = {}
    for write in practice.call(crm, "GET", "/sandbox/writes").json():
        if (score := write["after"].get(SCORE[crm])) is not None:
            scores[write["object"], str(write["id"])] = int(float(score))
    return scores


def test_every_write_went_to_the_server_whose_record_it_is(
    accounts: Product, practices: dict[str, Sandbox], database: psycopg.Connection[Any]
) -> None:
    rows = database.execute(
        """SELECT l.source, s.object, s.key, l.values->>'score', l.state
           FROM ledger l JOIN subject s ON s.id = l.subject_id ORDER BY l.id"""
    ).fetchall()
    assert {row[4] for row in rows} == {"verified"}
    for source in SOURCES:
        crm, world = source.split("_")
        intended = {(object, key): int(score) for from_, object, key, score, _ in rows if from_ == source and score}
        assert intended
        assert written(practices[world], crm) == intended
    ids = {source: {row[2] for row in rows if row[0] == source} for source in SOURCES}
    assert ids["hubspot_a"] & ids["hubspot_b"], "no id is in both portals: nothing was proved"


def test_a_person_of_three_accounts_is_one_and_a_source_that_fails_stops_nobody(
    accounts: Product, practices: dict[str, Sandbox], database: psycopg.Connection[Any]
) -> None:
    person, email = database.execute(
        """SELECT s.person_id, min(substr(c.key, 7)) FROM subject s JOIN claim c ON c.subject_id = s.id
           WHERE c.key LIKE 'email:%' AND c.withdrawn_at IS NULL AND s.source IN ('salesforce_a', 'hubspot_a')
           GROUP BY s.person_id HAVING count(DISTINCT s.source) = 2 AND count(DISTINCT c.key) = 1 LIMIT 1"""
    ).fetchall()[0]
    database.commit()
    told = practices["b"].address["hubspot"]
    created = requests.post(
        f"{told['url']}/crm/v3/objects/contacts",
        json={"properties": {"email": email.upper(), "lastname": "Third"}},
        headers={"Authorization": f"Bearer {told['token']}"},
        verify=practices["b"].ca,
        timeout=10,
    )
    assert created.status_code == 201, created.text

    broken = deepcopy(accounts.config)
    broken["sources"][2]["ca_bundle"] = None  # refused at once, where an address at which nobody listens is tried again
    failed = accounts.run("sync", "--once", "--json", config=broken)
    assert failed.code == 3
    assert json.loads(failed.out)["problems"].keys() == {"salesforce_b"}
    assert failed.err.startswith(f"error: salesforce_b: {broken['sources'][2]['login_url']}: ")

    rows = database.execute("SELECT source, key FROM subject WHERE person_id = %s", [person]).fetchall()
    assert ("hubspot_b", created.json()["id"]) in rows
    assert {source for source, _ in rows} >= {"salesforce_a", "hubspot_a", "hubspot_b"}
    ((score,),) = database.execute("SELECT score FROM score WHERE person_id = %s", [person]).fetchall()
    assert written(practices["b"], "hubspot")["contacts", created.json()["id"]] == score
    assert accounts.run("sync", "--once").code == 0


def test_machines_get_one_document_and_nothing_else(accounts: Product, database: psycopg.Connection[Any]) -> None:
    status = accounts.run("status", "--json")
    assert (status.code, status.err) == (0, "")
    told = json.loads(status.out)
    assert {row["source"] for row in told["streams"]} == set(SOURCES)
    assert told["loads"] == [], "everything was read to its end"
    for day in told["quota"].values():
        assert [lane["lane"] for lane in day["lanes"]] == ["inbound", "write", "refresh", "backfill"]
        left = [lane["left"] for lane in day["lanes"]]
        assert left == sorted(left, reverse=True)
        assert 0 < day["own"] <= day["used"] < day["own_limit"] == day["limit"] / 4
        assert day["reserve"] == day["limit"] / 5
    leads = next(row for row in told["streams"] if row["name"] == "leads")
    assert leads["every_seconds"] >= leads["asked_every_seconds"] == 30
    ((person, record),) = database.execute(
        """SELECT s.person_id, s.source || '/' || s.object || '/' || s.key FROM subject s JOIN score USING (person_id)
           WHERE s.object = 'contacts' AND score.score IS NOT NULL LIMIT 1"""
    ).fetchall()
    (report,) = json.loads(accounts.run("explain", record, "--json").out)
    assert report["person"] == person
    assert sum(reason["points"] for reason in report["reasons"]) == report["standing"]["score"]
    shown, history = (json.loads(accounts.run("policy", command, "--json").out) for command in ("show", "history"))
    assert shown["revision"] == history[0]["revision"]


def test_a_narrow_screen_breaks_no_word(accounts: Product, database: psycopg.Connection[Any]) -> None:
    status = accounts.run("status", COLUMNS="80").out
    for word in (*SOURCES, "form_submissions", "campaign_members", "problem", "verified", "left to people", "backfill"):
        assert word in status
    assert [line for line in status.splitlines() if len(line) > 80] == []
    ((record,),) = database.execute(
        """SELECT s.source || '/' || s.object || '/' || s.key FROM subject s JOIN ledger l ON l.subject_id = s.id
           WHERE l.state = 'verified' AND s.source = 'salesforce_a' LIMIT 1"""
    ).fetchall()
    explained = accounts.run("explain", record, COLUMNS="80").out
    assert explained.count(record) >= 2
    assert "Starting score" in explained
    assert f"/{record.rsplit('/', 1)[1]}" in explained


def test_what_needs_a_person_is_told_and_ends_with_1(accounts: Product, database: psycopg.Connection[Any]) -> None:
    """What heals by itself is told, too, and needs nobody."""
    failed = "UPDATE stream SET problem_code = %s, problem = %s WHERE source = 'hubspot_a' AND name = %s"
    database.execute(failed, ["Transient", "it did not answer", "deals"])
    database.execute("UPDATE stream SET due_at = now() - interval '3 h' WHERE source = 'hubspot_b' AND name = 'notes'")
    database.execute("UPDATE stream SET lease_until = now() + interval '1 h' WHERE source = 'hubspot_b'")
    database.execute("UPDATE stream SET lease_until = NULL WHERE source = 'hubspot_b' AND name = 'notes'")
    database.commit()
    waits = accounts.run("status")
    assert waits.code == 0
    assert waits.out.count(" 3 h late ") == 1
    assert waits.out.count(" running ") > 10
    assert waits.err == "note: hubspot_a/deals: it did not answer (heals by itself)\n"
    database.execute(failed, ["AuthFailed", "put a valid token in its place", "contacts"])
    database.commit()
    needs = accounts.run("status")
    assert needs.code == 1
    assert "error: needs a person: hubspot_a/contacts: put a valid token in its place" in needs.err
    database.execute("UPDATE stream SET problem_code = NULL, problem = NULL, lease_until = NULL")


def test_few_calls_a_day_are_looks_that_come_later(accounts: Product) -> None:
    config = deepcopy(accounts.config)
    config["sources"][0]["daily_own"] = 0.001
    status = accounts.run("status", config=config)
    assert status.code == 0
    (told,) = status.err.splitlines()
    assert told.startswith("note: salesforce_a allows too few calls a day to look as often as is asked at 11 of its")
    assert "every 60 min instead of 30 s; a greater `daily_own` gives us more" in told


def test_a_server_that_goes_away_in_mid_command(accounts: Product, database: psycopg.Connection[Any]) -> None:
    waiting = """SELECT pid FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'leadgauge'"""

    database.execute("LOCK TABLE person IN ACCESS EXCLUSIVE MODE")
    # Another connection: within a transaction the list of processes stands still.
    with (
        psycopg.connect(database.info.dsn, autocommit=True) as watch,
        ThreadPoolExecutor() as pool,
    ):
        status = pool.submit(accounts.run, "status")
        until(lambda: bool(watch.execute(waiting).fetchall()), 40, "status waits for a row")
        watch.execute(f"SELECT pg_terminate_backend(pid) FROM ({waiting}) AS them")
        ended = status.result(40)
    database.rollback()
    assert ended.code == 3
    assert ended.err.startswith("error: PostgreSQL: ")
    assert len(ended.err.splitlines()) == 1


def test_status_tells_the_rest_when_redis_is_away(accounts: Product) -> None:
    ended = accounts.run("status", LEADGAUGE_REDIS_URL="redis://:geheim@localhost:1/0")
    assert ended.code == 3
    assert "People" in ended.out
    assert "error: Redis: does not answer: " in ended.err
    assert "correct LEADGAUGE_REDIS_URL" in ended.err


def test_the_ledger_is_read_and_steered_from_the_command_line(accounts: Product) -> None:
    def said(*command: str, code: int = 0) -> Any:
        ended = accounts.run(*command)
        assert ended.code == code, ended.said
        return json.loads(ended.out) if "--json" in command else ended.out + ended.err

    (row,) = said("ledger", "list", "--state", "verified", "--source", "hubspot_b", "--limit", "1", "--json")["rows"]
    assert row["record"].startswith("hubspot_b/contacts/")
    shown = said("ledger", "show", str(row["id"]), "--json")
    assert (shown["hash"], shown["attempts"], shown["code"]) == (row["hash"], 1, None)
    assert said("ledger", "figure", "--json")["unproved"] == 0
    assert said("due", "--count").strip().isdecimal()
    with psycopg.connect(accounts.environment["LEADGAUGE_DATABASE_URL"].replace("+psycopg", "")) as database:
        for query in said("due", "--sql").split(";")[:2]:
            assert database.execute(query).fetchone() is not None
        refused = "UPDATE ledger SET state = 'refused', code = 'NO', values = values || '{\"score\": 1}' WHERE id = %s"
        database.execute(refused, [row["id"]])
    assert "NO" in said("ledger", "list", code=1)
    assert "name rows by their numbers" in said("ledger", "retry", code=2)
    assert "1 rows dismissed" in said("ledger", "dismiss", str(row["id"]), "--reason", "a test")
    assert "Rows: none" in said("ledger", "list")
    assert "is paused since" in said("pause", "--source", "hubspot_b", "--reason", "a wrong rule")
    assert "1 writes are due now" in said("ledger", "retry", str(row["id"]))
    assert said("sync", "--once", "--json")["sent"] == 0
    (would,) = said("ledger", "preview", "--json")["rows"]
    assert (would["id"], would["changes"]["score"]["would_be"]) == (row["id"], 1)
    assert "a wrong rule" in said("status")
    assert "no source is named 'hubspot_c'" in said("resume", "--source", "hubspot_c", code=2)
    assert "writing goes on" in said("resume")
    assert said("sync", "--once", "--json")["verified"] == 1
