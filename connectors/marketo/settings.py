"""What a person configures of one Marketo instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PositiveInt, field_validator

from connectors.alerts import AlertSettings
from connectors.brakes import Brakes
from connectors.options import Pattern, Share, Shares, further, known_streams
from connectors.quota import DEFAULT_OWN, DEFAULT_SHARES, Budget, Window
from connectors.records import ActivityKind, Follower, ScoreField
from connectors.secret import SecretRef


def field_name(field: ScoreField) -> str:
    """`leadGaugeMqlDate` for `mql_date`: REST names of fields are written so."""
    return "leadGauge" + "".join(word.capitalize() for word in field.value.split("_"))


DEFAULT_FIELDS: Mapping[ScoreField, str | None] = {field: field_name(field) for field in ScoreField}
"""The lead fields of the field contract, by REST name."""

STREAMS = ("leads", "activities", "deliveries", "removals")
"""All that an instance can be read by; those of `without` are left out."""

SPREAD = 16
"""20 seconds are spread over so many windows: a place in one is soon free, and no burst meets somebody else's."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClientAuth(_Model):
    """A custom service of LaunchPoint: it acts as the API-only user that owns it."""

    client_id: str = Field(min_length=1)
    client_secret: SecretRef


class KindPattern(_Model):
    """What a page, form or program means: the first pattern (a regular expression, any case) found in it decides."""

    pattern: Pattern
    kind: ActivityKind


class CampaignAlert(AlertSettings):
    """A request of a smart campaign for whoever enters `entering`, a stage or a bucket, once for each time; what is
    done then is the campaign's flow. It needs the trigger *Campaign is Requested* with the source *Web Service API*.
    """

    subject: ClassVar[str] = ""  # type: ignore[misc] # the flow says what it says
    due_days: ClassVar[int] = 0  # type: ignore[misc]
    campaign: Annotated[int, Field(ge=1, description="the number in the campaign's address: 1234 of `SC1234A1`")]


class Timings(_Model):
    """When to look, and how late the activity log may show what happened."""

    every: timedelta = Field(default=timedelta(seconds=60), description="how often to look for changes and acts")
    every_slow: timedelta = Field(
        default=timedelta(minutes=15), description="how often to look for deliveries, deleted and merged leads"
    )
    settle: timedelta = Field(default=timedelta(minutes=2), description="the complete read stops this far behind now")
    overlap: timedelta = Field(default=timedelta(minutes=10), description="how much of the last window is read again")
    history: timedelta = Field(
        default=timedelta(days=365), description="how far back the first load of activities goes"
    )
    deliveries: timedelta = Field(
        default=timedelta(days=30), description="the same of what was sent: there is the most of it"
    )
    changes: timedelta = Field(
        default=timedelta(days=90), description="how far back the first load reads what fields held before"
    )
    usage_age: timedelta = Field(
        default=timedelta(minutes=5), ge=timedelta(0), description="how often to ask for the day's calls"
    )
    schema_age: timedelta = Field(default=timedelta(hours=6), description="how long definitions of fields are trusted")


class MarketoSettings(_Model):
    """One Marketo instance."""

    kind: Literal["marketo"]
    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,39}$",
        description="your name for the instance, in every record that comes from it: keep it",
    )
    host: str = Field(
        pattern=r"^https://[^/\s]+$",
        description="https://MUNCHKIN.mktorest.com, without /rest (Admin > Integration > Web Services)",
    )
    auth: ClientAuth
    ca_bundle: Path | None = Field(
        default=None, description="PEM file of the authorities to trust beside the usual ones"
    )
    ui: str | None = Field(
        default=None,
        pattern=r"^https://[^/\s]+$",
        description="address of its pages, as in https://app-ab12.marketo.com, for links to leads",
    )
    fields: Mapping[ScoreField, str | None] = Field(
        default_factory=lambda: dict(DEFAULT_FIELDS),
        description="REST names of the score fields, where they differ; null leaves one out; `GOAL.score` is a goal's",
    )
    attributes: Mapping[str, str | None] = Field(
        default_factory=dict,
        description="REST name of the lead field by attribute: more of them, others than usual, or null for none",
    )
    salesforce: str | None = Field(
        default=None,
        description="name of the configured Salesforce org that it syncs with: its record ids are links",
    )
    alert: CampaignAlert | None = Field(
        default=None, description="a campaign for whoever enters a stage or bucket; off unless it is given"
    )
    customer_statuses: frozenset[str] = Field(
        default=frozenset({"Customer"}), description="values of the attribute `status` that mean a customer"
    )
    disqualified_statuses: frozenset[str] = Field(
        default=frozenset({"Disqualified", "Unqualified"}),
        description="values of the attribute `status` that mean that sales wants a lead no more",
    )
    erase_deleted: bool = Field(
        default=False,
        description="take a lead that was deleted for erased on its person's request: Marketo does not say why",
    )
    pages: tuple[KindPattern, ...] = Field(
        default=(), description="asked before the shipped patterns, on a page's path"
    )
    forms: tuple[KindPattern, ...] = Field(
        default=(), description="asked before the shipped patterns, on a form's name"
    )
    campaigns: tuple[KindPattern, ...] = Field(
        default=(),
        description="asked before the shipped patterns, on `program / new status` and on interesting moments",
    )
    without: frozenset[str] = Field(default=frozenset(), description="streams to leave out")
    since: AwareDatetime = Field(
        default=datetime(2012, 1, 1, tzinfo=UTC),
        description="no lead is older; the nearer to the truth, the shorter the first load and the nightly count",
    )
    timings: Timings = Field(default=Timings(), description="when to look, and how late Marketo may be")
    page_size: Annotated[int, Field(ge=1, le=300)] = Field(default=300, description="rows a call")
    bulk_page_size: PositiveInt = Field(default=2000, description="rows of an exported file that are read at once")
    calls_per_20_seconds: PositiveInt = Field(default=50, description="of the 100 that all integrations share")
    writes: Brakes = Field(default=Brakes(), description="how writing to it is held back")
    daily_calls: PositiveInt = Field(
        default=50_000, description="the subscription's quota (Admin > Web Services); Marketo tells what is used of it"
    )
    daily_shares: Shares = Field(
        default=DEFAULT_SHARES,
        description="how much of the day's calls may be gone, by anyone, when a lane stops; the rest is a reserve",
    )
    daily_own: Share = Field(default=DEFAULT_OWN, description="share of the day's calls that Leadgauge makes at most")
    followers: ClassVar[Sequence[Follower]] = ()

    @field_validator("fields", mode="before")
    @classmethod
    def _over_the_contract(cls, given: Any) -> Any:
        return {**DEFAULT_FIELDS, **given} if isinstance(given, Mapping) else given

    @field_validator("fields")
    @classmethod
    def _one_each(cls, fields: Mapping[ScoreField, str | None]) -> Mapping[ScoreField, str | None]:
        names = [name for name in fields.values() if name is not None]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} would hold more than one score field; map each to a field of its own")
        return fields

    @field_validator("without")
    @classmethod
    def _known_streams(cls, without: frozenset[str]) -> frozenset[str]:
        return known_streams(without, STREAMS)

    def with_goals(self, suffixes: Mapping[str, str]) -> Self:
        """With the places of further goals' score fields, see `further`."""

        def named(name: str, suffix: str) -> str:
            return name + "".join(word[:1].upper() + word[1:] for word in suffix.split("_"))

        return self.model_copy(update={"fields": further(self.fields, DEFAULT_FIELDS, suffixes, named)})

    @property
    def budget(self) -> Budget:
        """The instance's limits: 100 calls in 20 seconds and 10 at once, of which the vendor asks each integration to
        take half (Marketo integration best practices)."""
        window = Window(max(1, self.calls_per_20_seconds // SPREAD), timedelta(seconds=20) / SPREAD)
        return Budget({"general": window}, self.daily_calls, self.daily_shares, self.daily_own)
