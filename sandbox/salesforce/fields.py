"""Constructors of fields, one a type, so that the object definitions read like a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.salesforce.schema import Field, FieldType


def text(name: str, length: int = 255, **more: Any) -> Field:
    return Field(name=name, type=FieldType.STRING, length=length, **more)


def long_text(name: str, length: int = 32000, **more: Any) -> Field:
    return Field(name=name, type=FieldType.TEXTAREA, length=length, filterable=False, **more)


def email(name: str = "Email", **more: Any) -> Field:
    return Field(name=name, type=FieldType.EMAIL, length=80, **more)


def phone(name: str = "Phone", **more: Any) -> Field:
    return Field(name=name, type=FieldType.PHONE, length=40, **more)


def url(name: str = "Website", **more: Any) -> Field:
    return Field(name=name, type=FieldType.URL, length=255, **more)


def picklist(name: str, *values: str, **more: Any) -> Field:
    return Field(name=name, type=FieldType.PICKLIST, length=255, values=values, **more)


def flag(name: str, **more: Any) -> Field:
    return Field(name=name, type=FieldType.BOOLEAN, **{"default": False, "required": False, **more})


def whole(name: str, digits: int = 8, **more: Any) -> Field:
    return Field(name=name, type=FieldType.INT, precision=digits, **more)


def number(name: str, precision: int = 18, scale: int = 0, **more: Any) -> Field:
    return Field(name=name, type=FieldType.DOUBLE, precision=precision, scale=scale, **more)


def currency(name: str, precision: int = 18, scale: int = 2, **more: Any) -> Field:
    return Field(name=name, type=FieldType.CURRENCY, precision=precision, scale=scale, **more)


def percent(name: str, precision: int = 3, scale: int = 0, **more: Any) -> Field:
    return Field(name=name, type=FieldType.PERCENT, precision=precision, scale=scale, **more)


def day(name: str, **more: Any) -> Field:
    return Field(name=name, type=FieldType.DATE, **more)


def moment(name: str, **more: Any) -> Field:
    return Field(name=name, type=FieldType.DATETIME, **more)


def lookup(name: str, *targets: str, **more: Any) -> Field:
    """A reference; its relationship is the name without `Id` (or with `__r` for a custom one)."""
    relationship = f"{name.removesuffix('__c')}__r" if name.endswith("__c") else name.removesuffix("Id")
    return Field(
        name=name, type=FieldType.REFERENCE, length=18, reference_to=targets, **{"relationship": relationship, **more}
    )


def read_only(field_list: list[Field]) -> list[Field]:
    """The same fields as the system keeps them: shown by describe as neither createable nor updateable."""
    return [replace(field, createable=False, updateable=False) for field in field_list]


def system_fields(*, deletable: bool = True) -> list[Field]:
    """Id, audit fields and the two stamps; `IsDeleted` only where records can be deleted."""
    fields = [
        Field(name="Id", type=FieldType.ID, length=18, label="Record ID"),
        flag("IsDeleted", label="Deleted"),
        moment("CreatedDate"),
        lookup("CreatedById", "User", label="Created By ID"),
        moment("LastModifiedDate"),
        lookup("LastModifiedById", "User", label="Last Modified By ID"),
        moment("SystemModstamp", label="System Modstamp"),
    ]
    return read_only([field for field in fields if deletable or field.name != "IsDeleted"])


def history_fields(parent: str, parent_field: str) -> list[Field]:
    """The shape of LeadHistory and ContactHistory: append-only, and without SystemModstamp."""
    return read_only(
        [
            Field(name="Id", type=FieldType.ID, length=18),
            flag("IsDeleted", label="Deleted"),
            lookup(parent_field, parent, child="Histories"),
            lookup("CreatedById", "User"),
            moment("CreatedDate"),
            picklist("Field"),
            picklist("DataType"),
            text("OldValue", filterable=False),
            text("NewValue", filterable=False),
        ]
    )
