"""Keeps a practice world moving in real time: visitors, readers, newcomers and sales, at a given rate."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from sandbox.clock import Clock
from sandbox.hubspot.portal import EmailTaken, NotFound, Portal
from sandbox.salesforce.org import Org
from sandbox.world.campaigns import Campaign
from sandbox.world.companies import Company, Weighted, name_pools
from sandbox.world.history import world_companies
from sandbox.world.hubspot import HubspotRecorder
from sandbox.world.journeys import tell
from sandbox.world.moments import Kind, Moment
from sandbox.world.people import Home, Person, Role, make_people
from sandbox.world.salesforce import SalesforceRecorder
from sandbox.world.truth import TRUTH
from sandbox.world.vocabulary import CAMPAIGNS, FORM_PAGES, PLAIN_PAGES, PRICING_PAGES, SITE, CampaignKind, Form

REFRESH = 200
"""Events after which the people to draw from are read anew."""
REGULARS = 12
"""People who are in the middle of something; every other event is theirs, so that sessions look like sessions."""
FIRST_NEWCOMER = 10_000_000


Beside = Callable[[random.Random, datetime], None]
"""Makes one event in an account beside the CRMs."""


class Live:
    """Makes one event after another. Needs nothing but the stores, so it goes on after a restart."""

    def __init__(
        self, org: Org, portal: Portal, clock: Clock, *, seed: int, people: int, rate: float,
        beside: Sequence[Beside] = (),
    ) -> None:  # fmt: skip
        self._org = org
        self._portal = portal
        self._clock = clock
        self._rate = rate
        self._dice = random.Random(f"live {seed} {clock.now().isoformat()}")
        self._names = name_pools(seed)
        self._companies: list[Company] = world_companies(seed, people, self._names)
        self._newcomers: dict[int, Person] = {}
        self._salesforce = SalesforceRecorder(org, self._newcomers)
        self._hubspot = HubspotRecorder(portal, self._newcomers, {}, clock.now())
        self._contacts: list[str] = []
        self._leads: list[str] = []
        self._events = 0
        weighted: tuple[tuple[Callable[[datetime], None], float], ...] = (
            (self._view, 0.40),
            (self._read, 0.18),
            (self._submit, 0.10),
            (self._respond, 0.10),
            (self._call_contact, 0.06),
            (self._call_lead, 0.08),
            (self._arrive, 0.08),
            *((partial(act, self._dice), 0.15) for act in beside),
        )
        self._actions = Weighted([action for action, _ in weighted], [weight for _, weight in weighted])

    async def run(self) -> None:
        """Until cancelled: `rate` events a minute on average, at random intervals."""
        while True:
            await asyncio.sleep(self._dice.expovariate(self._rate / 60))
            self.step()

    def step(self) -> None:
        """One event, now. Does nothing if the record drawn has vanished meanwhile."""
        if self._events % REFRESH == 0:
            self._contacts = [str(record.id) for record in self._portal.objects("contacts")]
            self._leads = list(self._open_leads())
        self._events += 1
        try:
            self._actions.draw(self._dice)(self._clock.now())
        except (NotFound, LookupError, EmailTaken):
            return

    def _open_leads(self) -> Iterator[str]:
        for row in self._org.rows("Lead"):
            if not row["IsConverted"] and not row["IsDeleted"]:
                yield row["Id"]

    def _draw(self, ids: list[str]) -> str:
        """Somebody; raises `LookupError` where there is nobody."""
        regular = self._dice.random() < 0.5
        return self._dice.choice(ids[-REGULARS:] if regular else ids)

    def _lead(self) -> str:
        """A lead that is still open; raises `LookupError` where the one drawn is not."""
        id = self._draw(self._leads)
        row = self._org.current("Lead", id)
        if row is None or row.get("IsDeleted") or row.get("IsConverted"):
            raise LookupError(f"Lead {id} is gone")
        return id

    def _view(self, now: datetime) -> None:
        pages = PRICING_PAGES if self._dice.random() < 0.2 else PLAIN_PAGES
        self._portal.page_view(self._draw(self._contacts), self._dice.choice(pages), at=now)

    def _read(self, now: datetime) -> None:
        contact = self._draw(self._contacts)
        email = self._email(contact)
        self._portal.email_event("OPEN", email, campaign=4111, at=now)
        if self._dice.random() < 0.25:
            url = f"{SITE}/customers"
            self._portal.email_event("CLICK", email, campaign=4111, url=url, at=now)
            self._portal.page_view(contact, url, at=now)

    def _submit(self, now: datetime) -> None:
        form = self._dice.choices(tuple(Form), (5, 3, 2, 1, 1))[0]
        told = tell(self._dice, quote=form is Form.QUOTE) if form in (Form.DEMO, Form.CONTACT, Form.QUOTE) else {}
        values = {"email": self._email(self._draw(self._contacts))} | {
            "buying_timeline" if name == "timeline" else name: value for name, value in told.items()
        }
        self._portal.submit_form(self._portal.form_named(form), values, FORM_PAGES[form], at=now)

    def _respond(self, now: datetime) -> None:
        kind = self._dice.choice(tuple(CampaignKind))
        campaign = Campaign(0, f"{kind.value} {now:%Y-%m} live", kind, now)
        member = {"CampaignId": self._salesforce.campaign(campaign), "LeadId": self._lead()}
        self._org.insert("CampaignMember", {**member, "Status": CAMPAIGNS[kind][1]}, at=now)

    def _call_contact(self, now: datetime) -> None:
        contact = self._draw(self._contacts)
        call = {"hs_call_title": "Call", "hs_call_direction": "OUTBOUND", "hs_call_status": "COMPLETED"}
        id = self._portal.create("calls", {**call, "hs_timestamp": now.isoformat()}, at=now)
        self._portal.associate("calls", id, "contacts", contact, at=now)

    def _call_lead(self, now: datetime) -> None:
        call = {"Subject": "Call", "TaskSubtype": "Call", "Type": "Call", "CallType": "Outbound"}
        done = {"Status": "Completed", "ActivityDate": self._org.local_day(now), "WhoId": self._lead()}
        self._org.insert("Task", {**call, **done, "CallDisposition": "Connected"}, at=now)

    def _arrive(self, now: datetime) -> None:
        """Somebody new: in Salesforce from a list, in HubSpot through the whitepaper."""
        drawn = make_people(1, self._companies, self._names, now, TRUTH, self._dice)[0]
        home = Home.SALESFORCE if self._dice.random() < 0.4 else Home.HUBSPOT
        number = FIRST_NEWCOMER + self._dice.randrange(10**9)
        person = replace(drawn, number=number, home=home, salesforce_object="Lead", role=Role.PROSPECT, created_at=now)
        self._newcomers[number] = person
        moment = Moment(now, number, Kind.CREATED, {})
        if person.in_salesforce:
            self._salesforce.record(moment)
            self._leads.append(self._salesforce.records.pop(number)[1])
        else:
            self._hubspot.record(moment)
            values = {"email": person.email, "firstname": person.first, "lastname": person.last}
            form = Form.WHITEPAPER
            self._portal.submit_form(self._portal.form_named(form), values, FORM_PAGES[form], at=now)
            self._contacts.append(self._hubspot.records.pop(number))
        del self._newcomers[number]

    def _email(self, contact: str) -> str:
        record = self._portal.get("contacts", contact)
        if record is None or "email" not in record.values:
            raise NotFound(f"no contact {contact} with an address")
        return record.values["email"]
