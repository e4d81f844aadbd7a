"""Activities as people and reps cause them: the records that each kind leaves behind, and the route that makes one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.salesforce.objects import CLOSED_TASK

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

Person = tuple[str, str]
"""(Lead or Contact, id)."""


def find_person(org: Org, email: str) -> Person | None:
    """The record a rep would work with for an address: a contact first, else a lead that is not converted."""
    for object in ("Contact", "Lead"):
        for id in reversed(org.tables[object].having("Email", [email])):
            row = org.current(object, id)
            if row is None or row.get("IsDeleted") or row.get("IsConverted"):
                continue
            if row.get("Email", "").casefold() == email.casefold():
                return object, id
    return None


def download_content(org: Org, person: Person, at: datetime) -> tuple[str, str]:
    """A whitepaper download: the person responds to a campaign, as a new member of it where possible."""
    object, id = person
    key = f"{object}Id"
    joined = {
        row["CampaignId"]
        for member in org.tables["CampaignMember"].having(key, [id])
        if (row := org.current("CampaignMember", member)) and row.get(key) == id and not row.get("IsDeleted")
    }
    campaign = next(
        (
            row["Id"]
            for row in org.rows("Campaign")
            if row["Type"] == "Whitepaper" and not row["IsDeleted"] and row["Id"] not in joined
        ),
        None,
    )
    if campaign is None:
        name = f"Whitepaper {len(org.tables['Campaign'].current) + 1}"
        campaign = org.insert("Campaign", {"Name": name, "Type": "Whitepaper", "IsActive": True}, at=at)
    member = {"CampaignId": campaign, key: id, "Status": "Downloaded"}
    return "CampaignMember", org.insert("CampaignMember", member, at=at)


def make_call(org: Org, person: Person, at: datetime) -> tuple[str, str]:
    """A call that a rep made and logged."""
    task = {
        "WhoId": person[1], "Subject": "Call", "TaskSubtype": "Call", "Type": "Call", "CallType": "Outbound",
        "CallDurationInSeconds": 420, "Status": CLOSED_TASK, "ActivityDate": org.local_day(at),
    }  # fmt: skip
    return "Task", org.insert("Task", task, at=at)


def hold_meeting(org: Org, person: Person, at: datetime) -> tuple[str, str]:
    """A meeting that has just taken place."""
    event = {
        "WhoId": person[1], "Subject": "Meeting", "Type": "Meeting", "DurationInMinutes": 30,
        "ActivityDateTime": at - timedelta(minutes=30),
    }  # fmt: skip
    return "Event", org.insert("Event", event, at=at)


def send_email(org: Org, person: Person, at: datetime) -> tuple[str, str]:
    """A sales e-mail: the message, its relation to the person, and the task that the CRM logs for it."""
    object, id = person
    row = org.current(object, id) or {}
    task = {
        "WhoId": id, "Subject": "Email: Following up", "TaskSubtype": "Email", "Type": "Email", "Status": CLOSED_TASK,
        "ActivityDate": org.local_day(at),
    }  # fmt: skip
    with org.transaction():
        logged = org.insert("Task", task, at=at)
        sent = {
            "ActivityId": logged, "Subject": "Following up", "ToAddress": row.get("Email"), "Incoming": False,
            "MessageDate": at, "IsTracked": True,
        }  # fmt: skip
        message = org.insert("EmailMessage", sent, at=at)
        relation = {"EmailMessageId": message, "RelationId": id, "RelationType": "ToAddress"}
        org.insert("EmailMessageRelation", {**relation, "RelationAddress": row.get("Email")}, at=at)
    return "EmailMessage", message


def plan_task(org: Org, person: Person, at: datetime) -> tuple[str, str]:
    """A to-do for a rep, due in two days; nothing has happened yet."""
    task = {"WhoId": person[1], "Subject": "Follow up", "ActivityDate": org.local_day(at) + timedelta(days=2)}
    return "Task", org.insert("Task", task, at=at)


KINDS: dict[str, Callable[[Org, Person, datetime], tuple[str, str]]] = {
    "content_download": download_content,
    "call": make_call,
    "meeting": hold_meeting,
    "email_sent": send_email,
    "task": plan_task,
}


def routes(org: Org) -> list[Route]:
    async def make(request: Request) -> Response:
        try:
            order: Any = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            order = None
        if not isinstance(order, dict) or not isinstance(order.get("email"), str) or order.get("kind") not in KINDS:
            allowed = ", ".join(KINDS)
            return JSONResponse({"error": f'send {{"email": ..., "kind": ...}}; kinds here are {allowed}'}, 400)
        person = find_person(org, order["email"])
        if person is None:
            return JSONResponse({"error": "no open lead or contact has this e-mail address"}, 404)
        object, id = KINDS[order["kind"]](org, person, org.clock.now())
        return JSONResponse({"id": id, "object": object, "person": {"object": person[0], "id": person[1]}}, 201)

    return [Route("/sandbox/activity", make, methods=["POST"])]
