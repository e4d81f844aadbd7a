"""What the streams bring, however late and however twisted HubSpot tells it."""

from __future__ import annotations

from datetime import timedelta

from connectors.records import RecordRef
from tests.contract.connectors.crm_contract import MINUTE, NOW_ON, deletions, drain, people, refs
from tests.contract.connectors.hubspot_portal import HOUR, PracticePortal, only


def test_submissions_of_many_forms_and_pages_come_all_and_later_only_the_new_ones(practice: PracticePortal) -> None:
    forms = [practice.portal.add_form(f"Form {n}") for n in range(4)]
    for n in range(330):
        practice.clock.advance(timedelta(seconds=1))
        practice.portal.submit_form(forms[n % 2], {"email": f"s{n}@acme.test"}, "https://acme.test/f")
    practice.clock.advance(NOW_ON)
    crm = practice.open()
    pages = drain(crm, "form_submissions", None)
    assert len({activity.ref for page in pages for activity in page.activities}) == 330
    assert len(pages) > 1
    practice.portal.submit_form(forms[3], {"email": "new@acme.test"}, "https://acme.test/f")
    practice.clock.advance(NOW_ON)
    assert len(only(drain(crm, "form_submissions", pages[-1].cursor)).activities) == 1


def test_e_mail_events_come_by_the_thousand(practice: PracticePortal) -> None:
    for n in range(2_300):
        practice.portal.email_event("OPEN", f"r{n}@acme.test", campaign=1)
    practice.clock.advance(NOW_ON)
    pages = drain(practice.open(), "email_events", None)
    assert len({activity.ref for page in pages for activity in page.activities}) == 2_300


def test_an_e_mail_event_that_hubspot_adds_late_is_found_by_the_sweep(practice: PracticePortal) -> None:
    crm = practice.open()
    cursor = drain(crm, "email_events", None)[-1].cursor
    at, seen = practice.clock.now() + 5 * MINUTE, 0
    for step in range(40):
        practice.clock.advance(5 * MINUTE)
        if step == 9:
            practice.portal.email_event("OPEN", "late@acme.test", campaign=1, at=at)
        pages = drain(crm, "email_events", cursor)
        cursor = pages[-1].cursor
        seen += sum(len(page) for page in pages)
    assert seen == 1


def test_ten_thousand_rows_of_one_millisecond_are_read(practice: PracticePortal) -> None:
    """Offsets end at 10,000 and a cursor by stamp alone would turn in circles."""
    crm = practice.open()
    cursor = drain(crm, "companies", None)[-1].cursor
    practice.clock.advance(MINUTE)
    made = {practice.portal.create("companies", {"name": "x"}) for _ in range(10_050)}
    practice.clock.advance(NOW_ON)
    pages = drain(crm, "companies", cursor)
    assert {account.ref.id for page in pages for account in page.accounts} == made


def test_a_change_is_read_once_though_windows_overlap(practice: PracticePortal) -> None:
    crm = practice.open()
    cursor = drain(crm, "contacts", None)[-1].cursor
    practice.add_people(5)
    read = 0
    for _ in range(20):
        practice.clock.advance(timedelta(seconds=40))
        pages = drain(crm, "contacts", cursor)
        cursor = pages[-1].cursor
        read += len(refs(pages))
    assert read == 5
    practice.site.calls.clear()
    drain(crm, "contacts", cursor)
    assert len(practice.site.calls) == 1


def test_an_engagement_that_is_linked_after_it_was_read_still_comes(practice: PracticePortal) -> None:
    """An association moves no modified stamp."""
    (contact,) = practice.site.people(1)
    crm = practice.open()
    cursor = drain(crm, "calls", None)[-1].cursor
    quick, slow = (practice.portal.create("calls", {"hs_timestamp": "2026-03-02T09:30:15Z"}) for _ in range(2))
    seen: list[RecordRef] = []
    for minute in range(150):
        practice.clock.advance(MINUTE)
        for late, call in ((4, quick), (40, slow)):
            if minute == late:
                practice.portal.associate("calls", call, "contacts", contact)
        pages = drain(crm, "calls", cursor)
        cursor = pages[-1].cursor
        seen += [activity.ref for page in pages for activity in page.activities]
        if minute == 11:
            assert seen == [practice.ref(quick, "calls")]
    assert set(seen) == {practice.ref(quick, "calls"), practice.ref(slow, "calls")}


def test_a_second_person_of_a_deal_is_found_by_the_sweep(practice: PracticePortal) -> None:
    first, second = practice.site.people(2)
    crm = practice.open()
    cursor = drain(crm, "deals", None)[-1].cursor
    practice.clock.advance(NOW_ON)
    deal = practice.portal.create("deals", {"dealname": "New", "dealstage": "contractsent"})
    practice.portal.associate("deals", deal, "contacts", first)
    seen: list[int] = []
    for step in range(40):
        practice.clock.advance(5 * MINUTE)
        if step == 8:
            practice.portal.associate("deals", deal, "contacts", second)
        pages = drain(crm, "deals", cursor)
        cursor = pages[-1].cursor
        seen += [len(outcome.people) for page in pages for outcome in page.outcomes]
    assert seen == [1, 2]


def test_a_company_that_hubspot_finds_for_a_new_contact_afterwards_becomes_its_account(
    practice: PracticePortal,
) -> None:
    company = practice.portal.create("companies", {"name": "Acme"})
    crm = practice.open()
    cursor = drain(crm, "contacts", None)[-1].cursor
    practice.clock.advance(NOW_ON)
    (contact,) = practice.site.people(1)
    seen: list[RecordRef | None] = []
    for minute in range(8):
        practice.clock.advance(MINUTE)
        if minute == 4:
            practice.portal.associate("contacts", contact, "companies", company)
        pages = drain(crm, "contacts", cursor)
        cursor = pages[-1].cursor
        seen += [lead.account for lead in people(pages)]
    assert seen[0] is None
    assert seen[-1] == practice.ref(company, "companies")


def test_a_row_that_the_index_shows_forty_minutes_late_is_found_by_the_sweep(practice: PracticePortal) -> None:
    crm = practice.open()
    cursor = drain(crm, "contacts", None)[-1].cursor
    practice.clock.advance(NOW_ON)
    late = practice.add_person_seen_late(40 * MINUTE)
    seen: list[RecordRef] = []
    for _ in range(60):
        practice.clock.advance(4 * MINUTE)
        pages = drain(crm, "contacts", cursor)
        cursor = pages[-1].cursor
        seen += refs(pages)
    assert seen == [late]


def test_removals_are_reported_and_old_ones_not_again(practice: PracticePortal) -> None:
    ref, other = practice.add_people(2)
    call = practice.portal.create("calls", {"hs_timestamp": "2026-03-02T09:30:15Z"})
    crm = practice.open()
    practice.delete(ref)
    practice.portal.archive("calls", call)
    first = drain(crm, "removals", None)
    assert set(deletions(first)) == {ref, practice.ref(call, "calls")}
    practice.clock.advance(3 * HOUR)
    cursor = first[-1].cursor
    for _ in range(2):  # the hour before a pass is looked at again
        practice.clock.advance(HOUR)
        cursor = drain(crm, "removals", cursor)[-1].cursor
    practice.delete(other)
    second = drain(crm, "removals", cursor)
    assert set(deletions(second)) == {other}
    assert deletions(second)[other].deleted_at == practice.clock.now()


def test_a_merge_is_seen_by_the_removals_too(practice: PracticePortal) -> None:
    winner, loser = practice.add_people(2)
    survivor = practice.merge(winner, loser)
    pages = drain(practice.open(), "removals", None)
    assert {ref: gone.merged_into for ref, gone in deletions(pages).items()} == {winner: survivor, loser: survivor}
    assert refs(pages) == [survivor]


def test_page_views_of_the_older_record_keep_their_names_over_a_merge(practice: PracticePortal) -> None:
    older, newer = practice.add_people(2)
    practice.portal.page_view(older.id, "https://acme.test/pricing")
    crm = practice.open()
    before = {view.ref for page in drain(crm, "contacts", None) for view in page.activities}
    survivor = practice.merge(newer, older)
    after = only(drain(crm, "contacts", None)).activities
    assert {view.ref for view in after} == before
    assert {view.people for view in after} == {(survivor,)}


def test_a_view_that_the_younger_record_brought_along_is_known_once(practice: PracticePortal) -> None:
    older, younger = practice.add_people(2)
    practice.clock.advance(MINUTE)
    practice.portal.page_view(younger.id, "https://acme.test/pricing")
    practice.clock.advance(NOW_ON)
    crm = practice.open()
    (before,) = [act.ref for page in drain(crm, "contacts", None) for act in page.activities]
    assert before.id.startswith(f"{younger.id}:")
    survivor = practice.merge(younger, older)
    practice.clock.advance(NOW_ON)
    pages = drain(crm, "contacts", None)
    views = [act for page in pages for act in page.activities]
    assert [(act.ref.id, act.people) for act in views] == [(before.id.replace(younger.id, older.id), (survivor,))]
    assert deletions(pages)[before].merged_into is None


def test_history_is_asked_for_in_batches_that_hubspot_takes(practice: PracticePortal) -> None:
    crm = practice.open()
    cursor = drain(crm, "contacts", None)[-1].cursor
    made = practice.add_people(120)
    for ref in made:
        practice.portal.page_view(ref.id, "https://acme.test/pricing")
    practice.clock.advance(NOW_ON)
    practice.site.calls.clear()
    pages = drain(crm, "contacts", cursor)
    assert (len(people(pages)), sum(len(page.activities) for page in pages)) == (120, 120)
    assert practice.site.endpoints() == [
        "/crm/v3/objects/contacts/search",
        *["/crm/v3/objects/contacts/batch/read"] * 3,
        "/crm/v4/associations/contacts/companies/batch/read",
    ]
