"""Writes the practice world into the practice HubSpot, every record and event with its true instants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sandbox.hubspot.portal import Portal
from sandbox.world.moments import Kind, Moment, Progress, Stage
from sandbox.world.people import Person
from sandbox.world.salesforce import REPS
from sandbox.world.vocabulary import HUBSPOT_INDUSTRIES, Form

PAGE_PAUSE = timedelta(seconds=25)
"""Between two page views of one session."""
SYNC_DELAY = timedelta(minutes=12)
"""How long the vendors' own Salesforce integration takes to exchange ids and stages."""
SYNC = ("INTEGRATION", "salesforce")
WORKFLOW = ("AUTOMATION_PLATFORM", "mql-workflow")
CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
NO_ANSWER = "73a0d17f-1163-4015-bdd5-ec830791da20"
"""Call dispositions, by the ids that every portal has (vendor's calls guide)."""

_STATUS = {
    Progress.WORKING: "ATTEMPTED_TO_CONTACT",
    Progress.CONNECTED: "CONNECTED",
    Progress.RECYCLED: "OPEN",
    Progress.UNQUALIFIED: "UNQUALIFIED",
}
_STAGE = {
    Stage.QUALIFICATION: "appointmentscheduled",
    Stage.PROPOSAL: "presentationscheduled",
    Stage.NEGOTIATION: "contractsent",
    Stage.WON: "closedwon",
    Stage.LOST: "closedlost",
}
_FIELDS = {
    "budget": "budget",
    "timeline": "buying_timeline",
    "need": "need",
    "authority": "authority",
    "discovery_outcome": "discovery_call_outcome",
}
_SALES_READY = frozenset({Form.DEMO, Form.CONTACT, Form.QUOTE})
_ORIGINS = ("ORGANIC_SEARCH", "DIRECT_TRAFFIC", "PAID_SEARCH", "REFERRALS", "SOCIAL_MEDIA", "OFFLINE")

Writer = Callable[[Person, datetime, Mapping[str, Any]], None]


class HubspotRecorder:
    """Keeps which record is whose while moments come in, in order of time.

    `salesforce` maps a person to their Salesforce record, for the ids that the vendors' integration exchanges. May be
    made anew on a loaded portal: owners, forms and companies are found again by name, people are not. What sales does
    with people of both CRMs is recorded in Salesforce, and only its stages arrive here.
    """

    def __init__(
        self, portal: Portal, people: Mapping[int, Person], salesforce: Mapping[int, tuple[str, str]], now: datetime
    ) -> None:
        self._portal = portal
        self._people = people
        self._salesforce = salesforce
        self._now = now
        self.records: dict[int, str] = {}
        self._deals: dict[int, str] = {}
        self._companies = {row.values.get("domain", ""): str(row.id) for row in portal.objects("companies")}
        self._owners = {owner.email: owner.id for owner in portal.owners.values()}
        self._forms: dict[Form, str] = {}
        self._marketing: dict[Kind, Writer] = {
            Kind.CREATED: self._created,
            Kind.PAGES: self._pages,
            Kind.FORM: self._form,
            Kind.MAIL: self._mailing,
            Kind.OPTED_OUT: self._opted_out,
            Kind.MERGED: self._merged,
            Kind.DELETED: self._archived,
            Kind.PURGED: self._archived,
            Kind.ERASED: self._erased,
        }
        self._sales: dict[Kind, Writer] = {
            Kind.STATUS: self._status,
            Kind.TASK: self._task,
            Kind.CALL: self._call,
            Kind.SALES_MAIL: self._mail,
            Kind.MEETING: self._meeting,
            Kind.NOTE: self._note,
            Kind.FIELDS: self._fields,
            Kind.DEAL: self._deal,
            Kind.STAGE: self._stage,
        }

    def record(self, moment: Moment) -> None:
        """Write what of `moment` HubSpot would know; nothing for people it does not hold (any more)."""
        person = self._people[moment.person]
        if not person.in_hubspot or (moment.kind is not Kind.CREATED and person.number not in self.records):
            return
        if write := self._marketing.get(moment.kind):
            write(person, moment.at, moment.detail)
        elif person.in_salesforce:
            self._synced_stage(person, moment)
        elif write := self._sales.get(moment.kind):
            write(person, moment.at, moment.detail)

    def owner(self, person: Person, at: datetime) -> str:
        """The owner of `person`, who is added a while before the first record if not there yet."""
        first, last = REPS[person.number % len(REPS)]
        email = f"{first}.{last}@gaugewright.example".lower()
        if email not in self._owners:
            self._owners[email] = self._portal.add_owner(email, first, last, at=at - timedelta(days=30))
        return self._owners[email]

    def form(self, form: Form) -> str:
        """The GUID of a form."""
        if form not in self._forms:
            self._forms[form] = self._portal.form_named(form)
        return self._forms[form]

    def _created(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        company = person.company
        values = {
            "email": person.email,
            "firstname": person.first,
            "lastname": person.last,
            "jobtitle": person.title,
            "company": company.name,
            "country": company.country.name,
            "phone": person.phone,
            "lifecyclestage": "lead" if person.number % 3 else "subscriber",
            "hs_lead_status": "NEW",
            "hs_analytics_source": _ORIGINS[person.number % len(_ORIGINS)],
            "hubspot_owner_id": self.owner(person, at),
        }
        if not person.bare:
            values |= {"industry": company.industry, "numberofemployees": str(company.employees)}
        source = ("IMPORT", "1") if values["hs_analytics_source"] == "OFFLINE" else ("CRM_UI", "userId:1")
        id = self.records[person.number] = self._portal.create("contacts", values, at=at, source=source)
        if not person.traits.free_mail:
            self._portal.associate("contacts", id, "companies", self._company(person, at), at=at)
        if person.synced and person.number in self._salesforce and at + SYNC_DELAY < self._now:
            object, other = self._salesforce[person.number]
            self._portal.update(
                "contacts", id, {f"salesforce{object.lower()}id": other}, at=at + SYNC_DELAY, source=SYNC
            )

    def _company(self, person: Person, at: datetime) -> str:
        company = person.company
        if company.domain not in self._companies:
            values = {
                "name": company.name,
                "domain": company.domain,
                "industry": HUBSPOT_INDUSTRIES[company.industry],
                "numberofemployees": str(company.employees),
                "annualrevenue": str(company.revenue),
                "country": company.country.name,
            }
            self._companies[company.domain] = self._portal.create("companies", values, at=at)
        return self._companies[company.domain]

    def _pages(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        for position, url in enumerate(detail["urls"]):
            if (viewed := at + position * PAGE_PAUSE) < self._now:
                self._portal.page_view(self.records[person.number], url, at=viewed)

    def _form(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        values = {"email": person.email, "firstname": person.first, "lastname": person.last}
        values |= {"company": person.company.name, "jobtitle": person.title} | _named(detail["values"])
        self._portal.submit_form(self.form(detail["form"]), values, detail["url"], at=at)
        if detail["form"] in _SALES_READY:
            self._advance(person, "marketingqualifiedlead", at, WORKFLOW)

    def _mailing(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._portal.email_event(
            detail["type"],
            person.email,
            campaign=detail["campaign"],
            url=detail["url"],
            filtered=detail["filtered"],
            at=at,
        )

    def _opted_out(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._portal.email_event("STATUSCHANGE", person.email, campaign=0, at=at)

    def _merged(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        kept = self.records.get(detail["into"])
        if kept is not None:
            merged = self._portal.merge("contacts", kept, self.records.pop(person.number), at=at)
            self.records[detail["into"]] = merged

    def _archived(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._portal.archive("contacts", self.records.pop(person.number), at=at)

    def _erased(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._portal.gdpr_delete(self.records.pop(person.number), at=at)

    def _synced_stage(self, person: Person, moment: Moment) -> None:
        at = min(moment.at + SYNC_DELAY, self._now)
        if moment.kind is Kind.DEAL:
            self._advance(person, "opportunity", at, SYNC)
        elif moment.kind is Kind.STAGE and moment.detail["stage"] is Stage.WON:
            self._advance(person, "customer", at, SYNC)

    def _status(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._change(person, {"hs_lead_status": _STATUS[detail["status"]]}, at)

    def _task(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        task = {"hs_task_subject": detail["subject"], "hs_task_status": "COMPLETED", "hs_task_type": "CALL"}
        self._log(person, "tasks", task, at)

    def _call(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        call = {
            "hs_call_title": "Call",
            "hs_call_direction": "OUTBOUND",
            "hs_call_status": "COMPLETED" if detail["connected"] else "NO_ANSWER",
            "hs_call_disposition": CONNECTED if detail["connected"] else NO_ANSWER,
            "hs_call_duration": str(60_000 * detail["minutes"]),
        }
        self._log(person, "calls", call, at)

    def _mail(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        direction = "INCOMING_EMAIL" if detail["incoming"] else "EMAIL"
        mail = {"hs_email_subject": detail["subject"], "hs_email_direction": direction, "hs_email_status": "SENT"}
        self._log(person, "emails", mail, at)

    def _meeting(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        meeting = {
            "hs_meeting_title": detail["subject"],
            "hs_meeting_outcome": "COMPLETED",
            "hs_meeting_start_time": at.isoformat(),
            "hs_meeting_end_time": (at + timedelta(minutes=detail["minutes"])).isoformat(),
        }
        self._log(person, "meetings", meeting, at)

    def _note(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._log(person, "notes", {"hs_note_body": detail["text"]}, at)

    def _fields(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        if values := _named(detail):
            self._change(person, values, at)

    def _deal(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        values = {
            "dealname": detail["name"],
            "pipeline": "default",
            "dealstage": _STAGE[Stage.QUALIFICATION],
            "amount": str(detail["amount"]),
            "hubspot_owner_id": self.owner(person, at),
        }
        deal = self._portal.create("deals", values, at=at, source=self._rep(person))
        self._deals[person.number] = deal
        self._portal.associate("deals", deal, "contacts", self.records[person.number], at=at)
        if not person.traits.free_mail:
            self._portal.associate("deals", deal, "companies", self._company(person, at), at=at)

    def _stage(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        values = {"dealstage": _STAGE[detail["stage"]]}
        if detail["reason"]:
            values["closed_lost_reason"] = detail["reason"]
        self._portal.update("deals", self._deals[person.number], values, at=at, source=self._rep(person))

    def _advance(self, person: Person, stage: str, at: datetime, source: tuple[str, str]) -> None:
        """Move the lifecycle stage forward; a stage behind the present one changes nothing, whoever asks."""
        record = self._portal.get("contacts", self.records[person.number])
        definition = self._portal.schemas["contacts"].get("lifecyclestage")
        assert record is not None
        assert definition is not None
        order = [option.value for option in definition.options]
        if order.index(stage) > order.index(record.values.get("lifecyclestage", order[0])):
            self._change(person, {"lifecyclestage": stage}, at, source)

    def _change(
        self, person: Person, values: Mapping[str, str], at: datetime, source: tuple[str, str] | None = None
    ) -> None:
        source = source or self._rep(person)
        self._portal.update("contacts", self.records[person.number], values, at=at, source=source)

    def _log(self, person: Person, type: str, values: Mapping[str, str], at: datetime) -> None:
        logged = {**values, "hs_timestamp": at.isoformat(), "hubspot_owner_id": self.owner(person, at)}
        activity = self._portal.create(type, logged, at=at, source=self._rep(person))
        self._portal.associate(type, activity, "contacts", self.records[person.number], at=at)

    def _rep(self, person: Person) -> tuple[str, str]:
        return ("CRM_UI", f"userId:{1 + person.number % len(REPS)}")


def _named(told: Mapping[str, Any]) -> dict[str, str]:
    return {_FIELDS[name]: str(value) for name, value in told.items() if name in _FIELDS}
