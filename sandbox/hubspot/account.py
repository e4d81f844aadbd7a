"""The portal around the records: owners, pipelines, account details and API usage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from sandbox.hubspot.call import Call
from sandbox.hubspot.catalog import DEAL_STAGES, LIFECYCLE_STAGES
from sandbox.hubspot.instants import iso, to_ms
from sandbox.hubspot.portal import Owner
from sandbox.hubspot.wire import Refusal, answer

OWNERS_PAGE = 100
UNLIMITED_DAILY = 1_000_000
"""What API usage reports as the limit while none is enforced."""


def list_owners(call: Call) -> Response:
    limit = call.whole("limit", OWNERS_PAGE, 500)
    after = call.query.get("after", "0")
    archived, email = call.flag("archived"), call.query.get("email")
    held = [
        owner
        for owner in sorted(call.portal.owners.values(), key=lambda owner: int(owner.id))
        if owner.archived is archived
        and (email is None or owner.email == email.lower())
        and int(owner.id) > int(after if after.isdecimal() else 0)
    ]
    body: dict[str, Any] = {"results": [_owner(owner) for owner in held[:limit]]}
    if len(held) > limit:
        body["paging"] = call.next_page(held[limit - 1].id)
    return answer(body)


def read_owner(call: Call) -> Response:
    by_user, id_ = call.query.get("idProperty") == "userId", call.path["id"]
    found = [owner for owner in call.portal.owners.values() if id_ == (str(owner.user_id) if by_user else owner.id)]
    if not found or found[0].archived is not call.flag("archived"):
        raise Refusal(404, "resource not found")
    return answer(_owner(found[0]))


def _owner(owner: Owner) -> dict[str, Any]:
    """A deactivated user keeps only `userIdIncludingInactive`."""
    return {
        "id": owner.id,
        "email": owner.email,
        "type": "PERSON",
        "firstName": owner.first_name,
        "lastName": owner.last_name,
        "userId": None if owner.archived else owner.user_id,
        "userIdIncludingInactive": owner.user_id,
        "createdAt": iso(owner.created),
        "updatedAt": iso(owner.created),
        "archived": owner.archived,
        "teams": [],
    }


def _pipelines(kind: str) -> list[dict[str, Any]]:
    if kind == "contacts":
        stages = [_stage(order, stage, stage, {}) for order, stage in enumerate(LIFECYCLE_STAGES)]
        return [_pipeline("contacts-lifecycle-pipeline", "Lifecycle Stage Pipeline", stages)]
    if kind == "deals":
        return [_pipeline("default", "Sales Pipeline", [_deal_stage(n, *row) for n, row in enumerate(DEAL_STAGES)])]
    return []


def _deal_stage(order: int, stage: str, label: str, probability: str) -> dict[str, Any]:
    """Metadata values are text, the closed flag included."""
    closed = "true" if probability in ("1.0", "0.0") else "false"
    return _stage(order, stage, label, {"isClosed": closed, "probability": probability})


def _stage(order: int, id_: str, label: str, metadata: dict[str, str]) -> dict[str, Any]:
    return {
        "id": id_,
        "label": label,
        "displayOrder": order,
        "metadata": metadata,
        "createdAt": iso(0),
        "updatedAt": iso(0),
        "archived": False,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
    }


def _pipeline(id_: str, label: str, stages: list[dict[str, Any]]) -> dict[str, Any]:
    body = {"id": id_, "label": label, "displayOrder": 0, "stages": stages}
    return {**body, "createdAt": iso(0), "updatedAt": iso(0), "archived": False}


def list_pipelines(call: Call) -> Response:
    return answer({"results": _pipelines(call.kind.name)})


def read_pipeline(call: Call) -> Response:
    return answer(_pipeline_of(call))


def list_stages(call: Call) -> Response:
    return answer({"results": _pipeline_of(call)["stages"]})


def _pipeline_of(call: Call) -> dict[str, Any]:
    for pipeline in _pipelines(call.kind.name):
        if pipeline["id"] == call.path["id"]:
            return pipeline
    raise Refusal(404, "resource not found")


def details(call: Call) -> Response:
    portal, now = call.portal, call.portal.clock.now().astimezone(call.portal.time_zone)
    offset = now.utcoffset() or timedelta(0)
    return answer(
        {
            "portalId": portal.portal_id,
            "accountType": "STANDARD",
            "timeZone": str(portal.time_zone),
            "companyCurrency": "USD",
            "additionalCurrencies": [],
            "utcOffset": now.strftime("%z")[:3] + ":" + now.strftime("%z")[3:],
            "utcOffsetMilliseconds": offset // timedelta(milliseconds=1),
            "uiDomain": call.settings.pages,
            "dataHostingLocation": "na1",
        }
    )


def api_usage(call: Call) -> Response:
    """Calls of all apps since the portal's midnight."""
    portal, meter = call.portal, call.server.meter
    row = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": meter.limits.daily or UNLIMITED_DAILY,
        "currentUsage": meter.used_today(),
        "collectedAt": iso(portal.now_ms()),
        "fetchStatus": "SUCCESS",
        "resetsAt": iso(to_ms(meter.next_midnight())),
    }
    return answer({"results": [row]})
