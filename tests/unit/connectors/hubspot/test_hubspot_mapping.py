from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.hubspot import activities
from connectors.hubspot.activities import FORMS, PAGES, classify, patterns
from connectors.hubspot.mapping import RecordMapper
from connectors.hubspot.schema import Property
from connectors.hubspot.settings import HubspotSettings
from connectors.records import EMAIL, ActivityKind, OutcomeStatus, RecordRef, RecordState, ScoreField
from connectors.salesforce_id import case_safe

STAMPS = {"createdate": "2026-01-05T09:00:00.120Z", "lastmodifieddate": "2026-11-20T10:11:12.345Z"}
DEAL_STAMPS = {"createdate": "2026-01-05T09:00:00Z", "hs_lastmodifieddate": "2026-11-20T10:11:12Z"}


def settings(**changes: Any) -> HubspotSettings:
    given: dict[str, Any] = {"kind": "hubspot", "name": "acme", "auth": {"type": "token", "token": {"env": "X"}}}
    return HubspotSettings.model_validate({**given, **changes})


def no_schema() -> Mapping[str, Property]:
    raise AssertionError("the schema is asked only where an attribute has no type of its own")


def contact(properties: Mapping[str, str | None], **changes: Any) -> Any:
    row = {"id": "20107", "properties": {**STAMPS, **properties}}
    return RecordMapper(settings(**changes)).contact(row, "555", no_schema)


def test_a_contact_in_full() -> None:
    lead = contact(
        {
            "email": "Ana@Acme.test", "firstname": "Ana", "lastname": None, "phone": "+49 1", "jobtitle": "CTO",
            "country": "", "hs_email_optout": "false", "budget": "25000", "hs_analytics_num_page_views": "17",
            "hs_email_bounce": "2", "lifecyclestage": "lead", "lead_gauge_score": "87",
            "lead_gauge_scored_at": "2026-11-20T10:00:00Z",
        }
    )  # fmt: skip
    assert (lead.ref, lead.account) == (RecordRef("acme", "contacts", "20107"), RecordRef("acme", "companies", "555"))
    assert (lead.email, lead.name) == ("Ana@Acme.test", "Ana")
    assert lead.modified_at == datetime(2026, 11, 20, 10, 11, 12, 345_000, UTC)
    assert lead.attributes == {
        "title": "CTO", "opted_out": False, "budget": 25000.0, "page_views": 17, "lifecycle_stage": "lead",
        "has_phone": True, "bounced": True,
    }  # fmt: skip
    assert lead.written == {
        ScoreField.SCORE: 87, ScoreField.SCORED_AT: datetime(2026, 11, 20, 10, tzinfo=UTC)
    }  # fmt: skip


def test_absent_and_null_properties_are_the_same() -> None:
    assert contact({"jobtitle": None, "email": None}).attributes == contact({}).attributes


def test_personal_data_is_not_in_the_repr() -> None:
    assert "Ana" not in repr(contact({"email": "Ana@Acme.test", "firstname": "Ana", "phone": "123"}))


@pytest.mark.parametrize(
    ("properties", "state"),
    [
        ({}, RecordState.OPEN),
        ({"lifecyclestage": "customer"}, RecordState.CUSTOMER),
        ({"lifecyclestage": "opportunity", "hs_lead_status": "UNQUALIFIED"}, RecordState.DISQUALIFIED),
        ({"lifecyclestage": "evangelist", "hs_lead_status": "UNQUALIFIED"}, RecordState.CUSTOMER),
    ],
)
def test_states(properties: Mapping[str, str], state: RecordState) -> None:
    assert contact(properties).state is state


def test_a_value_of_another_type_is_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    mapper = RecordMapper(settings())
    lead = mapper.contact({"id": "1", "properties": {**STAMPS, "budget": "about 5k"}}, None, no_schema)
    with caplog.at_level(logging.WARNING):
        mapper.report_unread()
        mapper.report_unread()
    assert "budget" not in lead.attributes
    assert [record.__dict__["properties"] for record in caplog.records] == [{"budget": 1}]
    assert "about 5k" not in caplog.text


def test_configured_attributes_take_their_type_from_the_definition() -> None:
    mapper = RecordMapper(settings(attributes={"seats": "seat_count", "budget": "my_budget", "need": None}))
    schema = {"seat_count": Property("seat_count", "number")}
    properties = {**STAMPS, "seat_count": "12", "my_budget": "7", "budget": "9", "need": "much"}
    lead = mapper.contact({"id": "1", "properties": properties}, None, lambda: schema)
    assert (lead.attributes["seats"], lead.attributes["budget"]) == (12.0, 7.0)
    assert "need" not in lead.attributes
    assert {"seat_count", "my_budget"} <= set(mapper.properties("contacts"))


def test_a_salesforce_sync_s_ids_are_links_when_the_org_is_named() -> None:
    held = {"salesforceleadid": "00Q5e00001AbCdE", "salesforcecontactid": "0035e00000XyZabAAB"}
    assert contact(held).same_as == ()
    assert contact(held, salesforce="org").same_as == (
        RecordRef("org", "Lead", "00Q5e00001AbCdEEAV"),
        RecordRef("org", "Contact", "0035e00000XyZabAAB"),
    )


def test_addresses_taken_over_in_merges_are_the_same_person() -> None:
    held = {"hs_additional_emails": "ann@old.example.com; a.lee@example.org"}
    assert contact(held).same_as == (
        RecordRef("acme", EMAIL, "ann@old.example.com"),
        RecordRef("acme", EMAIL, "a.lee@example.org"),
    )
    assert "hs_additional_emails" in RecordMapper(settings()).properties("contacts")


@pytest.mark.parametrize(
    ("short", "long"),
    [("0013000001GvTQe", "0013000001GvTQeAAN"), ("001d000000XyZab", "001d000000XyZabAAC")],
)
def test_salesforce_ids_of_15_characters(short: str, long: str) -> None:
    assert case_safe(short)[:15] == short
    assert case_safe(long) == long
    assert len(case_safe(short)) == 18


def test_merged_ids_die_into_the_survivor() -> None:
    mapper = RecordMapper(settings())
    properties = {
        **STAMPS, "hs_merged_object_ids": "51;1;95856616470;20107", "hs_calculated_merged_vids": "51:1795000000000;x:y",
    }  # fmt: skip
    gone = mapper.merged({"id": "20107", "properties": properties})
    survivor = RecordRef("acme", "contacts", "20107")
    assert [(deletion.ref.id, deletion.merged_into) for deletion in gone] == [
        ("51", survivor), ("1", survivor), ("95856616470", survivor)
    ]  # fmt: skip
    assert gone[0].deleted_at == datetime.fromtimestamp(1_795_000_000, UTC)
    assert gone[1].deleted_at == datetime(2026, 11, 20, 10, 11, 12, 345_000, UTC)


@pytest.mark.parametrize(
    ("properties", "status", "closed"),
    [
        ({"closedate": "2027-01-01T00:00:00Z"}, OutcomeStatus.OPEN, None),
        (
            {"hs_is_closed": "true", "hs_is_closed_won": "true", "closedate": "2026-11-01T00:00:00Z"},
            OutcomeStatus.WON,
            datetime(2026, 11, 1, tzinfo=UTC),
        ),
        (
            {"hs_is_closed": "true", "hs_is_closed_won": "false"},
            OutcomeStatus.LOST,
            datetime(2026, 11, 20, 10, 11, 12, tzinfo=UTC),
        ),
    ],
)
def test_deals(properties: Mapping[str, str], status: OutcomeStatus, closed: datetime | None) -> None:
    row = {"id": "7", "properties": {**DEAL_STAMPS, "dealstage": "9871", "amount": "1200.5", **properties}}
    deal = RecordMapper(settings()).deal(row, None, [])
    assert (deal.status, deal.closed_at, deal.amount, deal.stage) == (status, closed, 1200.5, "9871")


def history(*versions: tuple[str, str]) -> list[dict[str, str]]:
    return [{"value": value, "timestamp": at, "sourceType": "ANALYTICS"} for value, at in versions]


def test_each_move_of_the_analytics_stamp_is_a_view_of_the_page_of_then() -> None:
    ref = RecordRef("acme", "contacts", "7")
    found = {
        "hs_analytics_last_url": history(
            ("https://a.test/pricing?email=ana@acme.test", "2026-11-20T10:00:02.000Z"),
            ("https://a.test/blog/x", "2026-11-20T09:00:00.000Z"),
        ),
        "hs_analytics_last_timestamp": history(
            ("2026-11-20T10:05:00.000Z", "2026-11-20T10:05:01.000Z"),
            ("1795168800000", "2026-11-20T10:00:02.000Z"),
            ("2026-11-20T09:00:00.000Z", "2026-11-20T09:00:00.000Z"),
            ("2026-11-01T09:00:00.000Z", "2026-11-01T09:00:00.000Z"),
        ),
    }
    views = list(activities.page_views(ref, found, patterns((), PAGES)))
    assert [(view.detail, view.kind) for view in views] == [
        ("/pricing", ActivityKind.PRICING_PAGE_VIEW),
        ("/pricing", ActivityKind.PRICING_PAGE_VIEW),
        ("/blog/x", ActivityKind.PAGE_VIEW),
    ]
    assert views[0].ref == RecordRef("acme", "page_views", "7:1795169100000")
    assert views[0].recorded_at - views[0].occurred_at == timedelta(seconds=1)
    assert "ana@acme.test" not in str(views)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/pricing", ActivityKind.PRICING_PAGE_VIEW),
        ("/en/plans/", ActivityKind.PRICING_PAGE_VIEW),
        ("/planets", ActivityKind.PAGE_VIEW),
        ("/careers/engineer", ActivityKind.CAREERS_PAGE_VIEW),
        ("/Jobs", ActivityKind.CAREERS_PAGE_VIEW),
        ("/demo-video", ActivityKind.DEMO_VIDEO_VIEW),
        ("/", ActivityKind.PAGE_VIEW),
    ],
)
def test_shipped_page_patterns(path: str, kind: ActivityKind) -> None:
    assert classify(path, patterns((), PAGES), ActivityKind.PAGE_VIEW) is kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Whitepaper download", ActivityKind.CONTENT_DOWNLOAD),
        ("White Paper: B2B", ActivityKind.CONTENT_DOWNLOAD),
        ("Webinar registration", ActivityKind.WEBINAR_REGISTRATION),
        ("Demo request", ActivityKind.DEMO_REQUEST),
        ("Watch a demo", ActivityKind.DEMO_VIDEO_VIEW),
        ("Contact us", ActivityKind.FORM_SUBMISSION),
    ],
)
def test_shipped_form_patterns(name: str, kind: ActivityKind) -> None:
    assert classify(name, patterns((), FORMS), ActivityKind.FORM_SUBMISSION) is kind


def test_configured_patterns_come_first() -> None:
    own = settings(forms=[{"pattern": "contact", "kind": "demo_request"}]).forms
    assert classify("Contact us", patterns(own, FORMS), ActivityKind.FORM_SUBMISSION) is ActivityKind.DEMO_REQUEST


@pytest.mark.parametrize(
    ("type", "properties", "kind", "detail", "seconds"),
    [
        (
            "calls",
            {"hs_call_direction": "INBOUND", "hs_call_disposition": activities.CONNECTED, "hs_call_duration": "61000"},
            ActivityKind.INBOUND_CALL, "connected", 61,
        ),
        ("calls", {"hs_call_direction": "OUTBOUND", "hs_call_status": "NO_ANSWER"}, ActivityKind.SALES_CALL,
         "no_answer", None),
        ("calls", {}, ActivityKind.SALES_CALL, None, None),
        ("emails", {"hs_email_direction": "INCOMING_EMAIL"}, ActivityKind.EMAIL_REPLY, None, None),
        ("emails", {"hs_email_direction": "EMAIL", "hs_email_status": "SENT"}, ActivityKind.SALES_EMAIL, "sent", None),
        ("emails", {"hs_email_direction": "EMAIL", "hs_email_status": "BOUNCED"}, ActivityKind.EMAIL_BOUNCE, "bounced",
         None),
        (
            "meetings",
            {"hs_meeting_outcome": "NO_SHOW", "hs_meeting_start_time": "2026-11-20T10:00:00Z",
             "hs_meeting_end_time": "2026-11-20T10:30:00Z"},
            ActivityKind.MEETING, "no_show", 1800,
        ),
        ("notes", {}, ActivityKind.NOTE, None, None),
        ("tasks", {"hs_task_type": "CALL"}, ActivityKind.TASK, "call", None),
    ],
)  # fmt: skip
def test_engagements(
    type: str, properties: Mapping[str, str], kind: ActivityKind, detail: str | None, seconds: int | None
) -> None:
    stamps = {"hs_createdate": "2026-11-20T11:00:00Z", "hs_timestamp": "2026-11-20T10:00:00Z"}
    person = RecordRef("acme", "contacts", "7")
    found = activities.engagement("acme", type, {"id": 5, "properties": {**stamps, **properties}}, [person])
    assert (found.kind, found.detail, found.people) == (kind, detail, (person,))
    assert found.duration == (timedelta(seconds=seconds) if seconds is not None else None)
    assert found.recorded_at == datetime(2026, 11, 20, 11, tzinfo=UTC)
    assert found.occurred_at == datetime(2026, 11, 20, 11 if type == "tasks" else 10, tzinfo=UTC)


SUBMITTED = {"conversionId": "c-1", "submittedAt": 1795000123456, "pageUrl": "https://a.test/x?e=1"}


def test_a_submission_names_its_person_by_address_in_lower_case() -> None:
    row = {**SUBMITTED, "values": [{"name": "email", "value": " Ana@Acme.TEST "}, {"name": "phone", "value": "123"}]}
    found = activities.submission("acme", "guid", "Webinar registration", row, patterns((), FORMS))
    assert found is not None
    assert found.people == (RecordRef("acme", "email", "ana@acme.test"),)
    assert (found.ref.id, found.detail) == ("c-1", "Webinar registration")


def test_a_submission_without_an_address_is_nobody_s() -> None:
    assert activities.submission("acme", "guid", "Form", {**SUBMITTED, "values": []}, []) is None


EVENT = {"id": "e-1", "created": 1795000123456, "recipient": "Ana@acme.test", "emailCampaignId": 77}


@pytest.mark.parametrize(
    ("row", "kind", "detail"),
    [
        ({"type": "SENT"}, ActivityKind.CAMPAIGN_SEND, "campaign 77"),
        ({"type": "DELIVERED"}, ActivityKind.EMAIL_DELIVERY, "campaign 77"),
        ({"type": "OPEN"}, ActivityKind.EMAIL_OPEN, "campaign 77"),
        ({"type": "CLICK", "url": "https://a.test/pricing?u=ana"}, ActivityKind.EMAIL_CLICK, "/pricing"),
        ({"type": "BOUNCE"}, ActivityKind.EMAIL_BOUNCE, "campaign 77"),
        ({"type": "SPAMREPORT"}, ActivityKind.UNSUBSCRIBE, "campaign 77"),
        ({"type": "STATUSCHANGE"}, ActivityKind.UNSUBSCRIBE, "campaign 77"),
        ({"type": "STATUSCHANGE", "portalSubscriptionStatus": "SUBSCRIBED"}, None, None),
        ({"type": "CLICK", "filteredEvent": True}, None, None),
        ({"type": "PROCESSED"}, None, None),
        ({"type": "OPEN", "recipient": ""}, None, None),
    ],
)
def test_email_events(row: Mapping[str, Any], kind: ActivityKind | None, detail: str | None) -> None:
    found = activities.email_event("acme", {**EVENT, **row})
    assert (found.kind if found else None, found.detail if found else None) == (kind, detail)


def test_the_key_of_an_email_event_is_its_id_and_instant() -> None:
    one = activities.email_event("acme", {**EVENT, "type": "OPEN"})
    other = activities.email_event("acme", {**EVENT, "type": "OPEN", "created": 1795000123457})
    assert one is not None
    assert other is not None
    assert one.ref != other.ref


def version(value: str, day: int, source: str = "CRM_UI") -> dict[str, str]:
    return {"value": value, "timestamp": f"2026-01-{day:02}T09:00:00Z", "sourceType": source, "sourceId": "userId:1"}


def test_the_history_of_an_attribute_is_typed_and_without_what_changed_nothing() -> None:
    history = {
        "budget": [
            version("", 9), version("lots", 8), version("20", 7, "CALCULATED"), version("20", 5), version("1", 2)
        ],
        "jobtitle": [version("CTO", 3)],
        "email": [version("ana@acme.test", 1)],
    }  # fmt: skip
    mapper, ref = RecordMapper(settings()), RecordRef("acme", "contacts", "1")
    found = list(mapper.changes(ref, history, no_schema))
    assert [(each.name, each.value, each.occurred_at.day) for each in found] == [
        ("title", "CTO", 3), ("budget", 1.0, 2), ("budget", 20.0, 5), ("budget", None, 8), ("budget", None, 9)
    ]  # fmt: skip
    assert all(each.ref == ref and each.recorded_at == each.occurred_at for each in found)
    assert mapper.unread == {"budget": 1}
    assert "CTO" not in repr(found)


def test_of_versions_of_one_instant_the_newest_stands_first_on_the_wire() -> None:
    mapper, ref = RecordMapper(settings()), RecordRef("acme", "contacts", "1")
    found = list(mapper.changes(ref, {"jobtitle": [version("A", 3), version("Z", 3)]}, no_schema))
    assert [each.value for each in found] == ["Z", "A"]


def test_the_history_of_a_configured_attribute_has_the_type_of_its_property() -> None:
    mapper, ref = RecordMapper(settings(attributes={"seats": "seat_count"})), RecordRef("acme", "contacts", "1")
    assert "seat_count" in mapper.historic
    (found,) = mapper.changes(
        ref, {"seat_count": [version("7", 3)]}, lambda: {"seat_count": Property("seat_count", "number")}
    )
    assert (found.name, found.value) == ("seats", 7.0)
