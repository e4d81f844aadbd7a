"""The fields of a lead: standard ones and those that were made, and what a value must be to fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sandbox.marketo.instants import iso, read

TEXT = 255
TYPES = frozenset(
    {
        "boolean",
        "currency",
        "date",
        "datetime",
        "email",
        "float",
        "integer",
        "percent",
        "phone",
        "score",
        "string",
        "url",
    }
)
"""What a field made over the API may be (swagger, createLeadField)."""
WHOLE = frozenset({"integer", "percent", "score"})
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True)
class Field:
    """`company`: it belongs to the lead's company. `hidden`: left out of what describes leads, yet read and written as
    ever (as integrations know it). `by_api`: made over the API, of which an instance allows 100."""

    id: int
    name: str
    label: str
    type: str
    read_only: bool = False
    company: bool = False
    custom: bool = False
    hidden: bool = False
    by_api: bool = False
    description: str | None = None

    @property
    def length(self) -> int | None:
        return TEXT if self.type in {"string", "email", "phone", "url"} else None

    def taken(self, value: Any) -> Any:
        """The value as it is kept, None for an empty one. Raises `ValueError` with the vendor's words."""
        if value is None or value == "":
            return None
        try:
            kept = self._read(value)
        except (ValueError, TypeError, KeyError, OverflowError):
            raise ValueError(f"Invalid value '{value}'. Required of type '{self.type}'") from None
        if self.length is not None and len(str(kept)) > self.length:
            raise ValueError(f"Value for field '{self.name}' is longer than {self.length}")
        return kept

    def _read(self, value: Any) -> Any:
        if isinstance(value, dict | list):
            raise TypeError
        if self.type in WHOLE:
            if isinstance(value, bool) or float(value) != int(float(value)):
                raise ValueError
            return int(float(value))
        if self.type in {"float", "currency"}:
            if isinstance(value, bool):
                raise ValueError
            return float(value)
        if self.type == "boolean":
            return _BOOLEANS[str(value).lower()]
        if self.type == "datetime":
            return iso(read(str(value)))
        if self.type == "date":
            return date.fromisoformat(str(value)[:10]).isoformat()
        return str(value)


_STANDARD = (
    ("id", "Id", "integer", "r"), ("email", "Email Address", "email", ""), ("firstName", "First Name", "string", ""),
    ("lastName", "Last Name", "string", ""), ("createdAt", "Created At", "datetime", "r"),
    ("updatedAt", "Updated At", "datetime", "r"), ("title", "Job Title", "string", ""),
    ("department", "Department", "string", ""), ("phone", "Phone Number", "phone", ""),
    ("mobilePhone", "Mobile Phone Number", "phone", ""), ("address", "Address", "string", ""),
    ("city", "City", "string", ""), ("state", "State", "string", ""), ("postalCode", "Postal Code", "string", ""),
    ("country", "Country", "string", ""), ("leadSource", "Lead Source", "string", ""),
    ("leadStatus", "Lead Status", "string", ""), ("leadScore", "Lead Score", "score", ""),
    ("leadRole", "Role", "string", ""), ("rating", "Lead Rating", "string", ""),
    ("unsubscribed", "Unsubscribed", "boolean", ""), ("doNotCall", "Do Not Call", "boolean", ""),
    ("emailInvalid", "Email Invalid", "boolean", ""), ("dateOfBirth", "Date of Birth", "date", ""),
    ("isAnonymous", "Is Anonymous", "boolean", "r"), ("inferredCompany", "Inferred Company", "string", "r"),
    ("inferredCountry", "Inferred Country", "string", "r"), ("urgency", "Urgency", "float", "r"),
    ("leadPartitionId", "Lead Partition ID", "integer", "r"), ("sfdcLeadId", "SFDC Lead ID", "string", "r"),
    ("sfdcContactId", "SFDC Contact ID", "string", "r"), ("sfdcAccountId", "SFDC Account ID", "string", "r"),
    ("sfdcType", "SFDC Type", "string", "r"), ("company", "Company Name", "string", "c"),
    ("industry", "Industry", "string", "c"), ("annualRevenue", "Annual Revenue", "currency", "c"),
    ("numberOfEmployees", "Num Employees", "integer", "c"), ("website", "Website", "url", "c"),
    ("mainPhone", "Main Phone", "phone", "c"), ("billingCountry", "Billing Country", "string", "c"),
    ("sicCode", "SIC Code", "string", "c"),
)  # fmt: skip
"""Name, label, type; `r` read only, `c` of the company (vendor's page Standard Fields; the sync's as observed)."""

DEFAULT = ("id", "email", "updatedAt", "createdAt", "lastName", "firstName")
"""What is returned when no fields are asked for."""
SEARCHABLE = frozenset({"id", "email", "sfdcLeadId", "sfdcContactId", "sfdcAccountId"})
"""Standard fields that leads can be looked up by; custom ones by type."""


class Schema:
    """The fields of one instance, by name."""

    def __init__(self) -> None:
        self._fields = {
            name: Field(number, name, label, type, read_only="r" in marks, company="c" in marks)
            for number, (name, label, type, marks) in enumerate(_STANDARD, 1)
        }

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields.values())

    def get(self, name: str) -> Field | None:
        return self._fields.get(name)

    def add(self, name: str, label: str, type: str, *, by_api: bool = False, description: str | None = None) -> Field:
        """A custom field."""
        number = max(1000, *(field.id for field in self)) + 1
        field = Field(number, name, label, type, custom=True, by_api=by_api, description=description)
        self._fields[name] = field
        return field

    def change(self, name: str, **changes: Any) -> None:
        self._fields[name] = replace(self._fields[name], **changes)

    def remove(self, name: str) -> None:
        """What only an admin can do, in Field Management: the field and its values are gone."""
        del self._fields[name]

    def searchable(self, name: str) -> bool:
        """Whether leads can be looked up by it (vendor's page Leads, Query)."""
        field = self.get(name)
        return name in SEARCHABLE or (
            field is not None and field.custom and field.type in {"string", "email", "integer"}
        )
