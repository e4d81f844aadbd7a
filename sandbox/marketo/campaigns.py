"""Smart campaigns over REST: requested, scheduled, listed by either API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from sandbox.marketo.assets import Campaign
from sandbox.marketo.call import Call
from sandbox.marketo.instants import asset, iso, read
from sandbox.marketo.wire import Refusal, answer

MOST_LEADS = MOST_TOKENS = 100
FIVE_MINUTES = timedelta(minutes=5)
FURTHEST = timedelta(days=2 * 365)


def _campaign(call: Call) -> Campaign:
    found = call.instance.campaigns.get(call.id())
    if found is None:
        raise Refusal("1013", "Campaign not found")
    return found


def _order(call: Call) -> tuple[dict[str, Any], dict[str, str]]:
    """The input of the body, and its tokens. Raises `Refusal`."""
    given = call.given.get("input")
    if not isinstance(given, dict):
        raise Refusal("701", "input cannot be blank")
    tokens = {str(token.get("name")): str(token.get("value")) for token in given.get("tokens") or ()}
    if len(tokens) > MOST_TOKENS or not all(name.startswith("{{my.") and name.endswith("}}") for name in tokens):
        raise Refusal("1003", "Invalid data: tokens")
    return given, tokens


def trigger(call: Call) -> Response:
    """`POST /rest/v1/campaigns/{id}/trigger.json`: all of the leads, or none where one is not there.

    The vendor documents 1003 for a batch campaign; which code an inactive one gives it does not say.
    """
    campaign, (given, tokens) = _campaign(call), _order(call)
    leads = given.get("leads") or []
    if not leads:
        raise Refusal("701", "leads cannot be blank")
    if len(leads) > MOST_LEADS:
        raise Refusal("1003", f"A maximum of {MOST_LEADS} leads is allowed")
    if campaign.type == "batch":
        raise Refusal("1003", "Request Campaign is not allowed for a batch campaign")
    if not campaign.active or not campaign.requestable:
        raise Refusal("1003", "Campaign must be active and have the trigger Campaign is Requested")
    ids = [lead.get("id") for lead in leads]
    if missing := next((id for id in ids if not isinstance(id, int) or call.instance.lead(id) is None), None):
        raise Refusal("1004", f"Lead '{missing}' not found")
    call.instance.request(campaign, ids, tokens)
    return answer([{"id": campaign.id}])


def schedule(call: Call) -> Response:
    """`POST /rest/v1/campaigns/{id}/schedule.json`: five minutes from now at the earliest."""
    campaign, (given, _) = _campaign(call), _order(call)
    if campaign.type != "batch":
        raise Refusal("1003", "Schedule Campaign is not allowed for a trigger campaign")
    now = call.instance.now()
    try:
        due = read(str(given["runAt"])) if given.get("runAt") else now
    except ValueError:
        raise Refusal("704", "Invalid date format") from None
    if due > now + FURTHEST:
        raise Refusal("1042", "Invalid runAt date")
    campaign.scheduled.append(max(due, now + FIVE_MINUTES))
    return answer([{"id": campaign.id}])


def listed(call: Call) -> Response:
    """`GET /rest/v1/campaigns.json`, which the asset API superseded."""
    wanted, only = set(call.wholes("id")), call.one("isTriggerable").lower() in {"true", "1"}
    rows = [
        {
            "id": one.id, "name": one.name, "type": one.type, "programName": one.program, "workspaceName": "Default",
            "createdAt": iso(one.made), "updatedAt": iso(one.made), "active": one.type == "trigger" and one.active,
        }
        for one in call.instance.campaigns.values()
        if (not wanted or one.id in wanted) and (not only or (one.type == "trigger" and one.requestable))
    ]  # fmt: skip
    return answer(rows[: call.size()])


def smart(call: Call) -> Response:
    """`GET /rest/asset/v1/smartCampaigns.json`."""
    start, size = call.one("offset", "0"), call.size("maxReturn", 20, 200)
    active = call.one("isActive").lower() == "true"
    found = [one for one in call.instance.campaigns.values() if not active or (one.type == "trigger" and one.active)]
    first = int(start) if start.isdecimal() else 0
    return _assets([_smart(one) for one in found[first : first + size]])


def smart_by_id(call: Call) -> Response:
    """`GET /rest/asset/v1/smartCampaign/{id}.json`."""
    found = call.instance.campaigns.get(call.id())
    return _assets([_smart(found)] if found is not None else [])


def _smart(one: Campaign) -> dict[str, Any]:
    trigger = one.type == "trigger"
    return {
        "id": one.id, "name": one.name, "description": "", "createdAt": asset(one.made), "updatedAt": asset(one.made),
        "status": one.status, "type": one.type, "isSystem": False, "isActive": trigger and one.active,
        "isRequestable": trigger and one.requestable, "isCommunicationLimitEnabled": False,
        "recurrence": {"weekdayOnly": False}, "qualificationRuleType": one.rule, "workspace": "Default",
        "smartListId": one.id, "flowId": one.id, "computedUrl": f"https://app-sj.marketo.com/#SC{one.id}A1",
    }  # fmt: skip


def _assets(rows: list[dict[str, Any]]) -> Response:
    """The asset API says that there is nothing in a warning, and leaves the result out."""
    if rows:
        return answer(rows, errors=[], warnings=[])
    return answer(errors=[], warnings=["No assets found for the given search criteria."])
