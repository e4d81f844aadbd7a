"""sObject Collections: up to 200 rows a call, one outcome per row, matched by position."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sandbox.salesforce import ids
from sandbox.salesforce.dml import Saved, Saver, Write, read_fields, target, upsert
from sandbox.salesforce.execution import read_fields as project_fields
from sandbox.salesforce.faults import ApiError, RowError
from sandbox.salesforce.router import Call, Reply, Route, route
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.table import Row

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

MOST_ROWS = 200
MOST_CHUNKS = 10
MOST_READ = 2_000


def routes() -> list[Route]:
    return [
        route("composite/sobjects", post=_insert, patch=_update, delete=_delete),
        route("composite/sobjects/{}", get=_read, post=_read),
        route("composite/sobjects/{}/{}", patch=_upsert),
    ]


def _records(call: Call) -> tuple[list[dict[str, Any]], bool]:
    body = call.json()
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ApiError(400, "JSON_PARSER_ERROR", "request body must have a list of records")
    _check_size(len(records))
    return records, bool(body.get("allOrNone", False))


def _check_size(rows: int) -> None:
    if rows > MOST_ROWS:
        message = f"record limit reached. cannot submit more than {MOST_ROWS} records into this call"
        raise ApiError(400, "EXCEEDED_ID_LIMIT", message)


def _type_of(call: Call, record: dict[str, Any]) -> SObject:
    attributes = record.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(name, str):
        raise ApiError(400, "INVALID_INPUT", "Include an entity type in the attributes of each record")
    sobject = call.service.org.sobject(name)
    if sobject is None or not call.service.org.access.object_readable(sobject):
        raise ApiError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return sobject


def _typed(call: Call, records: list[dict[str, Any]]) -> list[tuple[SObject, dict[str, Any], dict[str, Any]]]:
    """(object, record, fields in stored form) of each row; anything unreadable refuses the whole request."""
    typed = [
        (sobject := _type_of(call, record), record, read_fields(call.service.org, sobject, record))
        for record in records
    ]
    if len(list(groupby(typed, key=lambda entry: entry[0].name))) > MOST_CHUNKS:
        raise ApiError(
            400, "LIMIT_EXCEEDED",
            f"Cannot have more than {MOST_CHUNKS} chunks in a single operation. Please rearrange the data to reduce"
            " chunking.",
        )  # fmt: skip
    return typed


def _answer(results: list[Saved]) -> Reply:
    return Reply(body=[result.as_json() for result in results])


def _insert(call: Call) -> Reply:
    records, all_or_none = _records(call)
    writes = [Write(sobject, None, fields, "insert") for sobject, _, fields in _typed(call, records)]
    return _answer(Saver(call.service.org, auto_assign=call.auto_assign).save_all(writes, all_or_none=all_or_none))


def _update(call: Call) -> Reply:
    records, all_or_none = _records(call)
    writes: list[Write | Saved] = []
    seen: set[str] = set()
    for sobject, record, fields in _typed(call, records):
        raw = next((value for name, value in record.items() if name.lower() == "id"), None)
        if raw is None:
            writes.append(Saved(None, (RowError("MISSING_ARGUMENT", "Id not specified in an update call"),)))
            continue
        id = target(call.service.org, sobject, raw)
        if isinstance(id, str) and id in seen:
            message = f"duplicate value found: Id duplicates value on record with id: {id}"
            id = Saved(None, (RowError("DUPLICATE_VALUE", message),))
        if isinstance(id, Saved):
            writes.append(id)
            continue
        seen.add(id)
        writes.append(Write(sobject, id, fields))
    return _answer(Saver(call.service.org, auto_assign=call.auto_assign).save_all(writes, all_or_none=all_or_none))


def _delete(call: Call) -> Reply:
    asked = [id for id in call.params.get("ids", "").split(",") if id]
    _check_size(len(asked))
    org = call.service.org
    writes: list[Write | Saved] = []
    for raw in asked:
        id = ids.normalise(raw.strip())
        kind = org.kind(id) if id else None
        if id is None or kind is None:
            writes.append(Saved(None, (RowError("MALFORMED_ID", f"bad id {raw}"),)))
        else:
            writes.append(Write(org.schema[kind], id, {}, "delete"))
    return _answer(Saver(org).save_all(writes, all_or_none=call.flag("allOrNone")))


def _upsert(call: Call) -> Reply:
    org, sobject, key = call.service.org, call.sobject(call.args[0]), call.args[1]
    records, all_or_none = _records(call)
    prepared = [(record, read_fields(org, sobject, record)) for record in records]

    values = [next((record[name] for name in record if name.lower() == key.lower()), None) for record, _ in prepared]
    orders = [
        partial(upsert, org, sobject, key, value, fields) for value, (_, fields) in zip(values, prepared, strict=True)
    ]
    return _answer(Saver(org, auto_assign=call.auto_assign).save_all(orders, all_or_none=all_or_none))


def _read(call: Call) -> Reply:
    """Rows by id, in the order asked for; null for those that are missing or deleted."""
    org, sobject = call.service.org, call.sobject(call.args[0])
    if call.method == "POST":
        body = call.json()
        asked, names = body.get("ids") or [], body.get("fields") or []
    else:
        asked, names = call.params.get("ids", "").split(","), call.params.get("fields", "").split(",")
    if not all(names) or not names:
        raise ApiError(400, "MISSING_ARGUMENT", "The fields parameter is required")
    if len(asked) > MOST_READ:
        raise ApiError(400, "EXCEEDED_ID_LIMIT", f"record limit reached. cannot retrieve more than {MOST_READ} records")
    shape = project_fields(org, sobject, names).shape(call.base)
    rows = (org.current(sobject.name, ids.normalise(raw.strip()) or "") for raw in asked)
    return Reply(body=[shape(row) if row is not None and _readable(org, sobject, row) else None for row in rows])


def _readable(org: Org, sobject: SObject, row: Row) -> bool:
    return not row.get("IsDeleted") and org.access.shares(sobject, row)
