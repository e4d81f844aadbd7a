"""The whole history of a practice world: every moment in order, and who bought."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from sandbox.world.campaigns import Calendar, Mailing, make_calendar
from sandbox.world.companies import Company, Names, make_companies, name_pools
from sandbox.world.incidents import incidents
from sandbox.world.journeys import SALESFORCE_CAMPAIGN, Journey, Step, make_journey
from sandbox.world.moments import Kind, Moment, Stage, instant
from sandbox.world.people import HISTORY, PEOPLE_PER_RECORD, Person, Role, make_people
from sandbox.world.sales import past_purchase, plan_work, sales_moments
from sandbox.world.truth import TRUTH, Coefficients, Touch
from sandbox.world.vocabulary import (
    CAREERS_PAGE,
    DEMO_VIDEO_PAGE,
    FORM_PAGES,
    PLAIN_PAGES,
    PRICING_PAGES,
    Form,
)

PEOPLE_PER_COMPANY = 3

_PAGES = {Touch.PRICING: PRICING_PAGES, Touch.CAREERS: (CAREERS_PAGE,), Touch.DEMO_VIDEO: (DEMO_VIDEO_PAGE,)}
_HUMAN = frozenset({"OPEN", "CLICK"})
_FORMS = {Touch.CONTENT: Form.WHITEPAPER, Touch.WEBINAR: Form.WEBINAR, Touch.DEMO_REQUEST: Form.DEMO}


@dataclass(frozen=True, slots=True)
class World:
    """A generated world. `journeys[n]` belongs to `people[n]`; `moments` are in order of time and all before `now`."""

    now: datetime
    companies: tuple[Company, ...]
    people: tuple[Person, ...]
    journeys: tuple[Journey, ...]
    calendar: Calendar
    moments: tuple[Moment, ...]
    won_at: dict[int, datetime]
    """Person -> instant of the won deal, of those who bought within the history."""


def make_world(seed: int, people: int, now: datetime, truth: Coefficients = TRUTH) -> World:
    """A world with about `people` records in each CRM, up to `now`. The same arguments give the same world."""
    dice = random.Random(f"world {seed}")
    names = name_pools(seed)
    companies = world_companies(seed, people, names)
    persons = make_people(_population(people), companies, names, now, truth, dice)
    calendar = make_calendar(now, dice)
    mailings = {mailing.number: mailing for mailing in calendar.mailings}
    journeys, moments, won_at = [], [], {}
    for person in persons:
        own = random.Random(f"person {seed} {person.number}")
        journey = make_journey(person, calendar, now, truth, own)
        journeys.append(journey)
        happened = [*_behaviour(person, journey, calendar, mailings, own), *_selling(person, journey, now, own)]
        moments += [moment for moment in happened if moment.at < now]
    moments.sort(key=attrgetter("at"))
    won_at = {
        moment.person: moment.at
        for moment in moments
        if moment.kind is Kind.STAGE and moment.detail["stage"] is Stage.WON and moment.at >= now - HISTORY
    }
    moments += incidents(persons, moments, now, dice)
    moments.sort(key=attrgetter("at"))
    return World(now, tuple(companies), tuple(persons), tuple(journeys), calendar, tuple(moments), won_at)


def world_companies(seed: int, people: int, names: dict[str, Names]) -> list[Company]:
    """The companies of the world of that seed and size; they do not depend on its present."""
    count = max(1, _population(people) // PEOPLE_PER_COMPANY)
    return make_companies(count, names, random.Random(f"companies {seed}"))


def _population(people: int) -> int:
    return max(1, round(people * PEOPLE_PER_RECORD))


def _behaviour(
    person: Person, journey: Journey, calendar: Calendar, mailings: dict[int, Mailing], dice: random.Random
) -> Iterator[Moment]:
    yield Moment(person.created_at, person.number, Kind.CREATED, {})
    for number in journey.mailings:
        yield from _delivery(person, mailings[number], dice)
    for step in journey.steps:
        yield _recorded(person, step, calendar, mailings, dice)
    if person.in_salesforce and person.duplicate_of is None and dice.random() < 0.15:
        yield _invitation(person, calendar, dice)
    if journey.opted_out_at is not None:
        yield Moment(instant(journey.opted_out_at), person.number, Kind.OPTED_OUT, {})


def _recorded(
    person: Person, step: Step, calendar: Calendar, mailings: dict[int, Mailing], dice: random.Random
) -> Moment:
    """The trace that a touch leaves: one, in one CRM."""
    at, touch = instant(step.at), step.touch
    told = {name: value for name, value in step.told.items() if name != "form"}
    if touch is Touch.OPEN or touch is Touch.CLICK:
        url = dice.choice(mailings[step.mailing].links) if touch is Touch.CLICK else None
        return Moment(
            at,
            person.number,
            Kind.MAIL,
            {"type": touch.upper(), "campaign": step.mailing, "url": url, "filtered": False},
        )
    if touch is Touch.TRADE_FAIR or not person.in_hubspot:
        campaign = calendar.campaign(SALESFORCE_CAMPAIGN[touch], at)
        return Moment(at, person.number, Kind.CAMPAIGN, {"campaign": campaign, "responded": True, "told": told})
    if touch in _FORMS or touch is Touch.CONTACT:
        form = _FORMS.get(touch) or Form(step.told["form"])
        return Moment(at, person.number, Kind.FORM, {"form": form, "url": FORM_PAGES[form], "values": told})
    pages, views = _PAGES.get(touch, PLAIN_PAGES), dice.randrange(1, 4) if touch is Touch.VISIT else 1
    return Moment(at, person.number, Kind.PAGES, {"urls": dice.choices(pages, k=views)})


def _delivery(person: Person, mailing: Mailing, dice: random.Random) -> Iterator[Moment]:
    """Sending, and what a scanning mail gateway does within a second of delivery: open,
    and click every link. HubSpot finds out about some of them (`filtered`), the rest look like readers."""

    def event(type: str, after: float, url: str | None = None) -> Moment:
        at = mailing.sent_at + timedelta(seconds=delay + after)
        detail = {"type": type, "campaign": mailing.number, "url": url, "filtered": found_out and type in _HUMAN}
        return Moment(at, person.number, Kind.MAIL, detail)

    found_out = person.scanned and dice.random() < 0.4
    delay = round(dice.uniform(0, 1800), 3)
    yield event("SENT", 0)
    if dice.random() < 0.01:
        yield event("BOUNCE", 2)
        return
    yield event("DELIVERED", 1.5)
    if person.scanned:
        yield event("OPEN", 1.7)
        for position, link in enumerate(mailing.links):
            yield event("CLICK", 1.9 + 0.15 * position, link)


def _invitation(person: Person, calendar: Calendar, dice: random.Random) -> Moment:
    """A campaign member who was only put on the list."""
    campaign = dice.choice(calendar.campaigns)
    at = max(campaign.starts_at, person.created_at) + timedelta(hours=dice.uniform(1, 48))
    return Moment(at, person.number, Kind.CAMPAIGN, {"campaign": campaign, "responded": False, "told": {}})


def _selling(person: Person, journey: Journey, now: datetime, dice: random.Random) -> Iterator[Moment]:
    if person.role is Role.CUSTOMER:
        if person.duplicate_of is None:
            yield from past_purchase(person, dice)
        return
    for work in plan_work(person, journey, now, dice):
        yield from sales_moments(person, work, dice)
