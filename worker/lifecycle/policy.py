"""The policy: every threshold that RevOps sets, as one validated value. Its revisions live in the database."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationError, field_validator

from worker.lifecycle.thresholds import (
    BUCKETS,
    UNSCORED,
    Bucket,
    Capacity,
    Grades,
    Guard,
    Human,
    Hybrid,
    Materiality,
    Mql,
    Part,
    Promotion,
    Recycling,
    Retraining,
    Sales,
    Scale,
    Segments,
)

__all__ = [
    "UNSCORED", "Bucket", "Capacity", "Guard", "Hybrid", "Materiality", "Mql", "Policy", "PolicyError", "Problem",
    "Promotion", "Retraining", "Sales", "Scale", "change", "differences", "merged", "parse", "problems", "settings",
    "strangers",
]  # fmt: skip

Reason = Annotated[str, Field(min_length=10, max_length=500)]
Place = tuple[str | int, ...]
"""Where in a body a setting stands: names, and numbers in lists."""

_FREE = (("segments", "of"), ("overrides",))
"""Places whose names are the user's own; null takes one out."""


class PolicyError(ValueError):
    """The policy is refused. The text names the setting, what is wrong with it, and what is allowed."""


class Problem(NamedTuple):
    """What is wrong with a body, and where."""

    place: Place
    what: str

    def __str__(self) -> str:
        return f"{dotted(self.place) or 'policy'}: {self.what}"


class Policy(Part):
    """One revision's body."""

    mql: Mql = Mql()
    sales: Sales = Sales()
    recycling: Recycling = Recycling()
    human: Human = Human()
    buckets: tuple[Bucket, ...] = BUCKETS
    bucket_hysteresis: int = Field(default=5, ge=0, le=50)
    """A person falls out of a bucket when the score is so many points below where it begins."""
    materiality: Materiality = Materiality()
    scale: Scale = Scale()
    hybrid: Hybrid = Hybrid()
    grades: Grades = Grades()
    capacity: Capacity = Capacity()
    guard: Guard = Guard()
    segments: Segments = Segments()
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

    def bucket(self, score: int, previous: str | None = None) -> Bucket:
        """The bucket of a score; with the name of the `previous` one, the bucket that a person is in who was there.

        Upwards a bucket begins where it says. Downwards a person stays until `bucket_hysteresis` points below that, at
        every line that the score falls through, so that noise of so many points around a line moves nobody twice.
        """
        names = [bucket.name for bucket in self.buckets]
        held = names.index(previous) if previous in names else len(names)
        return next(
            bucket
            for number, bucket in enumerate(self.buckets)
            if score >= bucket.at_least - (self.bucket_hysteresis if number >= held else 0)
        )

    def of(self, segment: str | None) -> Policy:
        """What holds for the people of a segment: the policy with the settings of their own."""
        return self._by_segment.get(segment, self) if segment is not None else self

    @property
    def required(self) -> frozenset[str]:
        """The attributes that anybody's gate asks for."""
        return frozenset(name for its in self.segmented for name in its.mql.required)

    @property
    def segmented(self) -> Sequence[Policy]:
        """What holds for whoever has no segment of their own, and for each segment."""
        return (self, *self._by_segment.values())

    @property
    def bucket_names(self) -> Sequence[str]:
        """What a bucket's field in a CRM may come to hold."""
        names = [bucket.name for its in self.segmented for bucket in its.buckets]
        return [*dict.fromkeys(names), UNSCORED]

    @cached_property
    def _by_segment(self) -> Mapping[str, Policy]:
        return {name: Policy.model_validate(own) for name, own in _segments(self.model_dump(mode="json"))}


def parse(body: Mapping[str, Any]) -> Policy:
    """Validate a stored or edited body. Raises `PolicyError`."""
    if wrong := problems(body):
        raise PolicyError("\n".join(map(str, wrong)))
    return Policy.model_validate(body)


def problems(body: Mapping[str, Any]) -> Sequence[Problem]:
    """All that is wrong with a body, the settings of segments included; nothing where it can be published."""
    if wrong := _problems(body):
        return wrong
    whole = Policy.model_validate(body).model_dump(mode="json")
    return [
        Problem(("segments", "of", name, *problem.place), problem.what)
        for name, own in _segments(whole)
        for problem in _problems(own)
    ]


def strangers(policy: Policy, known: Collection[str]) -> Sequence[Problem]:
    """Attributes that the policy reads and that are none: nobody would ever pass such a gate."""
    read: list[tuple[Place, str | None]] = [
        *((("mql", "required", number), name) for number, name in enumerate(policy.mql.required)),
        (("sales", "reason"), policy.sales.reason),
        (("segments", "by"), policy.segments.by),
    ]
    for segment, its in policy.segments.of.items():
        required = its.get("mql", {}).get("required", ())
        read += [(("segments", "of", segment, "mql", "required", number), name) for number, name in enumerate(required)]
    found = []
    for place, name in read:
        if name is not None and name not in known:
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))};"
            found.append(Problem(place, f"no attribute is named {name!r}; {hint} declare others under `attributes`"))
    return found


def _problems(body: Mapping[str, Any]) -> list[Problem]:
    try:
        Policy.model_validate(body)
    except ValidationError as problem:
        return [_problem(error) for error in problem.errors(include_url=False)]
    return []


def _problem(error: Mapping[str, Any]) -> Problem:
    place, what = tuple(error["loc"]), error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        model: Any = Policy
        for name in place[:-1]:
            field = getattr(model, "model_fields", {}).get(name)
            model = field.annotation if field else None
        what = "no such setting; there are " + ", ".join(model.model_fields) if model else "no such setting"
    given = error["input"]
    got = not isinstance(given, Mapping | Part) and place and error["type"] != "missing"
    return Problem(place, what + (f" (got {json.dumps(given, default=str)})" if got else ""))


def _segments(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """For each segment the body that holds for its people."""
    for name, own in body["segments"]["of"].items():
        yield name, merged({**body, "segments": {}}, own)


def merged(body: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with what `own` says otherwise, mapping by mapping. Lists are replaced whole; null in a place for names of
    the user's own takes the name out."""
    return _merged(body, own, ())


def _merged(body: Mapping[str, Any], own: Mapping[str, Any], place: Place) -> dict[str, Any]:
    result = dict(body)
    for name, value in own.items():
        here, held = (*place, name), result.get(name)
        if value is None and place in _FREE:
            result.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(held, Mapping):
            result[name] = _merged(held, value, here)
        else:
            result[name] = value
    return result


def change(policy: Policy, *assignments: str) -> Policy:
    """The policy with some settings changed, as in `mql.enter=70`, `buckets.0.at_least=85`,
    `mql.required=company,title`, `segments.of.Germany.mql.enter=75`. Only the outcome must be valid. Raises
    `PolicyError`."""
    body = policy.model_dump(mode="json")
    for assignment in assignments:
        path, equals, raw = assignment.partition("=")
        if not equals or not path.strip():
            raise PolicyError(f"{assignment!r}: write SETTING=VALUE, as in mql.enter=70")
        names = path.strip().split(".")
        if any(tuple(names[: len(free)]) == free and len(names) > len(free) for free in _FREE):
            own: Any = _read(raw, None)
            for name in reversed(names):
                own = {name: own}
            body = merged(body, own)
        elif not _assign(body, names, raw):
            raise PolicyError(f"{path.strip()}: no such setting; there are {', '.join(settings(policy))}")
    return parse(body)


def _assign(body: dict[str, Any], names: Sequence[str], raw: str) -> bool:
    """Set what the names lead to; False where there is no such setting."""
    place: Any = body
    try:
        for name in names[:-1]:
            place = place[int(name)] if isinstance(place, list) else place[name]
        key: Any = int(names[-1]) if isinstance(place, list) else names[-1]
        place[key] = _read(raw, place[key])
    except (KeyError, IndexError, ValueError, TypeError):
        return False
    return True


def _read(raw: str, held: Any) -> Any:
    """JSON, or plain text; where a list of words is held, words with commas between them."""
    try:
        return json.loads(raw)
    except ValueError:
        text = raw.strip()
    if isinstance(held, list) and not any(isinstance(item, dict) for item in held):
        return [word.strip() for word in text.split(",") if word.strip()]
    return text


def settings(policy: Policy) -> Mapping[str, Any]:
    """All settings by dotted name. A list of words is one setting; a list of parts has one for each."""
    return dict(_settings((), policy.model_dump(mode="json")))


def _settings(place: Place, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _settings((*place, name), inner)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, inner in enumerate(value):
            yield from _settings((*place, number), inner)
    else:
        yield dotted(place), value


def differences(before: Policy, after: Policy) -> Mapping[str, tuple[Any, Any]]:
    """Setting -> what it was and what it is now, where that differs; None where there is no such setting."""
    old, new = settings(before), settings(after)
    return {name: (old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)}


def dotted(place: Place) -> str:
    return ".".join(map(str, place))
