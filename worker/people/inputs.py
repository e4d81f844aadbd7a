"""What of a CRM record scoring may see, and what changed in it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime

from connectors.records import LeadRecord, Value
from worker.people.identity import address


def as_text(value: Value) -> str | None:
    """The textual form in which attributes are kept: one spelling a value, whatever CRM it came from."""
    match value:
        case None | "":
            return None
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)


def texts(attributes: Mapping[str, Value]) -> dict[str, str]:
    """Attributes in their textual form, nulls and empty ones left out."""
    return {name: text for name, value in attributes.items() if (text := as_text(value)) is not None}


def of_lead(record: LeadRecord) -> dict[str, str]:
    """A person's attributes: those that the CRM holds, and the domain of the address. Never the address or the name."""
    attributes = texts(record.attributes)
    if record.email and (folded := address(record.email)):
        attributes["email_domain"] = folded.partition("@")[2]
    return attributes


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Each attribute that differs, with its new value; None when it was emptied."""
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield name, after.get(name)
