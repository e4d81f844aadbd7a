"""Rows, collections, composite and provisioning over plain HTTP."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from sandbox.salesforce.automation import Flow, FlowFailure, ValidationRule
from sandbox.salesforce.fields import text
from sandbox.salesforce.org import Org
from tests.contract.sandbox_salesforce.practice import NOON, Api, Practice

NO_ASSIGNMENT = {"Sforce-Auto-Assign": "FALSE"}


def _lead(practice: Practice, **fields: Any) -> str:
    return practice.org.insert("Lead", {"LastName": "Ray", "Company": "Acme", **fields})


def _row(id: str, **fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Lead"}, "id": id, **fields}


def _patch(api: Api, *records: dict[str, Any], all_or_none: bool = False, **kwargs: Any) -> list[dict[str, Any]]:
    body = {"allOrNone": all_or_none, "records": list(records)}
    answer = api("PATCH", "composite/sobjects", json=body, **kwargs)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()
    return results


def _codes(results: list[dict[str, Any]]) -> list[str | None]:
    return [result["errors"][0]["statusCode"] if result["errors"] else None for result in results]


def test_each_row_of_a_collection_has_its_own_outcome_by_position(practice: Practice, api: Api) -> None:
    org = practice.org
    fine, gone, converted, locked = (_lead(practice) for _ in range(4))
    org.delete("Lead", gone)
    org.convert(converted)
    org.automation.lock(locked)
    missing = fine[:14] + "z"
    results = _patch(
        api,
        _row(gone, Lead_Score__c=1), _row(fine, Lead_Score__c=55), _row(converted, Lead_Score__c=1),
        _row(locked, Lead_Score__c=1), _row(missing, Lead_Score__c=1), _row("nonsense", Lead_Score__c=1),
        _row(fine, Lead_Score__c=56), {"attributes": {"type": "Lead"}, "Lead_Score__c": 1},
    )  # fmt: skip
    assert _codes(results) == [
        "ENTITY_IS_DELETED", None, "CANNOT_UPDATE_CONVERTED_LEAD", "UNABLE_TO_LOCK_ROW", "INVALID_CROSS_REFERENCE_KEY",
        "MALFORMED_ID", "DUPLICATE_VALUE", "MISSING_ARGUMENT",
    ]  # fmt: skip
    assert results[1] == {"id": fine, "success": True, "errors": []}
    assert "id" not in results[0]
    assert org.get("Lead", fine)["Lead_Score__c"] == 55.0  # type: ignore[index]
    assert _codes(_patch(api, _row(locked, Lead_Score__c=1))) == [None], "the lock was let go"


@pytest.mark.parametrize(
    ("field", "value", "code", "words"),
    [
        ("Lead_Score_Grade__c", "A10", "STRING_TOO_LONG", "Lead Score Grade: data value too large: A10 (max length=2)"),
        (
            "Lead_Stage__c", "winning", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Lead Stage: bad value for restricted picklist field: winning",
        ),
        ("Lead_Score__c", 1_000, "NUMBER_OUTSIDE_VALID_RANGE", "value outside of valid range"),
        ("Email", "nobody", "INVALID_EMAIL_ADDRESS", "invalid email address"),
        ("LastName", None, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]"),
        ("OwnerId", "003000000000001AAA", "FIELD_INTEGRITY_EXCEPTION", "id value of incorrect type"),
        ("SystemModstamp", "2026-01-01T00:00:00Z", "INVALID_FIELD_FOR_INSERT_UPDATE", "Please check the security"),
    ],
)  # fmt: skip
def test_bad_values_are_refused(practice: Practice, api: Api, field: str, value: Any, code: str, words: str) -> None:
    id = _lead(practice)
    (error,) = api("PATCH", f"sobjects/Lead/{id}", json={field: value}).json()
    assert error["errorCode"] == code
    assert words in error["message"]
    assert error["fields"] == [field]


def test_what_the_vendor_bends_is_accepted(practice: Practice, api: Api) -> None:
    id = _lead(practice)
    fields = {"Lead_Score_Probability__c": 12.349, "lead_score_status__C": "unscored_by_moonlight", "Need__c": "  "}
    assert api("PATCH", f"sobjects/Lead/{id}", json=fields).status_code == 204
    lead = practice.org.get("Lead", id)
    assert lead is not None
    assert (lead["Lead_Score_Probability__c"], lead["Lead_Score_Status__c"], lead["Need__c"]) == (
        12.3,
        "unscored_by_moonlight",
        None,
    )


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"Nope__c": 1}, "INVALID_FIELD"), ({"Lead_Score__c": "many"}, "JSON_PARSER_ERROR")],
    ids=["unknown column", "wrong type"],
)
def test_one_unreadable_row_refuses_the_whole_collection(
    practice: Practice, api: Api, fields: dict[str, Any], code: str
) -> None:
    good, bad = _lead(practice), _lead(practice)
    body = {"records": [_row(good, Lead_Score__c=5), _row(bad, **fields)]}
    answer = api("PATCH", "composite/sobjects", json=body)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)
    assert practice.org.get("Lead", good)["Lead_Score__c"] is None  # type: ignore[index]


def test_too_many_rows_or_chunks_refuse_the_whole_collection(practice: Practice, api: Api) -> None:
    lead, contact = _lead(practice), practice.org.insert("Contact", {"LastName": "Ray"})
    rows = [_row(lead)] * 201
    assert api("PATCH", "composite/sobjects", json={"records": rows}).json()[0]["errorCode"] == "EXCEEDED_ID_LIMIT"
    mixed = [_row(lead), {"attributes": {"type": "Contact"}, "id": contact}] * 6
    assert api("PATCH", "composite/sobjects", json={"records": mixed}).json()[0]["errorCode"] == "LIMIT_EXCEEDED"


def test_all_or_none_undoes_the_good_rows(practice: Practice, api: Api) -> None:
    good, bad = _lead(practice, Rating="Cold"), _lead(practice)
    before = practice.org.get("Lead", good)
    results = _patch(api, _row(good, Rating="Hot"), _row(bad, Lead_Stage__c="no"), all_or_none=True)
    assert _codes(results) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"]
    assert practice.org.get("Lead", good) == before
    assert practice.org.writes == []
    assert [row["Field"] for row in practice.org.rows("LeadHistory") if row["LeadId"] == good] == ["created"]


def test_an_assignment_rule_takes_the_lead_unless_the_header_forbids_it(practice: Practice, api: Api) -> None:
    rep = practice.org.insert("User", {"LastName": "Rep", "Username": "r@x.example", "Email": "r@x.example"})
    practice.org.automation.lead_assignment = [rep]
    id = _lead(practice)
    _patch(api, _row(id, Lead_Score__c=5), headers=NO_ASSIGNMENT)
    assert practice.org.get("Lead", id)["OwnerId"] == practice.org.admin  # type: ignore[index]
    _patch(api, _row(id, Lead_Score__c=6))
    assert practice.org.get("Lead", id)["OwnerId"] == rep  # type: ignore[index]


def test_validation_rules_and_flows_refuse_rows(practice: Practice, api: Api) -> None:
    org = practice.org
    rule = ValidationRule(
        "Lead", "Budget is required for hot leads",
        lambda row: row.get("Lead_Score_Bucket__c") == "hot" and "Budget__c" not in row, "Budget__c",
    )  # fmt: skip
    org.automation.validation_rules.append(rule)
    poor, rich = _lead(practice), _lead(practice, Budget__c=9)
    results = _patch(api, _row(poor, Lead_Score_Bucket__c="hot"), _row(rich, Lead_Score_Bucket__c="hot"))
    assert _codes(results) == ["FIELD_CUSTOM_VALIDATION_EXCEPTION", None]
    assert results[0]["errors"][0]["fields"] == ["Budget__c"]

    def fail(inside: Org, before: object, after: object) -> None:
        raise FlowFailure("LeadTrigger: execution of AfterUpdate caused by: System.NullPointerException")

    org.automation.flows.append(Flow("Lead", fail))
    (result,) = _patch(api, _row(rich, Lead_Score__c=70))
    assert result["errors"][0]["statusCode"] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    assert org.get("Lead", rich)["Lead_Score__c"] is None, "the save was undone"  # type: ignore[index]


def test_every_write_is_logged_with_what_it_changed(practice: Practice, api: Api) -> None:
    practice.clock.hold(NOON)
    id = _lead(practice)
    _patch(api, _row(id, Lead_Score__c=5))
    _patch(api, _row(id, Lead_Score__c=5.0))
    url = f"{practice.address}/sandbox/writes"
    first, second = practice.session().get(url, timeout=20).json()
    assert first == {
        "n": 1, "at": "2026-03-02T12:00:00+00:00", "object": "Lead", "id": id, "before": {"Lead_Score__c": None},
        "after": {"Lead_Score__c": 5.0}, "changed": True,
    }  # fmt: skip
    assert second["changed"] is False
    assert practice.session().get(url, params={"after": 1}, timeout=20).json() == [second]


def test_an_equal_write_still_moves_the_stamps(practice: Practice, api: Api) -> None:
    id = _lead(practice, Rating="Hot")
    practice.clock.advance(timedelta(minutes=1))
    _patch(api, _row(id, Rating="Hot"))
    lead = practice.org.get("Lead", id)
    assert lead is not None
    assert lead["SystemModstamp"] == lead["LastModifiedDate"] > lead["CreatedDate"]
    assert lead["LastModifiedById"] == practice.org.integration_user


def test_if_unmodified_since_refuses_a_stale_update(practice: Practice, api: Api) -> None:
    id = _lead(practice)
    stale = {"If-Unmodified-Since": format_datetime(practice.clock.now() - timedelta(hours=1), usegmt=True)}
    assert api("PATCH", f"sobjects/Lead/{id}", json={"Rating": "Hot"}, headers=stale).status_code == 412
    fresh = {"If-Unmodified-Since": format_datetime(practice.clock.now(), usegmt=True)}
    assert api("PATCH", f"sobjects/Lead/{id}", json={"Rating": "Hot"}, headers=fresh).status_code == 204


def test_upsert_by_external_id(practice: Practice, api: Api) -> None:
    practice.org.add_field("Lead", text("Key__c", 18, external_id=True, unique=True))
    body = {"LastName": "Ray", "Company": "Acme"}
    created = api("PATCH", "sobjects/Lead/Key__c/k%2F1", json=body)
    assert (created.status_code, created.json()["created"]) == (201, True)
    rows = [{"attributes": {"type": "Lead"}, "Key__c": key, **body} for key in ("k/1", "k2", "k2")]
    results = api("PATCH", "composite/sobjects/Lead/Key__c", json={"records": rows}).json()
    assert [(result["success"], result["created"]) for result in results] == [
        (True, False),
        (True, True),
        (True, False),
    ]
    assert results[1]["id"] == results[2]["id"]
    assert api("GET", "sobjects/Lead/Key__c/k2").json()["Id"] == results[1]["id"]


def test_collections_insert_and_delete(practice: Practice, api: Api) -> None:
    rows = [{"attributes": {"type": "Lead"}, "LastName": name, "Company": "Acme"} for name in ("A", "B")]
    ids = [result["id"] for result in api("POST", "composite/sobjects", json={"records": rows}).json()]
    lacking = {"records": [{"attributes": {"type": "Lead"}, "LastName": "A"}]}
    (refused,) = api("POST", "composite/sobjects", json=lacking).json()
    assert refused["errors"][0]["message"] == "Required fields are missing: [Company]"
    results = api("DELETE", "composite/sobjects", params={"ids": ",".join(ids)}).json()
    assert _codes(results) == [None, None]
    assert api("GET", "query", params={"q": "SELECT Id FROM Lead"}).json()["totalSize"] == 0


def test_composite_runs_parts_in_order_with_references(practice: Practice, api: Api) -> None:
    id = _lead(practice)
    base = "/services/data/v62.0"
    parts = [
        {"method": "GET", "referenceId": "q", "url": f"{base}/query?q=SELECT+Id,Name+FROM+Lead+WHERE+Id='{id}'"},
        {
            "method": "PATCH", "referenceId": "w", "url": f"{base}/composite/sobjects",
            "body": {"records": [_row("@{q.records[0].Id}", Need__c="seen as @{q.records[0].Name}")]},
        },
        {"method": "GET", "referenceId": "bad", "url": f"{base}/sobjects/Lead/@{{nothing.Id}}"},
    ]  # fmt: skip
    body = api("POST", "composite", json={"compositeRequest": parts}).json()["compositeResponse"]
    assert [part["httpStatusCode"] for part in body] == [200, 200, 400]
    assert body[1]["body"][0]["success"] is True
    assert practice.org.get("Lead", id)["Need__c"] == "seen as Ray"  # type: ignore[index]
    assert practice.service.quota.used() == 1, "a composite request costs one call"


def test_a_failed_part_of_an_all_or_none_composite_undoes_the_others(practice: Practice, api: Api) -> None:
    id = _lead(practice)
    url = f"/services/data/v62.0/sobjects/Lead/{id}"
    parts = [
        {"method": "PATCH", "referenceId": "a", "url": url, "body": {"Rating": "Hot"}},
        {"method": "PATCH", "referenceId": "b", "url": url, "body": {"Lead_Stage__c": "no"}},
    ]
    body = api("POST", "composite", json={"allOrNone": True, "compositeRequest": parts}).json()["compositeResponse"]
    assert [part["body"][0]["errorCode"] for part in body] == [
        "PROCESSING_HALTED",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    ]
    assert practice.org.get("Lead", id)["Rating"] is None  # type: ignore[index]
    assert practice.org.writes == []


def test_each_part_of_a_batch_counts_as_a_call(practice: Practice, api: Api) -> None:
    parts = [{"method": "GET", "url": "v62.0/limits"}, {"method": "GET", "url": "v62.0/nothing/here"}]
    body = api("POST", "composite/batch", json={"batchRequests": parts}).json()
    assert (body["hasErrors"], [part["statusCode"] for part in body["results"]]) == (True, [200, 404])
    assert practice.service.quota.used() == 2


def test_a_field_made_over_the_api_is_hidden_until_it_is_granted(practice: Practice, api: Api) -> None:
    (rights,) = practice.org.rows("UserPermissionAccess")
    practice.org.update("UserPermissionAccess", rights["Id"], {"PermissionsCustomizeApplication": True})
    id = _lead(practice)
    metadata = {"label": "Fit", "type": "Number", "precision": 3, "scale": 0}
    made = api("POST", "tooling/sobjects/CustomField", json={"FullName": "Lead.Fit__c", "Metadata": metadata})
    assert (made.status_code, made.json()["success"]) == (201, True)
    hidden = api("GET", "query", params={"q": "SELECT Fit__c FROM Lead"}).json()[0]
    assert hidden["errorCode"] == "INVALID_FIELD"
    again = api("POST", "tooling/sobjects/CustomField", json={"FullName": "Lead.Fit__c", "Metadata": metadata})
    assert again.json()[0]["errorCode"] == "DUPLICATE_DEVELOPER_NAME"
    permission_set = api("POST", "sobjects/PermissionSet", json={"Name": "Scoring", "Label": "Scoring"}).json()["id"]
    grant = {
        "ParentId": permission_set, "SobjectType": "Lead", "Field": "Lead.Fit__c", "PermissionsRead": True,
        "PermissionsEdit": True,
    }  # fmt: skip
    assert api("POST", "sobjects/FieldPermissions", json=grant).status_code == 201
    assert api("PATCH", f"sobjects/Lead/{id}", json={"Fit__c": 5}).status_code == 400, "not assigned yet"
    assignment = {"AssigneeId": practice.org.integration_user, "PermissionSetId": permission_set}
    assert api("POST", "sobjects/PermissionSetAssignment", json=assignment).status_code == 201
    assert api("PATCH", f"sobjects/Lead/{id}", json={"Fit__c": 5}).status_code == 204
    assert api("GET", "query", params={"q": "SELECT Fit__c FROM Lead"}).json()["records"][0]["Fit__c"] == 5.0
