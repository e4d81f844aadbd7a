"""A goal: what counts as converted, for whom, and within how many days. It keys model, scale, stage and score."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from connectors.records import ActivityKind

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""An attribute, by the name that rules use."""


Suffix = Annotated[str, Field(pattern=r"^[A-Za-z0-9]+(_[A-Za-z0-9]+)*$", max_length=17)]
"""With it every name of the contract fits into the 40 characters of a Salesforce field."""


def _words(given: Any) -> Any:
    """One word or several; YAML's flags and numbers in the spelling in which attributes are kept."""
    listed = given if isinstance(given, list | tuple) else [given]
    return tuple(_word(item) for item in listed)


def _word(given: Any) -> Any:
    match given:
        case bool():
            return "true" if given else "false"
        case int():
            return str(given)
        case float():
            return str(int(given)) if given.is_integer() else str(given)
        case str():
            return given.strip()
    return given


Word = Annotated[str, Field(min_length=1, max_length=255)]
Words = Annotated[tuple[Word, ...], BeforeValidator(_words), Field(min_length=1)]
"""Texts that are compared without regard to case."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UnknownAttribute(ValueError):
    """A goal reads an attribute that there is not. The text says which, and which there are."""


class DealPeople(StrEnum):
    """Whom a deal converts."""

    CONTACTS = "contacts"  # the people on it
    ACCOUNT = "account"  # everybody of its account
    EITHER = "contacts_or_account"  # the people on it; where there are none, everybody of its account


class DealWon(_Part):
    """A deal that is won now, from when it was won; with `amount_above`, only one that is worth more."""

    kind: Literal["deal_won"] = "deal_won"
    amount_above: float | None = None


class OpportunityCreated(_Part):
    """A deal was made, however it ended."""

    kind: Literal["opportunity_created"]


class DealStage(_Part):
    """A deal came into one of these stages, by the CRM's own name (HubSpot: the stage's id)."""

    kind: Literal["deal_stage"]
    stages: Words


class LeadConverted(_Part):
    """A lead was converted in its CRM (Salesforce)."""

    kind: Literal["lead_converted"]


class TrialStarted(_Part):
    """A form or campaign for a trial was answered (one of `forms` is in its name), or the attribute `field` was
    filled: a product that tells the CRM of its trials does so in a field."""

    kind: Literal["trial_started"]
    forms: Words = ("trial", "free account", "testversion", "testzugang", "essai", "prueba", "пробн")
    field: Name | None = None


class FirstPayment(_Part):
    """The person's first won deal with an amount, or the attribute `field` was filled."""

    kind: Literal["first_payment"]
    field: Name | None = None


class FieldReached(_Part):
    """An attribute of the person's record, or of its account, came to hold one of `values`; without them, anything."""

    kind: Literal["field"]
    name: Name
    values: Words | None = None
    of: Literal["person", "account"] = "person"


class ActivityDone(_Part):
    """An act of this kind; with `detail`, only if one of its texts is in what the act was about."""

    kind: Literal["activity"]
    activity: ActivityKind
    detail: Words | None = None


Event = Annotated[
    DealWon
    | OpportunityCreated
    | DealStage
    | LeadConverted
    | TrialStarted
    | FirstPayment
    | FieldReached
    | ActivityDone,
    Field(discriminator="kind"),
]


class Customers(StrEnum):
    """Whether those who have bought are scored for this goal. A customer has a won deal, or a record that its CRM
    calls a customer."""

    EXCLUDE = "exclude"
    INCLUDE = "include"
    ONLY = "only"


class Population(_Part):
    """Who is eligible at an instant: people with an open record, and all of this. Attributes are as of the instant."""

    created_within_months: int | None = Field(default=24, ge=1, le=1200)
    customers: Customers = Customers.EXCLUDE
    since: date | None = Field(default=None, description="No instant before this day (UTC): facts begin there.")
    where: Mapping[Name, Words] = Field(default_factory=dict, description="Attribute -> values; all must hold.")
    unless: Mapping[Name, Words] = Field(default_factory=dict, description="Attribute -> values; none may hold.")

    @property
    def begins_at(self) -> datetime | None:
        return datetime.combine(self.since, time.min, UTC) if self.since else None

    @property
    def lifetime(self) -> timedelta | None:
        """`created_within_months` in months of 365.25 / 12 days."""
        months = self.created_within_months
        return timedelta(days=months * 365.25 / 12) if months else None


class Goal(_Part):
    """As in `event: deal_won`, or `event: {kind: field, name: plan, values: [pro]}`.

    A person leaves the population with the first event, unless the goal `repeats`. `segment` names an attribute: a
    segment with at least `segment_minimum` conversions (and as many others) has a model of its own, every other is
    scored by the model of all. `field_suffix`: what the fields of a goal that is not the primary one add to the names
    of the contract, as in `Lead_Score_upgrade__c`; without it they are those that a source names, or none.
    """

    event: Event = DealWon()
    horizon_days: int = Field(default=90, ge=1, le=1095)
    population: Population = Population()
    repeats: bool = False
    deal_people: DealPeople = DealPeople.EITHER
    segment: Name | None = None
    segment_minimum: int = Field(default=200, ge=40)
    field_suffix: Suffix | None = None

    @field_validator("event", mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        return {"kind": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _leaves_somebody(self) -> Self:
        buys = self.event.kind in ("deal_won", "first_payment")
        customers = self.population.customers
        if buys and customers is Customers.ONLY and not self.repeats:
            raise ValueError(
                "customers have bought already, so nobody is left to do so for the first time; set `repeats: true`, or "
                "`population.customers: include`"
            )
        if buys and customers is Customers.EXCLUDE and self.repeats:
            raise ValueError("who has bought is a customer and so excluded; set `population.customers: include`")
        if self.repeats and self.event.kind == "first_payment":
            raise ValueError(
                "there is one first payment only; for every payment, use `deal_won` with `amount_above: 0`"
            )
        return self

    @property
    def horizon(self) -> timedelta:
        return timedelta(days=self.horizon_days)

    def _attributes(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The attributes that the goal reads, each with where in the goal it is named."""
        for option in ("field", "name"):
            if own := getattr(self.event, option, None):
                yield own, ("event", option)
        for part in ("where", "unless"):
            yield from ((name, ("population", part, name)) for name in getattr(self.population, part))
        if self.segment:
            yield self.segment, ("segment",)

    def check(self, name: str, known: Collection[str], at: Callable[[Sequence[str]], str] = lambda place: "") -> None:
        """Raises `UnknownAttribute` where the goal of that name reads an attribute that is not `known`. `at` tells the
        line of a place in the configuration."""
        for attribute, where in self._attributes():
            if attribute in known:
                continue
            close = difflib.get_close_matches(attribute, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}."
            place = ("goals", name, *where)
            what = f"no attribute is named {attribute!r}; {hint} Declare others under `attributes`"
            raise UnknownAttribute(": ".join(part for part in (at(place), ".".join(place), what) if part))

    def __str__(self) -> str:
        return f"{_said(self.event)} within {self.horizon_days} days"


def _said(event: Event) -> str:
    """The event in words."""
    match event:
        case DealWon(amount_above=None):
            return "a deal won"
        case DealWon():
            return f"a deal won worth more than {event.amount_above:g}"
        case DealStage():
            return f"a deal in the stage {' or '.join(event.stages)}"
        case FieldReached(values=None):
            return f"{event.name} filled"
        case FieldReached():
            return f"{event.name} = {' or '.join(event.values or ())}"
        case ActivityDone():
            about = f" about {' or '.join(event.detail)}" if event.detail else ""
            return event.activity.value.replace("_", " ") + about
    return event.kind.replace("_", " ")
