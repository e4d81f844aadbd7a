"""Scalars as Salesforce writes them in JSON, and as ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from connectors.records import ScoreField, Value

ATTRIBUTE_TYPES: Mapping[str, type] = {
    "employees": int,
    "page_views": int,
    "annual_revenue": float,
    "budget": float,
    "has_phone": bool,
    "opted_out": bool,
    "bounced": bool,
    **dict.fromkeys(
        ("title", "company", "industry", "country", "lead_source", "status", "lifecycle_stage", "owner", "timeline",
         "need", "authority", "website", "account_type"), str,
    ),
}  # fmt: skip
"""The type of every attribute that rules and models know by name."""

SCORE_TYPES: Mapping[ScoreField, type] = {
    ScoreField.SCORE: int,
    ScoreField.PROBABILITY: float,
    ScoreField.MQL_DATE: datetime,
    ScoreField.SCORED_AT: datetime,
}
"""Of the field contract; the others are text."""


class Unreadable(ValueError):
    """A value that is not of the type it should have."""


def instant(text: str) -> datetime:
    """`2026-01-02T03:04:05.000+0000` as aware UTC in whole seconds. Raises `Unreadable`."""
    try:
        return _instant(text)
    except Unreadable:
        raise
    except (TypeError, ValueError):
        raise Unreadable(f"not a datetime: {type(text).__name__}") from None


@lru_cache(maxsize=1024)  # a row holds the same instant several times, and so do its neighbours
def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise Unreadable("a datetime without a zone")
    return at.astimezone(UTC).replace(microsecond=0)


def maybe_instant(text: str | None) -> datetime | None:
    """`instant`, or None for null."""
    return None if text is None else instant(text)


def soql_instant(at: datetime) -> str:
    """A datetime literal: stored stamps have no fraction, so neither has the literal."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def day_start(text: str, zone: ZoneInfo) -> datetime:
    """The first instant of a calendar date in the org's zone, in UTC. Raises `Unreadable`."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), zone).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise Unreadable("not a date") from None


def day_end(text: str, zone: ZoneInfo) -> datetime:
    """The last whole second of a calendar date in the org's zone, in UTC. Raises `Unreadable`."""
    try:
        following = date.fromisoformat(text) + timedelta(days=1)
        return datetime.combine(following, time(), zone).astimezone(UTC) - timedelta(seconds=1)
    except (TypeError, ValueError, OverflowError):
        raise Unreadable("not a date") from None


def typed(raw: Any, wanted: type | None, vendor: str = "") -> Value:
    """`raw` as a `wanted`; without a wish by the vendor's own field type. None and "" are null. Raises `Unreadable`."""
    if raw is None or raw == "":
        return None
    if wanted is datetime or (wanted is None and vendor == "datetime"):
        return instant(raw)
    if wanted is None and vendor == "date":
        try:
            return date.fromisoformat(raw)
        except (TypeError, ValueError):
            raise Unreadable("not a date") from None
    if wanted is None:
        return raw if isinstance(raw, str | int | float | bool) else None  # compound fields have no scalar
    if wanted is bool:
        return _flag(raw)
    if wanted is str:
        return str(raw)
    return _number(raw, wanted)


def _flag(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if str(raw).lower() in ("true", "false"):
        return str(raw).lower() == "true"
    raise Unreadable("not a flag")


def _number(raw: Any, wanted: type) -> int | float:
    try:
        number = float(raw)
    except (TypeError, ValueError):
        raise Unreadable("not a number") from None
    if isinstance(raw, bool) or not math.isfinite(number):
        raise Unreadable("not a finite number")
    return round(number) if wanted is int else number
