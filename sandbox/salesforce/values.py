"""Values as the org stores them: what JSON shows, with nulls absent, strings trimmed, instants of one second in UTC."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

from sandbox.salesforce import ids
from sandbox.salesforce.schema import IDENTIFIERS, NUMERIC, Field, FieldType


class Unreadable(ValueError):
    """A value that the field's type cannot hold. Says only the type, never the value."""


def stamp(at: datetime) -> str:
    """An aware instant as `2026-01-02T03:04:05.000+0000`; fractions of a second are cut, as the vendor stores none."""
    if at.tzinfo is None:
        raise Unreadable("an instant needs a time zone")
    return at.astimezone(UTC).isoformat()[:19] + ".000+0000"


def instant(text: str) -> datetime:
    """The aware instant behind a stamp or any ISO 8601 text with an offset."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable("not an ISO 8601 instant") from None
    if at.tzinfo is None:
        raise Unreadable("an instant needs an offset")
    return at


def stored(field: Field, value: Any) -> Any:
    """`value` in stored form, or None for null and for a blank string. Raises Unreadable."""
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
    if field.type is FieldType.BOOLEAN:
        return _boolean(value)
    if field.type in NUMERIC:
        return _number(field, value)
    if field.type is FieldType.DATETIME:
        return stamp(value if isinstance(value, datetime) else _instant_of(value))
    if field.type is FieldType.DATE:
        return _date(value)
    if field.type in IDENTIFIERS:
        id = ids.normalise(value)
        if id is None:
            raise Unreadable("not a record id")
        return id
    if not isinstance(value, str):
        raise Unreadable("not a string")
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise Unreadable("not a boolean")


def _number(field: Field, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Unreadable("not a number")
    try:
        number = float(value)
    except ValueError:
        raise Unreadable("not a number") from None
    if not math.isfinite(number):
        raise Unreadable("not a finite number")
    if field.type is FieldType.INT:
        if number != int(number):
            raise Unreadable("not a whole number")
        return int(number)
    # More decimals than the scale are rounded half away from zero, not refused (observed by API users).
    shift = 10.0**field.scale
    return math.copysign(math.floor(abs(number) * shift + 0.5) / shift, number)


def _instant_of(value: Any) -> datetime:
    if not isinstance(value, str):
        raise Unreadable("not an instant")
    return instant(value if len(value) > 10 else f"{value}T00:00:00+00:00")


def _date(value: Any) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        raise Unreadable("not a date")
    try:
        return date.fromisoformat(value[:10]).isoformat()
    except ValueError:
        raise Unreadable("not a date") from None
