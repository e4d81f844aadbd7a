"""What a field accepts: the checks the vendor makes on a value, in its words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.faults import RowError
from sandbox.salesforce.schema import NUMERIC, TEXTUAL, Field, FieldType, SObject

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def refusal(org: Org, sobject: SObject, id: str | None, field: Field, value: Any) -> RowError | None:
    """Why the org refuses `value` (in stored form) for a field of record `id` (None for a new one), if it does."""
    if value is None:
        if field.required:
            return RowError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{field.name}]", (field.name,))
        return None
    if field.type in TEXTUAL and len(value) > field.length > 0:
        message = f"{field.shown_label}: data value too large: {value} (max length={field.length})"
        return RowError("STRING_TOO_LONG", message, (field.name,))
    if field.type is FieldType.EMAIL and not _EMAIL.fullmatch(value):
        return RowError("INVALID_EMAIL_ADDRESS", f"{field.shown_label}: invalid email address: {value}", (field.name,))
    if field.restricted and not set(value.split(";")) <= set(field.values):
        message = f"{field.shown_label}: bad value for restricted picklist field: {value}"
        return RowError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, (field.name,))
    if field.type in NUMERIC and abs(value) >= 10.0 ** (field.precision - field.scale):
        message = f"{field.shown_label}: value outside of valid range on numeric field: {value}"
        return RowError("NUMBER_OUTSIDE_VALID_RANGE", message, (field.name,))
    if field.type is FieldType.REFERENCE:
        return _reference_refusal(org, field, value)
    if field.unique:
        return _duplicate(org, sobject, id, field, value)
    return None


def _reference_refusal(org: Org, field: Field, value: str) -> RowError | None:
    kind = org.kind(value)
    if kind not in field.reference_to:
        message = f"{field.shown_label}: id value of incorrect type: {value}"
        return RowError("FIELD_INTEGRITY_EXCEPTION", message, (field.name,))
    target = org.current(kind, value)
    if target is None:
        return RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ())
    if target.get("IsDeleted"):
        return RowError("ENTITY_IS_DELETED", "entity is deleted", ())
    return None


def _duplicate(org: Org, sobject: SObject, id: str | None, field: Field, value: Any) -> RowError | None:
    for other in org.tables[sobject.name].having(field.name, [value]):
        row = org.current(sobject.name, other)
        if other != id and row is not None and not row.get("IsDeleted") and row.get(field.name) == value:
            message = f"duplicate value found: {field.name} duplicates value on record with id: {other}"
            return RowError("DUPLICATE_VALUE", message, ())
    return None
