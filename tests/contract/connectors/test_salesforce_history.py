from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.port import Tier
from connectors.records import AttributeChange, RecordRef, Value
from connectors.salesforce import history
from sandbox.salesforce.fields import long_text, picklist
from tests.contract.connectors.crm_contract import MINUTE, NOW_ON, START, drain
from tests.contract.connectors.salesforce_org import PracticeOrg

HOUR = timedelta(hours=1)


def changes(org: PracticeOrg, stream: str = "lead_history", **settings: Any) -> list[AttributeChange]:
    org.clock.advance(NOW_ON)
    pages = drain(org.open(**settings), stream, None)
    assert all(page.backfill for page in pages)
    found = [change for page in pages for change in page.history]
    assert all(change.recorded_at == change.occurred_at for change in found)
    return found


def told(found: list[AttributeChange], ref: RecordRef, name: str) -> list[tuple[datetime, Value]]:
    return [(change.occurred_at, change.value) for change in found if (change.ref, change.name) == (ref, name)]


def step(org: PracticeOrg, ref: RecordRef, **fields: object) -> datetime:
    org.clock.advance(HOUR)
    org.org.update(ref.object, ref.id, fields)
    return org.clock.now()


def test_the_history_of_an_attribute_begins_with_the_record_and_is_typed(org: PracticeOrg) -> None:
    lead = org.lead(Status="Open - Not Contacted", NumberOfEmployees=10)
    first = step(org, lead, Status="Working - Contacted", NumberOfEmployees=1200, Title="CEO")
    second = step(org, lead, Status="Open - Not Contacted", NumberOfEmployees=None)
    found = changes(org)
    assert told(found, lead, "status") == [
        (START, "Open - Not Contacted"), (first, "Working - Contacted"), (second, "Open - Not Contacted")
    ]  # fmt: skip
    assert told(found, lead, "employees") == [(START, 10), (first, 1200), (second, None)]
    assert not any(change.name in ("title", "email") for change in found)


def test_the_value_before_is_told_once_however_the_pages_are_cut(org: PracticeOrg) -> None:
    leads = org.add_people(3)
    for status in ("Working - Contacted", "Open - Not Contacted", "Working - Contacted"):
        org.clock.advance(HOUR)
        for lead in leads:
            org.org.update("Lead", lead.id, {"Status": status, "LeadSource": status[:4]})
    whole = changes(org)
    assert len(told(whole, leads[0], "status")) == 4
    for size in (1, 2, 5):
        assert changes(org, page_size=size) == whole


def test_a_later_window_tells_what_is_new_and_no_beginnings_again(org: PracticeOrg) -> None:
    old, new = org.add_people(2)
    step(org, old, Status="Working - Contacted")
    org.clock.advance(NOW_ON)
    crm = org.open()
    cursor = drain(crm, "lead_history", None)[-1].cursor
    org.clock.advance(HOUR)
    at = step(org, old, Status="Closed - Not Converted")
    org.org.update("Lead", new.id, {"Status": "Working - Contacted"})
    org.clock.advance(NOW_ON)
    pages = drain(crm, "lead_history", cursor)
    found = [change for page in pages for change in page.history]
    assert told(found, old, "status") == [(at, "Closed - Not Converted")]
    assert [when for when, _ in told(found, new, "status")] == [START, at]
    assert not any(page.backfill for page in pages)


def test_an_owner_is_told_by_id_and_a_custom_field_by_its_attribute(org: PracticeOrg) -> None:
    org.org.add_field("Lead", picklist("Timeline__c", "now", "later", tracked=True))
    org.org.add_field("Lead", long_text("Need__c", tracked=True))
    rep = org.org.insert(
        "User", {"Username": "rep@practice.example", "LastName": "Rep", "Email": "rep@practice.example"}
    )
    lead = org.lead(Need__c="quiet")
    at = step(org, lead, OwnerId=rep, Timeline__c="now", Need__c="loud")
    found = changes(org, attributes={"timeline": "Timeline__c", "need": "Need__c", "lifecycle_stage": "Status"})
    assert told(found, lead, "owner") == [(START, org.org.admin), (at, rep)]
    assert told(found, lead, "timeline") == [(START, None), (at, "now")]
    assert told(found, lead, "need") == []  # Salesforce keeps no values of long texts


def test_contacts_have_a_history_too(org: PracticeOrg) -> None:
    contact = org.contact(LeadSource="Web")
    at = step(org, contact, LeadSource="Webinar")
    assert told(changes(org, "contact_history"), contact, "lead_source") == [(START, "Web"), (at, "Webinar")]


def test_of_a_record_older_than_its_history_no_beginning_is_claimed(org: PracticeOrg) -> None:
    lead = org.lead(Status="Open - Not Contacted")
    org.clock.advance(timedelta(days=600))
    at = step(org, lead, Status="Working - Contacted")
    assert told(changes(org), lead, "status") == [(at, "Working - Contacted")]


def test_a_history_that_cannot_be_read_is_left_out_with_a_note(org: PracticeOrg) -> None:
    org.populate()
    org.org.access.hidden_objects.add("LeadHistory")
    org.clock.advance(NOW_ON)
    crm = org.open(describe_for=timedelta(0))
    page = crm.pull("lead_history", None, Tier.COMPLETE)
    assert (page.done, len(page)) == (True, 0)
    (note,) = [problem for problem in crm.check() if problem.where == "acme/LeadHistory"]
    assert (note.code, note.fatal) == ("history_unseen", False)
    (lead,) = org.add_people(1)
    at = step(org, lead, Status="Working - Contacted")
    org.org.access.hidden_objects.clear()
    org.clock.advance(NOW_ON)
    found = [change for page in drain(crm, "lead_history", page.cursor) for change in page.history]
    assert told(found, lead, "status")[-1] == (at, "Working - Contacted")


def test_a_change_that_commits_late_is_not_lost(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    org.clock.advance(NOW_ON)
    crm = org.open()
    cursor = drain(crm, "lead_history", None)[-1].cursor
    with org.org.transaction(commits_at=org.clock.now() + 30 * MINUTE):
        org.org.update("Lead", lead.id, {"Status": "Working - Contacted"})
    seen: list[AttributeChange] = []
    for _ in range(10):
        org.clock.advance(6 * MINUTE)
        pages = drain(crm, "lead_history", cursor)
        cursor = pages[-1].cursor
        seen += [change for page in pages for change in page.history]
    assert "Working - Contacted" in {change.value for change in seen}


def test_a_long_history_is_loaded_in_bulk_and_tells_the_same_however_its_pieces_are_cut(org: PracticeOrg) -> None:
    leads = org.add_people(3)
    for count, status in enumerate(("Working - Contacted", "Open - Not Contacted", "Working - Contacted")):
        org.clock.advance(HOUR)
        for lead in leads:
            org.org.update(
                "Lead", lead.id, {"Status": status, "NumberOfEmployees": count, "AnnualRevenue": 2.5 * count}
            )
    org.org.update("Lead", leads[1].id, {"OwnerId": org.org.integration_user})
    by_rest = changes(org)
    assert len(by_rest) > 20
    asked: list[str] = []
    for size in (1, 2, 5, 100):
        by_bulk = changes(org, bulk_from=1, bulk_page_size=size, observer=lambda call: asked.append(call.endpoint))
        assert sorted(by_bulk, key=_place) == sorted(by_rest, key=_place)
    assert "query" not in asked


def test_pieces_that_come_in_another_order_are_not_trusted(org: PracticeOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    leads = org.add_people(3)
    for lead in leads:
        step(org, lead, Status="Working - Contacted")
        step(org, lead, Status="Open - Not Contacted")
    by_rest = changes(org)
    monkeypatch.setattr(history, "order", lambda object: "CreatedDate DESC")
    assert sorted(set(changes(org, bulk_from=1)), key=_place) == sorted(by_rest, key=_place)


def _place(change: AttributeChange) -> tuple[str, str, datetime, str]:
    return change.ref.id, change.name, change.occurred_at, str(change.value)
