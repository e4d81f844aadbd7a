"""Values as Mixpanel keeps them: numbers, texts of 255 bytes, and times that name no zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.mixpanel.settings import PARTS
from connectors.records import ScoreField, Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST = 255
"""Bytes of a text that Mixpanel keeps ("Supported Properties Data Type")."""
INSTANTS = frozenset({ScoreField.MQL_DATE, ScoreField.SCORED_AT})
NUMBERS = frozenset({ScoreField.SCORE, ScoreField.PROBABILITY})
_MILLIS_FROM = 100_000_000_000  # the number that says seconds up to the year 5138


def places(field: ScoreField, name: str) -> Sequence[str]:
    """The properties that hold a field: reasons may be longer than one can."""
    return [name, *(f"{name}_{n}" for n in range(2, PARTS + 1))] if field.kind is ScoreField.REASONS else [name]


def rendered(
    values: Mapping[ScoreField, Value], names: Mapping[ScoreField, str], there: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """What to set, and what to take away, so that a profile that holds `there` holds `values`."""
    given: dict[str, Any] = {}
    taken: list[str] = []
    for field, value in values.items():
        if field in names:
            first, *further = zip(places(field, names[field]), _parts(field, value), strict=True)
            given |= {name: part for name, part in (first, *further) if part is not None}
            taken += [name for name, part in (first,) if part is None]
            taken += [name for name, part in further if part is None and name in there]
    return given, taken


def _parts(field: ScoreField, value: Value) -> list[Any]:
    """`value` for each of the field's properties; None where one is not needed."""
    if isinstance(value, datetime):
        value = f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
    if field.kind is not ScoreField.REASONS:
        return [None if value == "" else value]
    parts, left = [], str(value or "").encode()
    for _ in range(PARTS):
        part = left[:LONGEST].decode(errors="ignore")  # no half a character
        parts.append(part or None)
        left = left[len(part.encode()) :]
    return parts


def score_fields(properties: Mapping[str, Any], names: Mapping[ScoreField, str]) -> dict[ScoreField, Value]:
    """The field contract out of a profile's properties, null left out. What is not of its type is kept as the text it
    is: it differs from whatever was written, and that is what must be seen."""
    found: dict[ScoreField, Value] = {}
    for field, name in names.items():
        parts = [properties[place] for place in places(field, name) if properties.get(place) not in (None, "")]
        if parts:
            found[field] = _parsed(field, parts[0] if len(parts) == 1 else "".join(map(str, parts)))
    return found


def _parsed(field: ScoreField, raw: Any) -> Value:
    if field.kind in NUMBERS and isinstance(raw, int | float) and not isinstance(raw, bool):
        return int(raw) if isinstance(raw, float) and raw.is_integer() else raw
    if field.kind in INSTANTS and isinstance(raw, str):
        try:
            return datetime.fromisoformat(raw).replace(tzinfo=UTC)
        except ValueError:
            return raw
    return raw if isinstance(raw, str) else str(raw)


def instant(raw: Any, zone: ZoneInfo) -> datetime | None:
    """The instant that a profile's stamp tells, in a text of the project's zone or in seconds or milliseconds; None for
    what is none."""
    try:
        if isinstance(raw, int | float) and not isinstance(raw, bool):
            return since_epoch(raw, zone)
        at = datetime.fromisoformat(str(raw))
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def since_epoch(number: float, zone: ZoneInfo) -> datetime:
    """The instant of an event's time; an old project counts from 1970 in its own zone. Raises `OverflowError`."""
    millis = number if abs(number) >= _MILLIS_FROM else number * 1000
    at = EPOCH + timedelta(milliseconds=millis)
    return at if zone.key == "UTC" else at.replace(tzinfo=zone).astimezone(UTC)


def stamp(at: datetime, zone: ZoneInfo) -> str:
    """An instant as a profile's stamp."""
    return f"{at.astimezone(zone):%Y-%m-%dT%H:%M:%S}"


def seconds(at: datetime, zone: ZoneInfo) -> int:
    """The inverse of `since_epoch`, in whole seconds."""
    return int(at.astimezone(zone).replace(tzinfo=UTC).timestamp())
