"""The field contract as SFDX source: what `sf project deploy start` takes, for those who keep their org under version
control. Made from the same descriptions that `provision` sends, so the two cannot differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from connectors.port import BUCKETS
from connectors.salesforce.metadata import (
    COMPACT,
    LIST_LABEL,
    LIST_VIEW,
    OBJECTS,
    READER,
    WRITER,
    PermissionSet,
    compact_layout,
    custom_field,
    item,
    list_columns,
    list_filter,
    ordered,
    own_fields,
    section,
)
from connectors.salesforce.settings import SalesforceSettings

ROOT = "force-app/main/default"
_LIST: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Lead": (("FULL_NAME", "LEAD.COMPANY"), ("LEAD.STATUS",)),
    "Contact": (("FULL_NAME", "ACCOUNT.NAME"), ("CONTACT.PHONE1",)),
}
"""By object, the columns before and behind the score's, as list views call them."""
_PAGE: Mapping[str, tuple[str, ...]] = {
    "Lead": ("Name", "Company", "Title", "Status", "Email", "Phone", "LeadSource", "OwnerId"),
    "Contact": ("Name", "AccountId", "Title", "Email", "Phone", "LeadSource", "OwnerId"),
}
_REQUIRED = frozenset({"Name", "Company", "Status"})


def files(settings: SalesforceSettings, buckets: Sequence[str] = BUCKETS) -> Mapping[str, str]:
    """The project's files by their path in it."""
    project = {
        "packageDirectories": [{"path": "force-app", "default": True}],
        "namespace": "",
        "sourceApiVersion": settings.api_version,
    }
    made = {"sfdx-project.json": json.dumps(project, indent=2) + "\n"}
    for object in OBJECTS:
        made |= dict(_object(settings, object, buckets))
    for its in (WRITER, READER):
        made[f"{ROOT}/permissionsets/{its.name}.permissionset-meta.xml"] = _xml(
            "PermissionSet", _granted(settings, its)
        )
    return made


def _object(settings: SalesforceSettings, object: str, buckets: Sequence[str]) -> Iterator[tuple[str, str]]:
    folder = f"{ROOT}/objects/{object}"
    for name, its in own_fields(settings, buckets).items():
        yield f"{folder}/fields/{name}.field-meta.xml", _xml("CustomField", {"fullName": name, **custom_field(its)})
    compact = {"fullName": COMPACT, **compact_layout(settings)}
    yield f"{folder}/compactLayouts/{COMPACT}.compactLayout-meta.xml", _xml("CompactLayout", compact)
    if (hot := list_filter(settings, buckets)) is not None:
        before, behind = _LIST[object]
        view = {
            "fullName": LIST_VIEW, "columns": [*before, *list_columns(settings), *behind],
            "filterScope": "Everything", "label": LIST_LABEL,
            "filters": {"field": hot[0], "operation": "equals", "value": ",".join(hot[1])},
        }  # fmt: skip
        yield f"{folder}/listViews/{LIST_VIEW}.listView-meta.xml", _xml("ListView", view)
    yield f"{ROOT}/layouts/{object}-Leadgauge.layout-meta.xml", _xml("Layout", _layout(settings, object))


def _layout(settings: SalesforceSettings, object: str) -> dict[str, Any]:
    """A layout of its own: to deploy one is to replace it, and the org's own must not be."""
    items = [item(name, "Required" if name in _REQUIRED else "Edit") for name in _PAGE[object]]
    half = (len(items) + 1) // 2
    top = {
        "customLabel": False, "detailHeading": False, "editHeading": True, "label": f"{object} Information",
        "layoutColumns": [{"layoutItems": items[:half]}, {"layoutItems": items[half:]}],
        "style": "TwoColumnsTopToBottom",
    }  # fmt: skip
    return {"layoutSections": [top, section(ordered(settings))]}


def _granted(settings: SalesforceSettings, its: PermissionSet) -> dict[str, Any]:
    fields = [
        {"editable": its.editable, "field": f"{object}.{name}", "readable": True}
        for object in sorted(OBJECTS)
        for name in sorted(own_fields(settings))
    ]
    objects = [
        {"object": grant.object} | {_in_xml(flag): on for flag, on in grant.flags.items()}
        for grant in sorted(its.objects, key=lambda grant: grant.object)
    ]
    return {
        "description": its.about, "fieldPermissions": fields, "hasActivationRequired": False, "label": its.label,
        "objectPermissions": objects, "userPermissions": [{"enabled": True, "name": name} for name in its.user],
    }  # fmt: skip


def _in_xml(flag: str) -> str:
    """`PermissionsRead` is `allowRead` there, and `PermissionsViewAllRecords` `viewAllRecords`."""
    bare = flag.removeprefix("Permissions")
    return f"{bare[0].lower()}{bare[1:]}" if bare.endswith("Records") else f"allow{bare}"


def _xml(kind: str, content: Mapping[str, Any]) -> str:
    body = "".join(_elements(content, 1))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{kind} xmlns="http://soap.sforce.com/2006/04/metadata">\n{body}</{kind}>\n'
    )


def _elements(content: Mapping[str, Any], depth: int) -> Iterator[str]:
    """As the CLI writes them: by name, the full name first."""
    indent = "    " * depth
    tagged = [("fullName" if name == "valueName" else name, value) for name, value in content.items()]
    for tag, value in sorted(tagged, key=lambda entry: (entry[0] != "fullName", entry[0])):
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                yield f"{indent}<{tag}>\n{''.join(_elements(each, depth + 1))}{indent}</{tag}>\n"
            else:
                text = str(each).lower() if isinstance(each, bool) else escape(str(each))
                yield f"{indent}<{tag}>{text}</{tag}>\n"
