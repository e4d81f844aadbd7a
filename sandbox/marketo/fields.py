"""The schema endpoints: fields listed, read, made and changed. None can be deleted over the API."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response

from sandbox.marketo.call import Call
from sandbox.marketo.schema import TYPES, Field
from sandbox.marketo.wire import Refusal, answer, skipped

MOST_MADE = 100
"""Fields made over the API (vendor's page Leads, Create Fields)."""
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_LABEL = re.compile(r"[\w ]+", re.ASCII)


def _row(field: Field) -> dict[str, Any]:
    return {
        "displayName": field.label, "name": field.name, "description": field.description, "dataType": field.type,
        **({"length": field.length} if field.length else {}), "isHidden": field.hidden, "isHtmlEncodingInEmail": True,
        "isSensitive": False, "isCustom": field.custom, "isApiCreated": field.by_api,
    }  # fmt: skip


def listed(call: Call) -> Response:
    """`GET /rest/v1/leads/schema/fields.json`; the token is the number of rows already read."""
    start, size = call.start, call.size()
    rows = [_row(field) for field in call.instance.schema]
    more = start + size < len(rows)
    told = {"nextPageToken": f"{start + size}==="} if more else {}
    return answer(rows[start : start + size], moreResult=more, **told)


def read(call: Call) -> Response:
    """`GET /rest/v1/leads/schema/fields/{name}.json`."""
    field = call.instance.schema.get(call.path["name"])
    if field is None:
        raise Refusal("1006", f"Field '{call.path['name']}' not found")
    return answer([_row(field)])


def create(call: Call) -> Response:
    """`POST /rest/v1/leads/schema/fields.json`."""
    return answer([_made(call, given) for given in call.inputs()])


def _made(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    schema = call.instance.schema
    name, label, type = (str(given.get(key) or "") for key in ("name", "displayName", "dataType"))
    for key, value in (("name", name), ("displayName", label), ("dataType", type)):
        if not value:
            return skipped("1002", f"Missing value for the required parameter '{key}'", name=name)
    if not _NAME.fullmatch(name) or not _LABEL.fullmatch(label) or type not in TYPES:
        return skipped("1003", "Invalid data", name=name)
    if any(field.name.lower() == name.lower() or field.label.lower() == label.lower() for field in schema):
        return skipped("1017", "Object already exists", name=name)
    if sum(field.by_api for field in schema) >= MOST_MADE:
        return skipped("1028", "Max field limit reached", name=name)
    schema.add(name, label, type, by_api=True, description=given.get("description"))
    return {"name": name, "status": "created"}


def change(call: Call) -> Response:
    """`POST /rest/v1/leads/schema/fields/{name}.json`: label, description, and whether it is hidden; never the type."""
    name, (given,) = call.path["name"], call.inputs(1)
    field = call.instance.schema.get(name)
    if field is None:
        raise Refusal("1006", f"Field '{name}' not found")
    if not field.custom or set(given) - {
        "displayName",
        "description",
        "isHidden",
        "isHtmlEncodingInEmail",
        "isSensitive",
    }:
        return answer([skipped("1003", "Invalid data", name=name)])
    changes = {"label": "displayName", "description": "description", "hidden": "isHidden"}
    call.instance.schema.change(name, **{ours: given[theirs] for ours, theirs in changes.items() if theirs in given})
    return answer([{"name": name, "status": "updated"}])
