"""What `leadgauge init` must know to write a configuration. Everything else has a default that suits most."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)


def _place(given: str) -> str:
    if not re.fullmatch(r"env:[A-Za-z_]\w*|file:\S.*", given):
        raise ValueError("must say where it lies, env:NAME or file:PATH; what is secret itself is written nowhere")
    return given


Place = Annotated[str, AfterValidator(_place)]
"""Where a secret lies: `env:NAME` or `file:PATH`. Never the secret itself."""


class _Answers(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SalesforceAnswers(_Answers):
    """One org. With a `user` it is entered by JWT and a private key, else by the app's own key and secret."""

    name: str = "salesforce"
    url: str = Field(description="the org's My Domain address, as in https://acme.my.salesforce.com")
    key: str = Field(min_length=1, description="the consumer key of the External Client App")
    user: str | None = None
    secret: Place = "env:SALESFORCE_SECRET"  # noqa: S105 - a place
    time_zone: str = "UTC"
    ca_bundle: Path | None = None

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        url = url if "://" in url else f"https://{url}"
        parts = urlsplit(url.rstrip("/"))
        if parts.scheme != "https" or not parts.hostname or parts.path:
            raise ValueError("must be an address like https://acme.my.salesforce.com")
        if parts.hostname.endswith((".lightning.force.com", ".my.salesforce-setup.com")):
            host = parts.hostname.split(".")[0]
            raise ValueError(f"is that of the pages; the API is at https://{host}.my.salesforce.com")
        return url.rstrip("/")

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{name!r} is not a time zone such as Europe/Berlin") from None
        return name


class HubspotAnswers(_Answers):
    """One account, entered by a service key or a private app's token. `starter`: of the Free or Starter tier."""

    name: str = "hubspot"
    secret: Place = "env:HUBSPOT_TOKEN"  # noqa: S105 - a place
    starter: bool = False
    host: str | None = None
    ca_bundle: Path | None = None


class MarketoAnswers(_Answers):
    """One instance, entered by a custom service of LaunchPoint. No lead is older than `since`."""

    name: str = "marketo"
    host: str = Field(description="the instance's REST address, as in https://123-ABC-456.mktorest.com")
    client: str = Field(min_length=1, description="the client id of the custom service")
    secret: Place = "env:MARKETO_SECRET"  # noqa: S105 - a place
    since: AwareDatetime | None = None
    ca_bundle: Path | None = None

    @field_validator("host")
    @classmethod
    def _address(cls, host: str) -> str:
        """Also as Marketo shows it, with /rest at its end, and the Munchkin id alone."""
        if re.fullmatch(r"\d{3}-[A-Za-z]{3}-\d{3}", host):
            host = f"{host}.mktorest.com"
        parts = urlsplit(host if "://" in host else f"https://{host}")
        if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") not in ("", "rest"):
            raise ValueError("must be an address like https://123-ABC-456.mktorest.com")
        return f"https://{parts.netloc}"


class AmplitudeAnswers(_Answers):
    """One project. `cohorts` are names by bucket, made in the name of `owner`, a login."""

    name: str = "amplitude"
    project: PositiveInt = Field(description="the project's number (Settings > Projects)")
    region: Literal["us", "eu"] = "us"
    api_key: Place = "env:AMPLITUDE_API_KEY"
    secret: Place = "env:AMPLITUDE_SECRET_KEY"  # noqa: S105 - a place
    owner: str | None = None
    cohorts: Mapping[str, str] = Field(default_factory=lambda: {"hot": "Leadgauge hot", "warm": "Leadgauge warm"})
    host: str | None = None
    ca_bundle: Path | None = None


class MixpanelAnswers(_Answers):
    """One project, read by a service account and written by the project's token. `limit`: queries and exports an hour,
    where the project may make more of them than the usual 60."""

    name: str = "mixpanel"
    project: PositiveInt = Field(description="the project's number (Project Settings > Overview)")
    region: Literal["us", "eu", "in"] = "us"
    user: str = Field(min_length=1, description="the name of the service account")
    secret: Place = "env:MIXPANEL_SECRET"  # noqa: S105 - a place
    token: Place = "env:MIXPANEL_TOKEN"  # noqa: S105 - a place
    limit: PositiveInt | None = None
    host: str | None = None
    ca_bundle: Path | None = None


class FilesAnswers(_Answers):
    """One folder of exports."""

    name: str = "files"
    directory: Path


class Answers(_Answers):
    """Of a person, of options, or of a file."""

    salesforce: tuple[SalesforceAnswers, ...] = ()
    hubspot: tuple[HubspotAnswers, ...] = ()
    marketo: tuple[MarketoAnswers, ...] = ()
    amplitude: tuple[AmplitudeAnswers, ...] = ()
    mixpanel: tuple[MixpanelAnswers, ...] = ()
    files: tuple[FilesAnswers, ...] = ()
    language: Literal["en", "ru"] = "en"

    @model_validator(mode="after")
    def _anything(self) -> Self:
        kinds = [name for name in type(self).model_fields if name != "language"]
        if not any(getattr(self, kind) for kind in kinds):
            raise ValueError(f"names no CRM; say {', '.join(kinds[:-1])} or {kinds[-1]}")
        return self

    @property
    def places(self) -> list[Place]:
        """Where secrets lie."""
        alone = ((each.secret for each in kind) for kind in (self.salesforce, self.hubspot, self.marketo))
        keys = ((each.api_key, each.secret) for each in self.amplitude)
        return [*chain(*alone), *chain(*keys), *chain(*((each.secret, each.token) for each in self.mixpanel))]
