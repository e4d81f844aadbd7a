"""Property definitions and groups over the wire."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from sandbox.hubspot.bodies import Malformed, objects_in, whole_in
from sandbox.hubspot.call import Call
from sandbox.hubspot.instants import iso
from sandbox.hubspot.schema import FIELD_TYPES, Option, PropertyDefinition, PropertyGroup
from sandbox.hubspot.wire import Refusal, answer, no_content

MOST = 100
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_REQUIRED = ("name", "label", "groupName", "type", "fieldType")


def shown(definition: PropertyDefinition) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": definition.name,
        "label": definition.label,
        "type": definition.type,
        "fieldType": definition.field_type,
        "groupName": definition.group,
        "description": definition.description,
        "options": [_option(option) for option in definition.options],
        "displayOrder": definition.display_order,
        "hasUniqueValue": definition.unique,
        "hidden": definition.hidden,
        "hubspotDefined": definition.hubspot_defined,
        "calculated": definition.calculated,
        "externalOptions": False,
        "formField": definition.form_field,
        "dataSensitivity": "non_sensitive",
        "archived": definition.archived_at is not None,
        "createdAt": iso(definition.created_at),
        "updatedAt": iso(definition.updated_at),
        "modificationMetadata": {
            "archivable": not definition.hubspot_defined,
            "readOnlyDefinition": definition.hubspot_defined,
            "readOnlyOptions": definition.hubspot_defined and definition.type == "bool",
            "readOnlyValue": definition.read_only,
        },
    }
    if not definition.hubspot_defined:
        body |= {"createdUserId": "1", "updatedUserId": "1"}
    if definition.archived_at is not None:
        body["archivedAt"] = iso(definition.archived_at)
    return body


def _option(option: Option) -> dict[str, Any]:
    return {
        "label": option.label,
        "value": option.value,
        "displayOrder": option.display_order,
        "hidden": option.hidden,
    }


def list_all(call: Call) -> Response:
    definitions = call.schema.archived() if call.flag("archived") else list(call.schema)
    return answer({"results": [shown(definition) for definition in definitions]})


def read(call: Call) -> Response:
    return answer(shown(_named(call, call.path["name"], archived=call.flag("archived"))))


def _named(call: Call, name: str, *, archived: bool = False) -> PropertyDefinition:
    if archived:
        definition = next((one for one in call.schema.archived() if one.name == name), None)
    else:
        definition = call.schema.get(name)
    if definition is None:
        raise Refusal(404, f"property '{name}' does not exist for {call.kind.type_id}", "OBJECT_NOT_FOUND")
    return definition


def create(call: Call) -> Response:
    return answer(shown(_make(call, call.fields)), 201)


def _make(call: Call, raw: dict[str, Any]) -> PropertyDefinition:
    """A new property, put into the schema. Raises `Refusal`."""
    missing = [name for name in _REQUIRED if not raw.get(name)]
    if missing:
        raise Malformed(f"Cannot build PropertyCreate, some of required attributes are not set [{', '.join(missing)}]")
    name, type_, field_type = str(raw["name"]), str(raw["type"]), str(raw["fieldType"])
    if not _NAME.fullmatch(name):
        message = f"Property name {name} must be lowercase, start with a letter and hold letters, numbers, underscores"
        raise _invalid(name, message)
    if field_type not in FIELD_TYPES.get(type_, frozenset()):
        raise _invalid(name, f"Property type {type_} does not support field type {field_type}")
    if call.schema.get(name) is not None:
        raise Refusal(409, f"A property named '{name}' already exists.", "OBJECT_ALREADY_EXISTS")
    if str(raw["groupName"]) not in call.schema.groups:
        raise _invalid(name, f"Property group {raw['groupName']} does not exist")
    options = _options(raw.get("options"))
    if type_ == "bool" and {option.value for option in options} != {"true", "false"}:
        raise _invalid(name, "Boolean properties must have exactly the options true and false")
    now = call.portal.now_ms()
    definition = PropertyDefinition(
        name=name,
        label=str(raw["label"]),
        type=type_,
        field_type=field_type,
        group=str(raw["groupName"]),
        description=str(raw.get("description") or ""),
        options=options,
        display_order=whole_in(raw.get("displayOrder"), "displayOrder", -1),
        unique=bool(raw.get("hasUniqueValue")),
        hidden=bool(raw.get("hidden")),
        form_field=bool(raw.get("formField")),
        created_at=now,
        updated_at=now,
    )
    call.schema.put(definition)
    return definition


def _invalid(name: str, message: str) -> Refusal:
    errors = [{"message": message, "context": {"propertyName": [name]}}]
    return Refusal(400, message, "VALIDATION_ERROR", errors=errors)


def _options(raw: Any) -> tuple[Option, ...]:
    given = objects_in(raw, "options")
    if any("label" not in one or "value" not in one for one in given):
        raise Malformed("Cannot build OptionInput, some of required attributes are not set [label, value]")
    return tuple(
        Option(
            label=str(one["label"]),
            value=str(one["value"]),
            display_order=whole_in(one.get("displayOrder"), "displayOrder", -1),
            hidden=bool(one.get("hidden")),
        )
        for one in given
    )


def update(call: Call) -> Response:
    """Change a definition; its name, and whether values are unique, stay. Vendor-defined ones take options only."""
    definition, raw = _named(call, call.path["name"]), call.fields
    if definition.hubspot_defined and set(raw) - {"options"}:
        raise Refusal(400, f"The definition of {definition.name} is read only.", "VALIDATION_ERROR")
    if str(raw.get("groupName", definition.group)) not in call.schema.groups:
        raise _invalid(definition.name, f"Property group {raw['groupName']} does not exist")
    changed = replace(
        definition,
        label=str(raw.get("label", definition.label)),
        group=str(raw.get("groupName", definition.group)),
        description=str(raw.get("description", definition.description)),
        options=_options(raw["options"]) if "options" in raw else definition.options,
        hidden=bool(raw.get("hidden", definition.hidden)),
        form_field=bool(raw.get("formField", definition.form_field)),
        updated_at=call.portal.now_ms(),
    )
    call.schema.put(changed)
    return answer(shown(changed))


def archive(call: Call) -> Response:
    _archive(call, call.path["name"])
    return no_content()


def _archive(call: Call, name: str) -> None:
    if _named(call, name).hubspot_defined:
        raise Refusal(400, f"{name} is defined by HubSpot and cannot be archived.", "VALIDATION_ERROR")
    call.schema.archive(name, call.portal.now_ms())


def batch_create(call: Call) -> Response:
    """Each property for itself; 207 where some could not be made."""
    started = call.portal.now_ms()
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for raw in call.inputs(MOST):
        try:
            results.append(shown(_make(call, raw)))
        except Refusal as refusal:
            row = {name: value for name, value in refusal.body.items() if name != "correlationId"}
            errors.append({**row, "context": {"name": [str(raw.get("name"))]}})
    return call.outcome(started, results, errors, 201)


def batch_read(call: Call) -> Response:
    started = call.portal.now_ms()
    archived = bool(call.fields.get("archived"))
    held = {one.name: one for one in (call.schema.archived() if archived else call.schema)}
    names = [str(entry.get("name")) for entry in call.inputs(MOST)]
    absent = [name for name in names if name not in held]
    message = "Could not get some properties, they may be deleted or not exist."
    row = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"name": absent}}
    results = [shown(held[name]) for name in names if name in held]
    return call.outcome(started, results, [row] if absent else [])


def batch_archive(call: Call) -> Response:
    for entry in call.inputs(MOST):
        _archive(call, str(entry.get("name")))
    return no_content()


def list_groups(call: Call) -> Response:
    groups = sorted(call.schema.groups.values(), key=lambda group: (group.display_order, group.name))
    return answer({"results": [_group(group) for group in groups if group.archived is call.flag("archived")]})


def _group(group: PropertyGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "label": group.label,
        "displayOrder": group.display_order,
        "archived": group.archived,
    }


def _group_named(call: Call) -> PropertyGroup:
    group = call.schema.groups.get(call.path["name"])
    if group is None or group.archived:
        raise Refusal(404, f"property group '{call.path['name']}' does not exist", "OBJECT_NOT_FOUND")
    return group


def read_group(call: Call) -> Response:
    return answer(_group(_group_named(call)))


def create_group(call: Call) -> Response:
    raw = call.fields
    name, label = raw.get("name"), raw.get("label")
    if not name or not label:
        raise Malformed("Cannot build PropertyGroupCreate, some of required attributes are not set [name, label]")
    known = call.schema.groups.get(str(name))
    if known is not None and not known.archived:
        raise Refusal(409, f"A property group named '{name}' already exists.", "OBJECT_ALREADY_EXISTS")
    group = PropertyGroup(str(name), str(label), whole_in(raw.get("displayOrder"), "displayOrder", -1))
    call.schema.groups[group.name] = group
    return answer(_group(group), 201)


def update_group(call: Call) -> Response:
    group, raw = _group_named(call), call.fields
    changed = replace(
        group,
        label=str(raw.get("label", group.label)),
        display_order=whole_in(raw.get("displayOrder"), "displayOrder", group.display_order),
    )
    call.schema.groups[group.name] = changed
    return answer(_group(changed))


def archive_group(call: Call) -> Response:
    group = _group_named(call)
    if any(definition.group == group.name for definition in call.schema):
        raise Refusal(400, f"The property group {group.name} still holds properties.", "VALIDATION_ERROR")
    call.schema.groups[group.name] = replace(group, archived=True)
    return no_content()
