"""GET tooling/query, for the few objects of the set-up that clients ask for. Its language is a small part of SOQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.faults import ApiError, malformed_query
from sandbox.salesforce.router import Call, Reply

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

_QUERY = re.compile(r"SELECT\s+(?P<columns>[\w,\s]+?)\s+FROM\s+(?P<object>\w+)(?:\s+WHERE\s+(?P<where>.+))?", re.I)
_TEST = re.compile(r"(\w+)\s*(?:=\s*'([^']*)'|IN\s*\(([^)]*)\))", re.I)
COLUMNS = {
    "customfield": ("Id", "DeveloperName", "NamespacePrefix", "TableEnumOrId"),
    "layout": ("Id", "Name", "NamespacePrefix", "TableEnumOrId"),
    "compactlayout": ("Id", "DeveloperName", "NamespacePrefix", "SobjectType"),
}


def query(call: Call) -> Reply:
    text = " ".join(call.params.get("q", "").split())
    found = _QUERY.fullmatch(text)
    if found is None:
        raise malformed_query(f"not understood by the practice Tooling API: {text}")
    name = found["object"]
    known = COLUMNS.get(name.lower())
    if known is None:
        raise ApiError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")
    columns = [column.strip() for column in found["columns"].split(",")]
    tests = [_test(part) for part in re.split(r"\s+AND\s+", found["where"], flags=re.I)] if found["where"] else []
    for column in (*columns, *(column for column, _ in tests)):
        if column not in known:
            raise ApiError(400, "INVALID_FIELD", f"No such column '{column}' on entity '{name}'.")
    rows = [row for row in _rows(call.service.org, name.lower()) if all(row.get(c) in values for c, values in tests)]
    url = f"{call.base}/tooling/sobjects/{name}"
    records = [
        {"attributes": {"type": name, "url": f"{url}/{row['Id']}"}} | {column: row.get(column) for column in columns}
        for row in rows
    ]
    return Reply(body={"size": len(rows), "totalSize": len(rows), "done": True, "records": records})


def _test(part: str) -> tuple[str, frozenset[str]]:
    found = _TEST.fullmatch(part.strip())
    if found is None:
        raise malformed_query(f"unexpected token: {part}")
    values = [found[2]] if found[2] is not None else [each.strip().strip("'") for each in found[3].split(",")]
    return found[1], frozenset(values)


def _rows(org: Org, object: str) -> Iterator[dict[str, Any]]:
    if object != "customfield":
        yield from org.layouts.rows(compact=object == "compactlayout")
        return
    for sobject in org.schema.values():
        for field in sobject.fields.values():
            if field.custom:
                id = org.field_id(sobject.name, field.name)
                yield {"Id": id, "DeveloperName": field.name.removesuffix("__c"), "TableEnumOrId": sobject.name}
