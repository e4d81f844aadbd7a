"""What a person configures of one Amplitude project. Imports no HTTP library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from connectors.brakes import Brakes
from connectors.options import Pattern, further, known_streams
from connectors.quota import Budget, Window
from connectors.records import ActivityKind, Follower, OutcomeStatus, ScoreField
from connectors.secret import SecretRef

Region = Literal["us", "eu"]

DEFAULT_FIELDS: Mapping[ScoreField, str | None] = {field: f"lead_gauge_{field.value}" for field in ScoreField}
"""The user properties of the field contract, by default."""
DEFAULT_ATTRIBUTES: Mapping[str, str | None] = {"country": "country"}
"""By attribute, the user property that it comes from; Amplitude finds the country by the address of a device."""

HOSTS: Mapping[Region, Mapping[str, str]] = {
    "us": {
        "ingest": "https://api2.amplitude.com",
        "analytics": "https://amplitude.com",
        "profile": "https://profile-api.amplitude.com",
    },
    "eu": {"ingest": "https://api.eu.amplitude.com", "analytics": "https://analytics.eu.amplitude.com"},
}
"""Where each region is served. In the EU there is no User Profile API (Amplitude, User Profile API)."""

STREAMS = ("events", "erasures")
"""All that a project can be read by; those of `without` are left out."""

Host = Annotated[str, Field(pattern=r"^https://[^/\s]+$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hosts(_Model):
    """Other hosts than the region's, such as a proxy's; `profile` may be named in the EU, too, should there be one."""

    ingest: Host | None = Field(default=None, description="takes scores")
    analytics: Host | None = Field(default=None, description="gives events, and has the cohorts")
    profile: Host | None = Field(default=None, description="tells what a user holds")


class EventPattern(_Model):
    """What an event means: the first pattern (a regular expression, any case) found in its type decides. An `outcome`
    is a deal, such as an upgrade, whose amount is the event property `amount`. What matches none is left out."""

    pattern: Pattern
    kind: ActivityKind | None = None
    outcome: OutcomeStatus | None = None
    amount: str | None = None

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if (self.kind is None) == (self.outcome is None):
            raise ValueError("say one of kind and outcome")
        if self.amount is not None and self.outcome is None:
            raise ValueError("amount is for an outcome")
        return self


class Timings(_Model):
    """When to look, and how late Amplitude shows what was uploaded."""

    every: timedelta = Field(default=timedelta(minutes=10), description="how often to look for an hour that has closed")
    every_slow: timedelta = Field(default=timedelta(hours=1), description="how often to look for users to forget")
    latency: timedelta = Field(
        default=timedelta(hours=2), description="an hour's events can be exported this much after its end"
    )
    overlap: timedelta = Field(
        default=timedelta(hours=2), description="how much of what was read is read again, for what shows later"
    )
    history: timedelta = Field(
        default=timedelta(days=365), gt=timedelta(0), description="how far back the first load goes"
    )
    window: timedelta = Field(
        default=timedelta(hours=24),
        ge=timedelta(hours=1),
        description="hours that one export has at most; fewer where that is too much for Amplitude",
    )
    cohort_age: timedelta = Field(default=timedelta(minutes=15), description="how long the list of cohorts is trusted")


class AmplitudeSettings(_Model):
    """One Amplitude project."""

    kind: Literal["amplitude"]
    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,39}$",
        description="your name for the project, in every record that comes from it: keep it",
    )
    region: Region = Field(default="us", description="where the project's data lies")
    hosts: Hosts = Field(default=Hosts(), description="other hosts than the region's")
    project: PositiveInt = Field(description="the project's id (Settings > Projects)")
    api_key: SecretRef = Field(description="the project's API key")
    secret_key: SecretRef = Field(description="the project's secret key")
    ca_bundle: Path | None = Field(default=None, description="PEM file of an authority to trust beside the usual ones")
    profile_api: bool = Field(
        default=True,
        description="whether the User Profile API is asked what was written; it is never in the EU, which has none",
    )
    email_property: str | None = Field(
        default="email",
        description="the user property that holds the e-mail address, by which people are found in CRMs",
    )
    fields: Mapping[ScoreField, str | None] = Field(
        default_factory=lambda: dict(DEFAULT_FIELDS),
        description="user properties for the score fields, where they differ; null leaves one out",
    )
    attributes: Mapping[str, str | None] = Field(
        default_factory=lambda: dict(DEFAULT_ATTRIBUTES),
        description="user property by attribute; also Amplitude's own, such as country or platform; null for none",
    )
    events: tuple[EventPattern, ...] = Field(default=(), description="what events mean; the first that matches decides")
    cohorts: Mapping[str, str] = Field(
        default_factory=dict,
        description="name of the cohort that holds the users of a bucket, by bucket, as in `hot: Leadgauge hot`",
    )
    cohort_owner: str | None = Field(
        default=None, description="the Amplitude login that shall own cohorts which `provision` makes"
    )
    followers: ClassVar[Sequence[Follower]] = ()
    alert: ClassVar[None] = None
    without: frozenset[str] = Field(
        default=frozenset(), description="streams to leave out, such as erasures where the plan does not show them"
    )
    timings: Timings = Field(default=Timings(), description="when to look, and how late Amplitude may be")
    page_size: Annotated[int, Field(ge=1, le=50_000)] = Field(default=5000, description="events that are read at once")
    profiles_per_minute: PositiveInt = Field(
        default=540, description="of the 600 calls a minute that the organization has to its User Profile API"
    )
    writes: Brakes = Field(default=Brakes(), description="how writing to it is held back")

    @field_validator("fields", mode="before")
    @classmethod
    def _over_the_contract(cls, given: Any) -> Any:
        return {**DEFAULT_FIELDS, **given} if isinstance(given, Mapping) else given

    @field_validator("attributes", mode="before")
    @classmethod
    def _over_the_usual(cls, given: Any) -> Any:
        return {**DEFAULT_ATTRIBUTES, **given} if isinstance(given, Mapping) else given

    @field_validator("without")
    @classmethod
    def _known_streams(cls, without: frozenset[str]) -> frozenset[str]:
        return known_streams(without, STREAMS)

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        for what, names in (("fields", self.mapped.values()), ("cohorts", self.cohorts.values())):
            if twice := sorted({name for name in names if list(names).count(name) > 1}):
                raise ValueError(f"{what}: {', '.join(twice)} would hold more than one; name each once")
        if self.cohorts and self.fields.get(ScoreField.BUCKET) is None:
            raise ValueError("cohorts follow the bucket: fields.bucket must not be null")
        return self

    def with_goals(self, suffixes: Mapping[str, str]) -> Self:
        """With the places of further goals' score fields, see `further`."""
        fields = further(self.fields, DEFAULT_FIELDS, suffixes, lambda name, suffix: f"{name}_{suffix.lower()}")
        return self.model_copy(update={"fields": fields})

    @property
    def mapped(self) -> Mapping[ScoreField, str]:
        """The score fields that are written, with their user properties."""
        return {field: name for field, name in self.fields.items() if name is not None}

    def host(self, name: str) -> str | None:
        """Where it is served: `ingest`, `analytics` or `profile`; None where it is not."""
        named: str | None = getattr(self.hosts, name)
        return named or HOSTS[self.region].get(name)

    @property
    def provable(self) -> bool:
        """Whether Amplitude can be asked what a user holds."""
        return self.profile_api and self.host("profile") is not None

    @property
    def budget(self) -> Budget:
        """Short windows only: Amplitude counts no calls of a day. Those of one user are spread out."""
        minute = timedelta(minutes=1)
        return Budget(
            {
                "ingest": Window(10),
                "analytics": Window(5),  # five may be under way at once; ours go one by one
                "search": Window(
                    1, timedelta(seconds=10)
                ),  # of 360 an hour; spread, so that a lost counter costs little
                "profile": Window(1, minute / self.profiles_per_minute),
            }
        )
