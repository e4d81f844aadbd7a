"""Static lists over REST: which there are, who is in one, added and removed."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from sandbox.marketo.assets import StaticList
from sandbox.marketo.call import MOST, Call
from sandbox.marketo.instants import iso
from sandbox.marketo.leads import page
from sandbox.marketo.log import ADD_TO_LIST, REMOVE_FROM_LIST
from sandbox.marketo.schema import DEFAULT
from sandbox.marketo.wire import Refusal, answer, skipped


def listed(call: Call) -> Response:
    """`GET /rest/v1/lists.json`."""
    wanted, names = set(call.wholes("id")), set(call.each("name"))
    rows = [
        {"id": o.id, "name": o.name, "workspaceName": "Default", "createdAt": iso(o.made), "updatedAt": iso(o.made)}
        for o in call.instance.lists.values()
        if (not wanted or o.id in wanted) and (not names or o.name in names)
    ]
    return answer(rows[: call.size()])


def members(call: Call) -> Response:
    """`GET /rest/v1/lists/{id}/leads.json`."""
    names, inside = call.fields(DEFAULT), _list(call).members
    return page(call, [lead for id in sorted(inside) if (lead := call.instance.lead(id)) is not None], names)


def add(call: Call) -> Response:
    """`POST /rest/v1/lists/{id}/leads.json`."""
    one = _list(call)

    def added(id: int) -> dict[str, Any]:
        if id not in one.members:
            one.members.add(id)
            call.instance.happen(id, ADD_TO_LIST, primary=one.id, value=one.name)
        return {"id": id, "status": "added"}

    return answer([added(id) if call.instance.lead(id) else _missing(id) for id in _ids(call)])


def remove(call: Call) -> Response:
    """`DELETE /rest/v1/lists/{id}/leads.json`."""
    one = _list(call)

    def removed(id: int) -> dict[str, Any]:
        if id not in one.members:
            return skipped("1015", "Lead not in list", id=id)
        one.members.discard(id)
        call.instance.happen(id, REMOVE_FROM_LIST, primary=one.id, value=one.name)
        return {"id": id, "status": "removed"}

    return answer([removed(id) if call.instance.lead(id) else _missing(id) for id in _ids(call)])


def is_member(call: Call) -> Response:
    """`GET /rest/v1/lists/{id}/leads/ismember.json`."""
    inside, lead = _list(call).members, call.instance.lead
    rows = [{"id": id, "status": "memberof" if id in inside else "notmemberof"} for id in _ids(call)]
    return answer([row if lead(int(row["id"])) else _missing(int(row["id"])) for row in rows])


def _list(call: Call) -> StaticList:
    found = call.instance.lists.get(call.id())
    if found is None:
        raise Refusal("1013", "List not found")
    return found


def _ids(call: Call) -> list[int]:
    """Of the query, or of the body."""
    ids = call.wholes("id", MOST)
    return ids or [int(record.get("id", 0)) for record in call.inputs()]


def _missing(id: int) -> dict[str, Any]:
    return skipped("1004", "Lead not found", id=id)
