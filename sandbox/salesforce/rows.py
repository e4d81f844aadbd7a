"""Single records: /sobjects/{Type}, /sobjects/{Type}/{id} and /sobjects/{Type}/{ExternalIdField}/{value}."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from sandbox.salesforce import ids
from sandbox.salesforce.describe import summary
from sandbox.salesforce.dml import Saved, Saver, Write, read_fields, target, upsert
from sandbox.salesforce.execution import read_fields as project_fields
from sandbox.salesforce.faults import ApiError, not_found
from sandbox.salesforce.router import Call, Reply, Route, route
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.table import Row

# The HTTP status of a refused single write, where it is not 400.
_STATUSES = {"ENTITY_IS_DELETED": 404, "INVALID_CROSS_REFERENCE_KEY": 404, "DUPLICATE_EXTERNAL_ID": 300}


def routes() -> list[Route]:
    return [
        route("sobjects/{}", get=_basics, post=_create),
        route("sobjects/{}/{}", get=_read, patch=_update, delete=_delete),
        route("sobjects/{}/{}/(.+)", get=_read_by_external_id, patch=_upsert),
    ]


def _basics(call: Call) -> Reply:
    sobject = call.sobject(call.args[0])
    table = call.service.org.table(sobject.name)
    recent = [
        {"attributes": _attributes(call, sobject, id), "Id": id}
        for id in list(table.visible)[-1:]
        if sobject.name_field
    ]
    return Reply(body={"objectDescribe": summary(sobject, call.base), "recentItems": recent})


def _create(call: Call) -> Reply:
    org, sobject = call.service.org, call.sobject(call.args[0])
    body = call.json()
    if any(name.lower() == "id" for name in body):
        raise ApiError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"])
    fields = read_fields(org, sobject, body)
    saved = Saver(org, auto_assign=call.auto_assign).save(Write(sobject, None, fields, "insert"))
    _raise_refusal(saved)
    return Reply(201, saved.as_json())


def _read(call: Call) -> Reply:
    sobject, id = _addressed(call)
    org = call.service.org
    row = org.current(sobject.name, id)
    if row is None or not org.access.shares(sobject, row):
        raise not_found()
    if row.get("IsDeleted"):
        raise ApiError(404, "ENTITY_IS_DELETED", "entity is deleted")
    return _record(call, sobject, row)


def _record(call: Call, sobject: SObject, row: Row) -> Reply:
    org = call.service.org
    asked = call.params.get("fields")
    names = asked.split(",") if asked else [field.name for field in org.access.fields(sobject)]
    return Reply(body=project_fields(org, sobject, names).shape(call.base)(row))


def _update(call: Call) -> Reply:
    org = call.service.org
    sobject, id = _addressed(call)
    body = call.json()
    if any(name.lower() == "id" for name in body):
        raise ApiError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: Id.", ["Id"])
    fields = read_fields(org, sobject, body)
    _check_unmodified(call, org.current(sobject.name, id))
    _raise_refusal(Saver(org, auto_assign=call.auto_assign).save(Write(sobject, id, fields)))
    return Reply(204)


def _check_unmodified(call: Call, row: Row | None) -> None:
    """If-Unmodified-Since on a row: 412 when it was saved after that second."""
    condition = call.headers.get("if-unmodified-since")
    if condition is None or row is None:
        return
    try:
        since = parsedate_to_datetime(condition)
    except ValueError:
        raise ApiError(400, "INVALID_HEADER", "If-Unmodified-Since is not a valid date") from None
    if datetime.fromisoformat(row["LastModifiedDate"]) > since:
        raise ApiError(412, "PRECONDITION_FAILED", "The record was modified since the given date")


def _delete(call: Call) -> Reply:
    sobject, id = _addressed(call)
    _raise_refusal(Saver(call.service.org).save(Write(sobject, id, {}, "delete")))
    return Reply(204)


def _upsert(call: Call) -> Reply:
    org, sobject = call.service.org, call.sobject(call.args[0])
    key, value = call.args[1], unquote(call.args[2])
    fields = read_fields(org, sobject, call.json())
    saved = Saver(org, auto_assign=call.auto_assign).save(upsert(org, sobject, key, value, fields))
    _raise_refusal(saved)
    return Reply(201 if saved.created else 200, saved.as_json())


def _read_by_external_id(call: Call) -> Reply:
    org, sobject = call.service.org, call.sobject(call.args[0])
    field = org.access.field(sobject, call.args[1])
    if field is None or not field.external_id:
        raise not_found()
    value = unquote(call.args[2])
    for id in org.tables[sobject.name].having(field.name, [value]):
        row = org.current(sobject.name, id)
        if row is not None and not row.get("IsDeleted") and str(row.get(field.name)) == value:
            return _record(call, sobject, row)
    raise not_found()


def _addressed(call: Call) -> tuple[SObject, str]:
    sobject = call.sobject(call.args[0])
    id = target(call.service.org, sobject, call.args[1])
    if isinstance(id, Saved):
        if ids.normalise(call.args[1]) is None:
            raise ApiError(
                404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: " + call.args[1]
            )
        raise not_found()
    return sobject, id


def _raise_refusal(saved: Saved) -> None:
    if not saved.success:
        error = saved.errors[0]
        raise ApiError(_STATUSES.get(error.code, 400), error.code, error.message, error.fields)


def _attributes(call: Call, sobject: SObject, id: str) -> dict[str, str]:
    return {"type": sobject.name, "url": f"{call.base}/sobjects/{sobject.name}/{id}"}
