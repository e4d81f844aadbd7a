"""The rep's pages and the route that makes activities."""

from __future__ import annotations

import pytest

from tests.contract.sandbox_salesforce.practice import Practice


def _get(practice: Practice, path: str) -> tuple[int, str]:
    answer = practice.session().get(f"{practice.address}{path}", timeout=20)
    return answer.status_code, answer.text


def test_people_are_listed_by_score_and_escaped(practice: Practice) -> None:
    org = practice.org
    org.insert("Lead", {"LastName": "Low", "Company": "Acme", "Lead_Score__c": 12, "Lead_Score_Bucket__c": "cold"})
    org.insert("Contact", {"LastName": "<b>High</b>", "Lead_Score__c": 95, "Lead_Score_Bucket__c": "hot"})
    org.insert("Lead", {"LastName": "Unscored", "Company": "Acme"})
    status, page = _get(practice, "/sandbox/")
    assert status == 200
    assert page.index("&lt;b&gt;High&lt;/b&gt;") < page.index("Low") < page.index("Unscored")
    assert "<b>High" not in page


def test_a_record_shows_score_fields_and_timeline(practice: Practice) -> None:
    org = practice.org
    score = {
        "Lead_Score__c": 95, "Lead_Score_Bucket__c": "hot", "Lead_Score_Action__c": "Call immediately",
        "Lead_Stage__c": "mql", "Lead_Score_Reasons__c": "Visited pricing +15",
        "Lead_Scored_At__c": "2026-03-02T11:59:00Z",
    }  # fmt: skip
    id = org.insert("Lead", {"LastName": "Ray", "Company": "Acme & Sons", **score})
    org.insert("Task", {"WhoId": id, "Subject": "Intro call", "TaskSubtype": "Call", "Status": "Completed"})
    status, page = _get(practice, f"/sandbox/record/Lead/{id}")
    assert status == 200
    for shown in ("95", "Call immediately", "mql", "Visited pricing +15", "Acme &amp; Sons", "Intro call", "11:59"):
        assert shown in page
    assert _get(practice, "/sandbox/record/Lead/00Q000000000000")[0] == 404


def test_every_kind_of_record_has_a_page(practice: Practice) -> None:
    org = practice.org
    lead = org.insert("Lead", {"LastName": "Ray", "Company": "Acme", "Email": "ray@acme.example"})
    made = org.convert(lead, opportunity="Deal")
    for kind in ("content_download", "meeting", "email_sent"):
        order = {"email": "ray@acme.example", "kind": kind}
        assert (
            practice.session().post(f"{practice.address}/sandbox/activity", json=order, timeout=20).status_code == 201
        )
    org.delete("Account", made.account)
    for object in org.schema:
        for row in org.rows(object):
            assert _get(practice, f"/sandbox/record/{object}/{row['Id']}")[0] == 200, object


def test_a_converted_lead_leads_to_its_contact(practice: Practice) -> None:
    lead = practice.org.insert("Lead", {"LastName": "Ray", "Company": "Acme"})
    contact = practice.org.convert(lead).contact
    assert f"/sandbox/record/Contact/{contact}" in _get(practice, f"/sandbox/record/Lead/{lead}")[1]


@pytest.mark.parametrize(
    ("kind", "object"),
    [
        ("content_download", "CampaignMember"),
        ("call", "Task"),
        ("meeting", "Event"),
        ("email_sent", "EmailMessage"),
        ("task", "Task"),
    ],
)
def test_an_activity_is_made_for_the_person_with_that_address(practice: Practice, kind: str, object: str) -> None:
    org = practice.org
    lead = org.insert("Lead", {"LastName": "Ray", "Company": "Acme", "Email": "Ray@Acme.example"})
    order = {"email": "ray@acme.example", "kind": kind}
    answer = practice.session().post(f"{practice.address}/sandbox/activity", json=order, timeout=20)
    made = answer.json()
    assert (answer.status_code, made["object"], made["person"]) == (201, object, {"object": "Lead", "id": lead})
    row = org.get(object, made["id"])
    assert row is not None
    if kind == "content_download":
        assert (row["LeadId"], row["HasResponded"], row["FirstRespondedDate"]) == (lead, True, "2026-03-02")
        again = practice.session().post(f"{practice.address}/sandbox/activity", json=order, timeout=20)
        assert again.json()["id"] != made["id"]
    elif kind == "email_sent":
        (relation,) = org.rows("EmailMessageRelation")
        assert (relation["RelationId"], relation["RelationObjectType"]) == (lead, "Lead")
    else:
        assert row["WhoId"] == lead


def test_activities_need_a_known_kind_and_person(practice: Practice) -> None:
    url = f"{practice.address}/sandbox/activity"
    unknown = practice.session().post(url, json={"email": "a@b.example", "kind": "pricing_page_view"}, timeout=20)
    assert (unknown.status_code, "content_download" in unknown.json()["error"]) == (400, True)
    assert practice.session().post(url, json={"email": "a@b.example", "kind": "call"}, timeout=20).status_code == 404
