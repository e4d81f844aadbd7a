"""The field contract: what a score, a bucket and a stage look like in a CRM, and how two of them compare."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from connectors.records import EACH_GOAL, ScoreField, Value
from worker.lifecycle.policy import UNSCORED, Policy
from worker.lifecycle.stage import Position

INSTANTS = frozenset({ScoreField.MQL_DATE, ScoreField.SCORED_AT})
VOLATILE = frozenset({ScoreField.SCORED_AT, ScoreField.VERSION})
"""Fields that say when and by what a score was made. They alone are no reason to write."""

Plain = Mapping[str, Any]
"""Field values as JSON: whole seconds of UTC ending in Z, whole numbers without a fraction."""


def desired(
    score: int | None,
    status: str,
    position: Position | None,
    reasons: str,
    policy: Policy,
    version: str,
    as_of: datetime,
    probability: float | None = None,
    bucket_before: str | None = None,
    grade: str | None = None,
    bant: str | None = None,
) -> dict[str, Any]:
    """What every open record of a person shall hold; None clears a field. `probability` in percent, of a model;
    `position`: None for a goal without stages; `bucket_before`: the one that the person was in, for its hysteresis."""
    bucket = policy.bucket(score, bucket_before) if score is not None else None
    return {
        ScoreField.SCORE.value: score,
        ScoreField.PROBABILITY.value: _plain(probability),
        ScoreField.BUCKET.value: bucket.name if bucket else UNSCORED,
        ScoreField.ACTION.value: bucket.action if bucket else None,
        ScoreField.STAGE.value: position.stage.value if position else None,
        ScoreField.MQL_DATE.value: _plain(position.mql_at if position else None),
        ScoreField.GRADE.value: grade,
        ScoreField.BANT.value: bant,
        ScoreField.REASONS.value: reasons or None,
        ScoreField.STATUS.value: status,
        ScoreField.VERSION.value: version,
        ScoreField.SCORED_AT.value: _plain(as_of),
    }


def plain(values: Mapping[ScoreField, Value]) -> dict[str, Any]:
    """Typed values, as a CRM shows them, in the one form that is compared and stored; nulls left out."""
    return {field.value: _plain(value) for field, value in values.items() if value is not None and value != ""}


def _plain(value: Value) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def typed(values: Plain) -> dict[ScoreField, Value]:
    """The inverse of `plain`, for a push."""
    return {
        (field := ScoreField(name)): datetime.fromisoformat(value) if field.kind in INSTANTS and value else value
        for name, value in values.items()
    }


def differing(wanted: Plain, held: Plain) -> list[str]:
    """The names of wanted fields that are not held as wanted. A null, an absent and an empty value are the same."""
    return [name for name, value in wanted.items() if _filled(held.get(name)) != _filled(value)]


def _filled(value: Any) -> Any:
    return None if value == "" else value


def of_goal(values: Plain, goal: str) -> dict[str, Any]:
    """The contract's values as fields of a goal (empty: the primary one); what only the primary goal has is left out
    for others."""
    return {
        field.of(goal).value: value
        for name, value in values.items()
        if (field := ScoreField(name)) in EACH_GOAL or not goal
    }


def part(values: Plain, goal: str) -> dict[str, Any]:
    """The inverse of `of_goal`: what belongs to one goal, by the contract's names."""
    return {field.kind.value: value for name, value in values.items() if (field := ScoreField(name)).goal == goal}


def limited(values: Plain, mapped: frozenset[ScoreField]) -> dict[str, Any]:
    """Only the fields that a CRM has a place for."""
    return {name: value for name, value in values.items() if ScoreField(name) in mapped}
