from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from sandbox.hubspot.instants import parse_ms, to_ms
from sandbox.hubspot.records import Record
from sandbox.world.moments import Kind, Stage
from sandbox.world.people import Home, Role
from tests.unit.sandbox_world.practice_world import NOW, Practice, practice, shared_practice

ENGAGEMENTS = ("calls", "emails", "meetings", "notes", "tasks")
STAMPED = ("CreatedDate", "LastModifiedDate", "SystemModstamp")


def digest(of: Practice) -> bytes:
    return orjson.dumps([of.org.dump(), of.portal.dump()], option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS)


def salesforce_rows() -> Iterator[tuple[str, dict[str, Any]]]:
    org = shared_practice().org
    return ((object, row) for object in org.schema for row in org.rows(object))


def hubspot_records() -> Iterator[Record]:
    portal = shared_practice().portal
    return (record for type in ("contacts", "companies", "deals", *ENGAGEMENTS) for record in portal.objects(type))


def people_of(salesforce_object: str) -> list[dict[str, Any]]:
    return [row for row in shared_practice().org.rows(salesforce_object) if not row["IsDeleted"]]


def test_the_same_seed_gives_the_same_crms_and_another_seed_others() -> None:
    one, again, another = (digest(practice(seed, 60)) for seed in (3, 3, 4))
    assert one == again != another


def test_no_salesforce_stamp_lies_ahead_or_before_creation() -> None:
    for _, row in salesforce_rows():
        stamps = [datetime.fromisoformat(row[name]) for name in STAMPED if row.get(name)]
        assert stamps == sorted(stamps)
        assert stamps[-1] <= NOW


def test_no_salesforce_activity_lies_ahead() -> None:
    today = NOW.date().isoformat()
    for object, row in salesforce_rows():
        if object in ("Task", "Event"):
            assert row["ActivityDate"] <= today
            assert (row.get("StartDateTime") or "") <= NOW.isoformat()[:19] + ".000+0000"


def test_no_hubspot_stamp_lies_ahead_or_before_creation() -> None:
    for record in hubspot_records():
        assert record.created <= record.modified <= to_ms(NOW)
        happened = parse_ms(record.values.get("hs_timestamp", "0"))
        assert happened is None or happened <= to_ms(NOW)
        for versions in record.versions.values():
            assert all(record.created <= version.at <= record.modified for version in versions)


def test_modified_is_the_instant_of_the_last_change() -> None:
    for record in shared_practice().portal.objects("contacts"):
        newest = max((versions[0].at for versions in record.versions.values()), default=record.created)
        assert record.modified >= newest


def test_no_event_of_a_mailing_or_form_lies_ahead() -> None:
    portal = shared_practice().portal
    assert max(event.created for event in portal.email_log.events) <= to_ms(NOW)
    assert max(sent.submitted_at for form in portal.forms.values() for sent in form.submissions) <= to_ms(NOW)


def test_people_of_both_crms_meet_by_address_whatever_its_case() -> None:
    known = {row["Email"].lower() for object in ("Lead", "Contact") for row in people_of(object)}
    both = [person for person in shared_practice().world.people if person.home is Home.BOTH]
    met = [
        person for person in both if person.email in known and shared_practice().portal.contact_by_email(person.email)
    ]
    assert len(met) > 0.9 * len(both)


def test_some_contacts_carry_the_salesforce_id_of_the_same_person() -> None:
    org, carried = shared_practice().org, 0
    for record in shared_practice().portal.objects("contacts"):
        for name, object in (("salesforceleadid", "Lead"), ("salesforcecontactid", "Contact")):
            if id := record.values.get(name):
                row = org.get(object, id)
                assert row is None or row["Email"].lower() == record.values["email"]
                carried += 1
    assert carried > 30


def test_every_won_deal_of_the_world_is_won_in_one_crm() -> None:
    made = shared_practice()
    buyers = {person.number for person in made.world.people if person.role is Role.CUSTOMER} | set(made.world.won_at)
    staged = {
        moment.person
        for moment in made.world.moments
        if moment.kind is Kind.STAGE and moment.detail["stage"] is Stage.WON
    }
    salesforce = [row for row in made.org.rows("Opportunity") if row["IsWon"]]
    hubspot = [deal for deal in made.portal.objects("deals") if deal.values["hs_is_closed_won"] == "true"]
    assert staged <= buyers
    assert len(salesforce) + len(hubspot) == len(staged)
    assert salesforce
    assert hubspot


def test_a_lead_with_a_deal_is_converted_into_contact_and_opportunity() -> None:
    org = shared_practice().org
    converted = [row for row in org.rows("Lead") if row["IsConverted"] and not row["IsDeleted"]]
    assert len(converted) > 5
    for row in converted:
        opportunity = org.get("Opportunity", row["ConvertedOpportunityId"])
        assert opportunity is not None
        assert opportunity["ContactId"] == row["ConvertedContactId"]
        assert opportunity["Amount"] > 0


def test_leaks_are_filled_only_where_sales_was_in_touch() -> None:
    made = shared_practice()
    touched = {row["WhoId"] for object in ("Task", "Event") for row in made.org.rows(object)}
    filled = [row for object in ("Lead", "Contact") for row in people_of(object) if row["Discovery_Notes__c"]]
    assert len(filled) > 10
    assert all(row["IsConverted"] or row["Id"] in touched for row in filled if "IsConverted" in row)
    assert all(row["Id"] in touched for row in filled if "IsConverted" not in row)
    contacts = [record for record in made.portal.objects("contacts") if "discovery_call_outcome" in record.values]
    assert contacts
    assert all(record.linked("calls") or record.linked("meetings") for record in contacts)


def test_every_engagement_is_about_a_contact() -> None:
    portal = shared_practice().portal
    erased = any(moment.kind in (Kind.ERASED, Kind.MERGED) for moment in shared_practice().world.moments)
    loose = [record for type in ENGAGEMENTS for record in portal.objects(type) if not record.linked("contacts")]
    assert len(loose) <= (5 if erased else 0)


def test_salesforce_keeps_emails_as_task_message_and_relations() -> None:
    org = shared_practice().org
    tasks = {row["Id"]: row for row in org.rows("Task")}
    relations = [row["EmailMessageId"] for row in org.rows("EmailMessageRelation")]
    messages = [row for row in org.rows("EmailMessage") if not row["IsDeleted"]]
    assert any(row["Incoming"] for row in messages)
    assert any(not row["Incoming"] for row in messages)
    for row in messages:
        assert tasks[row["ActivityId"]]["TaskSubtype"] == "Email"
        assert relations.count(row["Id"]) == 2


def test_merged_deleted_purged_and_erased_people_are_gone_as_the_vendor_has_it() -> None:
    made = practice(11, 900)
    kinds = {moment.kind: moment.person for moment in made.world.moments if moment.kind in set(Kind)}
    assert {Kind.MERGED, Kind.DELETED, Kind.PURGED, Kind.ERASED} <= set(kinds)
    deleted = [row for object in ("Lead", "Contact") for row in made.org.rows(object) if row["IsDeleted"]]
    assert any(row["MasterRecordId"] for row in deleted)
    assert any(not row["MasterRecordId"] for row in deleted)
    for moment in made.world.moments:
        person = made.world.people[moment.person]
        if moment.kind is Kind.ERASED and person.in_hubspot:
            assert made.portal.contact_by_email(person.email) is None
            assert all(event.recipient != person.email for event in made.portal.email_log.events)


def test_score_fields_start_empty() -> None:
    for object in ("Lead", "Contact"):
        assert all(row["Lead_Score__c"] is None for row in people_of(object))
    assert all("lead_gauge_score" not in record.values for record in shared_practice().portal.objects("contacts"))


def test_a_loaded_dump_is_the_same_world() -> None:
    made = practice(3, 60)
    before = digest(made)
    state = orjson.loads(orjson.dumps([made.org.dump(), made.portal.dump()], option=orjson.OPT_NON_STR_KEYS))
    again = practice(4, 10)
    fresh = Practice(again.world, type(made.org)(made.clock, seed=3), type(made.portal)(made.clock, seed=3), made.clock)
    fresh.org.load(state[0])
    fresh.portal.load(state[1])
    assert digest(fresh) == before
