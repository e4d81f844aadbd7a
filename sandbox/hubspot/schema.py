"""Object types, property definitions and groups, and the association types between object types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One kind of CRM record. `modified` and `created` name its stamp properties, `scope` the scope family."""

    name: str
    singular: str
    type_id: str
    scope: str
    created: str
    modified: str
    defaults: tuple[str, ...]
    history: int = 20
    """Versions kept per property; the vendor caps them (more for contacts)."""
    content: frozenset[str] = frozenset()
    """Properties that are shown only to a token that may read sales e-mails."""


_EMAIL_CONTENT = frozenset(
    {"hs_email_subject", "hs_email_text", "hs_email_html", "hs_email_from_email", "hs_email_to_email"}
)


def _engagement(name: str, singular: str, type_id: str) -> ObjectType:
    stamps = ("hs_createdate", "hs_lastmodifieddate")
    content = _EMAIL_CONTENT if name == "emails" else frozenset[str]()
    return ObjectType(name, singular, type_id, "contacts", *stamps, (*stamps, "hs_object_id"), content=content)


TYPES: dict[str, ObjectType] = {
    kind.name: kind
    for kind in (
        ObjectType(
            "contacts", "contact", "0-1", "contacts", "createdate", "lastmodifieddate",
            ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"), history=45,
        ),
        ObjectType(
            "companies", "company", "0-2", "companies", "createdate", "hs_lastmodifieddate",
            ("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
        ),
        ObjectType(
            "deals", "deal", "0-3", "deals", "createdate", "hs_lastmodifieddate",
            ("amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "hs_object_id",
             "pipeline"),
        ),
        _engagement("calls", "call", "0-48"),
        _engagement("emails", "email", "0-49"),
        _engagement("meetings", "meeting", "0-47"),
        _engagement("notes", "note", "0-46"),
        _engagement("tasks", "task", "0-27"),
        _engagement("communications", "communication", "0-18"),
    )
}  # fmt: skip

ENGAGEMENTS = ("calls", "emails", "meetings", "notes", "tasks", "communications")

_ALIASES = {alias: kind for kind in TYPES.values() for alias in (kind.name, kind.singular, kind.type_id)}


def object_type(alias: str) -> ObjectType | None:
    """The type known by plural, singular or numeric name (`contacts`, `contact`, `0-1`), in any case."""
    return _ALIASES.get(alias.lower())


@dataclass(frozen=True, slots=True)
class Option:
    """One allowed value of an enumeration."""

    label: str
    value: str
    display_order: int = -1
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class PropertyDefinition:
    """A property of an object type. `read_only` values are set by the portal itself, never over the API."""

    name: str
    label: str
    type: str
    field_type: str
    group: str
    description: str = ""
    options: tuple[Option, ...] = ()
    display_order: int = -1
    hubspot_defined: bool = False
    calculated: bool = False
    read_only: bool = False
    unique: bool = False
    hidden: bool = False
    form_field: bool = False
    archived_at: int | None = None
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True)
class PropertyGroup:
    """A heading under which properties are listed."""

    name: str
    label: str
    display_order: int = -1
    archived: bool = False


FIELD_TYPES: dict[str, frozenset[str]] = {
    "string": frozenset({"text", "textarea", "html", "phonenumber", "file", "calculation_equation"}),
    "number": frozenset({"number", "calculation_equation"}),
    "enumeration": frozenset({"select", "radio", "checkbox", "booleancheckbox", "calculation_equation"}),
    "bool": frozenset({"booleancheckbox", "calculation_equation"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"date", "calculation_equation"}),
}
"""Property type -> the field types it may have (vendor's properties guide)."""


class Schema:
    """The property definitions and groups of one object type, archived ones included."""

    def __init__(self, kind: ObjectType) -> None:
        self.kind = kind
        self._properties: dict[str, PropertyDefinition] = {}
        self.groups: dict[str, PropertyGroup] = {}

    def __iter__(self) -> Iterator[PropertyDefinition]:
        """Live definitions, by name."""
        return (self._properties[name] for name in sorted(self._properties) if self.get(name))

    def get(self, name: str) -> PropertyDefinition | None:
        """The live definition called `name`."""
        definition = self._properties.get(name)
        return definition if definition is not None and definition.archived_at is None else None

    def archived(self) -> list[PropertyDefinition]:
        return [definition for _, definition in sorted(self._properties.items()) if definition.archived_at is not None]

    def put(self, definition: PropertyDefinition) -> None:
        """Add or replace; an archived property of that name comes back with this definition."""
        self._properties[definition.name] = definition

    def drop(self, name: str) -> None:
        """As if it had never been defined."""
        self._properties.pop(name, None)

    def archive(self, name: str, at: int) -> None:
        self._properties[name] = replace(self._properties[name], archived_at=at, updated_at=at)

    def dump(self) -> dict[str, Any]:
        return {
            "properties": [_fields(definition) for definition in self._properties.values()],
            "groups": [_fields(group) for group in self.groups.values()],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        self._properties = {
            row["name"]: PropertyDefinition(**{**row, "options": tuple(Option(**o) for o in row["options"])})
            for row in state["properties"]
        }
        self.groups = {row["name"]: PropertyGroup(**row) for row in state["groups"]}


def _fields(record: PropertyDefinition | PropertyGroup | Option) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__slots__}
    if "options" in values:
        values["options"] = [_fields(option) for option in values["options"]]
    return values


# Vendor-defined association types (associations v4 guide, "HubSpot-defined association types"): (from, to) -> type id.
ASSOCIATION_TYPES: dict[tuple[str, str], int] = {
    ("contacts", "contacts"): 449,
    ("contacts", "companies"): 279, ("companies", "contacts"): 280,
    ("contacts", "deals"): 4, ("deals", "contacts"): 3,
    ("deals", "companies"): 341, ("companies", "deals"): 342,
    ("contacts", "calls"): 193, ("calls", "contacts"): 194,
    ("contacts", "emails"): 197, ("emails", "contacts"): 198,
    ("contacts", "meetings"): 199, ("meetings", "contacts"): 200,
    ("contacts", "notes"): 201, ("notes", "contacts"): 202,
    ("contacts", "tasks"): 203, ("tasks", "contacts"): 204,
    ("contacts", "communications"): 82, ("communications", "contacts"): 81,
    ("companies", "calls"): 181, ("calls", "companies"): 182,
    ("companies", "emails"): 185, ("emails", "companies"): 186,
    ("companies", "meetings"): 187, ("meetings", "companies"): 188,
    ("companies", "notes"): 189, ("notes", "companies"): 190,
    ("companies", "tasks"): 191, ("tasks", "companies"): 192,
    ("companies", "communications"): 88, ("communications", "companies"): 87,
    ("deals", "calls"): 205, ("calls", "deals"): 206,
    ("deals", "emails"): 209, ("emails", "deals"): 210,
    ("deals", "meetings"): 211, ("meetings", "deals"): 212,
    ("deals", "notes"): 213, ("notes", "deals"): 214,
    ("deals", "tasks"): 215, ("tasks", "deals"): 216,
    ("deals", "communications"): 86, ("communications", "deals"): 85,
}  # fmt: skip

# The "Primary" label, which one company of a record bears: (from, to) -> type id.
PRIMARY_TYPES: dict[tuple[str, str], int] = {
    ("contacts", "companies"): 1, ("companies", "contacts"): 2,
    ("deals", "companies"): 5, ("companies", "deals"): 6,
}  # fmt: skip


def association_types(from_type: str, to_type: str) -> frozenset[int]:
    """The type ids that may stand between two object types; none for a pair that cannot be linked."""
    pair = (from_type, to_type)
    return frozenset(table[pair] for table in (ASSOCIATION_TYPES, PRIMARY_TYPES) if pair in table)
