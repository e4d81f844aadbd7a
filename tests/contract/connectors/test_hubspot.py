from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import redis

from connectors.errors import Misconfigured
from connectors.hubspot.crm import open_hubspot
from connectors.port import Crm, Page, Tier
from connectors.quota import Gate, RedisGate
from connectors.records import (
    ActivityKind,
    FieldWrite,
    OutcomeStatus,
    RecordRef,
    RecordState,
    ScoreField,
    WriteOutcome,
)
from connectors.tokens import MemoryTokens
from sandbox.clock import Clock
from sandbox.hubspot.settings import ALL_SCOPES
from tests.contract.connectors.crm_contract import (
    MINUTE,
    NOW_ON,
    START,
    CrmContract,
    Learning,
    Populated,
    Practice,
    deletions,
    drain,
    people,
    refs,
)
from tests.contract.connectors.hubspot_site import TOKEN, VARIABLE, Site
from tests.contract.connectors.practice import Host, hosted

HOUR = timedelta(hours=1)
SOURCE = "acme-hs"


class PracticePortal(Practice):
    """A practice HubSpot account; `portal` is its store. `paths` is the family that its connectors call."""

    people_stream = "contacts"

    def __init__(self, host: Host, paths: str) -> None:
        self.clock = Clock(START)
        self.clock.hold(START)
        self.site = Site(host, self.clock)
        self.portal, self.faults = self.site.portal, self.site.faults
        self._paths = paths

    def open(self, *, gate: Gate | None = None, page_size: int | None = None, **settings: Any) -> Crm:
        return self.site.open(gate=gate, **{"page_size": page_size or 200, "paths": self._paths, **settings})

    def open_with_wrong_credentials(self) -> Crm:
        return self.open(auth={"type": "token", "token": {"env": "WRONG_HUBSPOT_TOKEN"}})

    def open_nowhere(self) -> Crm:
        return self.open(host="https://localhost:1")

    def ref(self, id: str, type: str = "contacts") -> RecordRef:
        return RecordRef(SOURCE, type, id)

    def populate(self) -> Populated:
        portal = self.portal
        company = portal.create("companies", {"name": "Acme", "industry": "INTERNET", "numberofemployees": "1200"})
        one, two = self.site.people(1, phone="+49 1", jobtitle="CTO") + self.site.people(1, budget="9000")
        portal.associate("contacts", one, "companies", company)
        deal = portal.create("deals", {"dealname": "New", "dealstage": "contractsent", "amount": "9000"})
        portal.associate("deals", deal, "contacts", one)
        portal.associate("deals", deal, "companies", company)
        stamp = {"hs_timestamp": "2026-03-01T10:00:00Z"}
        for type, more in (
            ("calls", {"hs_call_direction": "INBOUND", "hs_call_duration": "90000"}),
            ("emails", {"hs_email_direction": "INCOMING_EMAIL"}),
            ("meetings", {"hs_meeting_start_time": "2026-03-01T10:00:00Z", "hs_meeting_outcome": "COMPLETED"}),
            ("notes", {}),
            ("tasks", {"hs_task_type": "CALL"}),
        ):
            portal.associate(type, portal.create(type, {**stamp, **more}), "contacts", one)
        portal.create("notes", stamp)  # of nobody
        portal.page_view(one, "https://acme.test/pricing?utm=x")
        portal.page_view(two, "https://acme.test/blog")
        form = portal.add_form("Whitepaper download")
        portal.submit_form(form, {"email": "P1@acme.test"}, "https://acme.test/whitepaper")
        portal.email_event("CLICK", "p2@acme.test", campaign=7, url="https://acme.test/pricing")
        portal.email_event("CLICK", "p2@acme.test", campaign=7, filtered=True)
        return Populated(
            people=frozenset({self.ref(one), self.ref(two)}),
            accounts=frozenset({self.ref(company, "companies")}),
            activities=9,  # five engagements, two page views, a form, a click
            outcomes=frozenset({self.ref(deal, "deals")}),
        )

    def add_people(self, count: int) -> list[RecordRef]:
        return [self.ref(id) for id in self.site.people(count)]

    def add_person_seen_late(self, delay: timedelta) -> RecordRef:
        self.portal.index_lag = delay
        (ref,) = self.add_people(1)
        self.portal.index_lag = timedelta(0)
        return ref

    def edit(self, ref: RecordRef) -> None:
        self.portal.update("contacts", ref.id, {"jobtitle": "CEO"})

    def delete(self, ref: RecordRef) -> None:
        self.portal.archive("contacts", ref.id)

    def merge(self, winner: RecordRef, loser: RecordRef) -> RecordRef:
        return self.ref(self.portal.merge("contacts", winner.id, loser.id))

    def forbid_writes(self, ref: RecordRef) -> None:
        pytest.skip("HubSpot refuses values, not records")

    def remove_score_field(self) -> str:
        self.portal.schemas["contacts"].archive("lead_gauge_score", 1)
        return "lead_gauge_score"

    def writes(self) -> Sequence[Mapping[str, Any]]:
        return list(self.portal.writes)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosted(tmp_path_factory.mktemp("hubspot")) as running:
        yield running


@pytest.fixture(params=["v3", "2026-09"])
def account(host: Host, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticePortal]:
    monkeypatch.setenv(VARIABLE, TOKEN)
    monkeypatch.setenv("WRONG_HUBSPOT_TOKEN", "pat-na1-wrong")
    practice = PracticePortal(host, request.param)
    yield practice
    practice.site.close()


class TestHubspotKeepsTheContract(CrmContract):
    @pytest.fixture
    def practice(self, account: PracticePortal) -> Practice:
        return account

    def test_one_result_per_record_in_their_order_whatever_becomes_of_them(self, practice: Practice) -> None:
        """HubSpot refuses values, not records."""
        fine, gone, winner, loser, refused, last = practice.add_people(6)
        practice.delete(gone)
        survivor = practice.merge(winner, loser)
        crm = practice.open()
        order = [gone, fine, refused, loser, last]
        values = {ref: {ScoreField.BUCKET: "lukewarm" if ref == refused else "hot"} for ref in order}
        results = crm.push([FieldWrite(ref, values[ref]) for ref in order])
        assert [(result.ref, result.outcome) for result in results] == [
            (gone, WriteOutcome.GONE), (fine, WriteOutcome.WRITTEN), (refused, WriteOutcome.REFUSED),
            (loser, WriteOutcome.MOVED), (last, WriteOutcome.WRITTEN),
        ]  # fmt: skip
        assert results[3].moved_to == survivor
        assert "lead_gauge_bucket" in str(results[2].message)


@pytest.fixture
def practice(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticePortal]:
    monkeypatch.setenv(VARIABLE, TOKEN)
    made = PracticePortal(host, "v3")
    yield made
    made.site.close()


def only(pages: Sequence[Page]) -> Page:
    """The one page that is not empty."""
    (page,) = [page for page in pages if len(page)]
    return page


def test_a_contact_and_what_belongs_to_it(practice: PracticePortal) -> None:
    practice.populate()
    practice.portal.update("contacts", practice.site.people(1)[0], {"lifecyclestage": "customer"})
    crm = practice.open()
    page = only(drain(crm, "contacts", None))
    first, second, third = page.leads
    assert first.account is not None
    assert first.account.object == "companies"
    assert second.account is None
    assert (first.attributes["has_phone"], second.attributes["has_phone"]) == (True, False)
    assert (first.attributes["title"], second.attributes["budget"]) == ("CTO", 9000.0)
    assert (first.state, third.state) == (RecordState.OPEN, RecordState.CUSTOMER)
    assert first.created_at == START
    assert {view.kind for view in page.activities} == {ActivityKind.PRICING_PAGE_VIEW, ActivityKind.PAGE_VIEW}
    assert {view.people for view in page.activities} == {(first.ref,), (second.ref,)}
    (company,) = only(drain(crm, "companies", None)).accounts
    assert (company.ref, company.attributes["employees"]) == (first.account, 1200)


def test_the_primary_company_is_the_account(practice: PracticePortal) -> None:
    first, second = (practice.portal.create("companies", {"name": name}) for name in ("Old", "New"))
    (contact,) = practice.site.people(1)
    practice.portal.associate("contacts", contact, "companies", first, types=[279])
    practice.portal.associate("contacts", contact, "companies", second, types=[1])
    (lead,) = only(drain(practice.open(), "contacts", None)).leads
    assert lead.account == practice.ref(second, "companies")


def test_a_deal_with_its_people_and_its_end(practice: PracticePortal) -> None:
    practice.populate()
    crm = practice.open()
    pages = drain(crm, "deals", None)
    (deal,) = only(pages).outcomes
    assert (deal.status, deal.stage, deal.amount, len(deal.people)) == (OutcomeStatus.OPEN, "contractsent", 9000.0, 1)
    practice.clock.advance(NOW_ON)
    practice.portal.update("deals", deal.ref.id, {"dealstage": "closedwon"})
    practice.clock.advance(NOW_ON)
    (won,) = only(drain(crm, "deals", pages[-1].cursor)).outcomes
    assert (won.status, won.closed_at is not None) == (OutcomeStatus.WON, True)


def test_a_person_of_a_form_or_an_e_mail_is_known_by_address(practice: PracticePortal) -> None:
    practice.populate()
    practice.clock.advance(NOW_ON)
    crm = practice.open()
    (form,) = only(drain(crm, "form_submissions", None)).activities
    (click,) = only(drain(crm, "email_events", None)).activities
    assert form.people == (RecordRef(SOURCE, "email", "p1@acme.test"),)
    assert (form.kind, form.detail) == (ActivityKind.CONTENT_DOWNLOAD, "Whitepaper download")
    assert (click.kind, click.detail) == (ActivityKind.EMAIL_CLICK, "/pricing")


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


def test_a_source_without_some_scopes_says_which_and_can_leave_streams_out(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)
    site = Site(host, server={"tokens": {TOKEN: ALL_SCOPES - {"forms", "content", "crm.objects.contacts.write"}}})
    crm = site.open()
    found = {(problem.code, problem.where): problem for problem in crm.check()}
    assert set(found) == {
        ("object_missing", f"{SOURCE}/form_submissions"), ("object_missing", f"{SOURCE}/email_events"),
        ("write_denied", f"{SOURCE}/contacts"),
    }  # fmt: skip
    assert "forms" in found["object_missing", f"{SOURCE}/form_submissions"].fix
    with pytest.raises(Misconfigured, match="forms"):
        crm.pull("form_submissions", None, Tier.COMPLETE)
    rest = site.open(without=["form_submissions", "email_events"])
    assert {problem.code for problem in rest.check()} == {"write_denied"}
    assert "email_events" not in {stream.name for stream in rest.streams}
    site.close()


def test_check_finds_a_property_of_another_type_and_a_missing_option(practice: PracticePortal) -> None:
    crm = practice.open(fields={"score": "jobtitle", "bucket": "hs_lead_status", "grade": "num_notes", "action": None})
    found = {(problem.code, problem.where.rpartition(".")[2]) for problem in crm.check()}
    assert found == {
        ("field_type", "jobtitle"), ("picklist_value_missing", "hs_lead_status"), ("field_read_only", "num_notes")
    }  # fmt: skip


def test_an_attribute_that_does_not_exist_is_no_obstacle(practice: PracticePortal) -> None:
    (problem,) = practice.open(attributes={"seats": "seat_count"}).check()
    assert (problem.code, problem.fatal) == ("attribute_missing", False)
    assert "seat_count" in problem.what


@pytest.mark.parametrize(
    ("path", "effect", "code"),
    [
        ("/properties/", {"status": 403, "json": {"category": "MISSING_SCOPES"}}, "schema_denied"),
        ("/properties/", {"status": 200, "json": {"unexpected": []}}, "protocol"),
        ("/properties/", {"status": 404, "json": {"message": "resource not found"}}, "protocol"),
        ("", {"status": 503}, "unreachable"),
        ("", {"status": 429, "json": {"policyName": "DAILY"}}, "quota"),
    ],
)
def test_check_tells_what_else_is_wrong_and_never_raises(
    practice: PracticePortal, path: str, effect: dict[str, Any], code: str
) -> None:
    practice.site.fault(path, **effect)
    assert {problem.code for problem in practice.open().check() if problem.fatal} == {code}


def test_a_stream_that_does_not_exist_is_refused(practice: PracticePortal) -> None:
    with pytest.raises(Misconfigured, match="contatcs"):
        practice.open().pull("contatcs", None, Tier.COMPLETE)
    with pytest.raises(Misconfigured, match="contatcs"):
        practice.open(without=["contatcs"])


def test_a_record_s_page(practice: PracticePortal) -> None:
    crm = practice.open()
    assert crm.location(practice.ref("7")) == f"{practice.site.host.url}/contacts/9001/record/0-1/7"
    assert crm.location(practice.ref("7", "notes")) is None


def test_the_end_of_the_account_s_day_is_told_to_the_gate(practice: PracticePortal) -> None:
    class Watching(Learning):
        ends: datetime | None = None

        def learn(self, source: str, used: int, limit: int, resets_at: datetime | None = None) -> None:
            self.ends = resets_at

    gate = Watching()
    drain(practice.open(gate=gate), "contacts", None)
    assert gate.ends == datetime.fromisoformat("2026-03-03T05:00:00Z")  # midnight in New York


def test_with_the_shared_gate_no_limit_of_the_account_is_ever_hit(
    host: Host, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    """Several connectors at once, on a portal that refuses what is too much."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    site = Site(host, server={"rate_10s": 100, "search_per_second": 5})
    client = redis.Redis.from_url(redis_url)
    gate = RedisGate(client, {SOURCE: site.settings(calls_per_10_seconds=100).budget})

    def work() -> None:
        crm = open_hubspot(site.settings(), gate=gate, tokens=MemoryTokens(), observer=site.calls.append)
        for stream in ("contacts", "deals", "notes"):
            cursor = drain(crm, stream, None)[-1].cursor
            drain(crm, stream, cursor)
        crm.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    statuses = {exchange.status for exchange in site.calls}
    assert statuses == {200}
    assert sum(exchange.endpoint.endswith("/search") for exchange in site.calls) == 12


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


def test_a_fetch_takes_any_number_and_an_erased_contact_is_gone_as_any_other(practice: PracticePortal) -> None:
    made = practice.add_people(120)
    erased = made.pop()
    practice.portal.gdpr_delete(erased.id)
    practice.clock.advance(NOW_ON)
    crm = practice.open()
    practice.site.calls.clear()
    page = crm.fetch([*made, erased, made[0]])
    assert sorted(refs([page])) == sorted(made)
    (gone,) = page.deletions
    assert (gone.ref, gone.merged_into, gone.erased) == (erased, None, False)
    assert practice.site.endpoints().count("/crm/v3/objects/contacts/batch/read") == 3
    with pytest.raises(ValueError, match="one object"):
        crm.fetch([made[0], practice.ref("1", "companies")])
    with pytest.raises(Misconfigured, match="quotes"):
        crm.census("quotes", None)


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
