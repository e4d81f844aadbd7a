from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from sandbox.clock import Clock
from sandbox.hubspot.index import Span
from sandbox.hubspot.instants import to_ms
from sandbox.hubspot.portal import EmailTaken, InvalidProperties, NotFound, Portal
from sandbox.hubspot.records import Record

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
API = ("INTEGRATION", "77")


@pytest.fixture
def clock() -> Clock:
    clock = Clock(NOON)
    clock.hold(NOON)
    return clock


@pytest.fixture
def portal(clock: Clock) -> Portal:
    return Portal(clock)


def contact(portal: Portal, email: str = "ana@acme.test", **values: str) -> str:
    return portal.create("contacts", {"email": email, **values})


def held(portal: Portal, type: str, id: str) -> Record:
    record = portal.get(type, id)
    assert record is not None
    return record


def test_ids_are_numbers_that_pass_ten_thousand_and_leave_gaps(portal: Portal) -> None:
    ids = [int(contact(portal, f"p{n}@acme.test")) for n in range(1_000)]
    assert ids == sorted(set(ids))
    assert ids[0] < 10_000 < ids[-1]
    assert ids[-1] - ids[0] > 1_000


def test_a_portal_is_the_same_for_the_same_seed(clock: Clock) -> None:
    def world() -> dict[str, object]:
        portal = Portal(clock, seed=3)
        one, other = contact(portal), contact(portal, "bo@acme.test")
        portal.submit_form(portal.add_form("Contact us"), {"email": "ana@acme.test"}, "https://x.test/contact")
        portal.email_event("OPEN", "bo@acme.test", campaign=1)
        portal.merge("contacts", one, other)
        return portal.dump()

    assert world() == world()


def test_any_write_moves_the_stamp_and_a_link_does_not(portal: Portal, clock: Clock) -> None:
    person, company = contact(portal), portal.create("companies", {"name": "Acme"})
    clock.advance(timedelta(milliseconds=5))
    portal.associate("contacts", person, "companies", company)
    assert held(portal, "contacts", person).modified == to_ms(NOON)
    assert held(portal, "companies", company).modified == to_ms(NOON)
    portal.update("contacts", person, {"jobtitle": "CEO"})
    assert held(portal, "contacts", person).read("lastmodifieddate") == "2026-11-20T12:00:00.005Z"
    portal.update("companies", company, {"name": "Acme"})
    assert held(portal, "companies", company).read("hs_lastmodifieddate") == "2026-11-20T12:00:00.005Z"


def test_an_unknown_property_writes_nothing(portal: Portal) -> None:
    person = contact(portal)
    with pytest.raises(InvalidProperties):
        portal.update("contacts", person, {"jobtitle": "CEO", "no_such": "1"})
    assert held(portal, "contacts", person).read("jobtitle") is None


def test_one_address_belongs_to_one_contact(portal: Portal) -> None:
    first, second = contact(portal), contact(portal, "bo@acme.test")
    with pytest.raises(EmailTaken) as taken:
        contact(portal, "ANA@acme.test")
    assert taken.value.existing == first
    with pytest.raises(EmailTaken):
        portal.update("contacts", second, {"email": "ana@acme.test"})
    portal.update("contacts", first, {"email": "ana@new.test"})
    portal.update("contacts", second, {"email": "ana@acme.test"})
    found = portal.contact_by_email("Ana@Acme.Test")
    assert found is not None
    assert str(found.id) == second


# Links


def test_links_bear_the_vendors_types_both_ways_and_the_first_company_is_primary(portal: Portal) -> None:
    person = contact(portal)
    first, second = (portal.create("companies", {"name": name}) for name in ("Acme", "Beta"))
    portal.associate("contacts", person, "companies", first)
    portal.associate("companies", second, "contacts", person)
    record = held(portal, "contacts", person)
    assert portal.live_links(record, "companies") == [(int(first), (1, 279)), (int(second), (279,))]
    assert portal.live_links(held(portal, "companies", first), "contacts") == [(int(person), (2, 280))]
    assert portal.live_links(held(portal, "companies", second), "contacts") == [(int(person), (280,))]


def test_a_new_primary_company_takes_the_label_from_the_old_one(portal: Portal) -> None:
    person = contact(portal)
    first, second = (portal.create("companies", {"name": name}) for name in ("Acme", "Beta"))
    portal.associate("contacts", person, "companies", first)
    portal.associate("contacts", person, "companies", second, types=(1,))
    record = held(portal, "contacts", person)
    assert portal.live_links(record, "companies") == [(int(first), (279,)), (int(second), (1, 279))]
    assert portal.live_links(held(portal, "companies", first), "contacts") == [(int(person), (280,))]


def test_linking_again_without_the_label_leaves_it_where_it_is(portal: Portal) -> None:
    person = contact(portal)
    first, second = (portal.create("companies", {"name": name}) for name in ("Acme", "Beta"))
    for company in (first, second, first):
        portal.associate("contacts", person, "companies", company, types=(279,))
    record = held(portal, "contacts", person)
    assert portal.live_links(record, "companies") == [(int(first), (1, 279)), (int(second), (279,))]


def test_a_removed_link_is_gone_on_both_sides(portal: Portal) -> None:
    person, note = contact(portal), portal.create("notes", {"hs_note_body": "hello"})
    portal.associate("notes", note, "contacts", person)
    portal.dissociate("contacts", person, "notes", note)
    assert portal.live_links(held(portal, "contacts", person), "notes") == []
    assert portal.live_links(held(portal, "notes", note), "contacts") == []


def test_an_archived_record_is_linked_to_nothing(portal: Portal) -> None:
    person, note = contact(portal), portal.create("notes", {"hs_note_body": "hello"})
    portal.associate("notes", note, "contacts", person)
    portal.archive("notes", note)
    assert portal.live_links(held(portal, "contacts", person), "notes") == []
    portal.restore("notes", note)
    assert portal.live_links(held(portal, "contacts", person), "notes") == [(int(note), (201,))]


def test_logged_activity_moves_the_contacts_roll_ups(portal: Portal) -> None:
    person = contact(portal)
    call = portal.create("calls", {"hs_timestamp": "2026-11-19T10:00:00Z"})
    reply = portal.create("emails", {"hs_timestamp": "2026-11-19T11:00:00Z", "hs_email_direction": "INCOMING_EMAIL"})
    meeting = portal.create("meetings", {"hs_timestamp": "2026-11-18T09:00:00Z"})
    for type_, id_ in (("calls", call), ("emails", reply), ("meetings", meeting)):
        portal.associate(type_, id_, "contacts", person)
        portal.associate(type_, id_, "contacts", person)
    record = held(portal, "contacts", person)
    assert record.read("num_notes") == "3"
    assert record.read("num_contacted_notes") == "2"
    assert record.read("notes_last_contacted") == "2026-11-19T10:00:00Z"
    assert record.read("hs_sales_email_last_replied") == "2026-11-19T11:00:00Z"
    assert record.read("engagements_last_meeting_booked") == "2026-11-20T12:00:00Z"
    assert record.history("num_notes")[0].source_type == "CALCULATED"


# Lifecycle


def test_a_lifecycle_stage_goes_forward_and_stamps_its_date(portal: Portal, clock: Clock) -> None:
    person = contact(portal, lifecyclestage="lead")
    clock.advance(timedelta(hours=1))
    portal.update("contacts", person, {"lifecyclestage": "marketingqualifiedlead"}, source=API)
    record = held(portal, "contacts", person)
    assert record.read("lifecyclestage") == "marketingqualifiedlead"
    assert record.read("hs_lifecyclestage_lead_date") == "2026-11-20T12:00:00Z"
    assert record.read("hs_lifecyclestage_marketingqualifiedlead_date") == "2026-11-20T13:00:00Z"


def test_a_backward_stage_is_dropped_without_a_word_and_the_rest_is_written(portal: Portal) -> None:
    person = contact(portal, lifecyclestage="customer")
    portal.update("contacts", person, {"lifecyclestage": "lead", "jobtitle": "CEO"}, source=API)
    record = held(portal, "contacts", person)
    assert (record.read("lifecyclestage"), record.read("jobtitle")) == ("customer", "CEO")
    assert len(record.history("lifecyclestage")) == 1


def test_a_cleared_stage_takes_any_stage(portal: Portal) -> None:
    person = contact(portal, lifecyclestage="customer")
    portal.update("contacts", person, {"lifecyclestage": ""}, source=API)
    assert held(portal, "contacts", person).read("lifecyclestage") is None
    portal.update("contacts", person, {"lifecyclestage": "lead"}, source=API)
    assert held(portal, "contacts", person).read("lifecyclestage") == "lead"


def test_a_person_in_the_crm_may_move_a_stage_back(portal: Portal) -> None:
    person = contact(portal, lifecyclestage="opportunity")
    portal.update("contacts", person, {"lifecyclestage": "lead"})
    assert held(portal, "contacts", person).read("lifecyclestage") == "lead"


def test_a_deal_moves_its_contacts_to_opportunity_and_when_won_to_customer(portal: Portal, clock: Clock) -> None:
    person = contact(portal, lifecyclestage="lead")
    deal = portal.create("deals", {"dealname": "Acme", "pipeline": "default", "dealstage": "qualifiedtobuy"})
    portal.associate("deals", deal, "contacts", person)
    record = held(portal, "contacts", person)
    assert record.read("lifecyclestage") == "opportunity"
    assert record.read("num_associated_deals") == "1"
    clock.advance(timedelta(days=3))
    portal.update("deals", deal, {"dealstage": "closedwon"})
    assert record.read("lifecyclestage") == "customer"
    assert record.history("lifecyclestage")[0].source_type == "PIPELINE_SETTINGS"
    won = held(portal, "deals", deal)
    assert won.read("hs_is_closed_won") == "true"
    assert won.read("closedate") == won.read("hs_v2_date_entered_closedwon") == "2026-11-23T12:00:00Z"


def test_a_lost_deal_leaves_its_contacts_where_they_are(portal: Portal) -> None:
    person = contact(portal)
    deal = portal.create("deals", {"dealname": "Acme", "dealstage": "qualifiedtobuy"})
    portal.associate("deals", deal, "contacts", person)
    portal.update("deals", deal, {"dealstage": "closedlost"})
    lost = held(portal, "deals", deal)
    assert (lost.read("hs_is_closed"), lost.read("hs_is_closed_won")) == ("true", "false")
    assert held(portal, "contacts", person).read("lifecyclestage") == "opportunity"


# Archive, merge, erase


def test_an_archived_record_leaves_lists_and_search_and_comes_back(portal: Portal) -> None:
    person = contact(portal)
    portal.archive("contacts", person)
    assert portal.get("contacts", person) is None
    assert list(portal.objects("contacts")) == []
    assert portal.index("contacts").count(Span()) == 0
    assert portal.contact_by_email("ana@acme.test") is None
    assert [str(record.id) for record in portal.archived("contacts")] == [person]
    portal.restore("contacts", person)
    assert held(portal, "contacts", person).archived_at is None
    assert portal.index("contacts").count(Span()) == 1


def test_a_merge_makes_a_new_record_that_the_old_ids_lead_to(portal: Portal, clock: Clock) -> None:
    first = contact(portal, jobtitle="CEO", lifecyclestage="lead")
    second = contact(portal, "bo@acme.test", phone="123", jobtitle="CTO", lifecyclestage="opportunity")
    company = portal.create("companies", {"name": "Acme"})
    portal.associate("contacts", second, "companies", company)
    clock.advance(timedelta(days=1))
    new = portal.merge("contacts", first, second)
    assert new not in (first, second)
    record = held(portal, "contacts", new)
    assert portal.get("contacts", first) is portal.get("contacts", second) is record
    assert portal.exact("contacts", first) is None
    assert {name: record.read(name) for name in ("jobtitle", "phone", "lifecyclestage")} == {
        "jobtitle": "CEO",
        "phone": "123",
        "lifecyclestage": "opportunity",
    }
    assert record.read("hs_merged_object_ids") == f"{first};{second}"
    assert record.read("hs_calculated_merged_vids") == f"{first}:{record.modified};{second}:{record.modified}"
    assert record.read("hs_additional_emails") == "bo@acme.test"
    assert record.created == to_ms(NOON)
    assert {version.value for version in record.history("jobtitle")} == {"CEO", "CTO"}
    assert portal.contact_by_email("bo@acme.test") is record
    assert portal.live_links(held(portal, "companies", company), "contacts") == [(int(new), (2, 280))]
    assert list(portal.index("contacts").ids(Span())) == [int(new)]


def test_a_chain_of_merges_leads_to_the_last_record(portal: Portal) -> None:
    a, b, c = (contact(portal, f"{name}@acme.test") for name in "abc")
    ab = portal.merge("contacts", a, b)
    last = portal.merge("contacts", ab, c)
    record = held(portal, "contacts", a)
    assert str(record.id) == last
    assert record.read("hs_merged_object_ids") == f"{a};{b};{ab};{c}"


def test_merged_contacts_keep_one_primary_company(portal: Portal) -> None:
    first, second = contact(portal), contact(portal, "bo@acme.test")
    acme, beta = (portal.create("companies", {"name": name}) for name in ("Acme", "Beta"))
    portal.associate("contacts", first, "companies", acme)
    portal.associate("contacts", second, "companies", beta)
    record = held(portal, "contacts", portal.merge("contacts", first, second))
    assert portal.live_links(record, "companies") == [(int(acme), (1, 279)), (int(beta), (279,))]


def test_an_erased_contact_is_found_nowhere(portal: Portal) -> None:
    first, second = contact(portal), contact(portal, "bo@acme.test")
    merged = portal.merge("contacts", first, second)
    company = portal.create("companies", {"name": "Acme"})
    portal.associate("contacts", merged, "companies", company)
    guid = portal.add_form("Contact us")
    portal.submit_form(guid, {"email": "bo@acme.test"}, "https://x.test")
    portal.email_event("OPEN", "ana@acme.test", campaign=1)
    portal.gdpr_delete(first)
    assert [portal.get("contacts", id_) for id_ in (first, second, merged)] == [None, None, None]
    assert portal.archived("contacts") == []
    assert portal.live_links(held(portal, "companies", company), "contacts") == []
    kept = {**portal.dump(), "writes": []}
    assert b"acme.test" not in orjson.dumps(kept)
    with pytest.raises(NotFound):
        portal.gdpr_delete(merged)


# Marketing


def test_page_views_move_the_analytics_roll_ups_with_history(portal: Portal, clock: Clock) -> None:
    person = contact(portal)
    for url, pause in (("/a", 0), ("/pricing", 29), ("/b", 31)):
        clock.advance(timedelta(minutes=pause))
        portal.page_view(person, f"https://x.test{url}")
    record = held(portal, "contacts", person)
    assert record.read("hs_analytics_num_page_views") == "3"
    assert record.read("hs_analytics_num_visits") == "2"
    assert record.read("hs_analytics_first_url") == "https://x.test/a"
    assert record.read("hs_analytics_last_url") == "https://x.test/b"
    assert record.read("hs_analytics_last_visit_timestamp") == "2026-11-20T13:00:00Z"
    assert [version.value for version in record.history("hs_analytics_num_page_views")] == ["3", "2", "1"]
    assert record.history("hs_analytics_last_url")[1].source_type == "ANALYTICS"
    assert record.modified == to_ms(clock.now())


def test_a_form_updates_the_contact_it_names_or_makes_one(portal: Portal, clock: Clock) -> None:
    person = contact(portal)
    download, demo = portal.add_form("Whitepaper download"), portal.add_form("Demo request")
    portal.submit_form(download, {"email": "ANA@acme.test", "jobtitle": "CEO", "question": "?"}, "https://x.test/w")
    clock.advance(timedelta(hours=1))
    portal.submit_form(demo, {"email": "ana@acme.test"}, "https://x.test/d")
    record = held(portal, "contacts", person)
    assert (record.read("num_conversion_events"), record.read("num_unique_conversion_events")) == ("2", "2")
    assert record.read("jobtitle") == "CEO"
    assert record.read("first_conversion_event_name") == "https://x.test/w: Whitepaper download"
    assert record.read("recent_conversion_event_name") == "https://x.test/d: Demo request"
    assert record.read("recent_conversion_date") == "2026-11-20T13:00:00Z"
    portal.submit_form(demo, {"email": "new@acme.test", "firstname": "New"}, "https://x.test/d")
    made = portal.contact_by_email("new@acme.test")
    assert made is not None
    assert (made.read("firstname"), made.source) == ("New", ("FORM", demo))


def test_email_events_are_counted_but_those_of_bots_are_not(portal: Portal) -> None:
    person = contact(portal)
    portal.email_event("OPEN", "Ana@acme.test", campaign=1)
    portal.email_event("CLICK", "ana@acme.test", campaign=1, url="https://x.test", filtered=True)
    portal.email_event("STATUSCHANGE", "ana@acme.test", campaign=1)
    record = held(portal, "contacts", person)
    assert (record.read("hs_email_open"), record.read("hs_email_click")) == ("1", None)
    assert record.read("hs_email_last_open_date") == "2026-11-20T12:00:00Z"
    assert record.read("hs_email_optout") == "true"
    assert [event.type for event in portal.email_log.between(None, None)].count("CLICK") == 1
    with pytest.raises(ValueError, match="'OPENED' is no e-mail event type"):
        portal.email_event("OPENED", "ana@acme.test", campaign=1)


def test_the_window_of_email_events_includes_both_ends(portal: Portal) -> None:
    for second in range(5):
        portal.email_event("SENT", "x@acme.test", campaign=1, at=NOON + timedelta(seconds=second))
    start = to_ms(NOON)
    assert len(portal.email_log.between(start + 1_000, start + 3_000)) == 3


# Search index, dump


def test_search_sees_a_write_after_the_lag_and_reads_see_it_at_once(clock: Clock) -> None:
    portal = Portal(clock, index_lag=timedelta(seconds=20))
    person = contact(portal)
    assert held(portal, "contacts", person).read("email") == "ana@acme.test"
    assert portal.index("contacts").count(Span()) == 0
    clock.advance(timedelta(seconds=20))
    assert portal.index("contacts").count(Span()) == 1
    portal.update("contacts", person, {"jobtitle": "CEO"})
    row = portal.index("contacts").row(int(person))
    assert row is not None
    assert (row.modified, row.values.get("jobtitle")) == (to_ms(NOON), None)


def test_a_portal_survives_dump_and_load(portal: Portal, clock: Clock) -> None:
    first, second, third = (contact(portal, f"{name}@acme.test") for name in "abc")
    portal.add_owner("rep@portal.test", "Rep", "One")
    portal.submit_form(portal.add_form("Contact us"), {"email": "a@acme.test"}, "https://x.test")
    portal.email_event("OPEN", "a@acme.test", campaign=1)
    portal.page_view(first, "https://x.test")
    portal.archive("contacts", third)
    merged = portal.merge("contacts", first, second)
    portal.log_write("contacts", merged, {"jobtitle": None}, {"jobtitle": "CEO"})
    state = orjson.dumps(portal.dump())

    twin = Portal(clock)
    twin.load(orjson.loads(state))
    assert orjson.dumps(twin.dump()) == state
    assert str(held(twin, "contacts", first).id) == merged
    assert list(twin.index("contacts").ids(Span())) == [int(merged)]
    assert contact(twin, "d@acme.test") == contact(portal, "d@acme.test")


def test_the_write_log_says_what_changed(portal: Portal) -> None:
    portal.log_write("contacts", "9", {"jobtitle": "CEO"}, {"jobtitle": "CEO"})
    portal.log_write("contacts", "9", {"jobtitle": "CEO"}, {"jobtitle": "CTO"})
    assert [(row["n"], row["changed"]) for row in portal.writes] == [(1, False), (2, True)]
