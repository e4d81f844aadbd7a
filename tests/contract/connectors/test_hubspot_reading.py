"""What a pull costs, and what it brings on a bad day."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from random import Random
from typing import Any

import pytest

from connectors.errors import Misconfigured, QuotaExhausted, Transient
from connectors.port import Page, Tier
from connectors.records import Activity, Deletion, LeadRecord, RecordRef
from sandbox.hubspot import hostile
from sandbox.profiles import Bites, Profile
from tests.contract.connectors.crm_contract import NOW_ON, START, deletions, drain, people, refs
from tests.contract.connectors.hubspot_portal import HOUR, PracticePortal, only
from tests.contract.connectors.hubspot_site import TOKEN, VARIABLE, Site
from tests.contract.connectors.practice import Host


def test_the_history_of_attributes_comes_with_the_first_load_and_with_every_complete_change(
    practice: PracticePortal,
) -> None:
    (ref,) = practice.add_people(1)
    practice.clock.advance(HOUR)
    practice.portal.update("contacts", ref.id, {"lifecyclestage": "lead", "jobtitle": "CTO"})
    practice.clock.advance(HOUR)
    practice.portal.update("contacts", ref.id, {"lifecyclestage": "marketingqualifiedlead"})
    practice.clock.advance(NOW_ON)
    crm = practice.open()
    pages = drain(crm, "contacts", None)
    stages = [(c.value, c.occurred_at) for p in pages for c in p.history if c.name == "lifecycle_stage"]
    assert stages == [("lead", START + HOUR), ("marketingqualifiedlead", START + 2 * HOUR)]
    practice.portal.update("contacts", ref.id, {"jobtitle": "CEO"})
    at = practice.clock.now()
    (glimpsed,) = drain(crm, "contacts", pages[-1].cursor, Tier.FAST)
    assert (refs([glimpsed]), glimpsed.history) == ([ref], [])
    practice.clock.advance(NOW_ON)
    changed = only(drain(crm, "contacts", pages[-1].cursor))
    assert [(c.value, c.occurred_at) for c in changed.history if c.name == "title"] == [
        ("CTO", START + HOUR), ("CEO", at)
    ]  # fmt: skip


def test_a_change_of_a_hundred_contacts_costs_the_fewest_calls_and_a_quiet_minute_one_search_a_look(
    practice: PracticePortal,
) -> None:
    made = practice.add_people(100)
    crm, cursor = practice.open(), None
    cursor = drain(crm, "contacts", cursor)[-1].cursor
    practice.clock.advance(NOW_ON)
    cursor = drain(crm, "contacts", cursor)[-1].cursor
    for ref in made:
        practice.edit(ref)
    search, read, links = (
        "/crm/v3/objects/contacts/search", "/crm/v3/objects/contacts/batch/read",
        "/crm/v4/associations/contacts/companies/batch/read",
    )  # fmt: skip
    seen: list[list[str]] = []
    for tier in (Tier.FAST, Tier.FAST, Tier.FAST, Tier.COMPLETE, Tier.FAST, Tier.COMPLETE):
        practice.site.calls.clear()
        practice.clock.advance(timedelta(minutes=1))
        after = drain(crm, "contacts", cursor, tier)[-1].cursor
        cursor = after if tier is Tier.COMPLETE else cursor
        seen.append(practice.site.endpoints())
    assert seen == [[search, read, links], [search], [search], [search, read, read, links], [search], [search]]


def test_the_fast_tier_asks_for_page_views_where_there_are_some(practice: PracticePortal) -> None:
    crm = practice.open()
    cursor = drain(crm, "contacts", None)[-1].cursor
    made = practice.add_people(120)
    for ref in made[:3]:
        practice.portal.page_view(ref.id, "https://acme.test/pricing")
    practice.site.calls.clear()
    (page,) = drain(crm, "contacts", cursor, Tier.FAST)
    assert {lead.ref for lead in page.leads} == set(made)
    assert {view.people for view in page.activities} == {(ref,) for ref in made[:3]}
    assert practice.site.endpoints().count("/crm/v3/objects/contacts/batch/read") == 3


def test_what_the_fast_tier_handed_on_comes_again_when_it_changes_or_another_process_asks(
    practice: PracticePortal,
) -> None:
    crm = practice.open()
    cursor = drain(crm, "contacts", None)[-1].cursor
    one, two = practice.add_people(2)
    practice.clock.advance(timedelta(seconds=5))
    assert set(refs(drain(crm, "contacts", cursor, Tier.FAST))) == {one, two}
    practice.edit(two)
    assert refs(drain(crm, "contacts", cursor, Tier.FAST)) == [two]
    assert set(refs(drain(practice.open(), "contacts", cursor, Tier.FAST))) == {one, two}
    practice.clock.advance(NOW_ON)
    assert set(refs(drain(crm, "contacts", cursor))) == {one, two}


def test_a_look_reads_the_rows_of_several_pages_at_once(practice: PracticePortal) -> None:
    crm = practice.open(page_size=2)
    cursor = drain(crm, "contacts", None)[-1].cursor
    made = practice.add_people(12)
    practice.clock.advance(timedelta(seconds=5))
    practice.site.calls.clear()
    ten, two = drain(crm, "contacts", cursor, Tier.FAST)
    assert (len(refs([ten])), len(refs([two])), ten.looked) == (10, 2, None)
    assert set(refs([ten, two])) == set(made)
    asked = [endpoint.rpartition("contacts/")[2] for endpoint in practice.site.endpoints()]
    hydrated = ["batch/read", "companies/batch/read"]
    assert asked == [*["search"] * 5, *hydrated, "search", *hydrated]


def test_a_version_that_is_stored_is_not_read_again(practice: PracticePortal) -> None:
    cursor = drain(practice.open(), "contacts", None)[-1].cursor
    edited, *others = practice.add_people(3)
    practice.clock.advance(timedelta(hours=1))
    stored = {lead.ref: lead.modified_at for page in drain(practice.open(), "contacts", cursor) for lead in page.leads}
    practice.edit(edited)
    practice.clock.advance(NOW_ON)

    def known(asked: Sequence[RecordRef]) -> Mapping[RecordRef, datetime]:
        assert set(asked) == {edited, *others}
        return stored

    for tier in (Tier.COMPLETE, Tier.FAST):
        assert refs([practice.open().pull("contacts", cursor, tier, known)]) == [edited]


def test_a_fetch_takes_any_number_and_knows_an_erased_contact(practice: PracticePortal) -> None:
    made = practice.add_people(120)
    erased = made.pop()
    practice.portal.gdpr_delete(erased.id)
    practice.clock.advance(NOW_ON)
    crm = practice.open()
    practice.site.calls.clear()
    page = crm.fetch([*made, erased, made[0]])
    assert sorted(refs([page])) == sorted(made)
    (gone,) = page.deletions
    assert (gone.ref, gone.merged_into, gone.erased) == (erased, None, True)
    assert practice.site.endpoints().count("/crm/v3/objects/contacts/batch/read") == 4  # one of the recycle bin
    with pytest.raises(ValueError, match="one object"):
        crm.fetch([made[0], practice.ref("1", "companies")])
    with pytest.raises(Misconfigured, match="quotes"):
        crm.census("quotes", None)


def test_a_contact_in_the_recycle_bin_is_deleted_when_it_was_and_not_erased(practice: PracticePortal) -> None:
    ref, erased = practice.add_people(2)
    practice.delete(ref)
    practice.delete(erased)
    practice.portal.gdpr_delete(erased.id)
    at = practice.clock.now()
    practice.clock.advance(NOW_ON)
    (gone,) = practice.open().fetch([ref]).deletions
    assert (gone.ref, gone.erased, gone.deleted_at.replace(microsecond=0)) == (ref, False, at.replace(microsecond=0))
    assert gone.binned
    (emptied,) = practice.open().fetch([ref, erased], binned=True).deletions
    assert (emptied.ref, emptied.erased) == (erased, True), "what lies in the bin still is left out"


def test_a_date_that_runs_ahead_moves_no_cursor_past_what_is_yet_to_be_written(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)
    site = Site(host)
    crm = site.open(timings={"settle": timedelta(0)})
    cursor = drain(crm, "contacts", None)[-1].cursor
    ahead = format_datetime(datetime.now(UTC) + 6 * HOUR, usegmt=True)
    site.fault("", headers={"Date": ahead})
    cursor = drain(crm, "contacts", cursor)[-1].cursor
    assert {(problem.code, problem.fatal) for problem in crm.check()} == {("clock_skew", False)}
    site.faults.clear()
    (made,) = site.people(1)
    assert [ref.id for ref in refs(drain(crm, "contacts", cursor))] == [made]
    site.close()


@pytest.mark.parametrize("stream", ["form_submissions", "email_events"])
def test_a_first_load_that_was_killed_goes_on_where_it_was(practice: PracticePortal, stream: str) -> None:
    forms = [practice.portal.add_form(f"Form {n}") for n in range(3)]
    for n in range(420):
        practice.clock.advance(timedelta(seconds=1))
        practice.portal.submit_form(forms[n % 3], {"email": f"s{n}@acme.test"}, "https://acme.test/f")
    for n in range(2_300):
        practice.portal.email_event("OPEN", f"r{n}@acme.test", campaign=1)
    practice.clock.advance(NOW_ON)
    drain(practice.open(), stream, None)
    straight = len(practice.site.calls)
    practice.site.calls.clear()
    seen: list[RecordRef] = []
    cursor, done, processes = None, False, 0
    while not done:
        page = practice.open().pull(stream, cursor, Tier.COMPLETE)
        seen += [activity.ref for activity in page.activities]
        cursor, done, processes = page.cursor, page.done, processes + 1
    assert len(seen) == len(set(seen)) == {"form_submissions": 420, "email_events": 2_300}[stream]
    assert processes > 1
    assert len(practice.site.calls) <= straight + 2 * (processes - 1)  # each asks for its account, and for the forms


def test_a_first_load_brings_links_along_and_needs_no_call_for_them(practice: PracticePortal) -> None:
    companies = [practice.portal.create("companies", {"name": f"C{n}"}) for n in range(3)]
    made = practice.add_people(120)
    for ref in made[::2]:
        for company, types in ((companies[0], [279]), (companies[1], [279, 1]), (companies[2], [279])):
            practice.portal.associate("contacts", ref.id, "companies", company, types=types)
    deal = practice.portal.create("deals", {"dealname": "New", "dealstage": "contractsent"})
    practice.portal.associate("deals", deal, "contacts", made[0].id)
    practice.clock.advance(NOW_ON)
    crm = practice.open()
    crm.location(made[0])
    practice.site.calls.clear()
    found = {lead.ref: lead.account for lead in people(drain(crm, "contacts", None))}
    assert found == {ref: practice.ref(companies[1], "companies") if n % 2 == 0 else None for n, ref in enumerate(made)}
    (outcome,) = only(drain(crm, "deals", None)).outcomes
    assert (outcome.people, outcome.account) == ((made[0],), None)
    lists = [endpoint for endpoint in practice.site.endpoints() if not endpoint.endswith("/search")]
    assert lists == ["/crm/v3/objects/contacts"] * 3 + ["/crm/v3/objects/deals"]


def test_the_fast_tier_asks_once_whether_any_of_many_forms_was_sent(practice: PracticePortal) -> None:
    forms = [practice.portal.add_form(f"Form {n}") for n in range(6)]
    crm = practice.open()
    cursor = drain(crm, "form_submissions", None)[-1].cursor
    practice.clock.advance(timedelta(seconds=30))
    practice.site.calls.clear()
    assert len(*drain(crm, "form_submissions", cursor, Tier.FAST)) == 0
    assert practice.site.endpoints() == ["/crm/v3/objects/contacts/search"]
    practice.portal.submit_form(forms[4], {"email": "new@acme.test"}, "https://acme.test/f")
    assert len(*drain(crm, "form_submissions", cursor, Tier.FAST)) == 1
    assert len(*drain(practice.open(without=["contacts"]), "form_submissions", cursor, Tier.FAST)) == 1


class Mirror:
    """What a reader of all streams knows of a portal, as the application keeps it: versions replace older ones."""

    def __init__(self, practice: PracticePortal) -> None:
        self.practice, self.leads, self.gone = practice, dict[RecordRef, LeadRecord](), dict[RecordRef, Deletion]()
        self.activities: dict[RecordRef, Activity] = {}
        self.cursors: dict[str, Any] = {}
        self.crm, self.looks = practice.open(), 0

    def look(self, streams: Sequence[str]) -> None:
        """Both tiers of each stream as far as they come today; every fourth time in a new process."""
        self.looks += 1
        if self.looks % 4 == 0:
            self.crm = self.practice.open()
        for stream in streams:
            for tier in (Tier.COMPLETE, Tier.FAST):
                with suppress(Transient, QuotaExhausted):
                    self._pull(stream, tier)

    def _pull(self, stream: str, tier: Tier) -> None:
        cursor, done = self.cursors.get(stream), False
        while not done:
            page = self.crm.pull(stream, cursor, tier)
            cursor, done = json.loads(json.dumps(page.cursor)), page.done
            self.learn(page)
            if tier is Tier.COMPLETE:
                self.cursors[stream] = cursor

    def learn(self, page: Page) -> None:
        for lead in page.leads:
            if lead.ref not in self.leads or self.leads[lead.ref].modified_at <= lead.modified_at:
                self.leads[lead.ref] = lead
        self.activities |= {activity.ref: activity for activity in page.activities}
        self.gone |= deletions([page])

    def reconcile(self) -> None:
        crm = self.practice.open()
        there: set[RecordRef] = set()
        cursor, done = None, False
        while not done:
            census = crm.census("contacts", cursor)
            there |= set(census.refs)
            cursor, done = census.cursor, census.done
        known = self.leads.keys() - self.gone.keys()
        if differing := sorted(there ^ known):
            self.learn(crm.fetch(differing))

    def live(self) -> dict[RecordRef, LeadRecord]:
        return {ref: lead for ref, lead in self.leads.items() if ref not in self.gone}


@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_bad_day_nothing_is_missing_and_nothing_is_left_over(practice: PracticePortal, seed: int) -> None:
    """Under the profile `hostile`, all but its delays; new processes go on from the cursors."""
    portal, dice = practice.portal, Random(seed)
    rules = [rule for rule in hostile.RULES if "delay" not in rule["effect"]]
    profile = Profile(Bites(rules, partial(hostile.bite, portal)), practice.faults)
    alive = practice.add_people(60)
    streams = ("contacts", "calls", "email_events", "removals")
    mirror = Mirror(practice)
    profile.apply("hostile", seed)
    for _ in range(40):
        for _ in range(dice.randrange(6)):
            ref = dice.choice(alive)
            match dice.randrange(8):
                case 0:
                    alive += practice.add_people(2)
                case 1:
                    practice.delete(ref)
                    alive.remove(ref)
                case 2:
                    other = dice.choice([each for each in alive if each != ref])
                    alive = [each for each in alive if each not in (ref, other)] + [practice.merge(ref, other)]
                case 3:
                    portal.gdpr_delete(ref.id)
                    alive.remove(ref)
                case 4:
                    call = portal.create("calls", {"hs_timestamp": "2026-03-02T09:30:15Z"})
                    portal.associate("calls", call, "contacts", ref.id)
                case 5:
                    portal.email_event("OPEN", f"x{dice.random()}@acme.test", campaign=1)
                case _:
                    portal.update("contacts", ref.id, {"jobtitle": f"T{dice.random()}"})
        practice.clock.advance(timedelta(seconds=dice.randrange(5, 300)))
        mirror.look(streams)
    profile.apply("calm")
    for _ in range(5):
        practice.clock.advance(HOUR)
        mirror.look(streams)
    mirror.reconcile()
    assert set(mirror.live()) == set(alive)
    for ref in alive:
        record = portal.exact("contacts", ref.id)
        assert record is not None
        assert mirror.leads[ref].attributes.get("title") == record.values.get("jobtitle")
    calls = [portal.exact("calls", str(id)) for id in portal.ids("calls")]
    linked = {str(call.id) for call in calls if call is not None and portal.live_links(call, "contacts")}
    assert linked
    assert linked <= {ref.id for ref in mirror.activities if ref.object == "calls"}
    opened = [ref for ref in mirror.activities if ref.object == "email_events"]
    assert len(opened) == len(portal.email_log.events) > 0
