"""Leads over REST: looked up by a field, synchronised, deleted, merged, described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from sandbox.marketo.call import MOST, Call
from sandbox.marketo.instance import API, DEFAULT_PARTITION, Lead
from sandbox.marketo.schema import DEFAULT
from sandbox.marketo.wire import Refusal, answer, skipped

TOO_MANY = 1000
"""More leads than this may not match a filter (vendor's page Leads, Query)."""
ACTIONS = frozenset({"createOrUpdate", "createOnly", "updateOnly", "createDuplicate"})


def shown(call: Call, lead: Lead, names: Sequence[str]) -> dict[str, Any]:
    """The id and the fields that were asked for; empty ones as null, or left out: the vendor does both."""
    row = {"id": lead.id} | {name: lead.get(name) for name in names}
    return {name: value for name, value in row.items() if value is not None} if call.instance.temper.drift else row


def by_filter(call: Call) -> Response:
    """`GET /rest/v1/leads.json`."""
    kind, values = call.needed("filterType"), call.each("filterValues", MOST)
    if not values:
        raise Refusal("701", "filterValues cannot be blank")
    if not call.instance.schema.searchable(kind):
        known = call.instance.schema.get(kind) is not None
        raise (
            Refusal("1011", f"Field '{kind}' not supported")
            if known
            else Refusal("1003", f"Invalid filterType '{kind}'")
        )
    names = call.fields(DEFAULT)
    found = call.instance.find(kind, values)
    if len(found) > TOO_MANY:
        raise Refusal("1003", "Too many results match the filter")
    return page(call, found, names)


def page(call: Call, leads: Sequence[Lead], names: Sequence[str]) -> Response:
    """A page behind the id that the token names."""
    after = call.start
    left = [lead for lead in leads if lead.id > after]
    size = call.size()
    rows = [shown(call, lead, names) for lead in left[:size]]
    if len(left) <= size:
        return answer(rows)
    return answer(rows, nextPageToken=f"{left[size - 1].id}===", moreResult=True)


def by_id(call: Call) -> Response:
    """`GET /rest/v1/lead/{id}.json`."""
    names, lead = call.fields(DEFAULT), call.instance.lead(call.id())
    if lead is None:
        raise Refusal("1004", "Lead not found")
    return answer([shown(call, lead, names)])


def sync(call: Call) -> Response:
    """`POST /rest/v1/leads.json`: one row for each record, in the order of the input."""
    action, key = call.given.get("action", "createOrUpdate"), call.given.get("lookupField", "email")
    records = call.inputs()
    if action not in ACTIONS:
        raise Refusal("1003", f"Invalid value '{action}' for action")
    if not call.instance.schema.searchable(key):
        raise Refusal("1011", f"Field '{key}' not supported")
    rows = [_synced(call, action, key, record) for record in records]
    return answer() if call.given.get("asyncProcessing") else answer(rows)


def _synced(call: Call, action: str, key: str, record: dict[str, Any]) -> dict[str, Any]:
    instance = call.instance
    if fault := _unfit(call, action, record):
        return _skip(call, *fault)
    if record.get(key) in (None, ""):
        return _skip(call, "1002", f"Missing value for the required parameter '{key}'")
    found = [] if action == "createDuplicate" else instance.find(key, [str(record[key])])
    if len(found) > 1:
        return _skip(call, "1007", "Multiple leads match the lookup criteria")
    if not found and action == "updateOnly":
        return _skip(call, "1004", "Lead not found")
    if found and action == "createOnly":
        return _skip(call, "1005", "Lead already exists")
    values = {name: value for name, value in record.items() if name != "id" and name != (key if found else "")}
    if not found:
        id = instance.add_lead(values, source=API.source)
        return _written(call, id, "created", values, changed=True)
    (lead,) = found
    if lead.partition not in call.service.partitions:
        return _skip(call, "1008", f"Access denied to partition '{lead.partition}'")
    if wrong := next((name for name in values if (known := instance.schema.get(name)) and known.company), None):
        return _skip(call, "1021", f"Company update not allowed: '{wrong}'")
    return _written(call, lead.id, "updated", values, changed=instance.change(lead.id, values, cause=API))


def _written(call: Call, id: int, status: str, values: dict[str, Any], *, changed: bool) -> dict[str, Any]:
    at = call.instance.now().isoformat()
    call.instance.writes.append({"id": id, "values": values, "changed": changed, "user": call.service.user, "at": at})
    return {"id": id, "status": status}


def _unfit(call: Call, action: str, record: dict[str, Any]) -> tuple[str, str] | None:
    """What is wrong with a record whatever lead it is for: code and message."""
    partition = call.given.get("partitionName", DEFAULT_PARTITION)
    if partition not in call.service.partitions:
        return "1008", f"Access denied to partition '{partition}'"
    if "id" in record and action != "updateOnly":
        return "1003", "Invalid data"
    for name, value in record.items():
        known = call.instance.schema.get(name)
        if known is None:
            return "1006", f"Field '{name}' not found"
        if known.read_only and name != "id" and name != call.given.get("lookupField"):
            return "1003", f"Field '{name}' is read only"
        try:
            known.taken(value)
        except ValueError as problem:
            return "1001" if "Required of type" in str(problem) else "1003", str(problem)
    return None


def _skip(call: Call, code: str, message: str) -> dict[str, Any]:
    """Under another key each time where shapes drift: the swagger, other endpoints and this one do not agree."""
    keys = ("reasons", "errors", "reason")
    return skipped(code, message, key=call.instance.dice.choice(keys) if call.instance.temper.drift else keys[0])


def delete(call: Call) -> Response:
    """`POST /rest/v1/leads/delete.json`, by id in the body."""
    rows = []
    for record in call.inputs():
        id = record.get("id")
        if not isinstance(id, int) or call.instance.lead(id) is None:
            rows.append(_skip(call, "1004", f"Lead '{id}' not found") | {"id": id})
        else:
            call.instance.delete(id)
            rows.append({"id": id, "status": "deleted"})
    return answer(rows)


def merge(call: Call) -> Response:
    """`POST /rest/v1/leads/{id}/merge.json?leadIds=`."""
    winner, losers = call.id(), call.wholes("leadIds") or call.wholes("leadId")
    if not losers:
        raise Refusal("701", "leadId cannot be blank")
    if missing := next((id for id in (winner, *losers) if call.instance.lead(id) is None), None):
        raise Refusal("1004", f"Lead '{missing}' not found")
    if winner in losers:
        raise Refusal("1003", "Invalid data")
    call.instance.merge(winner, *losers)
    return answer()


def describe(call: Call) -> Response:
    """`GET /rest/v1/leads/describe.json`."""
    rows = []
    for field in call.instance.schema:
        if not field.hidden:
            api = {"name": field.name, "readOnly": field.read_only}
            row = {"id": field.id, "displayName": field.label, "dataType": field.type}
            rows.append(row | ({"length": field.length} if field.length else {}) | {"rest": api, "soap": api})
    return answer(rows)


def describe2(call: Call) -> Response:
    """`GET /rest/v1/leads/describe2.json`."""
    fields = [field for field in call.instance.schema if not field.hidden]
    searchable = [[field.name] for field in fields if call.instance.schema.searchable(field.name)]
    rows = [
        {
            "name": field.name, "displayName": field.label, "dataType": field.type, "updateable": not field.read_only,
            "crmManaged": field.name.startswith("sfdc"), **({"length": field.length} if field.length else {}),
        }
        for field in fields
    ]  # fmt: skip
    return answer([{"name": "API Lead", "searchableFields": searchable, "fields": rows}])
