"""What a practice Salesforce is told at start-up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

OLDEST_VERSION, NEWEST_VERSION = 41, 66
"""API versions served; older ones are retired and answer 410."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesforceServer:
    """Address, credentials and limits. `base_url` is the `instance_url` of token answers, without a trailing slash."""

    base_url: str
    consumer_key: str
    consumer_secret: str = field(repr=False)
    jwt_public_key_pem: str | None = field(default=None, repr=False)
    username: str = "leadgauge@practice.example"
    password: str = field(default="practice", repr=False)
    security_token: str = field(default="", repr=False)
    audiences: tuple[str, ...] = ("https://login.salesforce.com", "https://test.salesforce.com")
    session_timeout: timedelta = timedelta(hours=2)
    daily_calls: int = 100_000
    page_rows: int = 2_000
    open_cursors: int = 10
    cursor_life: timedelta = timedelta(days=2)
    bulk_delay: float = 0.05
    """Seconds a Bulk job spends waiting and again processing, at least."""
