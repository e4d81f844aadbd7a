"""A practice world as the facts that a sync which ran from its beginning would have stored.

Straight into frames: a thousand records a second go through the practice CRMs, and the world of the benchmark has a
million facts. What a moment means is decided by the connectors' own tables; when it became known is when it happened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import polars as pl
from polars._typing import SchemaDict

from connectors.hubspot import activities as hubspot
from connectors.records import ActivityKind
from connectors.salesforce.activities import CAMPAIGNS as RESPONSES
from sandbox.world.history import World
from sandbox.world.hubspot import PAGE_PAUSE
from sandbox.world.moments import Kind, Moment, Progress, Stage
from sandbox.world.people import Home, Person, Role
from sandbox.world.vocabulary import CAMPAIGNS, SALESFORCE_INDUSTRIES
from worker.features.attributes import FREE_MAIL
from worker.features.facts import INSTANT, Facts
from worker.training.population import TIMES, History

Act = tuple[int, str, str | None, datetime, float | None, str]
Value = tuple[int, str, str | None, datetime, int, int]
Standing = tuple[int, int, datetime, bool]

LEAKS = ("discovery_outcome", "discovery_notes", "demo_completed", "loss_reason", "contract_signed")
"""Fields that only sales fills, after contact or at the close."""
_STATUS = {
    Progress.WORKING: "Working - Contacted",
    Progress.CONNECTED: "Connected",
    Progress.RECYCLED: "Open - Not Contacted",
    Progress.UNQUALIFIED: "Closed - Not Converted",
}
_PAGES = hubspot.patterns((), hubspot.PAGES)
_FORMS = hubspot.patterns((), hubspot.FORMS)
_RESPONSES = [(re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in RESPONSES]


@dataclass(slots=True)
class Stored:
    """Rows by person. Duplicates that share an address are one person, as identity would find."""

    acts: list[Act] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    standing: list[Standing] = field(default_factory=list)
    won: list[tuple[int, datetime]] = field(default_factory=list)
    created: dict[int, datetime] = field(default_factory=dict)
    account: dict[int, int] = field(default_factory=dict)


def stored(world: World) -> Stored:
    """Everything that happened, as rows."""
    rows = Stored()
    companies = {company.domain: number for number, company in enumerate(world.companies)}
    owner = {person.number: _identity(person) for person in world.people}
    for moment in world.moments:
        person, who = world.people[moment.person], owner[moment.person]
        if moment.kind is Kind.CREATED:
            rows.created[who] = min(moment.at, rows.created.get(who, moment.at))
            rows.standing.append((who, person.number, moment.at, True))
            rows.values += _created(person, who, moment.at)
            if not person.traits.free_mail:
                rows.account.setdefault(who, companies[person.company.domain])
        elif moment.kind in (Kind.MERGED, Kind.DELETED, Kind.PURGED, Kind.ERASED):
            rows.standing.append((who, person.number, moment.at, False))
        else:
            rows.values += _told(moment, person, who)
            rows.acts += _acts(moment, person, who)
            if moment.kind is Kind.STATUS and moment.detail["status"] in (Progress.UNQUALIFIED, Progress.RECYCLED):
                rows.standing.append((who, person.number, moment.at, moment.detail["status"] is Progress.RECYCLED))
            if moment.kind is Kind.STAGE and moment.detail["stage"] is Stage.WON:
                rows.won.append((who, moment.at))
    return rows


def history(rows: Stored, until: datetime) -> History:
    """What labels are made of."""
    standing: SchemaDict = {"person_id": pl.Int64, "record": pl.Int64, "at": INSTANT, "open": pl.Boolean}
    won = pl.DataFrame(rows.won, dict(TIMES), orient="row")
    return History(pl.DataFrame(rows.standing, standing, orient="row"), won, until, customers=won)


class Library:
    """The facts of any of the people, at any instants."""

    def __init__(self, rows: Stored) -> None:
        known: SchemaDict = {"occurred_at": INSTANT}
        acts: SchemaDict = {
            "person_id": pl.Int64,
            "kind": pl.String,
            "detail": pl.String,
            **known,
            "duration": pl.Float64,
        }
        values: SchemaDict = {"person_id": pl.Int64, "name": pl.String, "value": pl.String, **known}
        none = {"known_at": pl.col("occurred_at"), "until": pl.lit(None, INSTANT)}
        self._acts = pl.DataFrame(rows.acts, {**acts, "source": pl.String}, orient="row").with_columns(**none)
        self._values = pl.DataFrame(
            rows.values, {**values, "rank": pl.Int16, "record": pl.Int64}, orient="row"
        ).with_columns(**none)
        self._people = pl.DataFrame(
            [(who, at, rows.account.get(who)) for who, at in rows.created.items()],
            {"person_id": pl.Int64, "created_at": INSTANT, "account": pl.Int64},
            orient="row",
        )
        caused = [kind.value for kind in ActivityKind if kind.cause.value == "prospect"]
        self._colleagues = (
            self._acts.filter(pl.col("kind").is_in(caused))
            .join(self._people.select("person_id", "account").drop_nulls(), on="person_id")
            .select("account", pl.col("person_id").alias("colleague"), "occurred_at", "known_at", "until")
        )

    def facts(self, wanted: pl.DataFrame) -> Facts:
        """Of `wanted` (person_id, as_of), each person once."""
        people = self._people.join(wanted.select("person_id", "as_of"), on="person_id")
        colleagues = self._colleagues.join(people.select("account").unique(), on="account", how="semi")
        of = {"on": "person_id", "how": "semi"}
        return Facts(people, self._values.join(people, **of), self._acts.join(people, **of), colleagues)  # type: ignore[arg-type]


def _identity(person: Person) -> int:
    same = person.duplicate_of is not None and person.home is Home.SALESFORCE
    return person.duplicate_of if same and person.duplicate_of is not None else person.number


def _created(person: Person, who: int, at: datetime) -> Iterator[Value]:
    """The values of a new record in each CRM, and of the account that it belongs to."""
    company, domain = person.company, person.email.partition("@")[2]
    common = {"title": person.title, "company": company.name, "country": company.country.name, "has_phone": "true"}
    common |= {"email_domain": domain, "owner": str(person.number % 4), "status": "New"}
    size = {"employees": str(company.employees)}
    account: dict[str, str] = {**size, "annual_revenue": str(company.revenue), "country": company.country.name}
    if person.in_salesforce:
        industry = {"industry": SALESFORCE_INDUSTRIES[company.industry]}
        own = common | {"lead_source": ("Web", "Web", "Purchased List", "Partner Referral")[person.number % 4]}
        if person.salesforce_object == "Lead" and not person.bare:
            own |= {**size, **industry}
        yield from ((who, name, value, at, 0, 2 * person.number) for name, value in own.items())
        if person.salesforce_object == "Contact":
            held = (account | industry | {"website": f"https://www.{company.domain}"}).items()
            yield from ((who, name, value, at, 1, -1 - person.number) for name, value in held)
    if person.in_hubspot:
        own = common | {"lifecycle_stage": "lead" if person.number % 3 else "subscriber"}
        own |= {"lead_source": ("ORGANIC_SEARCH", "DIRECT_TRAFFIC", "PAID_SEARCH", "REFERRALS")[person.number % 4]}
        if not person.bare:
            own |= {**size, "industry": company.industry}
        yield from ((who, name, value, at, 0, 2 * person.number + 1) for name, value in own.items())
        if domain not in FREE_MAIL:
            held = (account | {"industry": company.industry, "website": company.domain}).items()
            yield from ((who, name, value, at, 1, -1 - person.number) for name, value in held)


def _told(moment: Moment, person: Person, who: int) -> Iterator[Value]:
    """The fields that a moment fills."""
    detail = moment.detail
    filled: Mapping[str, Any] = {}
    match moment.kind:
        case Kind.FORM:
            filled = detail["values"]
        case Kind.CAMPAIGN:
            filled = detail["told"]
        case Kind.FIELDS:
            filled = detail
        case Kind.STATUS:
            filled = {"status": _STATUS[detail["status"]]}
        case Kind.OPTED_OUT:
            filled = {"opted_out": True}
        case Kind.DEAL:
            filled = {"lifecycle_stage": "opportunity"}
        case Kind.STAGE if detail["stage"] is Stage.WON:
            filled = {"lifecycle_stage": "customer"}
    for name, value in filled.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        yield who, name, text, moment.at, 0, 2 * person.number + person.in_hubspot


def _acts(moment: Moment, person: Person, who: int) -> Iterator[Act]:
    at, detail = moment.at, moment.detail

    def act(kind: ActivityKind, what: str | None = None, minutes: float = 0, source: str = "salesforce") -> Act:
        return who, kind.value, what, at, 60 * minutes or None, source

    match moment.kind:
        case Kind.PAGES:
            for position, url in enumerate(detail["urls"]):
                path = urlsplit(url).path or "/"
                kind = hubspot.classify(path, _PAGES, ActivityKind.PAGE_VIEW)
                yield who, kind.value, path, at + position * PAGE_PAUSE, None, "hubspot"
        case Kind.FORM:
            name = detail["form"].value
            yield act(hubspot.classify(name, _FORMS, ActivityKind.FORM_SUBMISSION), name, source="hubspot")
        case Kind.MAIL if not detail["filtered"]:
            about = (urlsplit(detail["url"]).path or "/") if detail["url"] else f"campaign {detail['campaign']}"
            yield act(hubspot.EMAIL_EVENTS[detail["type"]], about, source="hubspot")
        case Kind.CAMPAIGN:
            campaign = detail["campaign"]
            type, response = CAMPAIGNS[campaign.kind]
            text = f"{type} / {campaign.name} / {response}"
            answered = next((k for p, k in _RESPONSES if p.search(text)), ActivityKind.CAMPAIGN_RESPONSE)
            yield act(answered if detail["responded"] else ActivityKind.CAMPAIGN_SEND, campaign.name)
        case Kind.OPTED_OUT:
            yield act(ActivityKind.UNSUBSCRIBE, source="hubspot")
        case Kind.TASK:
            yield act(ActivityKind.TASK, "Other")
        case Kind.CALL:
            yield act(ActivityKind.SALES_CALL, "connected" if detail["connected"] else "no answer", detail["minutes"])
        case Kind.SALES_MAIL:
            yield act(ActivityKind.EMAIL_REPLY if detail["incoming"] else ActivityKind.SALES_EMAIL)
        case Kind.MEETING:
            yield act(ActivityKind.MEETING, detail["subject"], detail["minutes"])
        case Kind.NOTE:
            yield act(ActivityKind.NOTE)


def eligible(person: Person) -> bool:
    """Whether the ground truth lets the person buy at all; nothing in the CRMs tells of the others."""
    return person.role is Role.PROSPECT and person.traits.eligible
