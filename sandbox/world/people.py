"""The people of the practice world, and in which CRM each has a record."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sandbox.world.companies import Company, Names, Weighted, slug
from sandbox.world.truth import Coefficients, Traits
from sandbox.world.vocabulary import FREE_MAIL, SENIORITY_SHARES, TITLES

HISTORY = timedelta(days=240)
"""How far back behaviour reaches."""
OLDEST = timedelta(days=730)
VENDOR_DOMAIN = "gaugewright.example"


class Home(StrEnum):
    """Which CRMs know a person."""

    HUBSPOT = "hubspot"
    SALESFORCE = "salesforce"
    BOTH = "both"


HOME_SHARES = {Home.HUBSPOT: 0.40, Home.SALESFORCE: 0.25, Home.BOTH: 0.35}
PEOPLE_PER_RECORD = 1 / 0.675
"""People in the world for one record in each CRM: HubSpot holds .75 of them, Salesforce .60."""


class Role(StrEnum):
    """How a person stands to the vendor."""

    PROSPECT = "prospect"
    CUSTOMER = "customer"
    COMPETITOR = "competitor"
    EMPLOYEE = "employee"


@dataclass(frozen=True, slots=True)
class Person:
    """One person, or one duplicate record of a person."""

    number: int
    first: str
    last: str
    email: str
    """As HubSpot stores it: in lower case."""
    salesforce_email: str
    """As someone typed it into Salesforce: the same but for case."""
    title: str
    phone: str
    company: Company
    traits: Traits
    role: Role
    home: Home
    salesforce_object: str
    """Lead or Contact."""
    synced: bool
    """HubSpot knows the Salesforce id."""
    created_at: datetime
    scanned: bool
    interest: float
    """Rate of research, 1 on average: what drives behaviour but is no cause of buying by itself."""
    luck: float
    """The unobserved part of the log-hazard."""
    bare: bool
    """Industry and size were never entered into the record."""
    duplicate_of: int | None = None

    @property
    def in_hubspot(self) -> bool:
        return self.home is not Home.SALESFORCE

    @property
    def in_salesforce(self) -> bool:
        return self.home is not Home.HUBSPOT


def make_people(
    count: int,
    companies: Sequence[Company],
    names: dict[str, Names],
    now: datetime,
    truth: Coefficients,
    dice: random.Random,
) -> list[Person]:
    """`count` people, oldest record first, and about 2 % duplicates of them."""
    return _Register(companies, names, now, truth, dice).fill(count)


class _Register:
    def __init__(
        self,
        companies: Sequence[Company],
        names: dict[str, Names],
        now: datetime,
        truth: Coefficients,
        dice: random.Random,
    ) -> None:
        self._companies = companies
        self._names = names
        self._now = now
        self._truth = truth
        self._dice = dice
        self._taken: set[str] = set()
        self._seniorities = Weighted(tuple(SENIORITY_SHARES), list(SENIORITY_SHARES.values()))
        self._homes = Weighted(tuple(HOME_SHARES), list(HOME_SHARES.values()))

    def fill(self, count: int) -> list[Person]:
        dice, created = self._dice, sorted(self._created_at() for _ in range(count))
        people: list[Person] = []
        for number, at in enumerate(created):
            if people and dice.random() < 0.02:
                people.append(self._duplicate(number, dice.choice(people), at))
            else:
                people.append(self._person(number, at))
        return people

    def _created_at(self) -> datetime:
        dice = self._dice
        if dice.random() < 0.30:
            return self._now - HISTORY - (OLDEST - HISTORY) * dice.random()
        return self._now - timedelta(hours=6) - (HISTORY - timedelta(hours=6)) * dice.random()

    def _person(self, number: int, created_at: datetime) -> Person:
        dice = self._dice
        company = dice.choice(self._companies)
        locale = company.country.locale
        seniority = self._seniorities.draw(dice)
        first, last = dice.choice(self._names[locale].first), dice.choice(self._names[locale].last)
        role = self._role(company, created_at)
        free_mail = role is Role.PROSPECT and dice.random() < 0.10
        shared = not free_mail and role is Role.PROSPECT and dice.random() < 0.012
        email = self._email(first, last, company, role, free_mail, shared)
        home = self._homes.draw(dice)
        if home is not Home.SALESFORCE and email in self._taken:
            home = Home.SALESFORCE  # HubSpot keeps one contact an address
        self._taken.add(email)
        return Person(
            number=number,
            first=first,
            last=last,
            email=email,
            salesforce_email=_retyped(email) if dice.random() < 0.5 else email,
            title=dice.choice(TITLES[locale][seniority]),
            phone=f"{company.country.calling} {dice.randrange(100, 999)} {dice.randrange(1_000_000, 9_999_999)}",
            company=company,
            traits=Traits(
                industry=company.industry,
                employees=company.employees,
                seniority=seniority,
                country=company.country.name,
                free_mail=free_mail,
                eligible=role is Role.PROSPECT,
            ),
            role=role,
            home=home,
            salesforce_object="Contact" if role is Role.CUSTOMER or dice.random() < 0.35 else "Lead",
            synced=dice.random() < 0.6,
            created_at=created_at,
            scanned=company.scanned and not free_mail,
            interest=dice.lognormvariate(-0.32, 0.8),
            luck=dice.gauss(0.0, self._truth.luck_deviation),
            bare=dice.random() < 0.06,
        )

    def _role(self, company: Company, created_at: datetime) -> Role:
        if company.competitor:
            return Role.COMPETITOR
        draw, long_known = self._dice.random(), created_at < self._now - HISTORY - timedelta(days=30)
        return Role.EMPLOYEE if draw < 0.005 else Role.CUSTOMER if long_known and draw < 0.07 else Role.PROSPECT

    def _email(self, first: str, last: str, company: Company, role: Role, free_mail: bool, shared: bool) -> str:
        if shared:
            return f"info@{company.domain}"
        domain = self._dice.choice(FREE_MAIL) if free_mail else company.domain
        if role is Role.EMPLOYEE:
            domain = VENDOR_DOMAIN
        local = f"{slug(first)}.{slug(last)}"
        while (email := f"{local}@{domain}") in self._taken:
            local = f"{slug(first)}.{slug(last)}{self._dice.randrange(2, 9999)}"
        return email

    def _duplicate(self, number: int, of: Person, created_at: datetime) -> Person:
        """The same person entered again into one CRM: with the same address in Salesforce, a private one in HubSpot."""
        dice = self._dice
        in_salesforce = of.in_salesforce and dice.random() < 0.6
        email = of.email if in_salesforce else self._email(of.first, of.last, of.company, of.role, True, False)
        self._taken.add(email)
        return Person(
            number=number,
            first=of.first,
            last=of.last,
            email=email,
            salesforce_email=_retyped(email),
            title=of.title,
            phone=of.phone,
            company=of.company,
            traits=Traits(of.traits.industry, of.traits.employees, of.traits.seniority, of.traits.country, True, False),
            role=of.role,
            home=Home.SALESFORCE if in_salesforce else Home.HUBSPOT,
            salesforce_object=of.salesforce_object,
            synced=False,
            created_at=created_at,
            scanned=False,
            interest=0.3,
            luck=0.0,
            bare=True,
            duplicate_of=of.number if of.duplicate_of is None else of.duplicate_of,
        )


def _retyped(email: str) -> str:
    local, _, domain = email.partition("@")
    return ".".join(part.capitalize() for part in local.split(".")) + "@" + domain.capitalize()
