"""Queries, pages, rows, describe and replication over plain HTTP."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from sandbox.salesforce.fields import text
from tests.contract.sandbox_salesforce.practice import NOON, Api, Practice


def _lead(practice: Practice, **fields: Any) -> str:
    return practice.org.insert("Lead", {"LastName": "Ray", "Company": "Acme", **fields})


def _query(api: Api, soql: str, resource: str = "query", **kwargs: Any) -> dict[str, Any]:
    answer = api("GET", resource, params={"q": soql}, **kwargs)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_record_has_attributes_and_explicit_nulls(practice: Practice, api: Api) -> None:
    practice.clock.hold(NOON)
    id = _lead(practice, AnnualRevenue=12_500_000)
    (record,) = _query(api, "SELECT Id, Email, AnnualRevenue, IsConverted, SystemModstamp, Owner.Name FROM Lead")[
        "records"
    ]
    assert record == {
        "attributes": {"type": "Lead", "url": f"/services/data/v62.0/sobjects/Lead/{id}"},
        "Id": id,
        "Email": None,
        "AnnualRevenue": 12_500_000.0,
        "IsConverted": False,
        "SystemModstamp": "2026-03-02T12:00:00.000+0000",
        "Owner": {
            "attributes": {"type": "Name", "url": f"/services/data/v62.0/sobjects/User/{practice.org.admin}"},
            "Name": "Org Administrator",
        },
    }


def test_pages_are_a_snapshot_and_the_last_has_no_next(practice: Practice, api: Api) -> None:
    for _ in range(450):
        _lead(practice)
    first = _query(api, "SELECT Id FROM Lead ORDER BY Id", headers={"Sforce-Query-Options": "batchSize=200"})
    assert (first["done"], len(first["records"]), first["nextRecordsUrl"][-4:]) == (False, 200, "-200")
    _lead(practice)
    second = api("GET", first["nextRecordsUrl"]).json()
    last = api("GET", second["nextRecordsUrl"]).json()
    assert (last["totalSize"], last["done"], len(last["records"])) == (450, True, 50)
    assert "nextRecordsUrl" not in last


def test_wide_rows_come_in_shorter_pages_than_asked_for(practice: Practice, api: Api) -> None:
    for _ in range(2_001):
        _lead(practice)
    names = [field["name"] for field in api("GET", "sobjects/Lead/describe").json()["fields"]]
    assert len(_query(api, f"SELECT {','.join(names)} FROM Lead")["records"]) < 2_000


def test_cursors_expire_and_the_oldest_is_evicted(practice: Practice, api: Api) -> None:
    for _ in range(201):
        _lead(practice)
    short = {"Sforce-Query-Options": "batchSize=200"}
    pages = [_query(api, "SELECT Id FROM Lead", headers=short)["nextRecordsUrl"] for _ in range(11)]
    lost = api("GET", pages[0])
    assert (lost.status_code, lost.json()[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")
    assert api("GET", pages[1]).status_code == 200
    practice.clock.advance(timedelta(days=2, minutes=1))
    assert practice.api()("GET", pages[2]).json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


@pytest.mark.parametrize(
    ("soql", "code", "words"),
    [
        ("SELECT Id, Foo__c FROM Lead", "INVALID_FIELD", "ERROR at Row:1:Column:12\nNo such column 'Foo__c' on entity"),
        ("SELECT Id FROM Nope", "INVALID_TYPE", "sObject type 'Nope' is not supported"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Lead OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"),
        ("SELECT Id FROM LeadHistory WHERE OldValue = 'x'", "INVALID_FIELD", "can not be filtered"),
        ("SELECT Id FROM Lead WHERE CreatedDate > '2026'", "INVALID_FIELD", "should not be enclosed in quotes"),
    ],
)
def test_refusals_are_a_list_in_the_vendors_words(api: Api, soql: str, code: str, words: str) -> None:
    answer = api("GET", "query", params={"q": soql})
    (error,) = answer.json()
    assert (answer.status_code, error["errorCode"]) == (400, code)
    assert words in error["message"]


def test_paths_names_and_slashes_are_lenient(practice: Practice, api: Api) -> None:
    id = _lead(practice)
    assert api("GET", "QUERY/", params={"q": "select id from lead"}).json()["records"][0]["Id"] == id
    assert api("GET", f"sobjects/lead/{id[:15]}").json()["Id"] == id
    versions = api("GET", "/services/data/").json()
    assert {"label", "url", "version"} == versions[-1].keys()
    assert api("GET", "/services/data/v30.0/limits").status_code == 410
    assert api("GET", "nothing/here").json() == [
        {"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}
    ]
    assert api("PUT", "limits").status_code == 405


def test_usage_is_told_and_the_limit_holds(practice: Practice, api: Api) -> None:
    assert api("GET", "limits").headers["Sforce-Limit-Info"] == "api-usage=1/100000"
    practice.service.quota.most = 2
    assert api("GET", "limits").json()["DailyApiRequests"] == {"Max": 2, "Remaining": 0}
    refused = api("GET", "limits")
    assert (refused.status_code, refused.json()[0]["message"]) == (403, "TotalRequests Limit exceeded.")
    practice.clock.advance(timedelta(hours=24, minutes=1))
    assert practice.api()("GET", "limits").status_code == 200, "the window rolls"


def test_late_rows_are_found_by_query_only_after_their_delay(practice: Practice, api: Api) -> None:
    practice.clock.hold(NOON)
    practice.org.visibility = timedelta(seconds=30)
    id = _lead(practice)
    assert _query(api, "SELECT Id FROM Lead")["totalSize"] == 0
    assert api("GET", f"sobjects/Lead/{id}").status_code == 200
    practice.clock.advance(timedelta(seconds=30))
    (record,) = _query(api, "SELECT Id, SystemModstamp FROM Lead")["records"]
    assert record["SystemModstamp"] == "2026-03-02T12:00:00.000+0000", "an old stamp, seen late"


def test_latest_date_covered_stops_before_work_in_flight(practice: Practice, api: Api) -> None:
    practice.clock.hold(NOON)
    started = practice.clock.now()
    with practice.org.transaction(commits_at=started + timedelta(minutes=10)):
        _lead(practice)
    practice.clock.advance(timedelta(minutes=5))
    span = {"start": (started - timedelta(minutes=5)).isoformat(), "end": practice.clock.now().isoformat()}
    body = api("GET", "sobjects/Lead/updated", params=span).json()
    assert body == {"ids": [], "latestDateCovered": "2026-03-02T12:00:00.000+0000"}
    practice.clock.advance(timedelta(minutes=6))
    span["end"] = practice.clock.now().isoformat()
    body = api("GET", "sobjects/Lead/updated", params=span).json()
    assert (len(body["ids"]), body["latestDateCovered"]) == (1, "2026-03-02T12:11:00.000+0000")


def test_purged_rows_are_known_to_get_deleted_alone(practice: Practice, api: Api) -> None:
    id = _lead(practice)
    practice.org.delete("Lead", id, purge=True)
    practice.clock.advance(timedelta(minutes=2))
    assert _query(api, "SELECT Id FROM Lead", "queryAll")["totalSize"] == 0
    now = practice.clock.now()
    span = {"start": (now - timedelta(minutes=9)).isoformat(), "end": now.isoformat()}
    assert [row["id"] for row in api("GET", "sobjects/Lead/deleted", params=span).json()["deletedRecords"]] == [id]


def test_replication_refuses_spans_it_cannot_answer(practice: Practice, api: Api) -> None:
    practice.clock.hold(NOON + timedelta(seconds=30))
    now = practice.clock.now()
    for start, end in (
        (now - timedelta(days=40), now),
        (now - timedelta(seconds=10), now),
        (now, now + timedelta(hours=1)),
    ):
        answer = api("GET", "sobjects/Lead/deleted", params={"start": start.isoformat(), "end": end.isoformat()})
        assert answer.json()[0]["errorCode"] == "INVALID_REPLICATION_DATE"


def test_describe_follows_the_schema_and_answers_304(practice: Practice, api: Api) -> None:
    answer = api("GET", "sobjects/Lead/describe")
    since = {"If-Modified-Since": answer.headers["Last-Modified"]}
    assert api("GET", "sobjects/Lead/describe", headers=since).status_code == 304
    practice.clock.advance(timedelta(seconds=5))
    practice.org.add_field("Lead", text("Lead_Score_Reasons__c", 100))
    fields = {field["name"]: field for field in api("GET", "sobjects/Lead/describe", headers=since).json()["fields"]}
    assert fields["Lead_Score_Reasons__c"]["length"] == 100
    later = {"If-Modified-Since": format_datetime(practice.clock.now() + timedelta(days=1), usegmt=True)}
    assert api("GET", "sobjects/Lead/describe", headers=later).status_code == 304


def test_hidden_and_read_only_fields(practice: Practice, api: Api) -> None:
    id = _lead(practice)
    practice.org.access.hidden.add("Lead.Lead_Score__c")
    practice.org.access.read_only.add("Lead.Lead_Stage__c")
    fields = {field["name"]: field for field in api("GET", "sobjects/Lead/describe").json()["fields"]}
    assert "Lead_Score__c" not in fields
    assert fields["Lead_Stage__c"]["updateable"] is False
    assert api("GET", "query", params={"q": "SELECT Lead_Score__c FROM Lead"}).json()[0]["errorCode"] == "INVALID_FIELD"
    (error,) = api("PATCH", f"sobjects/Lead/{id}", json={"Lead_Stage__c": "mql"}).json()
    assert (error["errorCode"], error["fields"]) == ("INVALID_FIELD_FOR_INSERT_UPDATE", ["Lead_Stage__c"])


def test_collections_read_keeps_order_and_gives_null_for_what_is_gone(practice: Practice, api: Api) -> None:
    one, two, three = _lead(practice), _lead(practice), _lead(practice)
    practice.org.delete("Lead", two)
    params = {"ids": f"{three},{two},{one}", "fields": "Id,LastName"}
    body = api("GET", "composite/sobjects/Lead", params=params).json()
    assert [row and row["Id"] for row in body] == [three, None, one]
    assert api("POST", "composite/sobjects/Lead", json={"ids": [one], "fields": ["Id"]}).json()[0]["Id"] == one


def test_an_answer_is_gzipped_when_asked(practice: Practice, api: Api) -> None:
    for _ in range(50):
        _lead(practice)
    path = {"q": "SELECT Id, LastName FROM Lead"}
    assert api("GET", "query", params=path).headers["Content-Encoding"] == "gzip"
    plain = api("GET", "query", params=path, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
