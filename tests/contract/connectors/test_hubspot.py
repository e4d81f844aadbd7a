from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import redis

from connectors.errors import Misconfigured
from connectors.hubspot.crm import open_hubspot
from connectors.hubspot.settings import STREAMS
from connectors.port import Tier
from connectors.quota import RedisGate
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
from sandbox.hubspot.settings import ALL_SCOPES
from tests.contract.connectors.crm_contract import (
    MINUTE,
    NOW_ON,
    START,
    CrmContract,
    Learning,
    Practice,
    drain,
)
from tests.contract.connectors.hubspot_portal import SOURCE, PracticePortal, only
from tests.contract.connectors.hubspot_site import TOKEN, VARIABLE, Site
from tests.contract.connectors.practice import Host


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


def test_the_streams_that_can_be_left_out_are_those_that_are_read(practice: PracticePortal) -> None:
    assert sorted(STREAMS) == sorted(stream.name for stream in practice.open().streams)


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


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (("CRM_UI", "userId:7"), "user userId:7"),
        (("AUTOMATION_PLATFORM", "4711"), "flow 4711"),
        (("IMPORT", "31"), "import 31"),
        (("SALESFORCE", ""), "integration"),
        (("NEW_THING", "1"), "something unknown NEW_THING 1"),
        (("CRM_UI", "ann@acme.test"), "user"),
    ],
)
def test_who_changed_a_property_is_told_by_its_history(
    practice: PracticePortal, source: tuple[str, str], told: str
) -> None:
    (contact,) = practice.add_people(1)
    crm = practice.open()
    crm.push([FieldWrite(contact, {ScoreField.SCORE: 7})])
    practice.clock.advance(MINUTE)
    practice.portal.update("contacts", contact.id, {"lead_gauge_score": "5"}, source=source)
    practice.portal.update("contacts", contact.id, {"jobtitle": "CEO"}, source=("FORM", "f"))
    assert {ref: str(author) for ref, author in crm.authors({contact: [ScoreField.SCORE]}).items()} == {contact: told}
