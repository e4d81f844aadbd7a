"""Settings of one practice HubSpot server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sandbox.hubspot.temper import Limits

ALL_SCOPES = frozenset(
    {
        "oauth",
        "content",
        "forms",
        "sales-email-read",
        "crm.objects.owners.read",
        *(f"crm.objects.{kind}.{right}" for kind in ("contacts", "companies", "deals") for right in ("read", "write")),
        *(f"crm.schemas.{kind}.{right}" for kind in ("contacts", "companies", "deals") for right in ("read", "write")),
    }
)
"""Every scope the practice portal asks for anywhere."""


@dataclass(frozen=True, slots=True)
class HubspotServer:
    """How one server answers. Limits are off while None; switched on, they bring the vendor's headers and 429 bodies.

    `tokens`: service keys and private-app tokens -> their scopes. The OAuth app's tokens live `access_seconds`.
    `rate_10s` calls in 10 s per token, `association_10s` the lower one of the association endpoints,
    `search_per_second` and `daily` for the whole portal. `api_usage` answers even while `daily` is off.
    Links to records lead to `ui_domain`; by default to this server, which has a page for each.
    """

    base_url: str = "https://api.hubapi.com"
    tokens: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    client_id: str = "11111111-2222-3333-4444-555555555555"
    client_secret: str = field(default="66666666-7777-8888-9999-000000000000", repr=False)
    refresh_token: str = field(default="na1-0000-0000-0000-0000", repr=False)
    authorization_code: str = field(default="na1-code", repr=False)
    oauth_scopes: frozenset[str] = ALL_SCOPES
    access_seconds: int = 1800
    app_id: int = 1_747_647
    ui_domain: str | None = None
    rate_10s: int | None = None
    association_10s: int | None = None
    search_per_second: int | None = None
    daily: int | None = None

    @property
    def pages(self) -> str:
        """The host of the links to records."""
        return self.ui_domain or urlsplit(self.base_url).netloc

    @property
    def limits(self) -> Limits:
        return Limits(self.rate_10s, self.association_10s, self.search_per_second, self.daily)
