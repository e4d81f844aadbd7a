"""Property values: what a property accepts, how it is kept, and the code of each refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.hubspot.instants import DAY_MS, from_ms, iso, parse_ms
from sandbox.hubspot.schema import PropertyDefinition, Schema

LONGEST_TEXT = 65_536
_NUMBER = re.compile(r"-?\d+(\.\d+)?|-?\.\d+")
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a property's value was refused. `code` is the vendor's, as in `errors[].code`."""

    name: str
    code: str
    message: str


class InvalidProperties(ValueError):
    """One or more values were refused; nothing was written."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(f"{problem.name}: {problem.code}" for problem in self.problems)


def checked(schema: Schema, properties: Mapping[str, Any], *, by_api: bool = False) -> dict[str, str]:
    """`properties` as they are kept. A cleared value is `""`.

    The portal itself may set read-only properties, the API may not (`by_api`). Raises `InvalidProperties` naming every
    refused value.
    """
    kept: dict[str, str] = {}
    problems: list[Problem] = []
    for name, value in properties.items():
        definition = schema.get(name)
        if definition is None:
            problems.append(Problem(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
        elif by_api and definition.read_only:
            message = f'"{name}" is a read only property; its value cannot be set.'
            problems.append(Problem(name, "READ_ONLY_VALUE", message))
        else:
            outcome = _kept(definition, as_text(value))
            if isinstance(outcome, Problem):
                problems.append(outcome)
            else:
                kept[name] = outcome
    if problems:
        raise InvalidProperties(tuple(problems))
    return kept


def as_text(value: object) -> str:
    """A JSON scalar as the vendor coerces it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _kept(definition: PropertyDefinition, text: str) -> str | Problem:
    if text == "":
        return text
    match definition.type:
        case "number":
            return (
                text
                if _NUMBER.fullmatch(text)
                else _refuse(definition, "INVALID_INTEGER", f"{text} was not a valid number.")
            )
        case "datetime":
            ms = parse_ms(text)
            return iso(ms) if ms is not None else _refuse(definition, "INVALID_LONG", f"{text} was not a valid long.")
        case "date":
            return _date(definition, text)
        case "bool" | "enumeration":
            return _choice(definition, text)
    if len(text) > LONGEST_TEXT:
        message = f"{definition.name} was too long; the maximum is {LONGEST_TEXT} characters"
        return _refuse(definition, "PROPERTY_VALUE_TOO_LONG", message)
    if definition.name == "email":
        text = text.strip().lower()
        return (
            text if _EMAIL.fullmatch(text) else _refuse(definition, "INVALID_EMAIL", f"Email address {text} is invalid")
        )
    return text


def _date(definition: PropertyDefinition, text: str) -> str | Problem:
    ms = parse_ms(text)
    if ms is None:
        return _refuse(definition, "INVALID_DATE", f"{text} was not a valid date.")
    if ms % DAY_MS:
        clock = from_ms(ms).time().isoformat("milliseconds")
        return _refuse(definition, "INVALID_DATE", f"{text} is at {clock} UTC, not midnight!")
    return from_ms(ms).date().isoformat()


def _choice(definition: PropertyDefinition, text: str) -> str | Problem:
    allowed = [option.value for option in definition.options]
    if definition.type == "bool":
        text = text.lower()
    chosen = text.strip(";").split(";") if definition.field_type == "checkbox" else [text]
    if all(value in allowed for value in chosen):
        return text
    shown = ", ".join(allowed)
    return _refuse(definition, "INVALID_OPTION", f"{text} was not one of the allowed options: [{shown}]")


def _refuse(definition: PropertyDefinition, code: str, message: str) -> Problem:
    return Problem(definition.name, code, message)
