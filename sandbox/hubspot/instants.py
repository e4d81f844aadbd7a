"""Instants as the portal keeps them (epoch milliseconds) and as the wire shows them (ISO 8601 text)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class HasNow(Protocol):
    """What the portal needs of a clock."""

    def now(self) -> datetime: ...


def to_ms(at: datetime) -> int:
    """Whole milliseconds since the epoch, rounded down. Raises `ValueError` for a naive datetime."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return (at - _EPOCH) // _MILLISECOND


def from_ms(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def iso(ms: int) -> str:
    """`2026-11-20T10:11:12.345Z`; without a fraction on a whole second, as the vendor's Java prints instants."""
    seconds, rest = divmod(ms, 1000)
    text = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def parse_ms(text: str) -> int | None:
    """The instant that `text` names (epoch milliseconds, a date, or ISO 8601), else None. No zone means UTC."""
    if text.lstrip("-").isdecimal():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return to_ms(at if at.tzinfo else at.replace(tzinfo=UTC))
