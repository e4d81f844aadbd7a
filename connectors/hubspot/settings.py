"""What a person configures of one HubSpot account. Imports no SDK."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationInfo, field_validator, model_validator

from connectors.alerts import AlertSettings
from connectors.brakes import Brakes
from connectors.options import Pattern, Share, Shares, further, known_streams
from connectors.quota import DEFAULT_OWN, DEFAULT_SHARES, Budget, Window
from connectors.records import ActivityKind, Follower, ScoreField
from connectors.secret import SecretRef
from connectors.stages import LifecycleField, StageField, follower, refuse_read_values, refuse_twice

PathStyle = Literal["v3", "2026-09"]

DEFAULT_FIELDS: Mapping[ScoreField, str | None] = {field: f"lead_gauge_{field.value}" for field in ScoreField}
"""The contact properties of the field contract, by default."""

STREAMS = (
    "contacts", "companies", "deals", "calls", "emails", "meetings", "notes", "tasks", "form_submissions",
    "email_events", "removals",
)  # fmt: skip
"""All that an account can be read by; those of `without` are left out."""

LIFECYCLE, LEAD_STATUS = "lifecyclestage", "hs_lead_status"
"""The properties of HubSpot's own in which marketing and sales say where a contact stands."""
BY_ITSELF: Mapping[str, tuple[str, ...]] = {"lifecycle_stage": ("subscriber", "lead"), "lead_status": ("NEW",)}
"""By option, the values that HubSpot gives contacts without anybody choosing them."""

BURST_SHARE = 0.7
"""What we take of the account's calls a second: other apps and people share the account."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TokenAuth(_Model):
    """A service key, or the access token of a private or static-auth app: all are bearer tokens that do not expire."""

    type: Literal["token"] = "token"
    token: SecretRef


class OAuthAuth(_Model):
    """An app installed through OAuth. The refresh token does not expire; access tokens of 30 minutes come from it."""

    type: Literal["oauth"]
    client_id: str
    client_secret: SecretRef
    refresh_token: SecretRef


class KindPattern(_Model):
    """What a page, form or campaign means: the first pattern (a regular expression, any case) found in it decides."""

    pattern: Pattern
    kind: ActivityKind


class Timings(_Model):
    """When to look, and how late HubSpot's search index may be (seen: seconds as a rule, minutes at times).

    `overlap` and `settle` are the complete tier's: the fast one looks from the complete read's end up to now.
    """

    every: timedelta = Field(default=timedelta(seconds=30), description="how often to look for changes")
    every_slow: timedelta = Field(default=timedelta(hours=1), description="how often to look for removed records")
    settle: timedelta = Field(default=timedelta(seconds=60), description="the complete read stops this far behind now")
    overlap: timedelta = Field(default=timedelta(minutes=10), description="how much of the last window is read again")
    sweep: timedelta = Field(default=timedelta(hours=1), description="every window is read once more this much later")
    history: timedelta = Field(
        default=timedelta(days=365), description="how far back the first load of e-mail events goes"
    )
    skew: timedelta = Field(
        default=timedelta(minutes=5),
        description="HubSpot's clock is believed to be ahead of this machine's by so much at most",
    )
    usage_age: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        description="ask for the day's calls when no answer has told them for so long: those of searches never do",
    )
    schema_age: timedelta = Field(
        default=timedelta(minutes=15), description="how long property definitions are trusted"
    )


class HubspotSettings(_Model):
    """One HubSpot account."""

    kind: Literal["hubspot"]
    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,39}$",
        description="your name for the account, in every record that comes from it: keep it",
    )
    host: str = Field(default="https://api.hubapi.com", pattern=r"^https://[^/\s]+$")
    paths: PathStyle = Field(
        default="v3", description="the family of paths; 2026-09 enforces the account's validation rules"
    )
    auth: Annotated[TokenAuth | OAuthAuth, Field(discriminator="type")]
    ca_bundle: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the usual ones"
    )
    fields: Mapping[ScoreField, str | None] = Field(
        default_factory=lambda: dict(DEFAULT_FIELDS),
        description="names of the score fields, where they differ; null leaves one out; `GOAL.score` is a goal's",
    )
    attributes: Mapping[str, str | None] = Field(
        default_factory=dict,
        description="contact property by attribute: more of them, others than usual, or null for none",
    )
    salesforce: str | None = Field(
        default=None,
        description="name of the configured Salesforce org that this account syncs with: its record ids are links",
    )
    lifecycle_stage: LifecycleField | None = Field(
        default=None, description="let lifecyclestage follow the stage; off unless it is given"
    )
    lead_status: StageField | None = Field(
        default=None, description="let hs_lead_status follow the stage; off unless it is given"
    )
    alert: AlertSettings | None = Field(
        default=None, description="a task for the owner of whoever enters a stage or bucket; off unless it is given"
    )
    customer_stages: frozenset[str] = Field(
        default=frozenset({"customer", "evangelist"}), description="values of lifecyclestage that mean a customer"
    )
    disqualified_statuses: frozenset[str] = Field(
        default=frozenset({"UNQUALIFIED"}),
        description="values of hs_lead_status that mean that sales wants a contact no more",
    )
    pages: tuple[KindPattern, ...] = Field(
        default=(), description="asked before the shipped patterns, on a page's path"
    )
    forms: tuple[KindPattern, ...] = Field(
        default=(), description="asked before the shipped patterns, on a form's name"
    )
    without: frozenset[str] = Field(
        default=frozenset(), description="streams to leave out, where a scope or a hub is missing"
    )
    timings: Timings = Field(default=Timings(), description="when to look, and how late HubSpot may be")
    page_size: Annotated[int, Field(ge=1, le=200)] = Field(
        default=200, description="rows a page; lists have 100 at most"
    )
    calls_per_10_seconds: PositiveInt = Field(
        default=190, description="190 for Professional and Enterprise, 100 for Starter"
    )
    searches_per_second: PositiveInt = Field(default=4, description="of the 5 that the whole account has")
    writes: Brakes = Field(default=Brakes(), description="how writing to it is held back")
    daily_calls: PositiveInt | None = Field(
        250_000, description="assumed until HubSpot tells it; null for an OAuth app"
    )
    daily_shares: Shares = Field(
        default=DEFAULT_SHARES,
        description="how much of the day's calls may be gone, by anyone, when a lane stops; the rest is a reserve",
    )
    daily_own: Share = Field(default=DEFAULT_OWN, description="share of the day's calls that Leadgauge makes at most")

    @field_validator("fields", mode="before")
    @classmethod
    def _over_the_contract(cls, given: Any) -> Any:
        return {**DEFAULT_FIELDS, **given} if isinstance(given, Mapping) else given

    @field_validator("fields")
    @classmethod
    def _one_each(cls, fields: Mapping[ScoreField, str | None]) -> Mapping[ScoreField, str | None]:
        names = [name for name in fields.values() if name is not None]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"{', '.join(twice)} would hold more than one score field; map each to a property of its own"
            )
        return fields

    @field_validator("lifecycle_stage", "lead_status", mode="before")
    @classmethod
    def _what_hubspot_sets(cls, given: Any, info: ValidationInfo) -> Any:
        """What HubSpot gives contacts by itself, unless something else is named."""
        return {"replaces": BY_ITSELF[info.field_name or ""], **given} if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _writes_what_it_does_not_read(self) -> Self:
        refuse_twice(self.followers, self.fields)
        refuse_read_values("lifecycle_stage", self.lifecycle_stage, {"customer_stages": self.customer_stages})
        refuse_read_values("lead_status", self.lead_status, {"disqualified_statuses": self.disqualified_statuses})
        return self

    @field_validator("without")
    @classmethod
    def _known_streams(cls, without: frozenset[str]) -> frozenset[str]:
        return known_streams(without, STREAMS)

    def with_goals(self, suffixes: Mapping[str, str]) -> Self:
        """With the places of further goals' score fields, see `further`."""
        fields = further(self.fields, DEFAULT_FIELDS, suffixes, lambda name, suffix: f"{name}_{suffix.lower()}")
        return self.model_copy(update={"fields": fields})

    @property
    def followers(self) -> Sequence[Follower]:
        """The properties of HubSpot's own that follow the stage."""
        read = {"status": LEAD_STATUS, "lifecycle_stage": LIFECYCLE, **self.attributes}
        named = {attribute: name for attribute, name in read.items() if name is not None}
        return [
            follower("contacts", name, option, given, named)
            for name, option, given in (
                (LIFECYCLE, "lifecycle_stage", self.lifecycle_stage), (LEAD_STATUS, "lead_status", self.lead_status),
            )
            if given is not None
        ]  # fmt: skip

    @property
    def budget(self) -> Budget:
        """The account's limits, spread out.

        Ten seconds as single ones, so that a lost counter costs one second; a second of searches as single calls,
        because the few that HubSpot allows arrive bunched when one takes longer on its way than the next (seen: 429s at
        4 of 5 a second).
        """
        general = Window(max(1, math.floor(self.calls_per_10_seconds * BURST_SHARE / 10)))
        windows = {"general": general, "search": Window(1, timedelta(seconds=1) / self.searches_per_second)}
        return Budget(windows, self.daily_calls, self.daily_shares, self.daily_own)
