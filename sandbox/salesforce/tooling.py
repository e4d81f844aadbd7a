"""Provisioning: POST tooling/sobjects/CustomField makes a field that nobody sees until a permission set grants it.

Who changes the set-up needs Customize Application, which the integration user of an org that is set up well has not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sandbox.salesforce import fields, tooling_query
from sandbox.salesforce.faults import ApiError, not_found
from sandbox.salesforce.layouts import fields_of
from sandbox.salesforce.router import Call, Reply, Route, route
from sandbox.salesforce.schema import Field, FieldType, SObject

_NAME = re.compile(r"[A-Za-z]\w*__c")


def routes() -> list[Route]:
    return [
        route("tooling/sobjects/CustomField", post=_create),
        route("tooling/sobjects/CustomField/{}", get=_read, patch=_update),
        route("tooling/sobjects/CompactLayout", post=_create_compact),
        route("tooling/sobjects/Layout/{}", get=_read_layout, patch=_update_layout),
        route("tooling/query", get=tooling_query.query),
        route("ui-api/list-info/{}", post=_create_list),
    ]


def _may(call: Call) -> None:
    """Raises `ApiError` for a user who may not change the set-up."""
    org = call.service.org
    if call.user != org.admin and not org.access.customizes:
        raise ApiError(403, "INSUFFICIENT_ACCESS", "You do not have the permission Customize Application")


def _create(call: Call) -> Reply:
    _may(call)
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
    return _created(org.field_id(sobject.name, name))


def _created(id: str) -> Reply:
    return Reply(201, {"id": id, "success": True, "errors": [], "warnings": [], "infos": []})


def _read(call: Call) -> Reply:
    org = call.service.org
    object, name = _addressed(call)
    field = org.schema[object].fields[name]
    return Reply(body={"Id": call.args[0], "FullName": f"{object}.{name}", "Metadata": _metadata(field)})


def _update(call: Call) -> Reply:
    """The whole definition anew. Values that a picklist loses are deactivated; so far nobody asks for that."""
    _may(call)
    org, metadata = call.service.org, call.json().get("Metadata")
    object, name = _addressed(call)
    if not isinstance(metadata, dict):
        raise ApiError(400, "FIELD_INTEGRITY_EXCEPTION", "Metadata is missing", ["Metadata"])
    org.add_field(object, _field(name, metadata))
    return Reply(204)


def _addressed(call: Call) -> tuple[str, str]:
    found = call.service.org.field_named(call.args[0])
    if found is None:
        raise not_found()
    return found


_TYPES = {
    FieldType.DOUBLE: "Number", FieldType.CURRENCY: "Currency", FieldType.PERCENT: "Percent",
    FieldType.STRING: "Text", FieldType.TEXTAREA: "LongTextArea", FieldType.PICKLIST: "Picklist",
    FieldType.MULTIPICKLIST: "MultiselectPicklist", FieldType.BOOLEAN: "Checkbox", FieldType.DATE: "Date",
    FieldType.DATETIME: "DateTime", FieldType.EMAIL: "Email", FieldType.PHONE: "Phone", FieldType.URL: "Url",
}  # fmt: skip


def _metadata(field: Field) -> dict[str, Any]:
    """A field as `CustomField`: what `_field` reads."""
    more: dict[str, Any] = {}
    if field.precision:
        more = {"precision": field.precision, "scale": field.scale}
    elif field.values:
        values = [{"valueName": one, "label": one, "default": one == field.default} for one in field.values]
        definition = {"sorted": False, "value": values}
        more = {"valueSet": {"restricted": field.restricted, "valueSetDefinition": definition, "valueSetName": None}}
    elif field.length:
        more = {"length": field.length}
    elif field.type is FieldType.BOOLEAN:
        more = {"defaultValue": str(bool(field.default)).lower()}
    return {
        "type": _TYPES[field.type], "label": field.shown_label, "required": field.required,
        "externalId": field.external_id, "unique": field.unique, "trackHistory": field.tracked, **more,
    }  # fmt: skip


def _create_compact(call: Call) -> Reply:
    _may(call)
    org, body = call.service.org, call.json()
    object, _, name = str(body.get("FullName", "")).partition(".")
    sobject, metadata = org.sobject(object), body.get("Metadata")
    if sobject is None or not name or not isinstance(metadata, dict) or not metadata.get("label"):
        raise ApiError(400, "FIELD_INTEGRITY_EXCEPTION", "FullName must be Object.Name, with Metadata and its label")
    _known_fields(sobject, [str(each) for each in metadata.get("fields") or ()])
    if any(row["DeveloperName"] == name and row["SobjectType"] == object for row in org.layouts.rows(compact=True)):
        raise ApiError(400, "DUPLICATE_DEVELOPER_NAME", f"There is already a compact layout named {name}.")
    return _created(org.layouts.add(sobject.name, name, metadata, compact=True))


def _read_layout(call: Call) -> Reply:
    layout = call.service.org.layouts.held.get(call.args[0])
    if layout is None or layout.compact:
        raise not_found()
    names = {"Id": layout.id, "Name": layout.name, "FullName": f"{layout.object}-{layout.name}"}
    return Reply(body={**names, "TableEnumOrId": layout.object, "Metadata": layout.metadata})


def _update_layout(call: Call) -> Reply:
    _may(call)
    org, metadata = call.service.org, call.json().get("Metadata")
    layout = org.layouts.held.get(call.args[0])
    if layout is None or layout.compact:
        raise not_found()
    if not isinstance(metadata, dict) or not metadata.get("layoutSections"):
        raise ApiError(400, "FIELD_INTEGRITY_EXCEPTION", "a layout needs sections", ["Metadata"])
    changed = replace(layout, metadata=metadata)
    _known_fields(org.schema[layout.object], fields_of(changed))
    org.layouts.held[layout.id] = changed
    return Reply(204)


def _create_list(call: Call) -> Reply:
    """A list view (User Interface API guide, "List Info Post Input", from API 61.0 on)."""
    _may(call)
    org, sobject, body = call.service.org, call.sobject(call.args[0]), call.json()
    if float(call.version) < 61:
        raise not_found()
    columns = [str(each) for each in body.get("displayColumns") or ()]
    filters = [str(each.get("fieldApiName")) for each in body.get("filteredByInfo") or ()]
    _known_fields(sobject, [*columns, *filters])
    name = str(body.get("listViewApiName") or body.get("label") or "List")
    if any(row["DeveloperName"] == name and row["SobjectType"] == sobject.name for row in org.rows("ListView")):
        raise ApiError(400, "DUPLICATE_DEVELOPER_NAME", f"There is already a list view named {name}.")
    label = str(body.get("label") or name)
    id = org.insert("ListView", {"Name": label, "DeveloperName": name, "SobjectType": sobject.name}, by=call.user)
    return Reply(201, {"listReference": {"id": id, "listViewApiName": name, "objectApiName": sobject.name}, **body})


def _known_fields(sobject: SObject, names: list[str]) -> None:
    for name in names:
        if sobject.field(name) is None:
            raise ApiError(400, "FIELD_INTEGRITY_EXCEPTION", f"In field: field - no CustomField named {name} found")


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
