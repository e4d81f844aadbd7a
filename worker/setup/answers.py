"""What `leadgauge init` must know to write a configuration. Everything else has a default that suits most."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator


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


class FilesAnswers(_Answers):
    """One folder of exports."""

    name: str = "files"
    directory: Path


class Answers(_Answers):
    """Of a person, of options, or of a file."""

    salesforce: tuple[SalesforceAnswers, ...] = ()
    hubspot: tuple[HubspotAnswers, ...] = ()
    files: tuple[FilesAnswers, ...] = ()
    language: Literal["en", "ru"] = "en"

    @model_validator(mode="after")
    def _anything(self) -> Self:
        if not (self.salesforce or self.hubspot or self.files):
            raise ValueError("names no CRM; say salesforce, hubspot or files")
        return self
