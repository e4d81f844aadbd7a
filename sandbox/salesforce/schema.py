"""What an object is made of: fields, their limits, and how they refer to other objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class FieldType(StrEnum):
    """The `type` of a field in describe."""

    ID = "id"
    STRING = "string"
    TEXTAREA = "textarea"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    PICKLIST = "picklist"
    MULTIPICKLIST = "multipicklist"
    BOOLEAN = "boolean"
    INT = "int"
    DOUBLE = "double"
    CURRENCY = "currency"
    PERCENT = "percent"
    DATE = "date"
    DATETIME = "datetime"
    REFERENCE = "reference"


TEXTUAL = frozenset({FieldType.STRING, FieldType.TEXTAREA, FieldType.EMAIL, FieldType.PHONE, FieldType.URL})
CHOICES = frozenset({FieldType.PICKLIST, FieldType.MULTIPICKLIST})
NUMERIC = frozenset({FieldType.INT, FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT})
IDENTIFIERS = frozenset({FieldType.ID, FieldType.REFERENCE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `length` counts characters; `precision` is all digits of a number, `scale` those after the point.
    `inactive` are picklist values that records may still have and nobody can choose any more."""

    name: str
    type: FieldType
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    createable: bool = True
    updateable: bool = True
    filterable: bool = True
    calculated: bool = False
    restricted: bool = False
    external_id: bool = False
    unique: bool = False
    name_field: bool = False
    tracked: bool = False
    cascade: bool = False
    default: Any = None
    values: tuple[str, ...] = ()
    inactive: tuple[str, ...] = ()
    reference_to: tuple[str, ...] = ()
    relationship: str | None = None
    child: str | None = None

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def shown_label(self) -> str:
        """The label, or one derived from the API name ("Lead_Score__c" gives "Lead Score")."""
        if self.label:
            return self.label
        plain = self.name.removesuffix("__c").replace("_", " ")
        return re.sub(r"\bId$", "ID", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain))

    @property
    def polymorphic(self) -> bool:
        return len(self.reference_to) > 1


@dataclass(frozen=True, slots=True)
class RecordType:
    """A kind of an object's records; of the picklists in `offered` it has only these values."""

    id: str
    name: str
    offered: Mapping[str, tuple[str, ...]]


class SObject:
    """One kind of record. Fields are found without regard to case, as everywhere in the vendor's API."""

    def __init__(
        self,
        name: str,
        prefix: str,
        fields: Iterable[Field],
        *,
        label: str = "",
        plural: str = "",
        createable: bool = True,
        updateable: bool = True,
        deletable: bool = True,
        replicateable: bool = True,
        bulk: bool = True,
        history_of: str | None = None,
    ) -> None:
        self.name = name
        self.prefix = prefix
        self.label = label or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
        self.plural = plural or f"{self.label}s"
        self.createable = createable
        self.updateable = updateable
        self.deletable = deletable
        self.replicateable = replicateable
        self.bulk = bulk
        self.history_of = history_of
        self.record_types: list[RecordType] = []
        self.fields: dict[str, Field] = {}
        self._by_lower: dict[str, Field] = {}
        self._by_relationship: dict[str, Field] = {}
        self.revision = 0
        for field in fields:
            self.put(field)

    def put(self, field: Field) -> None:
        """Add `field`, or replace the one of the same name (a shorter length, fewer picklist values)."""
        self.fields[field.name] = field
        self._by_lower[field.name.lower()] = field
        if field.relationship:
            self._by_relationship[field.relationship.lower()] = field
        self.revision += 1

    def drop(self, name: str) -> None:
        """Forget a field, as when an administrator deletes it. Stored values stay in the rows, out of reach."""
        field = self.fields.pop(name)
        del self._by_lower[name.lower()]
        if field.relationship:
            self._by_relationship.pop(field.relationship.lower(), None)
        self.revision += 1

    def field(self, name: str) -> Field | None:
        return self.fields.get(name) or self._by_lower.get(name.lower())

    def parent(self, relationship: str) -> Field | None:
        """The reference field behind a relationship name (`Owner` is behind OwnerId)."""
        return self._by_relationship.get(relationship.lower())

    def references(self) -> Iterator[Field]:
        return (field for field in self.fields.values() if field.type is FieldType.REFERENCE)

    @property
    def name_field(self) -> str | None:
        return next((field.name for field in self.fields.values() if field.name_field), None)
