"""The activity log over REST: types, tokens, activities, changes of fields, deletions, and custom activities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from sandbox.marketo.call import Call
from sandbox.marketo.instants import iso, offset, read
from sandbox.marketo.log import CHANGE, DELETE, DELETIONS_KEPT, LAST, NEW_LEAD, Entry, Place
from sandbox.marketo.wire import Refusal, answer, skipped

MOST_TYPES, MOST_LEADS = 10, 30
BIG_LIST = 10_000
ATTRIBUTES = 65_536
"""Bytes of attributes of a custom activity (vendor's page Error Codes, 1049)."""


def types(call: Call) -> Response:
    """`GET /rest/v1/activities/types.json`."""
    rows = []
    for type in call.instance.log.types.values():
        row: dict[str, Any] = {"id": type.id, "name": type.name, "description": type.name}
        if type.primary:
            row["primaryAttribute"] = {"name": type.primary[0], "dataType": type.primary[1]}
        rows.append(row | {"attributes": [{"name": name, "dataType": kind} for name, kind in type.attributes]})
    return answer(rows)


def paging_token(call: Call) -> Response:
    """`GET /rest/v1/activities/pagingtoken.json`: for what happened after the given second."""
    text = call.needed("sinceDatetime")
    try:
        since = read(text)
    except ValueError:
        raise Refusal("704", f"Invalid date format '{text}'") from None
    return answer(nextPageToken=Place(since, LAST).token)


def activities(call: Call) -> Response:
    """`GET /rest/v1/activities.json`."""
    kinds = set(call.wholes("activityTypeIds", MOST_TYPES))
    if not kinds:
        raise Refusal("701", "activityTypeIds cannot be blank")
    if unknown := kinds - set(call.instance.log.types):
        raise Refusal("1003", f"Invalid activityTypeIds {sorted(unknown)}")
    assets = set(call.wholes("assetIds"))
    if assets and len(kinds) > 1:
        raise Refusal("1003", "assetIds needs exactly one activityTypeId")
    leads = _leads(call)

    def wanted(entry: Entry) -> bool:
        asked = entry.type in kinds and (leads is None or entry.lead in leads)
        return asked and (not assets or entry.primary in assets)

    return _page(call, wanted, _row)


def lead_changes(call: Call) -> Response:
    """`GET /rest/v1/activities/leadchanges.json`: activities 13 of the given fields, and 12."""
    if not call.one("fields"):
        raise Refusal("701", "fields cannot be blank")
    names, leads = set(call.fields(())), _leads(call)

    def wanted(entry: Entry) -> bool:
        told = entry.type == NEW_LEAD or (
            entry.type == CHANGE and entry.change is not None and entry.change.name in names
        )
        return told and (leads is None or entry.lead in leads)

    def row(call: Call, entry: Entry) -> dict[str, Any]:
        shown, change = _row(call, entry), entry.change
        shown.pop("primaryAttributeValueId", None)
        shown.pop("primaryAttributeValue", None)
        if change is None:
            return shown | {"fields": []}
        attributes = [one for one in shown["attributes"] if one["name"] in {"Reason", "Source"}]
        moved = {"id": change.field, "name": change.name, "newValue": change.new, "oldValue": change.old}
        return shown | {"fields": [moved], "attributes": [*attributes, {"name": "Lead ID", "value": entry.lead}]}

    return _page(call, wanted, row)


def deleted_leads(call: Call) -> Response:
    """`GET /rest/v1/activities/deletedleads.json`."""
    kept = call.instance.now() - DELETIONS_KEPT
    return _page(call, lambda entry: entry.type == DELETE and entry.at >= kept, _row)


def _leads(call: Call) -> set[int] | None:
    """Those that a call is narrowed to. Raises `Refusal`: a big list will be one (vendor's page Activities)."""
    ids = call.wholes("leadIds", MOST_LEADS)
    if ids:
        return set(ids)
    if not call.one("listId"):
        return None
    (number,) = call.wholes("listId", 1)
    if number not in call.instance.lists:
        raise Refusal("1013", "List not found")
    members = call.instance.lists[number].members
    if len(members) >= BIG_LIST:
        raise Refusal("1003", f"List {number} has {BIG_LIST} or more leads")
    return members


def _page(call: Call, wanted: Callable[[Entry], bool], row: Callable[[Call, Entry], dict[str, Any]]) -> Response:
    """Looks through so many rows of the log, whatever they are: a page may be short or empty, with more behind it.

    Without a row there is no `result` at all. The last token is behind all that there is now: what shows later with an
    earlier instant is not behind it.
    """
    try:
        place = Place.parse(call.needed("nextPageToken"))
    except ValueError as problem:
        raise Refusal("1003", str(problem)) from None
    log, now, size, rows = call.instance.log, call.instance.now(), call.size(), list[dict[str, Any]]()
    for scanned, entry in enumerate(log.behind(place)):
        if len(rows) == size or scanned == call.instance.temper.scan:
            return answer(rows or None, nextPageToken=place.token, moreResult=True)
        place = entry.place
        if entry.shows <= now and wanted(entry):
            rows.append(row(call, entry))
    return answer(rows or None, nextPageToken=max(place, log.end(now)).token, moreResult=False)


def _row(call: Call, entry: Entry) -> dict[str, Any]:
    """Empty attributes are left out (vendor's page Activities)."""
    drift = call.instance.temper.drift
    row: dict[str, Any] = {} if drift else {"id": entry.number}
    row |= {
        "marketoGUID": str(entry.number),
        "leadId": entry.lead,
        "activityDate": (offset if drift else iso)(entry.at),
        "activityTypeId": entry.type,
    }
    if entry.campaign is not None:
        row["campaignId"] = entry.campaign
    if entry.primary is not None:
        row["primaryAttributeValueId"] = entry.primary
    if entry.value is not None:
        row["primaryAttributeValue"] = entry.value
    given = entry.attributes.items()
    return row | {"attributes": [{"name": name, "value": value} for name, value in given if value is not None]}


def add_external(call: Call) -> Response:
    """`POST /rest/v1/activities/external.json`: what leads call `reasons` is `errors` here."""
    return answer([_added(call, given) for given in call.inputs()])


def _added(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    lead, type = given.get("leadId"), call.instance.log.types.get(given.get("activityTypeId", 0))
    for name in ("leadId", "activityDate", "activityTypeId", "primaryAttributeValue"):
        if name not in given:
            return skipped("1002", f"Missing value for the required parameter '{name}'", key="errors")
    if type is None or type.custom is None:
        return skipped("1013", "Activity type not found", key="errors")
    if not isinstance(lead, int) or call.instance.lead(lead) is None:
        return skipped("1004", "Lead not found", key="errors")
    attributes = {str(one.get("apiName")): one.get("value") for one in given.get("attributes", ())}
    if sum(len(str(value)) for value in attributes.values()) > ATTRIBUTES:
        return skipped("1049", "Failed to create activity: attributes array too long", key="errors")
    try:
        at = read(str(given["activityDate"]))
    except ValueError:
        return skipped("1001", f"Invalid value '{given['activityDate']}'. Required of type 'datetime'", key="errors")
    value = str(given["primaryAttributeValue"])
    entry = call.instance.happen(lead, type.id, at=at, value=value, attributes=attributes)
    return {"id": entry.number, "marketoGUID": str(entry.number), "status": "added"}
