from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.records import Activity, ActivityKind, RecordRef
from connectors.salesforce.activities import CAMPAIGNS, FACTS, Activities
from connectors.salesforce.settings import SalesforceSettings

LEAD, CONTACT, USER = "00Q000000000001AAA", "003000000000001AAA", "005000000000001AAA"
CREATED = "2026-03-02T09:00:00.000+0000"
MADE = datetime(2026, 3, 2, 9, tzinfo=UTC)
ROW = {"Id": "X", "CreatedDate": CREATED, "LastModifiedDate": "2026-03-09T09:00:00.000+0000", "SystemModstamp": CREATED}
CLOSED = {"WhoId": LEAD, "IsClosed": True, "CompletedDateTime": CREATED}


def activities(**settings: Any) -> Activities:
    auth = {"type": "client_credentials", "consumer_key": "k", "consumer_secret": {"env": "S"}}
    given = {"kind": "salesforce", "name": "acme", "auth": auth, "time_zone": "Europe/Berlin", **settings}
    return Activities(SalesforceSettings.model_validate(given))


def facts(found: Any) -> dict[str, Activity]:
    """Facts by what follows the row's id in their reference."""
    return {fact.ref.id.removeprefix("X"): fact for fact in found}


KINDS: list[tuple[dict[str, Any], ActivityKind]] = [
    ({"TaskSubtype": "Call"}, ActivityKind.SALES_CALL),
    ({"TaskSubtype": "Call", "CallType": "Outbound"}, ActivityKind.SALES_CALL),
    ({"TaskSubtype": "Call", "CallType": "Inbound"}, ActivityKind.INBOUND_CALL),
    ({"TaskSubtype": "Task", "CallType": "Inbound"}, ActivityKind.INBOUND_CALL),
    ({"TaskSubtype": "Email"}, ActivityKind.SALES_EMAIL),
    ({"TaskSubtype": "ListEmail"}, ActivityKind.SALES_EMAIL),
    ({"TaskSubtype": "Task"}, ActivityKind.TASK),
    ({}, ActivityKind.TASK),
]


@pytest.mark.parametrize(("row", "kind"), KINDS, ids=[str(row) for row, _ in KINDS])
def test_a_closed_task_is_what_it_was_for(row: dict[str, Any], kind: ActivityKind) -> None:
    found = facts(activities().task({**ROW, **CLOSED, **row}))
    assert {suffix: fact.kind for suffix, fact in found.items()} == {"": kind}
    assert found[""].people == (RecordRef("acme", "Lead", LEAD),)


def test_a_due_date_is_no_occurrence() -> None:
    found = facts(activities().task({**ROW, "WhoId": LEAD, "IsClosed": False, "ActivityDate": "2026-09-01"}))
    assert {suffix: (fact.kind, fact.occurred_at) for suffix, fact in found.items()} == {
        "#planned": (ActivityKind.TASK, MADE)
    }


def test_a_plan_stays_what_it_was_when_it_is_carried_out() -> None:
    row = {**ROW, "WhoId": LEAD, "TaskSubtype": "Call"}
    planned = facts(activities().task({**row, "IsClosed": False}))
    done = {**row, "IsClosed": True, "CompletedDateTime": "2026-03-05T15:00:00.000+0000", "CallDurationInSeconds": 300}
    later = facts(activities().task(done))
    assert planned["#planned"] == later["#planned"]
    assert later[""].kind is ActivityKind.SALES_CALL
    assert later[""].occurred_at == later[""].recorded_at == datetime(2026, 3, 5, 15, tzinfo=UTC)
    assert later[""].duration == timedelta(minutes=5)


def test_a_task_closed_at_an_unknown_time_is_known_only_since_its_last_edit() -> None:
    (fact,) = activities().task({**ROW, **CLOSED, "CompletedDateTime": None})
    assert (fact.occurred_at, fact.recorded_at) == (MADE, datetime(2026, 3, 9, 9, tzinfo=UTC))


@pytest.mark.parametrize("row", [{"WhoId": None}, {"WhoId": USER}, {"IsRecurrence": True}], ids=str)
def test_tasks_of_nobody_and_templates_are_left_out(row: dict[str, Any]) -> None:
    assert list(activities().task({**ROW, **CLOSED, **row})) == []


def test_a_meeting_happens_when_it_starts() -> None:
    row = {**ROW, "WhoId": CONTACT, "StartDateTime": "2026-06-01T10:00:00.000+0000", "DurationInMinutes": 30}
    (fact,) = activities().event({**row, "ActivityDate": "2026-06-01", "Type": "Demo"})
    assert (fact.kind, fact.occurred_at) == (ActivityKind.MEETING, datetime(2026, 6, 1, 10, tzinfo=UTC))
    assert (fact.recorded_at, fact.duration, fact.detail) == (MADE, timedelta(minutes=30), "Demo")


def test_an_all_day_meeting_has_happened_by_the_end_of_its_day_in_the_orgs_zone() -> None:
    row = {**ROW, "WhoId": CONTACT, "IsAllDayEvent": True, "ActivityDate": "2026-06-01"}
    (fact,) = activities().event(row)
    assert fact.occurred_at == datetime(2026, 6, 1, 21, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "row", [{"IsChild": True}, {"IsRecurrence": True}, {"WhoId": None}, {"StartDateTime": None}], ids=str
)
def test_copies_templates_and_meetings_with_nobody_are_left_out(row: dict[str, Any]) -> None:
    whole = {**ROW, "WhoId": CONTACT, "StartDateTime": CREATED}
    assert list(activities().event({**whole, **row})) == []


RELATIONS = [
    {"RelationId": LEAD, "RelationType": "ToAddress"},
    {"RelationId": CONTACT, "RelationType": "CcAddress"},
    {"RelationId": USER, "RelationType": "FromAddress"},
]


def test_an_outgoing_mail_went_to_its_recipients_who_opened_it_later() -> None:
    row = {**ROW, "Incoming": False, "MessageDate": CREATED, "FirstOpenedDate": "2026-03-03T09:00:00.000+0000"}
    found = facts(activities().email(row, RELATIONS))
    people = (RecordRef("acme", "Lead", LEAD), RecordRef("acme", "Contact", CONTACT))
    assert {suffix: (fact.kind, fact.people) for suffix, fact in found.items()} == {
        "": (ActivityKind.SALES_EMAIL, people),
        "#opened": (ActivityKind.EMAIL_OPEN, people),
    }
    assert found["#opened"].recorded_at == datetime(2026, 3, 3, 9, tzinfo=UTC)


def test_an_incoming_mail_is_its_senders_reply_and_nobody_elses() -> None:
    relations = [
        {"RelationId": LEAD, "RelationType": "FromAddress"},
        {"RelationId": CONTACT, "RelationType": "CcAddress"},
    ]
    row = {**ROW, "Incoming": True, "MessageDate": CREATED, "FirstOpenedDate": CREATED}
    (fact,) = activities().email(row, relations)
    assert (fact.kind, fact.people) == (ActivityKind.EMAIL_REPLY, (RecordRef("acme", "Lead", LEAD),))


def test_a_draft_was_not_sent() -> None:
    assert list(activities().email({**ROW, "Incoming": False, "Status": "5"}, RELATIONS)) == []


def test_a_mail_among_colleagues_is_nobodys_activity() -> None:
    assert list(activities().email({**ROW, "Incoming": False}, [RELATIONS[2]])) == []


RESPONSES: list[tuple[str, str, str, ActivityKind]] = [
    ("Webinar", "Pricing live", "Attended", ActivityKind.WEBINAR_ATTENDANCE),
    ("Webinar", "Pricing live", "Registered", ActivityKind.WEBINAR_REGISTRATION),
    ("Other", "Webinar: cloud cost", "Registered", ActivityKind.WEBINAR_REGISTRATION),
    ("Whitepaper", "Cloud cost", "Downloaded", ActivityKind.CONTENT_DOWNLOAD),
    ("Content", "E-book", "Downloaded", ActivityKind.CONTENT_DOWNLOAD),
    ("Advertisement", "The 2026 buyer's guide", "Responded", ActivityKind.CONTENT_DOWNLOAD),
    ("Demo Video", "Tour", "Responded", ActivityKind.DEMO_VIDEO_VIEW),
    ("Other", "Demo request", "Requested", ActivityKind.DEMO_REQUEST),
    ("Other", "Contact request 2026-03", "Responded", ActivityKind.FORM_SUBMISSION),
    ("Trade Show", "Hannover", "Visited", ActivityKind.EVENT_ATTENDANCE),
    ("Conference", "SaaStr", "Attended", ActivityKind.EVENT_ATTENDANCE),
    ("Email", "Spring preventive care", "Responded", ActivityKind.CAMPAIGN_RESPONSE),
    ("", "", "Responded", ActivityKind.CAMPAIGN_RESPONSE),
]


def member(**row: Any) -> dict[str, Any]:
    return {**ROW, "LeadId": LEAD, "Campaign": {"Name": "Guide", "Type": "Other"}, "Status": "Responded", **row}


@pytest.mark.parametrize(
    ("type", "name", "status", "kind"), RESPONSES, ids=[" ".join(row[:3]) or "-" for row in RESPONSES]
)
def test_a_response_is_told_by_campaign_and_status(type: str, name: str, status: str, kind: ActivityKind) -> None:
    row = member(
        Campaign={"Name": name, "Type": type}, Status=status, HasResponded=True, FirstRespondedDate="2026-03-02"
    )
    (fact,) = activities().member(row)
    assert (fact.kind, fact.detail) == (kind, name)


def test_every_shipped_rule_decides_some_response() -> None:
    assert {kind for _, kind in CAMPAIGNS} <= {kind for *_, kind in RESPONSES}


def test_a_configured_rule_comes_first() -> None:
    reader = activities(campaigns=[{"pattern": "guide", "kind": "demo_request"}])
    (fact,) = reader.member(member(HasResponded=True, FirstRespondedDate="2026-03-02"))
    assert fact.kind is ActivityKind.DEMO_REQUEST


def test_a_member_that_was_added_by_its_response_was_not_sent_anything() -> None:
    found = facts(activities().member(member(HasResponded=True, FirstRespondedDate="2026-03-02")))
    assert set(found) == {"#responded"}
    assert found["#responded"].occurred_at == MADE
    assert found["#responded"].recorded_at == datetime(2026, 3, 2, 22, 59, 59, tzinfo=UTC)  # midnight in Berlin


def test_a_response_of_a_later_day_adds_to_what_was_sent() -> None:
    found = facts(activities().member(member(HasResponded=True, FirstRespondedDate="2026-03-05")))
    assert found[""] == next(iter(activities().member(member(HasResponded=False))))
    assert found["#responded"].occurred_at == datetime(2026, 3, 4, 23, tzinfo=UTC)
    assert found["#responded"].recorded_at == datetime(2026, 3, 5, 22, 59, 59, tzinfo=UTC)


def test_a_member_that_was_converted_is_named_by_both_records() -> None:
    (fact,) = activities().member(member(ContactId=CONTACT))
    assert set(fact.people) == {RecordRef("acme", "Lead", LEAD), RecordRef("acme", "Contact", CONTACT)}


@pytest.mark.parametrize("object", sorted(FACTS))
def test_a_deletion_takes_every_fact_a_row_can_hold(object: str) -> None:
    gone = {deletion.ref.id for deletion in activities().deletions(object, ROW)}
    made = {
        "Task": activities().task({**ROW, **CLOSED, "CompletedDateTime": "2026-03-05T15:00:00Z"}),
        "Event": activities().event({**ROW, "WhoId": LEAD, "StartDateTime": CREATED}),
        "EmailMessage": activities().email({**ROW, "Incoming": False, "FirstOpenedDate": CREATED}, RELATIONS),
        "CampaignMember": activities().member(member(HasResponded=True, FirstRespondedDate="2026-03-05")),
    }[object]
    assert gone == {fact.ref.id for fact in made}
