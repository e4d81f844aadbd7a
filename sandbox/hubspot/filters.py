"""Search filters: what a request asks for, and whether a row answers it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.hubspot.bodies import Malformed, names_in
from sandbox.hubspot.index import Row, Span
from sandbox.hubspot.instants import iso, parse_ms
from sandbox.hubspot.schema import ObjectType, PropertyDefinition, Schema, object_type
from sandbox.hubspot.values import as_text

Comparable = str | float
Predicate = Callable[[Row], bool]
Linked = Callable[[int, str], list[int]]
"""(record id, object type) -> ids linked to that record."""

OPERATORS = frozenset(
    {"EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY",
     "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}
)  # fmt: skip
_ORDERED: dict[str, Callable[[Comparable, Comparable], bool]] = {
    "LT": lambda held, asked: held < asked,  # type: ignore[operator]
    "LTE": lambda held, asked: held <= asked,  # type: ignore[operator]
    "GT": lambda held, asked: held > asked,  # type: ignore[operator]
    "GTE": lambda held, asked: held >= asked,  # type: ignore[operator]
}
_WORD = re.compile(r"\w+")


class BadFilter(Malformed):
    """The filter cannot be built."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one property."""

    name: str
    operator: str
    value: str = ""
    high: str = ""
    values: tuple[str, ...] = ()

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Filter:
        """Raises `Malformed`."""
        missing = [name for name in ("propertyName", "operator") if not raw.get(name)]
        if missing:
            raise BadFilter(f"Cannot build Filter, some of required attributes are not set [{', '.join(missing)}]")
        operator = str(raw["operator"])
        for name, needed in _NEEDS.get(operator, ()):
            if raw.get(name) is None:
                raise BadFilter(f"problem: operator {operator} requires {needed}")
        if operator not in OPERATORS:
            raise BadFilter(f"Cannot deserialize value of type `FilterOperatorEnum` from String {operator!r}")
        value, high = raw.get("value", ""), raw.get("highValue", "")
        values = names_in(raw.get("values"), "values")
        return cls(str(raw["propertyName"]), operator, as_text(value), as_text(high), values)


_NEEDS: dict[str, tuple[tuple[str, str], ...]] = {
    **dict.fromkeys(
        ("EQ", "NEQ", "LT", "LTE", "GT", "GTE", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"), (("value", "a value"),)
    ),
    "BETWEEN": (("value", "a value"), ("highValue", "a highValue")),
    "IN": (("values", "values"),),
    "NOT_IN": (("values", "values"),),
}


def narrowed(kind: ObjectType, filters: tuple[Filter, ...]) -> tuple[Span, tuple[Filter, ...]]:
    """The bounds that the filters set on stamp and id, and the filters that remain to be tested row by row."""
    span, rest = Span(), []
    for condition in filters:
        bounds = _bounds(condition) if condition.name in (kind.modified, "hs_object_id") else None
        if bounds is None:
            rest.append(condition)
        elif condition.name == "hs_object_id":
            span = span._replace(first=max(span.first, bounds[0]), last=min(span.last, bounds[1]))
        else:
            span = span._replace(since=max(span.since, bounds[0]), until=min(span.until, bounds[1]))
    return span, tuple(rest)


def _bounds(condition: Filter) -> tuple[int, int] | None:
    """Inclusive whole-number bounds of an ordering condition; None for any other."""
    low, high = Span().since, Span().last
    value = parse_ms(condition.value) if condition.name != "hs_object_id" else _whole(condition.value)
    if value is None:
        return None
    match condition.operator:
        case "EQ":
            return value, value
        case "GT":
            return value + 1, high
        case "GTE":
            return value, high
        case "LT":
            return low, value - 1
        case "LTE":
            return low, value
        case "BETWEEN":
            top = parse_ms(condition.high) if condition.name != "hs_object_id" else _whole(condition.high)
            return (value, top) if top is not None else None
    return None


def _whole(text: str) -> int | None:
    return int(text) if text.lstrip("-").isdecimal() else None


def predicate(schema: Schema, filters: tuple[Filter, ...], linked: Linked) -> Predicate:
    """One test for all the filters. Raises `BadFilter` for an unknown property or a value that does not fit it."""
    tests = [_test(schema, condition, linked) for condition in filters]
    return lambda row: all(test(row) for test in tests)


def _test(schema: Schema, condition: Filter, linked: Linked) -> Predicate:
    if condition.name.startswith("associations."):
        return _association_test(condition, linked)
    definition = schema.get(condition.name)
    if definition is None:
        raise BadFilter(f'Property "{condition.name}" does not exist')
    read = reader(schema.kind, condition.name)
    match condition.operator:
        case "HAS_PROPERTY":
            return lambda row: read(row) is not None
        case "NOT_HAS_PROPERTY":
            return lambda row: read(row) is None
        case "IN" | "NOT_IN":
            return _membership(definition, condition, read)
        case "CONTAINS_TOKEN" | "NOT_CONTAINS_TOKEN":
            wanted = condition.operator == "CONTAINS_TOKEN"
            return lambda row: (contains_token(read(row) or "", condition.value)) is wanted
    return _comparison(definition, condition, read)


def _association_test(condition: Filter, linked: Linked) -> Predicate:
    kind = object_type(condition.name.removeprefix("associations."))
    if kind is None:
        raise BadFilter(f'Property "{condition.name}" does not exist')
    wanted = {int(value) for value in (condition.value, *condition.values) if value.isdecimal()}
    match condition.operator:
        case "EQ" | "IN":
            return lambda row: bool(wanted.intersection(linked(row.id, kind.name)))
        case "HAS_PROPERTY":
            return lambda row: bool(linked(row.id, kind.name))
        case "NOT_HAS_PROPERTY":
            return lambda row: not linked(row.id, kind.name)
    raise BadFilter(f"operator {condition.operator} is not supported for {condition.name}")


def _membership(definition: PropertyDefinition, condition: Filter, read: Callable[[Row], str | None]) -> Predicate:
    """IN on text finds only values given in lower case: rows are lowered, the asked values are not (vendor's guide)."""
    wanted = frozenset(condition.values)
    exact = definition.type == "enumeration"

    def test(row: Row) -> bool:
        value = read(row)
        held = value is not None and (value if exact else value.lower()) in wanted
        return held if condition.operator == "IN" else not held

    return test


def _comparison(definition: PropertyDefinition, condition: Filter, read: Callable[[Row], str | None]) -> Predicate:
    asked = comparable(definition, condition.value)
    high = comparable(definition, condition.high) if condition.operator == "BETWEEN" else None
    if asked is None or (condition.operator == "BETWEEN" and high is None):
        raise BadFilter(f"{condition.value} is not a valid value for {definition.type} property {definition.name}")

    def test(row: Row) -> bool:
        text = read(row)
        held = comparable(definition, text) if text is not None else None
        if condition.operator == "NEQ":
            return held != asked
        if held is None:
            return False
        if condition.operator == "EQ":
            return held == asked
        if high is not None:
            return _ORDERED["GTE"](held, asked) and _ORDERED["LTE"](held, high)
        return _ORDERED[condition.operator](held, asked)

    return test


def comparable(definition: PropertyDefinition, text: str) -> Comparable | None:
    """A value in the order of its type: numbers and instants by size, enumerations exactly, text in any case."""
    match definition.type:
        case "number":
            try:
                return float(text)
            except ValueError:
                return None
        case "datetime" | "date":
            return parse_ms(text)
        case "enumeration":
            return text
    return text.lower()


def contains_token(text: str, asked: str) -> bool:
    """Whether a word of `text` matches every word asked for; `*` stands for any letters."""
    words = _WORD.findall(text.lower())
    patterns = [re.compile(word.replace("*", r"\w*")) for word in re.findall(r"[\w*]+", asked.lower())]
    return bool(patterns) and all(any(pattern.fullmatch(word) for word in words) for pattern in patterns)


def reader(kind: ObjectType, name: str) -> Callable[[Row], str | None]:
    """How a property is read from an index row."""
    if name == "hs_object_id":
        return lambda row: str(row.id)
    if name == kind.modified:
        return lambda row: iso(row.modified)
    if name == kind.created:
        return lambda row: iso(row.created)
    return lambda row: row.values.get(name)


def matches_text(row: Row, names: tuple[str, ...], query: str) -> bool:
    """Free-text search: every word asked for begins a word of one of the default search properties."""
    words = [word for name in names for word in _WORD.findall(row.values.get(name, "").lower())]
    return all(any(word.startswith(asked) for word in words) for asked in _WORD.findall(query.lower()))
