"""simple-salesforce, unmodified, does its everyday calls on the practice org."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

from tests.contract.sandbox_salesforce.practice import KEY, SECRET, USERNAME, VERSION, Practice


def _leads(practice: Practice, count: int) -> list[str]:
    return [practice.org.insert("Lead", {"LastName": f"L{n:05}", "Company": "Acme"}) for n in range(count)]


def test_logs_in_by_jwt_bearer(practice: Practice) -> None:
    client = Salesforce(
        username=USERNAME,
        consumer_key=KEY,
        privatekey=practice.private_key,
        session=practice.session(),
        version=VERSION,
    )
    assert client.query("SELECT Name FROM Organization")["records"][0]["Name"] == "Practice Org"


def test_logs_in_by_password(practice: Practice) -> None:
    client = Salesforce(
        username=USERNAME, password="practicetok", consumer_key=KEY, consumer_secret=SECRET, session=practice.session()
    )
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000


def test_a_wrong_secret_is_an_authentication_failure(practice: Practice) -> None:
    with pytest.raises(SalesforceAuthenticationFailed, match="invalid client credentials"):
        Salesforce(consumer_key=KEY, consumer_secret="no", domain="acme.my", session=practice.session())


def test_query_all_follows_the_pages_to_the_end(practice: Practice) -> None:
    ids = _leads(practice, 4_321)
    client = practice.client()
    first = client.query("SELECT Id FROM Lead ORDER BY Id")
    assert (first["totalSize"], first["done"], len(first["records"])) == (4_321, False, 2_000)
    second = client.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    assert len(second["records"]) == 2_000
    everything = client.query_all("SELECT Id FROM Lead ORDER BY Id")
    assert [record["Id"] for record in everything["records"]] == ids
    assert [record["Id"] for record in client.query_all_iter("SELECT Id FROM Lead ORDER BY Id")] == ids


def test_include_deleted_asks_query_all(practice: Practice) -> None:
    kept, gone = _leads(practice, 2)
    practice.org.delete("Lead", gone)
    client = practice.client()
    assert [row["Id"] for row in client.query("SELECT Id FROM Lead")["records"]] == [kept]
    assert client.query("SELECT Id FROM Lead", include_deleted=True)["totalSize"] == 2


def test_single_records_are_made_read_changed_and_deleted(practice: Practice) -> None:
    client = practice.client()
    created = client.Lead.create({"LastName": "Curie", "FirstName": "Marie", "Company": "Institut", "Email": "m@c.fr"})
    assert created["success"] is True
    id = created["id"]
    assert client.Lead.get(id)["Name"] == "Marie Curie"
    assert client.Lead.update(id, {"Lead_Score__c": 71, "Lead_Score_Bucket__c": "warm"}) == 204
    assert client.Lead.get(id)["Lead_Score__c"] == 71.0
    assert client.Lead.delete(id) == 204
    with pytest.raises(SalesforceResourceNotFound):
        client.Lead.get(id)


def test_a_refused_update_says_why(practice: Practice) -> None:
    (id,) = _leads(practice, 1)
    with pytest.raises(SalesforceMalformedRequest) as refused:
        practice.client().Lead.update(id, {"Lead_Score_Bucket__c": "boiling"})
    content: Any = refused.value.content
    assert content[0]["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert content[0]["fields"] == ["Lead_Score_Bucket__c"]


def test_describe_tells_types_and_limits(practice: Practice) -> None:
    client = practice.client()
    assert {"Lead", "Contact", "Task"} <= {entry["name"] for entry in client.describe()["sobjects"]}
    described = {field["name"]: field for field in client.Lead.describe()["fields"]}
    score = described["Lead_Score__c"]
    assert (score["type"], score["precision"], score["scale"], score["updateable"]) == ("double", 3, 0, True)
    assert described["Lead_Score_Reasons__c"]["length"] == 255
    bucket = described["Lead_Score_Bucket__c"]
    assert bucket["restrictedPicklist"] is True
    assert [value["value"] for value in bucket["picklistValues"]] == ["hot", "warm", "nurture", "cold", "unscored"]
    assert described["OwnerId"]["referenceTo"] == ["Group", "User"]


def test_collections_through_restful(practice: Practice) -> None:
    one, two = _leads(practice, 2)
    practice.org.delete("Lead", two)
    records = [{"attributes": {"type": "Lead"}, "id": id, "Lead_Score__c": 80} for id in (two, one)]
    results = practice.client().restful(
        "composite/sobjects", method="PATCH", json={"allOrNone": False, "records": records},
        headers={"Sforce-Auto-Assign": "FALSE"},
    )  # fmt: skip
    assert results is not None
    assert [result["success"] for result in results] == [False, True]
    assert results[0]["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"
    assert results[1] == {"id": one, "success": True, "errors": []}


def test_updated_and_deleted(practice: Practice) -> None:
    kept, gone = _leads(practice, 2)
    practice.org.delete("Lead", gone)
    practice.clock.advance(timedelta(minutes=2))
    now = practice.clock.now()
    client = practice.client()
    assert client.Lead.updated(now - timedelta(minutes=10), now)["ids"] == [kept]
    deleted = client.Lead.deleted(now - timedelta(minutes=10), now)
    assert [entry["id"] for entry in deleted["deletedRecords"]] == [gone]


def test_bulk_query_in_pieces(practice: Practice) -> None:
    ids = _leads(practice, 250)
    pieces = list(practice.client().bulk2.Lead.query("SELECT Id, LastName FROM Lead", max_records=100, wait=0))
    assert len(pieces) == 3
    rows = [row for piece in pieces for row in csv.DictReader(io.StringIO(piece, newline=""))]
    assert sorted(row["Id"] for row in rows) == ids


def test_bulk_update_counts_failures(practice: Practice) -> None:
    one, two = _leads(practice, 2)
    practice.org.delete("Lead", two)
    records = [{"Id": one, "Lead_Score__c": "55"}, {"Id": two, "Lead_Score__c": "5"}]
    client = practice.client()
    (result,) = client.bulk2.Lead.update(records=records, wait=0)
    assert (result["numberRecordsProcessed"], result["numberRecordsFailed"]) == (2, 1)
    failed = list(csv.DictReader(io.StringIO(client.bulk2.Lead.get_failed_records(result["job_id"]))))
    assert [row["sf__Id"] for row in failed] == [two]
    assert failed[0]["sf__Error"].startswith("ENTITY_IS_DELETED:")
    assert practice.org.get("Lead", one)["Lead_Score__c"] == 55.0  # type: ignore[index]


def test_an_expired_session_is_renewed_by_the_client(practice: Practice) -> None:
    client = practice.client()
    practice.service.sessions.revoke_all()
    assert client.query("SELECT COUNT() FROM Lead")["totalSize"] == 0
    assert practice.service.sessions.logins == 2
