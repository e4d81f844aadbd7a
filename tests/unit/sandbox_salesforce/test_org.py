from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from sandbox.clock import Clock
from sandbox.salesforce.execution import run
from sandbox.salesforce.fields import number
from sandbox.salesforce.org import Org


def _lead(org: Org, **fields: Any) -> str:
    return org.insert("Lead", {"LastName": "Ray", "Company": "Acme", **fields})


def _get(org: Org, object: str, id: str) -> dict[str, Any]:
    row = org.get(object, id)
    assert row is not None
    return row


def _count(org: Org, object: str, *, all_rows: bool = False) -> int:
    return run(org, f"SELECT COUNT() FROM {object}", all_rows=all_rows).total


def test_a_new_record_has_its_system_fields_and_defaults(org: Org, clock: Clock) -> None:
    clock.advance(timedelta(milliseconds=700))
    lead = _get(org, "Lead", _lead(org, FirstName="Man", Email="  a@b.example "))
    assert lead["Id"].startswith("00Q")
    assert lead["CreatedDate"] == lead["SystemModstamp"] == "2026-03-02T12:00:00.000+0000", "seconds only"
    assert (lead["Name"], lead["Email"], lead["Status"]) == ("Man Ray", "a@b.example", "Open - Not Contacted")
    assert (lead["IsDeleted"], lead["Lead_Score__c"]) == (False, None)


@pytest.mark.parametrize(
    ("fields", "error"),
    [({"Nope": 1}, KeyError), ({"Budget__c": "much"}, ValueError), ({"OwnerId": "x"}, ValueError)],
    ids=["unknown", "not a number", "not an id"],
)
def test_wrong_fields_are_refused(org: Org, fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        _lead(org, **fields)


def test_stamps_never_run_backward(org: Org, clock: Clock) -> None:
    id = _lead(org)
    org.update("Lead", id, {"Rating": "Hot"}, at=clock.now() - timedelta(days=1))
    assert _get(org, "Lead", id)["SystemModstamp"] == "2026-03-02T12:00:00.000+0000"


def test_history_tells_changes_of_tracked_fields_only(org: Org) -> None:
    id = _lead(org, Rating="Cold")
    org.update("Lead", id, {"Rating": "Hot", "Lead_Score__c": 5})
    org.update("Lead", id, {"Rating": "Hot"})
    changes = [(row["Field"], row["OldValue"], row["NewValue"]) for row in org.rows("LeadHistory")]
    assert changes == [("created", None, None), ("Rating", "Cold", "Hot")]


def test_stage_moves_leave_a_history_and_close_the_deal(org: Org) -> None:
    deal = org.insert("Opportunity", {"Name": "D", "StageName": "Prospecting", "CloseDate": "2026-06-01", "Amount": 50})
    org.update("Opportunity", deal, {"StageName": "Closed Won"})
    org.update("Opportunity", deal, {"NextStep": "sign"})
    row = _get(org, "Opportunity", deal)
    assert (row["IsClosed"], row["IsWon"], row["Probability"], row["ExpectedRevenue"]) == (True, True, 100.0, 50.0)
    assert [entry["StageName"] for entry in org.rows("OpportunityHistory")] == ["Prospecting", "Closed Won"]


def test_a_logged_activity_moves_only_the_leads_system_stamp(org: Org, clock: Clock) -> None:
    id = _lead(org)
    clock.advance(timedelta(minutes=1))
    org.insert("Task", {"WhoId": id, "Subject": "Later", "ActivityDate": "2026-03-09"})
    assert _get(org, "Lead", id)["LastActivityDate"] is None, "an open task has not happened"
    org.insert("Task", {"WhoId": id, "Subject": "Call", "Status": "Completed", "ActivityDate": "2026-03-02"})
    lead = _get(org, "Lead", id)
    assert lead["LastActivityDate"] == "2026-03-02"
    assert lead["SystemModstamp"] > lead["LastModifiedDate"]


def test_campaign_responses_keep_their_first_day_in_the_orgs_zone(org: Org, clock: Clock) -> None:
    campaign = org.insert("Campaign", {"Name": "Webinar"})
    member = org.insert("CampaignMember", {"CampaignId": campaign, "LeadId": _lead(org), "Status": "Sent"})
    assert _get(org, "CampaignMember", member)["HasResponded"] is False
    clock.advance(timedelta(hours=11, minutes=30))  # 23:30 UTC is the next day in Berlin
    org.update("CampaignMember", member, {"Status": "Attended"})
    clock.advance(timedelta(days=3))
    org.update("CampaignMember", member, {"Status": "Responded"})
    assert _get(org, "CampaignMember", member)["FirstRespondedDate"] == "2026-03-03"


def test_deletion_takes_children_along_and_can_be_undone(org: Org) -> None:
    account = org.insert("Account", {"Name": "Acme"})
    contact = org.insert("Contact", {"LastName": "Ray", "AccountId": account})
    task = org.insert("Task", {"WhoId": contact, "Subject": "x"})
    org.delete("Account", account)
    assert all(_get(org, *row)["IsDeleted"] for row in (("Contact", contact), ("Task", task)))
    assert (_count(org, "Contact"), _count(org, "Contact", all_rows=True)) == (0, 1)
    org.undelete("Contact", contact)
    assert _count(org, "Contact") == 1


def test_a_purged_record_is_gone_from_query_all(org: Org) -> None:
    id = _lead(org)
    org.delete("Lead", id, purge=True)
    assert (org.get("Lead", id), _count(org, "Lead", all_rows=True)) == (None, 0)
    assert [gone for _, gone in org.commits.deletions["Lead"]] == [id]


@pytest.mark.parametrize("restamps", [False, True])
def test_a_merge_moves_children_to_the_winner(org: Org, clock: Clock, restamps: bool) -> None:
    org.reparenting_restamps = restamps
    winner, loser = _lead(org), _lead(org)
    task = org.insert("Task", {"WhoId": loser, "Subject": "x"})
    before = _get(org, "Task", task)["SystemModstamp"]
    clock.advance(timedelta(minutes=1))
    org.merge("Lead", winner, [loser])
    gone = _get(org, "Lead", loser)
    assert (gone["IsDeleted"], gone["MasterRecordId"]) == (True, winner)
    moved = _get(org, "Task", task)
    assert moved["WhoId"] == winner
    assert (moved["SystemModstamp"] > before) is restamps
    assert run(org, f"SELECT COUNT() FROM Task WHERE WhoId = '{winner}'").total == 1
    assert "leadMerged" in [row["Field"] for row in org.rows("LeadHistory") if row["LeadId"] == winner]
    with pytest.raises(LookupError):
        org.merge("Lead", winner, [loser])


def test_conversion_hands_over_everything_but_the_score(org: Org) -> None:
    lead = _lead(org, Email="a@b.example", Budget__c=9, Lead_Score__c=88)
    task = org.insert("Task", {"WhoId": lead, "Subject": "x"})
    campaign = org.insert("Campaign", {"Name": "Webinar"})
    member = org.insert("CampaignMember", {"CampaignId": campaign, "LeadId": lead})
    made = org.convert(lead, opportunity="Acme deal")
    contact = _get(org, "Contact", made.contact)
    assert (contact["Email"], contact["Budget__c"], contact["Lead_Score__c"]) == ("a@b.example", 9.0, None)
    assert contact["AccountId"] == made.account
    assert made.opportunity is not None
    assert _get(org, "Opportunity", made.opportunity)["AccountId"] == made.account
    row = _get(org, "Lead", lead)
    assert (row["IsConverted"], row["ConvertedDate"], row["ConvertedContactId"]) == (True, "2026-03-02", made.contact)
    assert _get(org, "Task", task)["WhoId"] == made.contact
    joined = _get(org, "CampaignMember", member)
    assert (joined["LeadId"], joined["ContactId"]) == (lead, made.contact)
    with pytest.raises(ValueError, match="already converted"):
        org.convert(lead)


def test_conversion_into_existing_records_makes_none(org: Org) -> None:
    account = org.insert("Account", {"Name": "Acme"})
    contact = org.insert("Contact", {"LastName": "Ray", "AccountId": account})
    made = org.convert(_lead(org), account=account, contact=contact)
    assert (made.account, made.contact, made.opportunity) == (account, contact, None)
    assert (_count(org, "Account"), _count(org, "Contact")) == (1, 1)


def test_old_closed_activities_are_archived_as_time_passes(org: Org, clock: Clock) -> None:
    task = {"Subject": "x", "Status": "Completed", "ActivityDate": "2025-03-10"}
    id = org.insert("Task", task, at=clock.now() - timedelta(days=360))
    org.insert("Task", {**task, "Status": "Not Started"})
    assert _count(org, "Task") == 2
    clock.advance(timedelta(days=10))
    assert (_count(org, "Task"), _count(org, "Task", all_rows=True)) == (1, 2)
    assert _get(org, "Task", id)["IsArchived"] is True


def test_a_transaction_that_fails_leaves_nothing(org: Org) -> None:
    id = _lead(org, Rating="Cold")
    before = orjson.dumps({**org.dump(), "sequences": None})

    def spoil() -> None:
        with org.transaction():
            org.update("Lead", id, {"Rating": "Hot"})
            org.delete("Lead", _lead(org))
            with org.transaction():
                org.delete("Lead", id)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        spoil()
    assert orjson.dumps({**org.dump(), "sequences": None}) == before


def test_versions_become_visible_one_by_one(clock: Clock) -> None:
    org = Org(clock, visibility=timedelta(seconds=10))
    id = _lead(org, Rating="Cold")
    clock.advance(timedelta(seconds=5))
    org.update("Lead", id, {"Rating": "Hot"})
    assert _count(org, "Lead") == 0
    clock.advance(timedelta(seconds=5))
    seen = run(org, "SELECT Rating FROM Lead").rows[0]
    assert (seen["Rating"], _get(org, "Lead", id)["Rating"]) == ("Cold", "Hot")
    assert org.commits.oldest_in_flight() == clock.now() - timedelta(seconds=5)
    clock.advance(timedelta(seconds=5))
    assert run(org, "SELECT Rating FROM Lead").rows[0]["Rating"] == "Hot"
    assert org.commits.oldest_in_flight() is None


def test_a_version_overtaken_while_it_waited_is_never_shown(org: Org, clock: Clock) -> None:
    id = _lead(org, Rating="Cold")
    with org.transaction(commits_at=clock.now() + timedelta(minutes=5)):
        org.update("Lead", id, {"Rating": "Warm"})
    org.update("Lead", id, {"Rating": "Hot"})
    clock.advance(timedelta(minutes=6))
    assert run(org, "SELECT Rating FROM Lead").rows[0]["Rating"] == "Hot"


def test_a_dump_survives_json_and_carries_on(clock: Clock) -> None:
    org = Org(clock, visibility=timedelta(seconds=10))
    id = _lead(org, Lead_Score__c=5)
    clock.advance(timedelta(seconds=10))
    org.update("Lead", id, {"Rating": "Hot"})
    org.delete("Lead", _lead(org), purge=True)
    org.add_field("Lead", number("Fit__c", 3, 0), granted=False)
    org.drop_field("Lead", "Lead_Score_Grade__c")
    org.log_write("Lead", id, {"Rating": None}, {"Rating": "Hot"})
    restored = Org(clock, seed=9, visibility=timedelta(seconds=10))
    restored.load(orjson.loads(orjson.dumps(org.dump())))
    assert restored.dump() == org.dump()
    assert (restored.get("Lead", id), restored.writes) == (org.get("Lead", id), org.writes)
    assert _lead(restored) == _lead(org), "ids go on where they stopped"
    clock.advance(timedelta(seconds=10))
    assert run(restored, "SELECT Rating FROM Lead WHERE Rating = 'hot'").total == 1
    sobject = restored.sobject("lead")
    assert sobject is not None
    assert (sobject.field("lead_score_grade__c"), sobject.fields["Fit__c"]) == (None, number("Fit__c", 3, 0))


def test_two_orgs_of_different_seeds_share_no_ids(clock: Clock) -> None:
    one, other = Org(clock, seed=1), Org(clock, seed=2)
    assert not {row["Id"] for row in one.rows("User")} & {row["Id"] for row in other.rows("User")}
