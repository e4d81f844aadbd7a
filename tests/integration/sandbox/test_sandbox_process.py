import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from hubspot import HubSpot

from tests.integration.sandbox.sandbox_process import Sandbox, refusal, running

NOW = "2026-11-23T06:00:00+00:00"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("sandbox"), "--now", NOW) as started:
        yield started


@pytest.fixture
def sandbox(shared: Sandbox) -> Iterator[Sandbox]:
    """The shared sandbox, left without faults."""
    yield shared
    for crm in ("salesforce", "hubspot"):
        shared.call(crm, "DELETE", "/sandbox/faults")


def hubspot_client(sandbox: Sandbox) -> HubSpot:
    account = sandbox.address["hubspot"]
    return HubSpot(access_token=account["token"], host=account["url"], ssl_ca_cert=sandbox.ca)


def a_lead(sandbox: Sandbox) -> str:
    with sandbox.salesforce() as salesforce:
        found = salesforce.query("SELECT Id FROM Lead WHERE IsConverted = false ORDER BY Id LIMIT 1")
        return str(found["records"][0]["Id"])


def score(sandbox: Sandbox, lead: str) -> float | None:
    with sandbox.salesforce() as salesforce:
        value = salesforce.Lead.get(lead)["Lead_Score__c"]
        return None if value is None else float(value)


def write_score(sandbox: Sandbox, lead: str, value: int) -> None:
    with sandbox.salesforce() as salesforce:
        salesforce.Lead.update(lead, {"Lead_Score__c": value})


def fault(sandbox: Sandbox, crm: str, **rule: object) -> None:
    assert sandbox.call(crm, "POST", "/sandbox/faults", [rule]).status_code == 200


def test_simple_salesforce_reads_a_person(sandbox: Sandbox) -> None:
    with sandbox.salesforce() as salesforce:
        lead = salesforce.Lead.get(a_lead(sandbox))
    assert lead["Email"]
    assert lead["Company"]
    assert lead["Lead_Score__c"] is None


def test_the_hubspot_client_reads_a_person(sandbox: Sandbox) -> None:
    page = hubspot_client(sandbox).crm.contacts.basic_api.get_page(limit=1, properties=["email", "jobtitle"])
    assert page.results[0].properties["email"]


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_the_reps_pages_render(sandbox: Sandbox, crm: str) -> None:
    page = sandbox.call(crm, "GET", "/sandbox/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "/sandbox/record/" in page.text


def test_the_address_file_is_private_and_names_this_process(sandbox: Sandbox) -> None:
    file = sandbox.directory / "sandbox.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert sandbox.address["pid"] == sandbox.process.pid
    assert sandbox.address["now"].startswith("2026-11-23T06:0")


def test_answers_carry_the_practice_clocks_date(sandbox: Sandbox) -> None:
    try:
        held = sandbox.call("hubspot", "POST", "/sandbox/clock", {"hold": "2027-01-31T12:00:00Z", "advance": 30})
        assert held.json()["now"] == "2027-01-31T12:00:30+00:00"
        assert sandbox.call("salesforce", "GET", "/services/data/").headers["date"] == "Sun, 31 Jan 2027 12:00:30 GMT"
    finally:
        assert not sandbox.call("hubspot", "POST", "/sandbox/clock", {"hold": None}).json()["held"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sandbox/clock", {"advance": -1}),
        ("/sandbox/clock", {"hold": "yesterday"}),
        ("/sandbox/clock", {"stop": True}),
        ("/sandbox/clock", []),
        ("/sandbox/faults", {"effect": {"status": 500}}),
        ("/sandbox/faults", [{"effect": {"status": "bad"}}]),
    ],
)
def test_a_control_order_that_makes_no_sense_is_refused_with_the_reason(
    sandbox: Sandbox, path: str, body: object
) -> None:
    refused = sandbox.call("salesforce", "POST", path, body)
    assert refused.status_code == 400
    assert refused.json()["error"]


def test_a_reset_before_loses_the_write(sandbox: Sandbox) -> None:
    lead = a_lead(sandbox)
    write_score(sandbox, lead, 10)
    fault(sandbox, "salesforce", method="PATCH", path="/sobjects/Lead/", count=1, effect={"reset_before": True})
    with pytest.raises(requests.ConnectionError):
        write_score(sandbox, lead, 20)
    assert score(sandbox, lead) == 10


def test_a_reset_after_keeps_the_write(sandbox: Sandbox) -> None:
    lead = a_lead(sandbox)
    write_score(sandbox, lead, 10)
    fault(sandbox, "salesforce", method="PATCH", path="/sobjects/Lead/", count=1, effect={"reset_after": True})
    with pytest.raises(requests.ConnectionError):
        write_score(sandbox, lead, 30)
    assert score(sandbox, lead) == 30


def test_a_cut_body_breaks_off_in_the_middle(sandbox: Sandbox) -> None:
    fault(sandbox, "hubspot", path="^/crm/", count=1, effect={"cut_body": True})
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        sandbox.call("hubspot", "GET", "/crm/v3/objects/contacts")


def test_a_fault_of_one_crm_leaves_the_other_alone(sandbox: Sandbox) -> None:
    fault(sandbox, "hubspot", effect={"status": 503, "html": "<h1>maintenance</h1>"})
    assert sandbox.call("hubspot", "GET", "/crm/v3/objects/contacts").status_code == 503
    assert sandbox.call("salesforce", "GET", "/services/data/").status_code == 200


def test_a_restart_keeps_address_clock_and_what_was_written(tmp_path: Path) -> None:
    with running(tmp_path, "--now", NOW) as first:
        lead = a_lead(first)
        write_score(first, lead, 73)
        first.call("salesforce", "POST", "/sandbox/clock", {"hold": "2026-12-24T18:00:00Z"})
        assert first.stop() == (0, "sandbox: making a world of about 60 people per CRM\n")
        assert not (tmp_path / "sandbox.json").exists()
    with running(tmp_path) as second:
        assert second.address["salesforce"] == first.address["salesforce"]
        assert second.address["hubspot"] == first.address["hubspot"]
        assert second.address["now"] == "2026-12-24T18:00:00+00:00"
        assert score(second, lead) == 73
        writes = second.call("salesforce", "GET", "/sandbox/writes?after=0").json()
        assert [(write["id"], write["after"]["Lead_Score__c"]) for write in writes] == [(lead, 73)]


BESIDE = ("marketo", "amplitude", "mixpanel")


def people(sandbox: Sandbox, account: str) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in sandbox.call(account, "GET", "/sandbox/people").json()}


def test_accounts_beside_the_crms_keep_address_keys_and_what_was_written(tmp_path: Path) -> None:
    options = ("--people", "20", "--with", ",".join(BESIDE))
    with running(tmp_path, *options, "--profile", "hostile") as first:
        for account in BESIDE:
            assert first.call(account, "GET", "/sandbox/profile").json()["name"] == "hostile"
            assert first.call(account, "POST", "/sandbox/profile", {"name": "calm"}).status_code == 200
        lead, user = next(iter(people(first, "marketo"))), next(iter(people(first, "mixpanel")))
        assert user in people(first, "amplitude")
        assert first.call("marketo", "POST", "/sandbox/lead", {"id": lead, "change": {"leadGaugeScore": 7}}).ok
        act = {"user": user, "event": "Used forecast", "properties": {"lead_gauge_score": 8}}
        for account in ("amplitude", "mixpanel"):
            assert first.call(account, "POST", "/sandbox/activity", act).json() == {"user": user, "event": act["event"]}
            assert first.call(account, "POST", "/sandbox/activity", act | {"user": "nobody"}).status_code == 400
            assert f"<td>{user}</td>" in first.call(account, "GET", "/sandbox/").text
        assert first.stop()[0] == 0
    answers = yaml.safe_load((tmp_path / "answers.yaml").read_text())
    secret = Path(answers["marketo"][0]["secret"].removeprefix("file:"))
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == (first.address["marketo"]["client_secret"], 0o600)
    with running(tmp_path, *options) as second:
        for account in BESIDE:
            assert second.address[account] == first.address[account]
        assert people(second, "marketo")[lead]["fields"] == {"leadGaugeScore": 7}
        for account in ("amplitude", "mixpanel"):
            assert people(second, account)[user]["fields"] == {"lead_gauge_score": 8}
        assert second.stop()[0] == 0
    status, lines = refusal(tmp_path, "--people", "20", "--with", "marketo")
    assert status == 2
    assert "with amplitude, marketo, mixpanel; not of seed 7, 20 people, with marketo: give the same" in lines[0]


def test_live_moves_the_world(tmp_path: Path) -> None:
    with running(tmp_path, "--live", "--live-rate", "6000") as live:
        client = hubspot_client(live)
        before = client.crm.contacts.basic_api.get_page(limit=1).results[0].id
        assert before
        seen = newest = latest_change(client)
        while newest == seen:
            newest = latest_change(client)
        assert live.stop()[0] == 0


def latest_change(client: HubSpot) -> str:
    request = {"limit": 1, "sorts": ["-lastmodifieddate"], "properties": ["lastmodifieddate"]}
    found = client.crm.contacts.search_api.do_search(public_object_search_request=request)
    return str(found.results[0].properties["lastmodifieddate"])


def test_a_taken_port_is_refused_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        status, lines = refusal(tmp_path, "--hubspot-port", str(port))
    assert (status, len(lines)) == (2, 1)
    assert f"port {port} for HubSpot cannot be used" in lines[0]
    assert "another --hubspot-port" in lines[0]


def test_a_directory_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, lines = refusal(tmp_path / "file" / "sandbox")
    assert (status, len(lines)) == (2, 1)
    assert "--directory" in lines[0]


def test_a_second_sandbox_in_the_same_directory_is_refused(sandbox: Sandbox) -> None:
    status, lines = refusal(sandbox.directory)
    assert (status, len(lines)) == (2, 1)
    assert "another sandbox is running" in lines[0]
    assert (sandbox.directory / "sandbox.json").exists()


def test_a_directory_with_another_world_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        assert first.stop()[0] == 0
    status, lines = refusal(tmp_path, "--seed", "8")
    assert (status, len(lines)) == (2, 1)
    assert "seed 7" in lines[0]


def test_a_damaged_snapshot_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "snapshot.json").write_text("{")
    status, lines = refusal(tmp_path)
    assert (status, len(lines)) == (2, 1)
    assert "snapshot.json is damaged" in lines[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--people", "0"),
        ("--with", "marketo,pardot"),
        ("--now", "2026-11-23T06:00:00"),
        ("--live-rate", "0"),
        ("--hubspot-port", "70000"),
    ],
)
def test_a_senseless_option_is_refused(tmp_path: Path, arguments: tuple[str, str]) -> None:
    status, lines = refusal(tmp_path, *arguments)
    assert status == 2
    assert arguments[0] in lines[-1]
    assert list(tmp_path.iterdir()) == []
