"""Marketo's values and ours. Most are JSON of their type; instants are text, and an exported file has text alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from connectors.records import ScoreField, Value

FIELD_TYPES: Mapping[ScoreField, type] = dict.fromkeys(ScoreField, str) | {
    ScoreField.SCORE: int,
    ScoreField.PROBABILITY: float,
    ScoreField.MQL_DATE: datetime,
    ScoreField.SCORED_AT: datetime,
}

DATA_TYPES: Mapping[str, type] = {
    "string": str, "text": str, "email": str, "phone": str, "url": str, "reference": str, "lead_function": str,
    "integer": int, "score": int, "percent": float, "float": float, "currency": float, "boolean": bool,
    "datetime": datetime, "date": date,
}  # fmt: skip
"""`dataType` of a field ("Field types") -> the Python type of its values; others are text."""


def instant(raw: Any) -> datetime:
    """An aware UTC datetime from any of Marketo's forms: `2013-02-19T23:17:04Z`, `+0000`, `Z+0000`, or a date.

    Raises `ValueError` for anything else.
    """
    text = re.sub(r"Z\+0000$", "Z", str(raw).strip())
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("not an instant of Marketo's") from None


def iso(at: datetime) -> str:
    """Whole seconds, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _flag(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[str(raw).lower()]


def _number(raw: Any) -> float:
    if isinstance(raw, bool):
        raise ValueError("a flag is no number")
    number = float(raw)
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError("no finite number")
    return number


def _whole(raw: Any) -> int | float:
    number = _number(raw)
    return int(number) if number.is_integer() else number


def _text(raw: Any) -> str:
    if isinstance(raw, list | dict):
        raise ValueError("no text")
    return raw if isinstance(raw, str) else str(raw)


_PARSERS: Mapping[type, Callable[[Any], Value]] = {
    str: _text, int: _whole, float: _number, bool: _flag, datetime: instant, date: lambda raw: instant(raw).date(),
}  # fmt: skip


def parse(kind: type, raw: Any) -> Value:
    """The value that a non-empty one stands for. Raises `ValueError` when it is not of that type."""
    try:
        return _PARSERS[kind](raw)
    except (KeyError, TypeError) as problem:
        raise ValueError(f"not a {kind.__name__}") from problem


def render(value: Value) -> str | int | float | bool | None:
    """What sets a field to `value`; null clears it. Instants are cut to whole seconds, in UTC."""
    if isinstance(value, datetime):
        return iso(value)
    return value.isoformat() if isinstance(value, date) else value


def score_fields(row: Mapping[str, Any], names: Mapping[ScoreField, str]) -> dict[ScoreField, Value]:
    """The field contract out of a lead, null left out.

    A value that is not of its type (someone put a text field in its place) is kept as the text it is: it differs from
    whatever was written, and that is what must be seen.
    """
    found: dict[ScoreField, Value] = {}
    for field, name in names.items():
        raw = row.get(name)
        if raw is None or raw == "":
            continue
        try:
            found[field] = parse(FIELD_TYPES.get(field.kind, str), raw)
        except ValueError:
            found[field] = str(raw)
    return found
