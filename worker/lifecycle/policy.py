"""The policy: every threshold that RevOps sets, as one validated value. Its revisions live in the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

Points = Annotated[int, Field(ge=0, le=100)]
Reason = Annotated[str, Field(min_length=10, max_length=500)]
UNSCORED = "unscored"


class PolicyError(ValueError):
    """The policy is refused. The text names the setting, what is wrong with it, and what is allowed."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bucket(_Part):
    """Scores from `at_least` up to the next bucket, and what sales does about them."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    at_least: Points
    action: str = Field(max_length=80)


class Mql(_Part):
    """A person becomes marketing qualified at `enter` and stays so until below `leave`."""

    enter: Points = 70
    leave: Points = 60

    @model_validator(mode="after")
    def _leave_is_not_above_enter(self) -> Self:
        if self.leave > self.enter:
            raise ValueError(f"mql.leave ({self.leave}) must not be above mql.enter ({self.enter})")
        return self


class Materiality(_Part):
    """A score is written when it moved by `points`, or when the record's last write is `max_age_days` old."""

    points: int = Field(default=3, ge=0, le=100)
    max_age_days: int = Field(default=30, ge=1, le=3650)


class Scale(_Part):
    """How a model's odds become points: `reference_odds` have 50, and `pdo` points double them (`policy scale`)."""

    pdo: float = Field(default=20.0, ge=2, le=100, allow_inf_nan=False)
    reference_odds: float = Field(default=0.05, ge=1e-6, le=1e3, allow_inf_nan=False)


class Promotion(_Part):
    """What a challenger must show before it may score people.

    Of leads that were held out: at least `min_conversions` that converted and `min_others` that did not; a calibration
    error (ECE) at most `calibration_slack` above the champion's. At most `max_moved` of the leads may change their
    bucket, unless the AUC gains `min_gain`. `automatic`: a challenger that passes replaces its champion by itself; the
    first model of a goal is always a person's decision.
    """

    automatic: bool = False
    min_conversions: int = Field(default=40, ge=1)
    min_others: int = Field(default=40, ge=1)
    calibration_slack: float = Field(default=0.01, ge=0, le=1)
    max_moved: float = Field(default=0.25, ge=0, le=1)
    min_gain: float = Field(default=0.01, ge=0, le=0.5)


class Retraining(_Part):
    """When a challenger is trained unasked: every so many days (0: never), and when the champion's drift alerts."""

    every_days: int = Field(default=91, ge=0, le=3650)
    on_drift: bool = True


BUCKETS = (
    Bucket(name="hot", at_least=90, action="Call immediately"),
    Bucket(name="warm", at_least=70, action="Call this week"),
    Bucket(name="nurture", at_least=50, action="E-mail cadence"),
    Bucket(name="cold", at_least=0, action="Marketing content only"),
)


class Policy(_Part):
    """One revision's body."""

    mql: Mql = Mql()
    buckets: tuple[Bucket, ...] = BUCKETS
    materiality: Materiality = Materiality()
    scale: Scale = Scale()
    promotion: Promotion = Promotion()
    retraining: Retraining = Retraining()
    overrides: Mapping[str, Reason] = Field(default_factory=dict)
    """Feature -> why models may use it against the leakage report's verdict on it."""

    @field_validator("buckets")
    @classmethod
    def _cover_the_scale(cls, buckets: tuple[Bucket, ...]) -> tuple[Bucket, ...]:
        names, floors = [b.name for b in buckets], [b.at_least for b in buckets]
        if UNSCORED in names:
            raise ValueError(f"{UNSCORED!r} is what people without a score get; choose another name")
        if len(set(names)) < len(names):
            raise ValueError("two buckets have the same name")
        if floors != sorted(set(floors), reverse=True):
            raise ValueError("list buckets from the highest at_least to the lowest, no two alike")
        if not floors or floors[-1] != 0:
            raise ValueError("the last bucket must start at 0, so that every score has one")
        return buckets

    def bucket(self, score: int) -> Bucket:
        return next(bucket for bucket in self.buckets if score >= bucket.at_least)


def parse(body: Mapping[str, Any]) -> Policy:
    """Validate a stored or edited body. Raises `PolicyError`."""
    try:
        return Policy.model_validate(body)
    except ValidationError as problem:
        lines = []
        for error in problem.errors(include_url=False):
            place = ".".join(map(str, error["loc"]))
            got = f" (got {json.dumps(error['input'], default=str)})" if place and error["type"] != "missing" else ""
            lines.append(f"{place or 'policy'}: {error['msg'].removeprefix('Value error, ')}{got}")
        raise PolicyError("\n".join(lines)) from None


def change(policy: Policy, assignment: str) -> Policy:
    """The policy with one setting changed, as in `mql.enter=70`, `buckets.0.at_least=85`. Raises `PolicyError`."""
    path, equals, raw = assignment.partition("=")
    if not equals or not path.strip():
        raise PolicyError(f"{assignment!r}: write SETTING=VALUE, as in mql.enter=70")
    try:
        value = json.loads(raw)
    except ValueError:
        value = raw.strip()
    body = policy.model_dump(mode="json")
    *parents, last = path.strip().split(".")
    place: Any = body
    try:
        for name in parents:
            place = place[int(name)] if isinstance(place, list) else place[name]
        key: Any = int(last) if isinstance(place, list) else last
        place[key]  # an unknown setting is refused here, with what there is
        place[key] = value
    except (KeyError, IndexError, ValueError, TypeError):
        raise PolicyError(f"{path.strip()}: no such setting; there are {', '.join(settings(policy))}") from None
    return parse(body)


def settings(policy: Policy) -> tuple[str, ...]:
    """The dotted names of all settings."""

    def walk(prefix: str, value: Any) -> list[str]:
        if isinstance(value, dict):
            return [name for key, inner in value.items() for name in walk(f"{prefix}{key}.", inner)]
        if isinstance(value, list):
            return [name for i, inner in enumerate(value) for name in walk(f"{prefix}{i}.", inner)]
        return [prefix.removesuffix(".")]

    return tuple(walk("", policy.model_dump(mode="json")))
