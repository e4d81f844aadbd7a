"""The org's own set-up over the API: Tooling queries and objects, layouts, list views, what sharing leaves a user."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox.salesforce.access import Sharing
from tests.contract.sandbox_salesforce.practice import Api, Practice

FIELD = {"label": "Fit", "type": "Number", "precision": 3, "scale": 0}


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()[0]["errorCode"]


@pytest.fixture
def admin(practice: Practice, api: Api) -> Api:
    """A user who may change the set-up."""
    (rights,) = practice.org.rows("UserPermissionAccess")
    practice.org.update("UserPermissionAccess", rights["Id"], {"PermissionsCustomizeApplication": True})
    return api


def tooling(api: Api, soql: str) -> list[dict[str, Any]]:
    answer: dict[str, Any] = api("GET", "tooling/query", params={"q": soql}).json()
    assert answer["done"]
    return list(answer["records"])


def test_fields_are_listed_whoever_may_see_them(admin: Api) -> None:
    body = {"FullName": "Lead.Fit__c", "Metadata": FIELD}
    id = admin("POST", "tooling/sobjects/CustomField", json=body).json()["id"]
    soql = (
        "SELECT Id, DeveloperName FROM CustomField WHERE TableEnumOrId IN ('Lead', 'Contact') AND DeveloperName = 'Fit'"
    )
    (row,) = tooling(admin, soql)
    assert (row["Id"], row["DeveloperName"]) == (id, "Fit")
    held = admin("GET", f"tooling/sobjects/CustomField/{id}").json()
    assert held["FullName"] == "Lead.Fit__c"
    assert held["Metadata"].items() >= FIELD.items()
    assert code(admin("GET", "tooling/sobjects/CustomField/00N000000000000AAA")) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("soql", "error"),
    [
        ("SELECT Id FROM ApexClass", "INVALID_TYPE"),
        ("SELECT Nope FROM Layout", "INVALID_FIELD"),
        ("SELECT Id FROM Layout WHERE Nope = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Layout WHERE Name LIKE 'x'", "MALFORMED_QUERY"),
        ("DELETE FROM Layout", "MALFORMED_QUERY"),
    ],
)
def test_what_a_tooling_query_is_refused_with(soql: str, error: str, api: Api) -> None:
    assert code(api("GET", "tooling/query", params={"q": soql})) == (400, error)


def test_a_picklist_gets_a_value(practice: Practice, admin: Api) -> None:
    (row,) = tooling(
        admin, "SELECT Id FROM CustomField WHERE TableEnumOrId = 'Lead' AND DeveloperName = 'Lead_Score_Bucket'"
    )
    path = f"tooling/sobjects/CustomField/{row['Id']}"
    metadata = admin("GET", path).json()["Metadata"]
    metadata["valueSet"]["valueSetDefinition"]["value"].append({"valueName": "lava", "label": "lava", "default": False})
    assert admin("PATCH", path, json={"Metadata": metadata}).status_code == 204
    field = practice.org.schema["Lead"].fields["Lead_Score_Bucket__c"]
    assert (field.values[-1], field.restricted) == ("lava", True)


def test_a_layout_is_read_changed_and_shown_to_users(practice: Practice, admin: Api) -> None:
    (row,) = tooling(admin, "SELECT Id, Name FROM Layout WHERE TableEnumOrId = 'Contact'")
    path = f"tooling/sobjects/Layout/{row['Id']}"
    metadata = admin("GET", path).json()["Metadata"]
    metadata["layoutSections"] = [
        {"label": "Mine", "layoutColumns": [{"layoutItems": [{"field": "Lead_Score__c"}, {"field": "Title"}]}]}
    ]
    assert admin("PATCH", path, json={"Metadata": metadata}).status_code == 204
    practice.org.access.hidden.add("Contact.Title")
    (layout,) = admin("GET", "sobjects/Contact/describe/layouts").json()["layouts"]
    rows = layout["detailLayoutSections"][0]["layoutRows"]
    assert [row["layoutItems"][0]["layoutComponents"][0]["value"] for row in rows] == ["Lead_Score__c"]
    metadata["layoutSections"][0]["layoutColumns"][0]["layoutItems"] = [{"field": "Nope__c"}]
    assert code(admin("PATCH", path, json={"Metadata": metadata})) == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_compact_layouts_and_list_views_are_made_once(admin: Api) -> None:
    compact = {"FullName": "Lead.Ours", "Metadata": {"label": "Ours", "fields": ["Name", "Lead_Score__c"]}}
    assert admin("POST", "tooling/sobjects/CompactLayout", json=compact).status_code == 201
    assert code(admin("POST", "tooling/sobjects/CompactLayout", json=compact))[1] == "DUPLICATE_DEVELOPER_NAME"
    wrong = {"FullName": "Lead.Other", "Metadata": {"label": "Other", "fields": ["Nope__c"]}}
    assert code(admin("POST", "tooling/sobjects/CompactLayout", json=wrong))[1] == "FIELD_INTEGRITY_EXCEPTION"
    view = {"listViewApiName": "Ours", "label": "Ours", "visibility": "Public", "displayColumns": ["Name"]}
    assert admin("POST", "ui-api/list-info/Lead", json=view).status_code == 201
    assert code(admin("POST", "ui-api/list-info/Lead", json=view))[1] == "DUPLICATE_DEVELOPER_NAME"
    older = admin("POST", "/services/data/v60.0/ui-api/list-info/Lead", json=view)
    assert code(older) == (404, "NOT_FOUND"), "from API 61.0 on"
    rows = admin.query("SELECT DeveloperName FROM ListView WHERE SobjectType = 'Lead'")["records"]
    assert [row["DeveloperName"] for row in rows] == ["Ours"]


def test_who_may_not_customize_is_refused(practice: Practice, api: Api) -> None:
    body = {"FullName": "Lead.Fit__c", "Metadata": FIELD}
    assert code(api("POST", "tooling/sobjects/CustomField", json=body)) == (403, "INSUFFICIENT_ACCESS")
    assert "Fit__c" not in practice.org.schema["Lead"].fields


def test_what_sharing_leaves_a_user_is_told(practice: Practice, api: Api) -> None:
    org = practice.org
    theirs = practice.lead()
    ours = practice.lead(OwnerId=org.integration_user)
    org.access.sharing["Lead"] = Sharing.READ_ONLY
    ask = "SELECT RecordId, HasEditAccess FROM UserRecordAccess WHERE UserId = '{}' AND RecordId IN ('{}', '{}')"
    rows = api.query(ask.format(org.integration_user, theirs, ours))["records"]
    assert {row["RecordId"]: row["HasEditAccess"] for row in rows} == {theirs: False, ours: True}
    without = api("GET", "query", params={"q": "SELECT RecordId, HasEditAccess FROM UserRecordAccess"})
    assert code(without) == (400, "MALFORMED_QUERY")
    org.access.sharing["Lead"] = Sharing.PRIVATE
    assert api.query("SELECT Id FROM Lead")["totalSize"] == 1
    counted = api("GET", "limits/recordCount", params={"sObjects": "Lead,Nope"}).json()["sObjects"]
    assert counted == [{"count": 2, "name": "Lead"}], "whoever may see them"
