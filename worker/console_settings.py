"""What an operator sets of the console: how long people stay signed in, and who else vouches for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from connectors.secret import SecretRef

RoleName = Literal["viewer", "editor", "publisher", "admin"]


def _web_address(given: str) -> str:
    """Without a slash at its end. People sign in there, so over plain HTTP it must be this machine."""
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or "@" in given:
        raise ValueError("is no web address; write it as in https://leadgauge.example.com")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("must begin with https://: passwords travel there")
    return given.rstrip("/")


WebAddress = Annotated[str, AfterValidator(_web_address)]


class Oidc(BaseModel):
    """An OpenID provider. People come in by the code flow with PKCE; what `role_claim` has decides what they may do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: WebAddress = Field(description="As in https://login.example.com; its discovery document is read there.")
    client_id: str = Field(min_length=1)
    client_secret: SecretRef
    scope: str = Field(default="openid profile email", pattern=r"\bopenid\b")
    name_claim: str = Field(default="email", description="What people are called in the console and in histories.")
    role_claim: str = Field(default="groups", description="The claim that holds a person's groups.")
    roles: Mapping[str, RoleName] = Field(
        default_factory=dict, description="By group, what its people may do; of several the most."
    )
    otherwise: RoleName | None = Field(default=None, description="For people of no such group. Unset: they stay out.")


class ConsoleSettings(BaseModel):
    """`idle` and `lasts`: a browser is signed out when it was not used for so long, and after so long anyway."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    idle: timedelta = Field(default=timedelta(hours=8), ge=timedelta(minutes=1))
    lasts: timedelta = Field(default=timedelta(days=7), ge=timedelta(minutes=1))
    oidc: Oidc | None = None
