"""Writes the marketing side of some people of the practice world into the practice Marketo, with its true instants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sandbox.marketo import log
from sandbox.marketo.instance import SYNC, Cause, Instance
from sandbox.world.history import World
from sandbox.world.moments import Kind, Moment
from sandbox.world.people import Person
from sandbox.world.vocabulary import CAREERS_PAGE, DEMO_VIDEO_PAGE, FORM_PAGES, PLAIN_PAGES, PRICING_PAGES, Form

TOLD: Mapping[str, tuple[str, str, str]] = {
    "budget": ("budget", "Budget", "currency"),
    "timeline": ("buyingTimeline", "Buying Timeline", "string"),
    "need": ("need", "Need", "string"),
}
"""What forms ask -> the custom field that takes it: name, label, type. Authority is the standard field Role."""
HERE = frozenset({Kind.PAGES, Kind.FORM, Kind.MAIL, Kind.OPTED_OUT})
"""What Marketo sees of its people; the website has its script for them, and not HubSpot's."""
FILLED = Cause("Filled out form", "Web form fillout")

_PAGE_PAUSE = timedelta(seconds=25)
_SYNC_DELAY = timedelta(minutes=12)
_MAILS = {
    "SENT": log.SEND, "DELIVERED": log.DELIVERED, "OPEN": log.OPEN, "CLICK": log.CLICK, "BOUNCE": log.BOUNCED,
}  # fmt: skip
_PAGES = (*PRICING_PAGES, DEMO_VIDEO_PAGE, CAREERS_PAGE, *PLAIN_PAGES, *FORM_PAGES.values())


def marketed(person: Person) -> bool:
    """Whether somebody is a lead in Marketo: a third of the people, in whichever CRM they are."""
    return person.number % 3 == 0


class MarketoRecorder:
    """`linked`: record ids in Salesforce, which Marketo's own sync knows of those who are synced."""

    def __init__(self, instance: Instance, world: World, linked: Mapping[int, tuple[str, str]]) -> None:
        self._instance, self._now = instance, world.now
        self._people = {person.number: person for person in world.people}
        self._linked = linked
        self._leads: dict[int, int] = {}
        self._write: dict[Kind, Callable[[Person, datetime, Mapping[str, Any]], None]] = {
            Kind.CREATED: self._created,
            Kind.PAGES: self._pages,
            Kind.FORM: self._form,
            Kind.MAIL: self._mail,
            Kind.OPTED_OUT: self._opted_out,
            Kind.MERGED: self._merged,
            Kind.DELETED: self._deleted,
            Kind.PURGED: self._deleted,
            Kind.ERASED: self._deleted,
        }

    def record(self, moment: Moment) -> None:
        """Write what of `moment` Marketo would know; in order of time."""
        person, write = self._people[moment.person], self._write.get(moment.kind)
        if write and marketed(person) and (moment.kind is Kind.CREATED or person.number in self._leads):
            write(person, moment.at, moment.detail)

    def _created(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        company = person.company
        values = {
            "email": person.email, "firstName": person.first, "lastName": person.last, "title": person.title,
            "phone": person.phone, "company": company.name, "country": company.country.name, "leadSource": "Web",
        }  # fmt: skip
        if not person.bare:
            values |= {"industry": company.industry, "numberOfEmployees": str(company.employees)}
        lead = self._leads[person.number] = self._instance.add_lead(values, at=at, source="Web form fillout")
        synced = at + _SYNC_DELAY
        if person.synced and person.number in self._linked and synced < self._now:
            object, id = self._linked[person.number]
            self._instance.change(lead, {f"sfdc{object}Id": id}, cause=SYNC, at=synced)

    def _pages(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        for position, url in enumerate(detail["urls"]):
            if (viewed := at + position * _PAGE_PAUSE) < self._now:
                visit(self._instance, self._leads[person.number], url, viewed)

    def _form(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        lead, form = self._leads[person.number], Form(detail["form"])
        told = {"Client IP Address": "192.0.2.7", "Form Fields": "Email, FirstName, LastName"}
        number = list(Form).index(form) + 1
        self._instance.happen(lead, log.FORM, at=at, primary=number, value=form.value, attributes=told)
        answers = {TOLD[name][0]: value for name, value in detail["values"].items() if name in TOLD}
        if "authority" in detail["values"]:
            answers["leadRole"] = detail["values"]["authority"]
        self._instance.change(lead, answers, cause=FILLED, at=at)

    def _mail(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        kind = _MAILS[detail["type"]]
        told: dict[str, Any] = {"Is Bot Activity": detail["filtered"]} if kind in (log.OPEN, log.CLICK) else {}
        if kind == log.CLICK:
            told["Link"] = detail["url"]
        mailing = {"primary": detail["campaign"], "value": f"Newsletter {detail['campaign'] - 4099}"}
        self._instance.happen(self._leads[person.number], kind, at=at, attributes=told, **mailing)

    def _opted_out(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        lead = self._leads[person.number]
        self._instance.happen(lead, log.UNSUBSCRIBE, at=at)
        self._instance.change(lead, {"unsubscribed": True}, cause=FILLED, at=at)

    def _merged(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        if (winner := self._leads.get(detail["into"])) is not None:
            self._instance.merge(winner, self._leads.pop(person.number), at=at)

    def _deleted(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._instance.delete(self._leads.pop(person.number), at=at)


def visit(instance: Instance, lead: int, url: str, at: datetime) -> None:
    """One page of the website."""
    page = _PAGES.index(url) + 1 if url in _PAGES else len(_PAGES) + 1
    told = {"Webpage URL": urlsplit(url).path, "Client IP Address": "192.0.2.7", "User Agent": "Mozilla/5.0"}
    instance.happen(lead, log.VISIT, at=at, primary=page, value=url.partition("//")[2], attributes=told)
