"""How a Salesforce org differs from a well-behaved one, point by point: what a connector must survive.

The eighteen points are the project's checklist of the practice org; each has at least one test here that names it.
Details of a point that are tested elsewhere in this folder are not repeated.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
import requests

from connectors.quota import OpenGate
from connectors.records import FieldWrite, RecordRef, ScoreField
from connectors.salesforce.crm import open_salesforce
from connectors.salesforce.settings import SalesforceSettings
from connectors.tokens import MemoryTokens
from sandbox.salesforce.access import Sharing
from sandbox.salesforce.automation import Flow, ValidationRule
from sandbox.salesforce.org import Org
from tests.contract.sandbox_salesforce.practice import (
    KEY,
    NOON,
    SECRET,
    Api,
    Practice,
    csv_rows,
)

CLIENT = {"grant_type": "client_credentials", "client_id": KEY, "client_secret": SECRET}
MINUTE = timedelta(minutes=1)


def _code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()[0]["errorCode"]


def _span(practice: Practice) -> dict[str, str]:
    now = practice.clock.now()
    return {"start": (now - 5 * MINUTE).isoformat(), "end": now.isoformat()}


def test_d01_rows_share_a_second_and_appear_late_under_it(practice: Practice, api: Api) -> None:
    practice.clock.hold(NOON)
    early = [practice.lead() for _ in range(3)]
    with practice.org.transaction(commits_at=NOON + 3 * MINUTE):
        late = practice.lead()
    practice.clock.advance(2 * MINUTE)
    newer = practice.lead()
    soql = "SELECT Id, SystemModstamp FROM Lead ORDER BY SystemModstamp, Id"
    seen = api.query(soql)["records"]
    assert [row["Id"] for row in seen] == [*early, newer]
    assert {row["SystemModstamp"] for row in seen[:3]} == {"2026-03-02T12:00:00.000+0000"}
    covered = api("GET", "sobjects/Lead/updated", params=_span(practice)).json()["latestDateCovered"]
    assert covered == "2026-03-02T12:00:00.000+0000", "not past the transaction that is still open"
    practice.clock.advance(2 * MINUTE)
    assert [row["Id"] for row in api.query(soql)["records"]] == [*early, late, newer], "behind a cursor at `newer`"


def test_d01_stragglers_commit_after_what_was_stamped_later(practice: Practice, api: Api) -> None:
    practice.clock.hold(NOON)
    practice.org.behaviour.change({"stragglers": 0.5, "straggle_seconds": 30})
    for _ in range(40):
        practice.lead()
        practice.clock.advance(timedelta(seconds=1))
    stamps = {row["SystemModstamp"] for row in api.query("SELECT SystemModstamp FROM Lead")["records"]}
    passed = [n for n in range(39) if f"2026-03-02T12:00:{n:02}.000+0000" not in stamps]
    assert passed, "no second was skipped"
    practice.clock.advance(MINUTE)
    assert api.query("SELECT COUNT() FROM Lead")["totalSize"] == 40


def test_d02_what_query_hides_what_queryall_shows_and_what_get_deleted_alone_knows(
    practice: Practice, api: Api
) -> None:
    org, clock = practice.org, practice.clock
    clock.hold(NOON)
    deleted, purged, archived = practice.lead(), practice.lead(), practice.lead()
    closed = {"WhoId": archived, "Status": "Completed", "ActivityDate": "2024-12-01"}
    task = org.insert("Task", closed, at=NOON - timedelta(days=450))
    org.delete("Lead", deleted)
    org.delete("Lead", purged, purge=True)
    assert [row["Id"] for row in api.query("SELECT Id FROM Lead")["records"]] == [archived]
    assert {row["Id"] for row in api.query("SELECT Id FROM Lead", "queryAll")["records"]} == {deleted, archived}
    assert api.query("SELECT Id FROM Task")["records"] == []
    (row,) = api.query("SELECT Id, IsArchived FROM Task", "queryAll")["records"]
    assert (row["Id"], row["IsArchived"]) == (task, True)
    clock.advance(2 * MINUTE)
    gone = api("GET", "sobjects/Lead/deleted", params=_span(practice)).json()["deletedRecords"]
    assert {entry["id"] for entry in gone} == {deleted, purged}
    org.undelete("Lead", deleted)
    (row,) = api.query(f"SELECT SystemModstamp FROM Lead WHERE Id = '{deleted}'")["records"]
    assert row["SystemModstamp"] == "2026-03-02T12:02:00.000+0000"
    clock.advance(timedelta(days=16))
    refused = practice.api()(
        "GET", "sobjects/Lead/deleted", params={"start": NOON.isoformat(), "end": NOON.isoformat()}
    )
    assert _code(refused) == (400, "INVALID_REPLICATION_DATE")


@pytest.mark.parametrize("restamps", [False, True])
def test_d03_a_merge_moves_children_with_or_without_a_new_stamp(practice: Practice, api: Api, restamps: bool) -> None:
    org, clock = practice.org, practice.clock
    clock.hold(NOON)
    winner, loser = practice.lead(), practice.lead()
    task = org.insert("Task", {"WhoId": loser, "Subject": "Call"})
    org.reparenting_restamps = restamps
    clock.advance(MINUTE)
    org.merge("Lead", winner, [loser])
    (row,) = api.query("SELECT Id, MasterRecordId FROM Lead WHERE IsDeleted = true", "queryAll")["records"]
    assert (row["Id"], row["MasterRecordId"]) == (loser, winner)
    (moved,) = api.query("SELECT Id, WhoId, SystemModstamp FROM Task")["records"]
    assert (moved["Id"], moved["WhoId"]) == (task, winner)
    assert moved["SystemModstamp"] == f"2026-03-02T12:0{int(restamps)}:00.000+0000"


@pytest.mark.parametrize("mapped", [False, True])
def test_d04_conversion_locks_the_lead_and_copies_only_mapped_scores(
    practice: Practice, api: Api, mapped: bool
) -> None:
    org, lead = practice.org, practice.lead(Lead_Score__c=70)
    if mapped:
        org.contact_mapping["Lead_Score__c"] = "Lead_Score__c"
    made = org.convert(lead, opportunity="New")
    contact = org.get("Contact", made.contact)
    assert contact is not None
    assert contact["Lead_Score__c"] == (70 if mapped else None)
    fields = "IsConverted, ConvertedAccountId, ConvertedContactId, ConvertedOpportunityId"
    (row,) = api.query(f"SELECT {fields} FROM Lead")["records"]
    assert list(row.values())[1:] == [True, made.account, made.contact, made.opportunity]
    (refused,) = api.update({"id": lead, "Lead_Score__c": 71})
    assert refused["errors"][0]["statusCode"] == "CANNOT_UPDATE_CONVERTED_LEAD"
    org.access.edits_converted_leads = True
    assert api.update({"id": lead, "Lead_Score__c": 71})[0]["success"]


def test_d05_pages_are_short_and_only_done_tells_the_last(practice: Practice, api: Api) -> None:
    for _ in range(450):
        practice.lead()
    practice.org.behaviour.page_rows = 200
    page = api.query("SELECT Id FROM Lead", headers={"Sforce-Query-Options": "batchSize=2000"})
    practice.lead()
    sizes = [len(page["records"])]
    while not page["done"]:
        page = api("GET", page["nextRecordsUrl"]).json()
        sizes.append(len(page["records"]))
    assert sizes == [200, 200, 50], "a snapshot, in pages shorter than asked for"
    assert "nextRecordsUrl" not in page


def test_d06_soql_is_parsed_and_what_is_hidden_does_not_exist(practice: Practice, api: Api) -> None:
    lead = practice.lead()
    org = practice.org
    org.access.hidden.add("Lead.Phone")
    org.access.hidden_objects.add("Campaign")
    refusals = {
        "SELECT Phone FROM Lead": "INVALID_FIELD",
        "SELECT Nope__c FROM Lead": "INVALID_FIELD",
        "SELECT Id FROM Campaign": "INVALID_TYPE",
        "SELECT Id FROM Lead WHERE CreatedDate > '2026-01-01T00:00:00Z'": "INVALID_FIELD",
        "SELECT Id FROM Lead WHERE CreatedDate > 2026-01-01 00:00": "MALFORMED_QUERY",
        "SELECT Id FROM Lead OFFSET 2001": "NUMBER_OUTSIDE_VALID_RANGE",
        "SELECT Id FROM Lead FROM": "MALFORMED_QUERY",
    }
    answers = {soql: api("GET", "query", params={"q": soql}) for soql in refusals}
    assert {soql: _code(answer) for soql, answer in answers.items()} == {
        soql: (400, code) for soql, code in refusals.items()
    }
    page = api.query("SELECT Id, ConvertedContact.Name FROM Lead")
    assert [(row["Id"], row["ConvertedContact"]) for row in page["records"]] == [(lead, None)]
    assert api.query("SELECT COUNT() FROM Lead") == {"totalSize": 1, "done": True, "records": []}


def test_d07_bulk_csv_has_nul_bytes_newlines_and_decimal_whole_numbers(practice: Practice, api: Api) -> None:
    practice.lead(Description="two\nlines", NumberOfEmployees=0, Email="n@a.example", Title="N/A")
    soql = "SELECT Description, NumberOfEmployees, Title, Phone FROM Lead"
    assert csv_rows(api.download(soql).text)[0]["NumberOfEmployees"] == "0"
    practice.org.behaviour.change({"nul_bytes": True, "decimal_ints": True})
    answer = api.download(soql)
    assert csv_rows(answer.text) == [
        {"Description": "two\nlines\0", "NumberOfEmployees": "0.0", "Title": "N/A", "Phone": ""}
    ]
    assert answer.headers["Sforce-Locator"] == "null"


def test_d07_a_failed_job_has_committed_rows_and_leaves_others_unprocessed(practice: Practice, api: Api) -> None:
    leads = [practice.lead() for _ in range(450)]
    practice.org.behaviour.bulk_fails_after = 1
    path = api.ingest("Id,Lead_Score__c\n" + "".join(f"{id},50\n" for id in leads))
    job = api.finished(path)
    assert (job["state"], job["numberRecordsProcessed"]) == ("Failed", 200)
    assert "InternalServerError" in job["errorMessage"]
    done = [row["sf__Id"] for row in csv_rows(api("GET", f"{path}/successfulResults").text)]
    left = [row["Id"] for row in csv_rows(api("GET", f"{path}/unprocessedrecords").text)]
    assert (sorted(done), left) == (leads[:200], leads[200:])
    assert [practice.value(id, "Lead_Score__c") for id in (leads[0], leads[-1])] == [50, None]


def test_d07_results_come_in_another_order_and_counters_late(practice: Practice, api: Api) -> None:
    leads = [practice.lead() for _ in range(250)]
    practice.org.behaviour.change({"late_counters": True, "empty_results": True})
    path = api.ingest("Id,Lead_Score__c\n" + "".join(f"{id},50\n" for id in leads))
    assert api.finished(path)["numberRecordsProcessed"] == 50, "what was known a chunk ago"
    assert api("GET", path).json()["numberRecordsProcessed"] == 250
    done = [row["sf__Id"] for row in csv_rows(api("GET", f"{path}/successfulResults").text)]
    assert done != leads
    assert sorted(done) == leads
    assert api("GET", f"{path}/failedResults").content == b"", "not even a header"
    practice.org.behaviour.empty_results = False
    assert api("GET", f"{path}/failedResults").text.strip() == '"sf__Id","sf__Error","Id","Lead_Score__c"'


def test_d07_jobs_keep_their_version_and_live_a_week(practice: Practice, api: Api) -> None:
    practice.clock.hold(NOON)
    path = api.ingest(f"Id,Lead_Score__c\n{practice.lead()},5\n")
    assert api.finished(path)["state"] == "JobComplete"
    assert api("GET", f"/services/data/v61.0/{path}").status_code == 409
    practice.clock.advance(timedelta(days=7))
    assert practice.api()("GET", f"{path}/failedResults").status_code == 200
    practice.clock.advance(timedelta(seconds=1))
    assert practice.api()("GET", f"{path}/failedResults").status_code == 404


def test_d08_flows_run_again_for_the_rows_that_a_partial_failure_left(practice: Practice, api: Api) -> None:
    org, ran = practice.org, []

    def count(org: Org, before: Any, after: Any) -> None:
        ran.append(after["Id"])
        org.insert("Task", {"WhoId": after["Id"], "Subject": "Scored"})

    org.automation.flows.append(Flow("Lead", count))
    good, bad = practice.lead(), practice.lead(Rating="Cold")
    rule = ValidationRule("Lead", "Not for cold leads", lambda row: row.get("Rating") == "Cold")
    org.automation.validation_rules.append(rule)
    saved, refused = api.update({"id": good, "Lead_Score__c": 5}, {"id": bad, "Lead_Score__c": 5})
    assert (saved["success"], refused["success"]) == (True, False)
    assert ran == [good, good], "what a flow does outside the transaction it has done twice"
    assert api.query("SELECT COUNT() FROM Task")["totalSize"] == 1, "what it saved was undone the first time"
    assert len(practice.org.writes) == 1


def test_d08_too_many_passes_refuse_the_rest(practice: Practice, api: Api) -> None:
    org, leads = practice.org, [practice.lead() for _ in range(5)]
    passes = Flow("Lead", lambda org, before, after: None)
    org.automation.flows.append(passes)
    seen: list[str] = []

    def another_each_pass(row: Any) -> bool:
        """A rule that leans on what was saved before, so that every pass meets another violation."""
        seen.append(row["Id"])
        return seen.count(row["Id"]) == leads.index(row["Id"]) + 1

    org.automation.validation_rules.append(ValidationRule("Lead", "Again", another_each_pass))
    results = api.update(*({"id": id, "Lead_Score__c": 5} for id in leads))
    messages = [result["errors"][0]["message"] for result in results]
    assert messages[:3] == ["Again"] * 3
    assert all(message.startswith("Too many batch retries") for message in messages[3:])
    assert {practice.value(id, "Lead_Score__c") for id in leads} == {None}


def test_d08_a_collection_is_limited_and_answers_by_position(practice: Practice, api: Api) -> None:
    lead, gone = practice.lead(), practice.lead()
    practice.org.delete("Lead", gone)
    results = api.update({"id": gone, "Lead_Score__c": 5}, {"id": lead, "Lead_Score__c": 5})
    assert ["id" in result for result in results] == [False, True]
    rows = [{"attributes": {"type": "Lead"}, "id": lead}] * 201
    too_many = api("PATCH", "composite/sobjects", json={"records": rows})
    assert _code(too_many) == (400, "EXCEEDED_ID_LIMIT")


def test_d09_a_client_that_forgets_the_header_after_a_401_loses_the_owner(practice: Practice) -> None:
    """simple-salesforce drops custom headers when it retries after a refresh; the practice org makes that hurt."""
    org, lead = practice.org, practice.lead()
    rep = org.insert("User", {"Username": "rep@a.example", "LastName": "Rep", "Email": "rep@a.example"})
    owner = practice.value(lead, "OwnerId")
    org.automation.lead_assignment = [rep]
    client = practice.client()
    keeping = {"Sforce-Auto-Assign": "FALSE"}
    client.Lead.update(lead, {"Lead_Score__c": 5}, headers=keeping)
    assert practice.value(lead, "OwnerId") == owner
    practice.service.sessions.revoke_all()
    client.Lead.update(lead, {"Lead_Score__c": 6}, headers=keeping)
    assert practice.value(lead, "OwnerId") == rep


def test_d09_our_connector_keeps_the_owner_through_a_refresh(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    org, lead, practice.service.instance_url = practice.org, practice.lead(), practice.address
    rep = org.insert("User", {"Username": "rep@a.example", "LastName": "Rep", "Email": "rep@a.example"})
    owner = practice.value(lead, "OwnerId")
    org.automation.lead_assignment = [rep]
    monkeypatch.setenv("SF_SECRET", SECRET)
    auth = {"type": "client_credentials", "consumer_key": KEY, "consumer_secret": {"env": "SF_SECRET"}}
    given = {
        "kind": "salesforce",
        "name": "acme",
        "login_url": practice.address,
        "ca_bundle": practice.ca,
        "auth": auth,
    }
    crm = open_salesforce(
        SalesforceSettings.model_validate(given), gate=OpenGate(), tokens=MemoryTokens(), observer=lambda exchange: None
    )
    with closing(crm):
        for score in (50, 60):
            practice.service.sessions.revoke_all()
            crm.push([FieldWrite(RecordRef("acme", "Lead", lead), {ScoreField.SCORE: score})])
            assert (practice.value(lead, "Lead_Score__c"), practice.value(lead, "OwnerId")) == (score, owner)
    assert practice.service.sessions.logins == 2


def test_d10_only_a_writer_that_compares_comes_to_rest(practice: Practice, api: Api) -> None:
    """A flow bumps what an update has bumped: who writes back whatever changed writes every hour of the day."""
    org, clock, lead = practice.org, practice.clock, practice.lead(Lead_Score__c=50)
    clock.hold(NOON)
    org.automation.flows.append(Flow("Lead", lambda org, before, after: org.update("Lead", after["Id"], {})))

    def written_in_a_day(*, comparing: bool) -> int:
        since, written = NOON - timedelta(days=1), len(org.writes)
        for _ in range(24):
            client = practice.api()
            soql = f"SELECT Id, Lead_Score__c FROM Lead WHERE SystemModstamp >= {since:%Y-%m-%dT%H:%M:%SZ}"
            changed, since = client.query(soql)["records"], clock.now()
            for row in changed:
                if not comparing or row["Lead_Score__c"] != 50:
                    client.update({"id": row["Id"], "Lead_Score__c": 50})
            clock.advance(timedelta(hours=1))
        return len(org.writes) - written

    assert written_in_a_day(comparing=True) == 0
    assert written_in_a_day(comparing=False) == 24
    assert practice.value(lead, "Lead_Score__c") == 50


def test_d11_hidden_is_missing_and_read_only_is_refused(practice: Practice, api: Api) -> None:
    lead, access = practice.lead(), practice.org.access
    access.read_only.add("Lead.Lead_Score__c")
    access.hidden.add("Lead.Lead_Stage__c")
    described = {field["name"]: field for field in api("GET", "sobjects/Lead/describe").json()["fields"]}
    assert "Lead_Stage__c" not in described
    assert described["Lead_Score__c"]["updateable"] is False
    (refused,) = api.update({"id": lead, "Lead_Score__c": 5})
    assert refused["errors"][0]["statusCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    body = {"records": [{"attributes": {"type": "Lead"}, "id": lead, "Lead_Stage__c": "MQL"}]}
    assert _code(api("PATCH", "composite/sobjects", json=body)) == (400, "INVALID_FIELD")


@pytest.mark.parametrize(
    ("sharing", "seen", "code"),
    [
        (Sharing.PRIVATE, 1, "INVALID_CROSS_REFERENCE_KEY"),
        (Sharing.READ_ONLY, 2, "INSUFFICIENT_ACCESS_OR_READONLY"),
        (Sharing.PUBLIC, 2, None),
    ],
)
def test_d11_private_sharing_hides_the_records_of_others_silently(
    practice: Practice, api: Api, sharing: Sharing, seen: int, code: str | None
) -> None:
    practice.clock.hold(NOON)
    org = practice.org
    others, own = practice.lead(), practice.lead(OwnerId=org.integration_user)
    org.access.sharing["Lead"] = sharing
    practice.clock.advance(2 * MINUTE)
    assert api.query("SELECT Id FROM Lead", "queryAll")["totalSize"] == seen
    assert len(api("GET", "sobjects/Lead/updated", params=_span(practice)).json()["ids"]) == seen
    assert api("GET", f"sobjects/Lead/{others}").status_code == (200 if seen == 2 else 404)
    results = api.update({"id": others, "Lead_Score__c": 5}, {"id": own, "Lead_Score__c": 5})
    assert [result["errors"][0]["statusCode"] if result["errors"] else None for result in results] == [code, None]
