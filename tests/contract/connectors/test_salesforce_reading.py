from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from connectors.errors import Misconfigured
from connectors.port import Cursor, Tier
from connectors.records import ActivityKind, Deletion, RecordRef, RecordState
from tests.contract.connectors.crm_contract import (
    MINUTE,
    NOW_ON,
    START,
    Learning,
    deletions,
    drain,
    people,
    refs,
)
from tests.contract.connectors.practice import Host
from tests.contract.connectors.salesforce_org import SECRET, PracticeOrg, pull


def test_a_converted_lead_is_the_same_person_as_its_contact(org: PracticeOrg) -> None:
    lead = org.lead()
    made = org.org.convert(lead.id, opportunity="Acme deal")
    org.clock.advance(NOW_ON)
    crm = org.open()
    (record,) = pull(crm, "leads")
    assert (record.state, record.same_as) == (RecordState.CONVERTED, (org.ref("Contact", made.contact),))
    (contact,) = pull(crm, "contacts")
    assert (contact.state, contact.account) == (RecordState.OPEN, org.ref("Account", made.account))
    (deal,) = pull(crm, "opportunities")
    assert deal.people == (contact.ref,)
    assert deal.account == contact.account


def test_leads_and_accounts_are_read_in_canonical_terms(org: PracticeOrg) -> None:
    lead = org.lead(
        Title="CFO", Industry="Energy", NumberOfEmployees=1200, AnnualRevenue=12_500_000.0, Country="Norway",
        LeadSource="Webinar", Phone="+47 1", HasOptedOutOfEmail=True, Website="https://acme.example",
        Budget__c=50_000, Status="Closed - Not Converted",
    )  # fmt: skip
    account = {"Name": "Acme", "Type": "Customer - Direct", "BillingCountry": "Norway", "NumberOfEmployees": 12}
    org.org.insert("Account", account)
    org.clock.advance(NOW_ON)
    crm = org.open(attributes={"budget": "Budget__c", "timeline": "Timeline__c", "lead_source": None})
    (record,) = pull(crm, "leads")
    owner = org.org.admin
    assert record.attributes == {
        "title": "CFO", "company": "Acme", "industry": "Energy", "employees": 1200, "annual_revenue": 12_500_000.0,
        "country": "Norway", "status": "Closed - Not Converted", "owner": owner, "has_phone": True, "opted_out": True,
        "bounced": False, "website": "https://acme.example", "budget": 50_000.0,
    }  # fmt: skip
    assert record.ref == lead
    assert record.state is RecordState.DISQUALIFIED
    assert (record.created_at, record.modified_by) == (START, owner)
    (read,) = pull(crm, "accounts")
    assert read.attributes == {"account_type": "Customer - Direct", "country": "Norway", "employees": 12}


def test_a_purged_record_is_found_in_the_deletion_log_only(org: PracticeOrg) -> None:
    purged, deleted, stays = org.add_people(3)
    campaign = org.org.insert("Campaign", {"Name": "Expo", "Type": "Trade Show"})
    member = {"CampaignId": campaign, "LeadId": stays.id, "Status": "Visited"}
    member_id = org.org.insert("CampaignMember", member)
    org.clock.advance(NOW_ON)
    crm = org.open()
    leads, purges = drain(crm, "leads", None), drain(crm, "purges", None)
    org.org.delete("Lead", purged.id, purge=True)
    org.org.delete("CampaignMember", member_id, purge=True)
    org.org.delete("Lead", deleted.id)
    org.clock.advance(NOW_ON)
    assert set(deletions(drain(crm, "leads", leads[-1].cursor))) == {deleted}
    gone = {org.ref("CampaignMember", member_id + fact) for fact in ("", "#responded")}
    later = drain(crm, "purges", purges[-1].cursor)
    assert set(deletions(later)) == {purged, *gone}
    assert not deletions(drain(crm, "purges", later[-1].cursor))


def test_the_facts_of_a_deleted_row_are_all_withdrawn(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    id = org.email(lead, FirstOpenedDate=START)
    org.clock.advance(NOW_ON)
    crm = org.open()
    made = drain(crm, "email_messages", None)
    org.org.delete("EmailMessage", id)
    org.clock.advance(NOW_ON)
    gone = deletions(drain(crm, "email_messages", made[-1].cursor))
    assert set(gone) == {activity.ref for page in made for activity in page.activities}
    assert len(gone) == 2


def test_what_was_archived_still_counts(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    org.org.insert("Task", {"WhoId": lead.id, "TaskSubtype": "Call", "Status": "Completed"})
    org.clock.advance(timedelta(days=400))
    (call,) = pull(org.open(), "tasks")
    assert call.kind is ActivityKind.SALES_CALL


def test_emails_count_as_tasks_only_where_they_cannot_be_read_themselves(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    org.org.insert("Task", {"WhoId": lead.id, "TaskSubtype": "Email", "Status": "Completed"})
    org.clock.advance(NOW_ON)
    assert pull(org.open(), "tasks") == []
    for crm in (org.open(without=["email_messages"]), org.open()):
        assert [activity.kind for activity in pull(crm, "tasks")] == [ActivityKind.SALES_EMAIL]
        org.org.access.hidden_objects.add("EmailMessage")
    assert "email_messages" not in {stream.name for stream in org.open(without=["email_messages"]).streams}


def test_a_field_that_is_hidden_while_running_is_left_out(org: PracticeOrg) -> None:
    org.lead(Title="CFO", Industry="Energy")
    org.clock.advance(NOW_ON)
    crm = org.open()
    (before,) = pull(crm, "leads")
    org.org.access.hidden.add("Lead.Industry")
    (after,) = pull(crm, "leads")
    assert before.attributes.keys() - after.attributes.keys() == {"industry"}


def test_an_object_that_is_hidden_is_named_with_its_cure(org: PracticeOrg) -> None:
    org.org.access.hidden_objects.add("CampaignMember")
    crm = org.open()
    with pytest.raises(Misconfigured, match="sobjects/CampaignMember"):
        crm.pull("campaign_members", None, Tier.COMPLETE)
    assert [(p.code, p.where, p.fatal) for p in crm.check() if p.fatal] == [
        ("object_missing", "acme/CampaignMember", True)
    ]


def test_what_is_in_flight_is_asked_for_at_most_every_five_minutes(org: PracticeOrg) -> None:
    org.add_people(1)
    org.clock.advance(NOW_ON)
    asked: list[str] = []
    crm = org.open(observer=lambda exchange: asked.append(exchange.endpoint))
    cursor: Cursor | None = None
    for _ in range(12):
        for tier in (Tier.COMPLETE, Tier.FAST):
            page = drain(crm, "leads", cursor, tier)[-1]
            cursor = page.cursor if tier is Tier.COMPLETE else cursor
        org.clock.advance(MINUTE)
    assert asked.count("sobjects/Lead/updated") == 3
    assert asked.count("sobjects/Lead/describe") == 1


def test_the_cursor_never_passes_what_is_in_flight(org: PracticeOrg) -> None:
    org.add_people(1)
    org.clock.advance(NOW_ON)
    crm = org.open()
    cursor = drain(crm, "leads", None)[-1].cursor
    begun = org.clock.now()
    late = org.add_person_seen_late(timedelta(minutes=50))  # longer than any overlap
    seen: list[RecordRef] = []
    for _ in range(60):
        org.clock.advance(MINUTE)
        pages = drain(crm, "leads", cursor)
        cursor = pages[-1].cursor
        seen += refs(pages)
        assert late in seen or str(cursor["since"]) <= begun.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert late in seen


def test_pages_that_come_shorter_than_asked_for_are_not_taken_for_the_last(
    host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SF_SECRET", SECRET)
    org = PracticeOrg(host, directory, page_rows=9)
    made = org.add_people(30)
    org.clock.advance(NOW_ON)
    pages = drain(org.open(page_size=25), "leads", None)
    assert [len(page) for page in pages] == [9, 9, 9, 3]
    assert sorted(refs(pages)) == sorted(made)
    org.close()


def test_a_campaign_member_seen_before_and_after_the_response_keeps_both_facts(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    campaign = org.org.insert("Campaign", {"Name": "Cloud cost guide", "Type": "Whitepaper"})
    id = org.org.insert("CampaignMember", {"CampaignId": campaign, "LeadId": lead.id, "Status": "Sent"})
    org.clock.advance(timedelta(days=3))
    crm = org.open()
    before = {activity.ref: activity for activity in pull(crm, "campaign_members")}
    org.org.update("CampaignMember", id, {"Status": "Downloaded"})
    org.clock.advance(NOW_ON)
    after = {activity.ref: activity for activity in pull(crm, "campaign_members")}
    assert [activity.kind for activity in before.values()] == [ActivityKind.CAMPAIGN_SEND]
    assert before.items() <= after.items()
    response = after[org.ref("CampaignMember", f"{id}#responded")]
    assert (response.kind, response.detail) == (ActivityKind.CONTENT_DOWNLOAD, "Cloud cost guide")
    assert response.occurred_at <= org.clock.now() - NOW_ON < response.recorded_at


def test_reading_enters_the_lane_of_its_tier(org: PracticeOrg) -> None:
    org.add_people(1)
    org.clock.advance(NOW_ON)
    gate = Learning()
    crm = org.open(gate=gate)
    cursor = drain(crm, "leads", None)[-1].cursor
    gate.entered.clear()
    drain(crm, "leads", cursor)
    assert {str(lane) for lane in gate.entered} == {"refresh"}
    assert len(people(drain(crm, "leads", cursor, Tier.FAST))) == 0


def test_the_last_minutes_are_read_again_with_the_next_window(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    org.clock.advance(8 * MINUTE)
    crm = org.open()
    cursor = drain(crm, "leads", None)[-1].cursor
    assert refs(drain(crm, "leads", cursor)) == [lead]
    assert refs(drain(org.open(overlap=timedelta(0)), "leads", cursor)) == []


def test_a_cursor_never_moves_back(org: PracticeOrg) -> None:
    org.add_people(1)
    org.clock.advance(NOW_ON)
    first = drain(org.open(), "leads", None)[-1].cursor
    org.clock.advance(MINUTE)
    later = drain(org.open(settle=timedelta(hours=1)), "leads", first)[-1].cursor
    assert later["since"] == first["since"]


def test_a_row_that_no_query_shows_is_fetched_as_a_deletion(org: PracticeOrg) -> None:
    purged, stays = org.add_people(2)
    org.org.delete("Lead", purged.id, purge=True)
    page = org.open().fetch([purged, stays])
    assert deletions([page]) == {purged: Deletion(purged, START, unseen=True)}
    assert refs([page]) == [stays]
    (emptied,) = org.open().fetch([purged], binned=True).deletions
    assert emptied.erased, "it lay in the bin and was purged from there"
    (kept,) = org.open(erase_purged=False).fetch([purged], binned=True).deletions
    assert not kept.erased
    with pytest.raises(ValueError, match="one object"):
        org.open().fetch([stays, org.contact()])
    with pytest.raises(LookupError):
        org.open(without=["leads"]).census("Lead", None)


# -- who has to do with it ---------------------------------------------------------------------------------------------


def test_a_deal_reaches_those_who_have_a_role_in_it(org: PracticeOrg) -> None:
    buyer, adviser = org.contact(), org.contact()
    deal = {"Name": "New", "ContactId": buyer.id, "StageName": "Prospecting", "CloseDate": "2026-04-01"}
    id = org.org.insert("Opportunity", deal)
    org.org.insert("OpportunityContactRole", {"OpportunityId": id, "ContactId": adviser.id, "Role": "Influencer"})
    org.clock.advance(NOW_ON)
    (outcome,) = pull(org.open(), "opportunities")
    assert outcome.people == (buyer, adviser)


def test_a_role_that_comes_or_goes_later_tells_its_deal_anew(org: PracticeOrg) -> None:
    adviser = org.contact()
    terms = {"StageName": "Prospecting", "CloseDate": "2026-04-01"}
    deal, _ = (org.org.insert("Opportunity", {"Name": name, **terms}) for name in ("New", "Other"))
    org.clock.advance(timedelta(days=3))
    crm = org.open()
    cursors = {name: drain(crm, name, None)[-1].cursor for name in ("opportunities", "opportunity_roles")}
    role = org.org.insert("OpportunityContactRole", {"OpportunityId": deal, "ContactId": adviser.id})
    org.clock.advance(NOW_ON)
    assert not [page for page in drain(crm, "opportunities", cursors["opportunities"]) if page.outcomes]
    pages = drain(crm, "opportunity_roles", cursors["opportunity_roles"])
    assert [(each.ref.id, each.people) for page in pages for each in page.outcomes] == [(deal, (adviser,))]
    org.org.delete("OpportunityContactRole", role)
    org.clock.advance(NOW_ON)
    later = drain(crm, "opportunity_roles", pages[-1].cursor)
    assert [(each.ref.id, each.people) for page in later for each in page.outcomes] == [(deal, ())]
    assert not [gone for page in later for gone in page.deletions]


def test_roles_are_not_read_where_they_cannot_be_or_deals_are_not(org: PracticeOrg) -> None:
    assert "opportunity_roles" not in {stream.name for stream in org.open(without=["opportunities"]).streams}
    org.org.access.hidden_objects.add("OpportunityContactRole")
    crm = org.open()
    (page,) = drain(crm, "opportunity_roles", None)
    assert len(page) == 0
    assert [problem for problem in crm.check() if problem.fatal] == []


@pytest.mark.parametrize("in_bulk", [False, True], ids=["rest", "bulk"])
@pytest.mark.parametrize(("object", "stream"), [("Task", "tasks"), ("Event", "events")])
def test_a_shared_activity_is_everybodys_whom_it_is_shared_with(
    org: PracticeOrg, object: str, stream: str, in_bulk: bool
) -> None:
    first, second, lonely = org.contact(), org.contact(), org.contact()
    fields = {"Task": {"Status": "Completed"}, "Event": {"StartDateTime": "2026-03-02T09:00:00Z"}}[object]
    shared, alone = (org.org.insert(object, {"WhoId": who.id, **fields}) for who in (first, lonely))
    for other in (second.id, org.org.integration_user):
        org.org.insert(f"{object}Relation", {f"{object}Id": shared, "RelationId": other})
    account = org.org.insert("Account", {"Name": "Acme"})
    org.org.insert(f"{object}Relation", {f"{object}Id": shared, "RelationId": account, "IsWhat": True})
    org.clock.advance(NOW_ON)
    asked: list[str] = []
    crm = org.open(bulk_from=1 if in_bulk else 2000, observer=lambda exchange: asked.append(exchange.endpoint))
    people = {activity.ref.id: activity.people for activity in pull(crm, stream)}
    assert people == {shared: (first, second), alone: (lonely,)}
    assert asked.count("query") == 1, "one question for all that are shared"
