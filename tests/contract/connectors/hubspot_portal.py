"""The hands of an admin or a rep on a practice HubSpot account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from connectors.port import Crm, Page
from connectors.quota import Gate
from connectors.records import RecordRef
from sandbox.clock import Clock
from tests.contract.connectors.crm_contract import START, Populated, Practice
from tests.contract.connectors.hubspot_site import Site
from tests.contract.connectors.practice import Host

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

    def erase(self, ref: RecordRef) -> None:
        self.portal.gdpr_delete(ref.id)

    def merge(self, winner: RecordRef, loser: RecordRef) -> RecordRef:
        return self.ref(self.portal.merge("contacts", winner.id, loser.id))

    def forbid_writes(self, ref: RecordRef) -> None:
        pytest.skip("HubSpot refuses values, not records")

    def remove_score_field(self) -> str:
        self.portal.schemas["contacts"].archive("lead_gauge_score", 1)
        return "lead_gauge_score"

    def writes(self) -> Sequence[Mapping[str, Any]]:
        return list(self.portal.writes)


def only(pages: Sequence[Page]) -> Page:
    """The one page that is not empty."""
    (page,) = [page for page in pages if len(page)]
    return page
