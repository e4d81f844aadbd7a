"""Every endpoint of the vendor's API: method, path, what answers it, what it asks of the caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from sandbox.marketo import activities, bulk, campaigns, fields, leads, lists
from sandbox.marketo.call import Call
from sandbox.marketo.wire import answer


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path. `permissions`: any one of them."""

    method: str
    path: str
    handler: Callable[[Call], Response]
    permissions: tuple[str, ...] = ()


def usage(call: Call) -> Response:
    return answer(call.server.meter.usage(1))


def usage_of_week(call: Call) -> Response:
    return answer(call.server.meter.usage(7))


def errors(call: Call) -> Response:
    return answer(call.server.meter.errors(1))


def errors_of_week(call: Call) -> Response:
    return answer(call.server.meter.errors(7))


_WRITE = ("Read-Write Lead",)
_READ = ("Read-Only Lead", "Read-Write Lead")
_LOG = ("Read-Only Activity", "Read-Write Activity")
_SCHEMA = ("Read-Write Schema Custom Field",)
_RUN = ("Execute Campaign",)
_LOOK = ("Read-Only Campaign", "Execute Campaign")
_ASSETS = ("Read-Only Assets",)
_BULK = {"leads": _READ, "activities": _LOG}

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/rest/v1/leads.json", leads.by_filter, _READ),
    Endpoint("POST", "/rest/v1/leads.json", leads.sync, _WRITE),
    Endpoint("GET", "/rest/v1/lead/{id}.json", leads.by_id, _READ),
    Endpoint("POST", "/rest/v1/leads/delete.json", leads.delete, _WRITE),
    Endpoint("POST", "/rest/v1/leads/{id}/merge.json", leads.merge, _WRITE),
    Endpoint("GET", "/rest/v1/leads/describe.json", leads.describe, _READ),
    Endpoint("GET", "/rest/v1/leads/describe2.json", leads.describe2, _READ),
    Endpoint("GET", "/rest/v1/leads/schema/fields.json", fields.listed, _SCHEMA),
    Endpoint("POST", "/rest/v1/leads/schema/fields.json", fields.create, _SCHEMA),
    Endpoint("GET", "/rest/v1/leads/schema/fields/{name}.json", fields.read, _SCHEMA),
    Endpoint("POST", "/rest/v1/leads/schema/fields/{name}.json", fields.change, _SCHEMA),
    Endpoint("GET", "/rest/v1/activities/types.json", activities.types, _LOG),
    Endpoint("GET", "/rest/v1/activities/pagingtoken.json", activities.paging_token, _LOG),
    Endpoint("GET", "/rest/v1/activities.json", activities.activities, _LOG),
    Endpoint("GET", "/rest/v1/activities/leadchanges.json", activities.lead_changes, _LOG),
    Endpoint("GET", "/rest/v1/activities/deletedleads.json", activities.deleted_leads, _LOG),
    Endpoint("POST", "/rest/v1/activities/external.json", activities.add_external, ("Read-Write Activity",)),
    Endpoint("GET", "/rest/v1/campaigns.json", campaigns.listed, _LOOK),
    Endpoint("POST", "/rest/v1/campaigns/{id}/trigger.json", campaigns.trigger, _RUN),
    Endpoint("POST", "/rest/v1/campaigns/{id}/schedule.json", campaigns.schedule, _RUN),
    Endpoint("GET", "/rest/asset/v1/smartCampaigns.json", campaigns.smart, _ASSETS),
    Endpoint("GET", "/rest/asset/v1/smartCampaign/{id}.json", campaigns.smart_by_id, _ASSETS),
    Endpoint("GET", "/rest/v1/lists.json", lists.listed, _READ),
    Endpoint("GET", "/rest/v1/lists/{id}/leads.json", lists.members, _READ),
    Endpoint("POST", "/rest/v1/lists/{id}/leads.json", lists.add, _WRITE),
    Endpoint("DELETE", "/rest/v1/lists/{id}/leads.json", lists.remove, _WRITE),
    Endpoint("GET", "/rest/v1/lists/{id}/leads/ismember.json", lists.is_member, _READ),
    Endpoint("GET", "/rest/v1/stats/usage.json", usage),
    Endpoint("GET", "/rest/v1/stats/usage/last7days.json", usage_of_week),
    Endpoint("GET", "/rest/v1/stats/errors.json", errors),
    Endpoint("GET", "/rest/v1/stats/errors/last7days.json", errors_of_week),
    *(
        Endpoint(method, f"/bulk/v1/{kind}/export{tail}", handler, permissions)
        for kind, permissions in _BULK.items()
        for method, tail, handler in (
            ("POST", "/create.json", bulk.create),
            ("POST", "/{id}/enqueue.json", bulk.enqueue),
            ("GET", "/{id}/status.json", bulk.status),
            ("POST", "/{id}/cancel.json", bulk.cancel),
            ("GET", "/{id}/file.json", bulk.file),
            ("GET", ".json", bulk.listed),
        )
    ),
)
