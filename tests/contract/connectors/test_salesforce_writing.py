from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.errors import Misconfigured
from connectors.records import Author, AuthorKind, FieldWrite, ScoreField, WriteOutcome
from tests.contract.connectors.crm_contract import (
    VALUES,
)
from tests.contract.connectors.salesforce_org import PracticeOrg


def test_a_score_never_hands_a_lead_to_another_owner(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    crm = org.open()
    crm.read_back([lead])
    org.org.automation.lead_assignment.append(org.org.integration_user)
    crm.push([FieldWrite(lead, {ScoreField.SCORE: 70})])
    org.clock.advance(timedelta(hours=3))  # the session is over: the next write goes through a login
    crm.push([FieldWrite(lead, {ScoreField.SCORE: 71})])
    row = org.org.get("Lead", lead.id)
    assert row is not None
    assert (row["OwnerId"], row["Lead_Score__c"]) == (org.org.admin, 71)


def test_a_converted_lead_moves_on_to_its_contact(org: PracticeOrg) -> None:
    lead, other = org.add_people(2)
    crm = org.open()
    contact = org.ref("Contact", org.org.convert(lead.id).contact)
    moved, written = crm.push([FieldWrite(lead, VALUES), FieldWrite(other, VALUES)])
    assert (moved.outcome, moved.code, moved.moved_to) == (
        WriteOutcome.MOVED, "CANNOT_UPDATE_CONVERTED_LEAD", contact,
    )  # fmt: skip
    assert written.outcome is WriteOutcome.WRITTEN
    assert crm.push([FieldWrite(contact, VALUES)])[0].outcome is WriteOutcome.WRITTEN


def test_a_chain_of_merges_is_followed_to_its_end(org: PracticeOrg) -> None:
    first, second, third = org.add_people(3)
    org.merge(second, first)
    org.merge(third, second)
    (result,) = org.open().push([FieldWrite(first, VALUES)])
    assert (result.outcome, result.moved_to) == (WriteOutcome.MOVED, third)


def test_a_locked_row_is_for_later_and_holds_up_no_other(org: PracticeOrg) -> None:
    locked, free = org.add_people(2)
    org.org.automation.lock(locked.id, attempts=9)
    later, written = org.open().push([FieldWrite(ref, VALUES) for ref in (locked, free)])
    assert (later.outcome, later.code) == (WriteOutcome.RETRY, "UNABLE_TO_LOCK_ROW")
    assert later.retry_after
    assert written.outcome is WriteOutcome.WRITTEN


def test_leads_and_contacts_go_out_in_one_call_in_any_order(org: PracticeOrg) -> None:
    refs = [org.lead() if number % 2 else org.contact() for number in range(30)]
    crm = org.open()
    results = crm.push([FieldWrite(ref, {ScoreField.SCORE: 40}) for ref in refs])
    assert [(result.ref, result.outcome) for result in results] == [(ref, WriteOutcome.WRITTEN) for ref in refs]


def test_of_two_writes_to_a_record_the_later_holds(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    crm = org.open()
    results = crm.push([FieldWrite(lead, {ScoreField.SCORE: score}) for score in (10, 20)])
    assert [result.outcome for result in results] == [WriteOutcome.WRITTEN] * 2
    assert crm.read_back([lead]) == {lead: {ScoreField.SCORE: 20}}


def test_a_value_that_the_picklist_lacks_is_refused_before_it_is_sent(org: PracticeOrg) -> None:
    one, two = org.add_people(2)
    wrong = FieldWrite(one, {ScoreField.BUCKET: "scorching"})
    refused, written = org.open().push([wrong, FieldWrite(two, VALUES)])
    assert (refused.outcome, refused.code) == (WriteOutcome.REFUSED, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    assert "Lead_Score_Bucket__c" in (refused.message or "")
    assert written.outcome is WriteOutcome.WRITTEN
    assert len(org.writes()) == 1


def test_a_long_text_is_cut_to_the_field_in_characters(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    crm = org.open()
    crm.push([FieldWrite(lead, {ScoreField.REASONS: "ü" * 300})])
    assert crm.read_back([lead]) == {lead: {ScoreField.REASONS: "ü" * 255}}


def test_a_field_that_became_read_only_stops_the_writing_with_its_cure(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    org.org.access.read_only.add("Lead.Lead_Score__c")
    crm = org.open()
    with pytest.raises(Misconfigured, match="Lead_Score__c of Lead is read-only") as raised:
        crm.push([FieldWrite(lead, VALUES)])
    assert "permission set" in str(raised.value)
    assert org.writes() == []


def test_a_field_that_is_mapped_to_nothing_is_not_written(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    crm = org.open(fields={"score": None, "grade": "Title"})
    assert ScoreField.SCORE not in crm.writable
    crm.push([FieldWrite(lead, {ScoreField.SCORE: 5, ScoreField.GRADE: "B2", ScoreField.VERSION: "v1"})])
    assert crm.read_back([lead]) == {lead: {ScoreField.GRADE: "B2", ScoreField.VERSION: "v1"}}


def test_who_changed_a_field_is_told_by_its_history_else_by_the_record(org: PracticeOrg) -> None:
    world, crm = org.org, org.open()
    rep = world.insert("User", {"Username": "rep@x.example", "LastName": "Rep", "Email": "r@x.example"})
    flow = world.insert(
        "User",
        {"Username": "a@x.example", "LastName": "A", "Email": "a@x.example", "UserType": "AutomatedProcess"},
    )
    ours, typed, contact = org.lead(), org.lead(), org.contact()
    loaded = org.add_people(50)
    crm.push([FieldWrite(ours, {ScoreField.SCORE: 7})])
    world.update("Lead", typed.id, {"Lead_Score__c": 5}, by=rep)
    world.update("Contact", contact.id, {"Lead_Score__c": 5}, by=flow)
    org.clock.advance(timedelta(hours=1))
    for lead in loaded:
        world.update("Lead", lead.id, {"Lead_Score__c": 1}, by=rep)
    told = crm.authors({ref: [ScoreField.SCORE] for ref in (ours, typed, contact, *loaded)})
    assert str(told[ours]) == "flow that runs along with our write"
    assert (told[typed], told[contact]) == (Author(AuthorKind.PERSON, rep), Author(AuthorKind.AUTOMATION, flow))
    assert {told[lead] for lead in loaded} == {Author(AuthorKind.IMPORT, rep)}
