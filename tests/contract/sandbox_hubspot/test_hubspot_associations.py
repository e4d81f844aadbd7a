"""Associations v4 over the wire."""

from __future__ import annotations

import pytest

from tests.contract.sandbox_hubspot.practice import Live


@pytest.fixture(params=["/crm/v4/associations", "/crm/associations/2026-09"])
def associations(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_batch_read_gives_links_as_numbers_and_a_row_for_each_lonely_record(live: Live, associations: str) -> None:
    person, lonely = live.contact(), live.contact("bo@acme.test")
    company = live.portal.create("companies", {"name": "Acme"})
    live.portal.associate("contacts", person, "companies", company)
    body = {"inputs": [{"id": person}, {"id": lonely}]}
    read = live.post(f"{associations}/contacts/companies/batch/read", body)
    assert read.status_code == (207 if "/v4/" in associations else 200)
    assert read.json()["results"] == [
        {
            "from": {"id": person},
            "to": [
                {
                    "toObjectId": int(company),
                    "associationTypes": [
                        {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"},
                        {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None},
                    ],
                }
            ],
        }
    ]
    error = read.json()["errors"][0]
    assert error["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert error["context"]["fromObjectId"] == [lonely]


def test_more_than_five_hundred_links_of_a_record_come_in_pages(live: Live, associations: str) -> None:
    company = live.portal.create("companies", {"name": "Acme"})
    people = [live.contact(f"p{n}@acme.test") for n in range(501)]
    for person in people:
        live.portal.associate("contacts", person, "companies", company)
    url = f"{associations}/companies/contacts/batch/read"
    first = live.post(url, {"inputs": [{"id": company}]}).json()["results"][0]
    after = first["paging"]["next"]["after"]
    rest = live.post(url, {"inputs": [{"id": company, "after": after}]}).json()["results"][0]
    assert "paging" not in rest
    found = [str(link["toObjectId"]) for link in first["to"] + rest["to"]]
    assert (len(first["to"]), found) == (500, people)


def test_too_many_inputs_are_refused(live: Live, associations: str) -> None:
    body = {"inputs": [{"id": str(n)} for n in range(1_001)]}
    assert live.post(f"{associations}/contacts/companies/batch/read", body).status_code == 400


def test_links_are_made_in_a_batch_with_the_types_given(live: Live, associations: str) -> None:
    person, deal = live.contact(), live.portal.create("deals", {"dealname": "Acme"})
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 4}]
    body = {"inputs": [{"from": {"id": person}, "to": {"id": deal}, "types": types}]}
    made = live.post(f"{associations}/contacts/deals/batch/create", body)
    assert (made.status_code, made.json()["results"][0]["toObjectId"]) == (201, int(deal))
    wrong = {"inputs": [{**body["inputs"][0], "types": [{"associationTypeId": 279}]}]}
    assert live.post(f"{associations}/contacts/deals/batch/create", wrong).status_code == 400
    lost = {"inputs": [{**body["inputs"][0], "to": {"id": "999999"}}]}
    assert live.post(f"{associations}/contacts/deals/batch/create", lost).status_code == 404


def test_links_are_removed_in_a_batch(live: Live, associations: str) -> None:
    person, deal = live.contact(), live.portal.create("deals", {"dealname": "Acme"})
    live.portal.associate("contacts", person, "deals", deal)
    body = {"inputs": [{"from": {"id": person}, "to": [{"id": deal}]}]}
    assert live.post(f"{associations}/contacts/deals/batch/archive", body).status_code == 204
    record = live.portal.get("contacts", person)
    assert record is not None
    assert live.portal.live_links(record, "deals") == []


def test_the_labels_between_two_types_are_told(live: Live, associations: str) -> None:
    told = live.get(f"{associations}/contact/company/labels").json()["results"]
    assert [(one["typeId"], one["label"]) for one in told] == [(1, "Primary"), (279, None)]
    assert live.get(f"{associations}/calls/emails/labels").status_code == 400


@pytest.mark.parametrize("objects", ["/crm/v4/objects", "/crm/objects/2026-09"])
def test_one_records_links_are_paged(live: Live, objects: str) -> None:
    company = live.portal.create("companies", {"name": "Acme"})
    for n in range(3):
        live.portal.associate("contacts", live.contact(f"p{n}@acme.test"), "companies", company)
    page = live.get(f"{objects}/companies/{company}/associations/contacts?limit=2").json()
    assert len(page["results"]) == 2
    rest = live.get(page["paging"]["next"]["link"].removeprefix(live.url)).json()
    assert len(rest["results"]) == 1
