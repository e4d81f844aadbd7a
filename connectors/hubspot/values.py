"""HubSpot's strings and our values. Every property value is a string on the wire, whatever its type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.records import ScoreField, Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

FIELD_TYPES: Mapping[ScoreField, type] = dict.fromkeys(ScoreField, str) | {
    ScoreField.SCORE: int,
    ScoreField.PROBABILITY: float,
    ScoreField.MQL_DATE: datetime,
    ScoreField.SCORED_AT: datetime,
}

PROPERTY_TYPES: Mapping[str, type] = {
    "string": str,
    "enumeration": str,
    "phone_number": str,
    "number": float,
    "bool": bool,
    "datetime": datetime,
    "date": date,
}
"""HubSpot's `type` of a property definition -> the Python type of its values."""


def millis(at: datetime) -> int:
    """Milliseconds since 1970."""
    return (at - EPOCH) // MILLISECOND


def instant(raw: str | int) -> datetime:
    """An aware UTC datetime from any of HubSpot's forms: ISO 8601, a date, epoch milliseconds.

    Raises `ValueError` for anything else.
    """
    text = str(raw)
    try:
        if text.lstrip("-").isdecimal():
            return EPOCH + int(text) * MILLISECOND
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as problem:
        raise ValueError(f"{text[:40]!r} is no date of this era") from problem


def parse(kind: type, raw: Any) -> Value:
    """The value that a non-empty string stands for. Raises `ValueError` when it is not one of that type."""
    if kind is str:
        return raw if isinstance(raw, str) else _refuse(str(raw), kind)
    if kind is bool:
        return {"true": True, "false": False}[raw.lower()] if raw.lower() in ("true", "false") else _refuse(raw, kind)
    if kind is int or kind is float:
        number = float(raw)
        if number != number or number in (float("inf"), float("-inf")):
            _refuse(raw, kind)
        return int(number) if kind is int and number.is_integer() else number
    if kind is date:
        return instant(raw).date()
    return instant(raw)


def _refuse(raw: str, kind: type) -> Value:
    raise ValueError(f"not a {kind.__name__}: a string of {len(raw)} characters")


def render(value: Value) -> str:
    """The string that sets a property to `value`; None clears it. Instants are cut to whole seconds, in UTC."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")  # HubSpot reads digits and one point, no exponent
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return value.isoformat() if isinstance(value, date) else str(value)


def score_fields(properties: Mapping[str, str | None], names: Mapping[ScoreField, str]) -> dict[ScoreField, Value]:
    """The field contract out of a record's properties, null left out.

    A value that is not of its type (someone put a text property in its place) is kept as the text it is: it differs
    from whatever was written, and that is what must be seen.
    """
    found: dict[ScoreField, Value] = {}
    for field, name in names.items():
        raw = properties.get(name)
        if raw is None or raw == "":
            continue
        try:
            found[field] = parse(FIELD_TYPES.get(field.kind, str), raw)
        except ValueError:
            found[field] = str(raw)
    return found
