"""How one Salesforce org is reached, read and written. Imports nothing of the SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from connectors.alerts import AlertSettings
from connectors.brakes import Brakes
from connectors.options import Pattern, Share, Shares, further, known_streams
from connectors.quota import DEFAULT_OWN, DEFAULT_SHARES, Budget, Window
from connectors.records import ActivityKind, Follower, ScoreField
from connectors.secret import SecretRef
from connectors.stages import StageField, follower, refuse_read_values, refuse_twice

CONTRACT: Mapping[ScoreField, str] = {
    ScoreField.SCORE: "Lead_Score__c",
    ScoreField.PROBABILITY: "Lead_Score_Probability__c",
    ScoreField.BUCKET: "Lead_Score_Bucket__c",
    ScoreField.ACTION: "Lead_Score_Action__c",
    ScoreField.GRADE: "Lead_Score_Grade__c",
    ScoreField.STAGE: "Lead_Stage__c",
    ScoreField.MQL_DATE: "MQL_Date__c",
    ScoreField.REASONS: "Lead_Score_Reasons__c",
    ScoreField.BANT: "Lead_BANT__c",
    ScoreField.STATUS: "Lead_Score_Status__c",
    ScoreField.VERSION: "Lead_Score_Version__c",
    ScoreField.SCORED_AT: "Lead_Scored_At__c",
}
"""The fields that the shipped permission set and field definitions provide, on Lead and Contact."""

BUCKET = "api"
"""The one bucket of the gate: Salesforce counts all calls alike."""

STREAMS = (
    "leads", "contacts", "campaign_members", "tasks", "events", "email_messages", "opportunities",
    "opportunity_roles", "accounts", "lead_history", "contact_history", "purges",
)  # fmt: skip
"""All that an org can be read by; those of `without` are left out."""

NEW_STATUSES = ("Open - Not Contacted", "New")
"""What Salesforce ships as the status of new leads, in classic and in recent orgs."""

VendorField = Annotated[str, Field(pattern=r"^[A-Za-z]\w*$", max_length=80)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class JwtBearer(_Frozen):
    """By a certificate that the app knows; the user must be pre-authorised by profile or permission set."""

    type: Literal["jwt_bearer"] = "jwt_bearer"
    consumer_key: str
    username: str = Field(repr=False)
    private_key: SecretRef


class ClientCredentials(_Frozen):
    """The app's own key and secret; works on the org's My Domain host only and runs as the app's Run-As user."""

    type: Literal["client_credentials"]
    consumer_key: str
    consumer_secret: SecretRef


class Password(_Frozen):
    """Legacy: blocked by default in newer orgs and not offered to External Client Apps."""

    type: Literal["password"]
    consumer_key: str
    consumer_secret: SecretRef
    username: str = Field(repr=False)
    password: SecretRef
    security_token: SecretRef | None = None


class CampaignRule(_Frozen):
    """Campaign members whose "type / name / status" matches `pattern` (a regular expression, any case) mean `kind`."""

    pattern: Pattern
    kind: ActivityKind


class SalesforceSettings(_Frozen):
    """One org. Everything but name and credentials has a default that suits most."""

    kind: Literal["salesforce"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")] = Field(
        description="your name for the org, in every record that comes from it: keep it"
    )
    auth: Annotated[JwtBearer | ClientCredentials | Password, Field(discriminator="type")]
    login_url: str = Field(default="https://login.salesforce.com", description="best the org's My Domain address")
    audience: str | None = Field(default=None, description="`aud` of the JWT; default: login or test.salesforce.com")
    ca_bundle: Path | None = Field(default=None, description="a private authority to trust beside the public ones")
    api_version: Annotated[str, Field(pattern=r"^\d{2,3}\.0$")] = "62.0"
    time_zone: str = Field(
        default="UTC", description="the org's zone (Setup > Company Information): whose day a date means"
    )

    fields: Mapping[ScoreField, VendorField | None] = Field(
        default_factory=lambda: dict(CONTRACT),
        description="names of the score fields, where they differ; null leaves one out; `GOAL.score` is a goal's",
    )
    attributes: Mapping[str, VendorField | None] = Field(
        default_factory=dict,
        description="Lead and Contact field by attribute: more, others than usual, or null for none",
    )
    account_attributes: Mapping[str, VendorField | None] = Field(
        default_factory=dict, description="the same for Account"
    )
    lead_status: StageField | None = Field(
        default=None, description="let the Status of open leads follow the stage; off unless it is given"
    )
    alert: AlertSettings | None = Field(
        default=None, description="a task for the owner of whoever enters a stage or bucket; off unless it is given"
    )
    disqualified: frozenset[str] = Field(
        default=frozenset({"Unqualified", "Disqualified", "Closed - Not Converted"}),
        description="statuses that mean that sales wants a lead no more",
    )
    campaigns: tuple[CampaignRule, ...] = Field(default=(), description="looked at before the shipped rules")
    without: frozenset[str] = Field(default=frozenset(), description="streams to leave out, such as email_messages")

    erase_purged: bool = Field(
        default=True,
        description="a lead or contact that was deleted for good is erased here too; false keeps it as deleted",
    )

    settle: timedelta = Field(
        default=timedelta(seconds=60), ge=timedelta(0), description="how late a row may become visible"
    )
    overlap: timedelta = Field(default=timedelta(minutes=10), ge=timedelta(0), description="re-read with every window")
    page_size: Annotated[int, Field(ge=1, le=2000)] = Field(
        default=2000, description="rows of a query that come at once"
    )
    bulk_from: PositiveInt = Field(default=2000, description="rows from which on a first load is a Bulk API 2.0 query")
    bulk_page_size: PositiveInt = Field(default=10_000, description="rows of a bulk query that are applied at once")
    bulk_census_from: PositiveInt = Field(
        default=20_000, description="rows from which on the nightly census of an object is a Bulk API 2.0 query"
    )
    bulk_census_page_size: PositiveInt = Field(default=50_000, description="ids of a census that are noted at once")
    bulk_write_from: Annotated[int, Field(gt=200)] = Field(
        default=2000, description="records that wait to be written from which on they go in a Bulk API 2.0 ingest job"
    )
    bulk_write_size: Annotated[int, Field(gt=200, le=100_000)] = Field(
        default=10_000, description="records of one such push: newer scores wait until it has come to an end"
    )
    describe_for: timedelta = Field(
        default=timedelta(hours=6), description="how long an object's fields are taken to be as they were"
    )
    token_for: timedelta = Field(
        default=timedelta(hours=2), description="how long a token is handed to other processes"
    )
    calls_per_second: PositiveInt = Field(
        default=20, description="of the 25 long calls (5 in a trial) that may run at once"
    )
    usage_age: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        description="ask for the day's calls (/limits) when no answer has told them for so long",
    )
    writes: Brakes = Field(default=Brakes(), description="how writing to it is held back")
    daily_calls: PositiveInt = Field(default=15_000, description="assumed until Salesforce tells it")
    daily_shares: Shares = Field(
        default=DEFAULT_SHARES,
        description="how much of the day's calls may be gone, by anyone, when a lane stops; the rest is a reserve",
    )
    daily_own: Share = Field(default=DEFAULT_OWN, description="share of the day's calls that Leadgauge makes at most")

    @field_validator("fields", mode="before")
    @classmethod
    def _over_the_contract(cls, given: Any) -> Any:
        """What is named replaces the contract's field, null leaves it out, the rest stays."""
        return {**CONTRACT, **given} if isinstance(given, Mapping) else given

    @field_validator("lead_status", mode="before")
    @classmethod
    def _new_leads(cls, given: Any) -> Any:
        """What an org gives new leads, unless something else is named (a value that an org lacks replaces nothing)."""
        return {"replaces": NEW_STATUSES, **given} if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _writes_what_it_does_not_read(self) -> Self:
        refuse_twice(self.followers, self.fields)
        refuse_read_values("lead_status", self.lead_status, {"disqualified": self.disqualified})
        return self

    @field_validator("without")
    @classmethod
    def _known_streams(cls, without: frozenset[str]) -> frozenset[str]:
        return known_streams(without, STREAMS)

    @field_validator("login_url", "audience")
    @classmethod
    def _https(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError(f"{url!r} must be an address like https://acme.my.salesforce.com")
        return url.rstrip("/")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{name!r} is not a time zone such as Europe/Berlin") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        """`time_zone`, resolved."""
        return ZoneInfo(self.time_zone)

    def with_goals(self, suffixes: Mapping[str, str]) -> Self:
        """With the places of further goals' score fields, see `further`."""
        fields = further(
            self.fields, CONTRACT, suffixes, lambda name, suffix: f"{name.removesuffix('__c')}_{suffix}__c"
        )
        return self.model_copy(update={"fields": fields})

    @property
    def mapped(self) -> Mapping[ScoreField, str]:
        """The score fields that this org takes, with their names there."""
        return {field: name for field, name in self.fields.items() if name is not None}

    @property
    def followers(self) -> Sequence[Follower]:
        """The fields of the org's own that follow the stage."""
        if self.lead_status is None:
            return ()
        read = {"status": "Status", **{name: field for name, field in self.attributes.items() if field is not None}}
        read = {name: field for name, field in read.items() if self.attributes.get(name, field) is not None}
        return (follower("Lead", "Status", "lead_status", self.lead_status, read),)

    @property
    def budget(self) -> Budget:
        """The org's limits, for the gate."""
        windows = {BUCKET: Window(self.calls_per_second)}
        return Budget(windows, self.daily_calls, self.daily_shares, self.daily_own)

    @property
    def token_audience(self) -> str:
        """Whom a JWT is for. Salesforce knows two: production and sandboxes."""
        if self.audience is not None:
            return self.audience
        host = urlsplit(self.login_url).hostname or ""
        kind = "test" if host == "test.salesforce.com" or ".sandbox." in host else "login"
        return f"https://{kind}.salesforce.com"
