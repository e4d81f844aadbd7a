"""What a person configures of one Mixpanel project. Imports no HTTP library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from connectors.brakes import Brakes
from connectors.options import Pattern, further, known_streams
from connectors.quota import Budget, Window
from connectors.records import ActivityKind, Follower, OutcomeStatus, ScoreField
from connectors.secret import SecretRef

Region = Literal["us", "eu", "in"]

DEFAULT_FIELDS: Mapping[ScoreField, str | None] = {field: f"lead_gauge_{field.value}" for field in ScoreField}
"""The profile properties of the field contract, by default."""
DEFAULT_ATTRIBUTES: Mapping[str, str | None] = {"country": "$country_code"}
"""By attribute, the profile property that it comes from: what Mixpanel fills by itself."""
STREAMS = ("profiles", "events")
PARTS = 3
"""Properties that a text of 255 characters may take: Mixpanel keeps 255 bytes of each ("Supported Properties")."""
ALLOWED = 60
"""Queries, and exports, that Mixpanel allows a project in an hour ("Rate Limits")."""
AT_ONCE = 8
"""So many of ours may come together; then they are spread over the hour."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Host = Annotated[str, Field(pattern=r"^https://[^/\s]+$")]


class Hosts(_Model):
    """Other hosts than the region's, such as a proxy's."""

    ingest: Host = Field(default="https://api.mixpanel.com", description="takes scores")
    export: Host = Field(default="https://data.mixpanel.com", description="gives events")
    query: Host = Field(default="https://mixpanel.com", description="gives profiles")


HOSTS: Mapping[Region, Hosts] = {
    "us": Hosts(),
    "eu": Hosts(
        ingest="https://api-eu.mixpanel.com", export="https://data-eu.mixpanel.com", query="https://eu.mixpanel.com"
    ),
    "in": Hosts(
        ingest="https://api-in.mixpanel.com", export="https://data-in.mixpanel.com", query="https://in.mixpanel.com"
    ),
}
"""Where each region's data lies (Mixpanel, "EU Data Residency", "India Data Residency")."""


class Auth(_Model):
    """A service account of the project, which reads, and the project's token, which writes."""

    user: str = Field(min_length=1, description="the service account's name")
    secret: SecretRef = Field(description="the service account's secret")
    token: SecretRef = Field(description="the project token (Project Settings > Access Keys)")


class EventPattern(_Model):
    """What an event means: the first pattern (a regular expression, any case) found in its name decides. One of `kind`,
    `outcome` (a deal, such as an upgrade) and `skip`. What matches none is left out."""

    pattern: Pattern
    kind: ActivityKind | None = None
    detail: str | None = Field(
        default=None,
        description="the event property that says what it was about, of an address its path; default: the event's name",
    )
    outcome: OutcomeStatus | None = None
    amount: str | None = Field(default=None, description="the event property that holds an outcome's amount")
    skip: bool = False

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if (self.kind is not None) + (self.outcome is not None) + self.skip != 1:
            raise ValueError("say one of kind, outcome and skip")
        if self.amount is not None and self.outcome is None:
            raise ValueError("amount is for an outcome")
        if self.detail is not None and self.kind is None:
            raise ValueError("detail is for a kind")
        return self


class Timings(_Model):
    """When to look, and how late Mixpanel shows what it was sent."""

    profiles: timedelta = Field(default=timedelta(minutes=5), description="how often to look for profiles seen since")
    events: timedelta = Field(default=timedelta(minutes=10), description="how often to look for new events")
    overlap: timedelta = Field(
        default=timedelta(minutes=10), description="how much of what was read is read again, for what shows later"
    )
    late: timedelta = Field(
        default=timedelta(days=2),
        ge=timedelta(0),
        description="once a day the events of so many days are read again: devices send some late",
    )
    history: timedelta = Field(
        default=timedelta(days=365), gt=timedelta(0), description="how far back the first load of events goes"
    )


class MixpanelSettings(_Model):
    """One Mixpanel project."""

    kind: Literal["mixpanel"]
    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,39}$",
        description="your name for the project, in every record that comes from it: keep it",
    )
    region: Region = Field(default="us", description="where the project's data lies")
    hosts: Hosts | None = Field(default=None, description="other hosts than the region's")
    project_id: PositiveInt = Field(description="the project's id (Project Settings > Overview)")
    auth: Auth
    ca_bundle: Path | None = Field(default=None, description="PEM file of an authority to trust beside the usual ones")
    time_zone: str = Field(
        default="UTC", description="the project's, where it was made before 2023: its days and times are in it"
    )
    email_property: str = Field(
        default="$email", description="the profile property that holds the e-mail, by which people are found in CRMs"
    )
    created_property: str = Field(default="$created", description="the profile property that tells since when it is")
    fields: Mapping[ScoreField, str | None] = Field(
        default_factory=lambda: dict(DEFAULT_FIELDS),
        description="profile properties for the score fields, where they differ; null leaves one out",
    )
    attributes: Mapping[str, str | None] = Field(
        default_factory=lambda: dict(DEFAULT_ATTRIBUTES),
        description="profile property by attribute; null for none",
    )
    events: tuple[EventPattern, ...] = Field(
        default=(), description="asked before the shipped patterns, on an event's name"
    )
    event_names: tuple[str, ...] = Field(
        default=(),
        description="the events to export, by their exact names; empty: all, and what no pattern matches is left out",
    )
    erase_deleted: bool = Field(
        default=False, description="whether a profile that is gone was deleted on its person's request, always"
    )
    without: frozenset[str] = Field(default=frozenset(), description="streams to leave out")
    timings: Timings = Field(default=Timings(), description="when to look, and how late Mixpanel may be")
    page_size: Annotated[int, Field(ge=1, le=50_000)] = Field(
        default=5_000, description="events that are stored at once"
    )
    spool: Path | None = Field(
        default=None,
        description="a private folder for events between export and storing; default: one under the temporary folder",
    )
    queries_per_hour: PositiveInt = Field(default=48, description="of the 60 that the whole project has")
    exports_per_hour: PositiveInt = Field(default=48, description="of the 60 that the whole project has")
    writes: Brakes = Field(default=Brakes(), description="how writing to it is held back")
    followers: ClassVar[Sequence[Follower]] = ()
    alert: ClassVar[None] = None

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            raise ValueError(f"no time zone is called {name!r}; write it like Europe/Berlin") from None
        return name

    @field_validator("fields", mode="before")
    @classmethod
    def _over_the_contract(cls, given: Any) -> Any:
        return {**DEFAULT_FIELDS, **given} if isinstance(given, Mapping) else given

    @field_validator("attributes", mode="before")
    @classmethod
    def _over_the_defaults(cls, given: Any) -> Any:
        return {**DEFAULT_ATTRIBUTES, **given} if isinstance(given, Mapping) else given

    @field_validator("fields")
    @classmethod
    def _our_own(cls, fields: Mapping[ScoreField, str | None]) -> Mapping[ScoreField, str | None]:
        names = [name for name in fields.values() if name is not None]
        if reserved := sorted(name for name in names if name.startswith(("$", "mp_")) or not 0 < len(name) <= 250):
            raise ValueError(f"{', '.join(reserved)}: Mixpanel keeps names that begin with $ or mp_ for itself")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} would hold more than one score field; name a property for each")
        return fields

    @field_validator("without")
    @classmethod
    def _known_streams(cls, without: frozenset[str]) -> frozenset[str]:
        return known_streams(without, STREAMS)

    def with_goals(self, suffixes: Mapping[str, str]) -> Self:
        """With the places of further goals' score fields, see `further`."""
        fields = further(self.fields, DEFAULT_FIELDS, suffixes, lambda name, suffix: f"{name}_{suffix.lower()}")
        return self.model_copy(update={"fields": fields})

    @property
    def mapped(self) -> Mapping[ScoreField, str]:
        """The score fields that are written, with their properties."""
        return {field: name for field, name in self.fields.items() if name is not None}

    @property
    def places(self) -> Hosts:
        return self.hosts or HOSTS[self.region]

    @property
    def budget(self) -> Budget:
        """Queries and exports are counted by the hour, exports by the second, too (`pace`, of 3); writes by their
        bytes, far more than scores have. What a person asks for (`check`) has a place of its own."""
        hourly = {"query": self.queries_per_hour, "export": self.exports_per_hour}
        windows = {name: _spread(limit) for name, limit in hourly.items()}
        second, free = timedelta(seconds=1), timedelta(0)
        a_second = {"ingest": 10, "check": 5, "pace": 2}
        return Budget({**windows, **{name: Window(limit, second, free) for name, limit in a_second.items()}})


def _spread(per_hour: int) -> Window:
    """So many in an hour. Counters that were lost cost `AT_ONCE` calls, which the project has beside ours by default,
    or the wait that makes up for them."""
    per = timedelta(hours=1) * AT_ONCE / per_hour
    return Window(AT_ONCE, per, timedelta(0) if per_hour + AT_ONCE <= ALLOWED else per)
