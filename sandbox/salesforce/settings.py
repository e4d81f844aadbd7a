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
    refresh_token: str = field(default="", repr=False)
    """What a user who approved the app handed over; empty for no such grant."""
    other_url: str = ""
    """Where the org can move to (`Behaviour.moves`); empty for nowhere."""
    session_timeout: timedelta = timedelta(hours=2)
    logins_per_hour: int = 3_600
    daily_calls: int = 100_000
    long_running_calls: int = 25
    long_running_after: timedelta = timedelta(seconds=20)
    """So many calls may run for longer than this at once (25 in production orgs, 5 in developer orgs)."""
    page_rows: int = 2_000
    open_cursors: int = 10
    cursor_life: timedelta = timedelta(days=2)
    bulk_delay: float = 0.05
    """Seconds a Bulk job spends waiting and again processing, at least."""
