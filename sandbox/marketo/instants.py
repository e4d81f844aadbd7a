"""Instants as Marketo writes and reads them: whole seconds, UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

CENTRAL = ZoneInfo("America/Chicago")
"""Quotas end at midnight here (vendor's page REST API)."""


def whole(at: datetime) -> datetime:
    """`at` in UTC without its fraction of a second."""
    return at.astimezone(UTC).replace(microsecond=0)


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def offset(at: datetime) -> str:
    """The other way in which the same API writes the same instant (vendor's page Activities)."""
    return at.strftime("%Y-%m-%dT%H:%M:%S+0000")


def asset(at: datetime) -> str:
    """As the asset API writes it (vendor's page Field Types)."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ+0000")


def read(text: str) -> datetime:
    """An ISO instant; without an offset it is taken for UTC. Raises `ValueError`."""
    at = datetime.fromisoformat(text)
    return whole(at if at.tzinfo is not None else at.replace(tzinfo=UTC))


def quota_day(at: datetime) -> date:
    """The day whose quota a call at this instant uses."""
    return at.astimezone(CENTRAL).date()
