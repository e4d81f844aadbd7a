"""Provisioning: POST tooling/sobjects/CustomField makes a field that nobody sees until a permission set grants it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.salesforce import fields
from sandbox.salesforce.faults import ApiError
from sandbox.salesforce.router import Call, Reply, Route, route
from sandbox.salesforce.schema import Field, FieldType

_NAME = re.compile(r"[A-Za-z]\w*__c")


def routes() -> list[Route]:
    return [route("tooling/sobjects/CustomField", post=_create), route("tooling/query", get=_query)]


def _create(call: Call) -> Reply:
    org, body = call.service.org, call.json()
    object, _, name = str(body.get("FullName", "")).partition(".")
    metadata = body.get("Metadata")
    if not _NAME.fullmatch(name) or not isinstance(metadata, dict):
        raise ApiError(
            400, "FIELD_INTEGRITY_EXCEPTION", "FullName must be Object.Field__c, with Metadata", ["FullName"]
        )
    sobject = org.sobject(object)
    if sobject is None:
        raise ApiError(
            400, "INVALID_TYPE", f"Entity Enumeration Or ID: bad value for restricted picklist field: {object}"
        )
    if sobject.field(name) is not None:
        label = metadata.get("label", name)
        message = f"There is already a field named {label} on {sobject.label}."
        raise ApiError(400, "DUPLICATE_DEVELOPER_NAME", message, ["DeveloperName"])
    org.add_field(sobject.name, _field(name, metadata), granted=False)
    return Reply(201, {"id": org.mint("00N"), "success": True, "errors": [], "warnings": [], "infos": []})


def _field(name: str, metadata: Mapping[str, Any]) -> Field:
    """The field that Metadata API names describe. Raises ApiError for a type or limits it does not know."""
    more = {
        "label": str(metadata.get("label") or ""),
        "required": bool(metadata.get("required", False)),
        "external_id": bool(metadata.get("externalId", False)),
        "unique": bool(metadata.get("unique", False)),
        "tracked": bool(metadata.get("trackHistory", False)),
    }
    kind = metadata.get("type")
    try:
        if kind in ("Number", "Currency", "Percent"):
            make = {"Number": fields.number, "Currency": fields.currency, "Percent": fields.percent}[kind]
            return make(name, int(metadata["precision"]), int(metadata["scale"]), **more)
        if kind == "Text":
            return fields.text(name, int(metadata["length"]), **more)
        if kind == "LongTextArea":
            return fields.long_text(name, int(metadata["length"]), **more)
        if kind in ("Picklist", "MultiselectPicklist"):
            return _picklist(name, metadata, more)
        if kind == "Checkbox":
            return fields.flag(name, **{**more, "default": str(metadata["defaultValue"]).lower() == "true"})
    except (KeyError, TypeError, ValueError) as problem:
        message = f"Metadata of {name} is incomplete: {type(problem).__name__} {problem}"
        raise ApiError(400, "FIELD_INTEGRITY_EXCEPTION", message, ["Metadata"]) from None
    plain = {
        "Date": fields.day,
        "DateTime": fields.moment,
        "Email": fields.email,
        "Phone": fields.phone,
        "Url": fields.url,
    }
    if kind not in plain:
        raise ApiError(400, "FIELD_INTEGRITY_EXCEPTION", f"Unknown field type: {kind}", ["Metadata"])
    return plain[kind](name, **more)


def _picklist(name: str, metadata: Mapping[str, Any], more: dict[str, Any]) -> Field:
    value_set = metadata["valueSet"]
    values = value_set["valueSetDefinition"]["value"]
    names = tuple(str(value.get("valueName") or value["fullName"]) for value in values)
    default = next((name for name, value in zip(names, values, strict=True) if value.get("default")), None)
    kind = FieldType.PICKLIST if metadata["type"] == "Picklist" else FieldType.MULTIPICKLIST
    restricted = bool(value_set.get("restricted", False))
    return Field(name=name, type=kind, length=255, values=names, restricted=restricted, default=default, **more)


def _query(call: Call) -> Reply:
    raise ApiError(400, "INVALID_TYPE", "The practice org answers no Tooling queries; describe the object instead")
