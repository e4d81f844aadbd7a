"""List, read, write, merge and erase over plain HTTP, under every path family."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.sandbox_hubspot.practice import NOON, Live


def test_a_list_page_has_the_vendors_shape(live: Live, objects: str) -> None:
    ids = [live.contact(f"p{n}@acme.test") for n in range(3)]
    company = live.portal.create("companies", {"name": "Acme"})
    live.portal.associate("contacts", ids[0], "companies", company)
    page = live.get(f"{objects}/contacts?limit=2&properties=email,jobtitle,no_such&associations=companies").json()
    assert page["results"][0] == {
        "id": ids[0],
        "properties": {
            "createdate": "2026-11-20T12:00:00Z",
            "email": "p0@acme.test",
            "hs_object_id": ids[0],
            "jobtitle": None,
            "lastmodifieddate": "2026-11-20T12:00:00Z",
        },
        "createdAt": "2026-11-20T12:00:00Z",
        "updatedAt": "2026-11-20T12:00:00Z",
        "archived": False,
        "url": f"{live.url}/contacts/9001/record/0-1/{ids[0]}",
        "associations": {
            "companies": {
                "results": [
                    {"id": company, "type": "contact_to_company"},
                    {"id": company, "type": "contact_to_company_unlabeled"},
                ]
            }
        },
    }
    assert "associations" not in page["results"][1]
    following = page["paging"]["next"]
    assert following["after"] == ids[2]
    assert live.get(following["link"].removeprefix(live.url)).json()["results"][0]["id"] == ids[2]


def test_lists_may_repeat_a_parameter(live: Live, objects: str) -> None:
    live.contact(jobtitle="CEO", phone="123")
    page = live.get(f"{objects}/contacts?properties=jobtitle&properties=phone").json()
    assert {"jobtitle": "CEO", "phone": "123"}.items() <= page["results"][0]["properties"].items()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=100", 200),
        ("limit=101", 400),
        ("limit=50&propertiesWithHistory=email", 200),
        ("limit=51&propertiesWithHistory=email", 400),
        ("after=later", 400),
        ("associations=unicorns", 400),
    ],
)
def test_the_limits_of_a_list(live: Live, query: str, status: int) -> None:
    live.contact()
    assert live.get(f"/crm/v3/objects/contacts?{query}").status_code == status


def test_a_record_shows_history_newest_first(live: Live, objects: str) -> None:
    person = live.contact(jobtitle="Analyst")
    live.clock.advance(timedelta(milliseconds=1_500))
    patch = {"properties": {"jobtitle": "CEO"}}
    live.call("PATCH", f"{objects}/contacts/{person}", json=patch)
    read = live.get(f"{objects}/contacts/{person}?properties=jobtitle&propertiesWithHistory=jobtitle").json()
    assert read["propertiesWithHistory"]["jobtitle"] == [
        {
            "value": "CEO",
            "timestamp": "2026-11-20T12:00:01.500Z",
            "sourceType": "INTEGRATION",
            "sourceId": str(live.settings.app_id),
        },
        {
            "value": "Analyst",
            "timestamp": "2026-11-20T12:00:00Z",
            "sourceType": "CRM_UI",
            "sourceId": "userId:1",
            "updatedByUserId": 1,
        },
    ]
    assert read["updatedAt"] == read["properties"]["lastmodifieddate"] == "2026-11-20T12:00:01.500Z"


def test_an_old_merged_id_reads_and_writes_the_survivor(live: Live, objects: str) -> None:
    first, second = live.contact(), live.contact("bo@acme.test")
    merged = live.post(f"{objects}/contacts/merge", {"primaryObjectId": first, "objectIdToMerge": second}).json()["id"]
    assert live.get(f"{objects}/contacts/{first}").json()["id"] == merged
    patch = {"properties": {"jobtitle": "CEO"}}
    assert live.call("PATCH", f"{objects}/contacts/{second}", json=patch).json()["id"] == merged


def test_the_recycle_bin_lists_only_what_lies_in_it(live: Live, objects: str) -> None:
    gone, kept = live.contact(), live.contact("bo@acme.test")
    assert live.call("DELETE", f"{objects}/contacts/{gone}").status_code == 204
    assert [one["id"] for one in live.get(f"{objects}/contacts").json()["results"]] == [kept]
    binned = live.get(f"{objects}/contacts?archived=True").json()["results"]
    assert [(one["id"], one["archived"], one["archivedAt"]) for one in binned] == [(gone, True, "2026-11-20T12:00:00Z")]
    assert live.get(f"{objects}/contacts/{gone}").status_code == 404
    assert live.get(f"{objects}/contacts/{gone}?archived=true").json()["id"] == gone


def test_erasing_answers_204_whether_or_not_there_is_a_contact(live: Live, objects: str) -> None:
    person = live.contact()
    for _ in range(2):
        assert live.post(f"{objects}/contacts/gdpr-delete", {"objectId": person}).status_code == 204
    other = live.contact("bo@acme.test")
    body = {"objectId": "bo@acme.test", "idProperty": "email"}
    assert live.post(f"{objects}/contacts/gdpr-delete", body).status_code == 204
    assert live.portal.get("contacts", other) is None


def test_a_record_is_made_with_its_associations(live: Live, objects: str) -> None:
    person = live.contact()
    link = {"to": {"id": person}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}]}
    made = live.post(f"{objects}/notes", {"properties": {"hs_note_body": "hello"}, "associations": [link]})
    assert made.status_code == 201
    record = live.portal.get("contacts", person)
    assert record is not None
    assert live.portal.live_links(record, "notes") == [(int(made.json()["id"]), (201,))]
    wrong = {**link, "types": [{"associationTypeId": 999}]}
    refused = live.post(f"{objects}/notes", {"properties": {}, "associations": [wrong]})
    assert (refused.status_code, live.portal.count("notes")) == (400, 1)
    assert live.post(f"{objects}/notes", {"properties": {}, "associations": [{"to": 5}]}).status_code == 400


def test_a_refused_write_names_its_properties_in_both_ways(live: Live) -> None:
    person = live.contact()
    body = {"properties": {"lead_scor": "1", "num_notes": "3", "lead_gauge_bucket": "Hot"}}
    refused = live.call("PATCH", f"/crm/v3/objects/contacts/{person}", json=body)
    assert refused.status_code == 400
    told = refused.json()
    assert (told["status"], told["category"]) == ("error", "VALIDATION_ERROR")
    assert told["message"].startswith("Property values were not valid: [{")
    assert [(error["code"], error["context"]["propertyName"]) for error in told["errors"]] == [
        ("PROPERTY_DOESNT_EXIST", ["lead_scor"]),
        ("READ_ONLY_VALUE", ["num_notes"]),
        ("INVALID_OPTION", ["lead_gauge_bucket"]),
    ]
    assert told["correlationId"] == refused.headers["X-HubSpot-Correlation-Id"]


@pytest.mark.parametrize("value", [None, ["a"], {"a": 1}])
def test_a_value_that_is_no_scalar_is_bad_json(live: Live, value: object) -> None:
    person = live.contact()
    refused = live.call("PATCH", f"/crm/v3/objects/contacts/{person}", json={"properties": {"jobtitle": value}})
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("Invalid input JSON on line 1, column 1: Cannot deserialize")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"", b'{"properties": 5}'])
def test_a_malformed_body_is_refused(live: Live, body: bytes) -> None:
    refused = live.call("POST", "/crm/v3/objects/contacts", data=body)
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("Invalid input JSON on line 1, column 1")


@pytest.mark.parametrize("path", ["/crm/v3/nothing", "/crm/v3/objects/contacts/77", "/crm/v3/objects/contacts/none"])
def test_what_is_not_there_has_no_category(live: Live, path: str) -> None:
    missing = live.get(path)
    assert missing.status_code == 404
    assert {**missing.json(), "correlationId": ""} == {
        "status": "error",
        "message": "resource not found",
        "correlationId": "",
    }


def test_a_backward_stage_answers_200_and_shows_the_old_value(live: Live, objects: str) -> None:
    person = live.contact(lifecyclestage="customer")
    answer = live.call("PATCH", f"{objects}/contacts/{person}", json={"properties": {"lifecyclestage": "lead"}})
    assert answer.status_code == 200
    assert answer.json()["properties"]["lifecyclestage"] == "customer"
    assert live.get("/sandbox/writes").json()[-1]["changed"] is False


def test_every_write_over_the_api_is_logged_with_what_it_changed(live: Live) -> None:
    person = live.contact(jobtitle="CEO")
    for title in ("CTO", "CTO"):
        live.call("PATCH", f"/crm/v3/objects/contacts/{person}", json={"properties": {"jobtitle": title}})
    assert live.get("/sandbox/writes").json() == [
        {
            "n": n,
            "at": "2026-11-20T12:00:00Z",
            "object": "contacts",
            "id": person,
            "before": {"jobtitle": before},
            "after": {"jobtitle": "CTO"},
            "changed": changed,
        }
        for n, before, changed in ((1, "CEO", True), (2, "CTO", False))
    ]
    assert [row["n"] for row in live.get("/sandbox/writes?after=1").json()] == [2]


def test_owners_who_left_have_no_user_id(live: Live) -> None:
    owner = live.portal.add_owner("rep@portal.test", "Rep", "One", at=NOON)
    live.portal.owners[owner] = replace(live.portal.owners[owner], archived=True)
    assert live.get("/crm/owners/2026-09").json() == {"results": []}
    left = live.get("/crm/v3/owners/?archived=true").json()["results"][0]
    assert (left["userId"], left["userIdIncludingInactive"]) == (None, 49_150_001)
