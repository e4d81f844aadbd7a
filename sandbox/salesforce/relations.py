"""Who has to do with a deal or an activity, beyond the one whom it names itself."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.fields import flag, lookup, picklist, read_only, system_fields
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.table import Row

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

ROLES = ("Business User", "Decision Maker", "Economic Buyer", "Evaluator", "Executive Sponsor", "Influencer", "Other")
RELATIONS = {"TaskRelation": "Task", "EventRelation": "Event"}


def relations() -> list[SObject]:
    """The objects. Roles and relations have stamps of their own: adding one moves neither deal nor contact."""
    role = SObject(
        "OpportunityContactRole",
        "00K",
        [
            *system_fields(),
            lookup(
                "OpportunityId", "Opportunity", required=True, updateable=False, child="OpportunityContactRoles",
                cascade=True,
            ),
            lookup("ContactId", "Contact", required=True, child="OpportunityContactRoles", cascade=True),
            picklist("Role", *ROLES),
            flag("IsPrimary", label="Primary"),
        ],
    )  # fmt: skip
    return [role, _relation("TaskRelation", "0RT"), _relation("EventRelation", "0RE")]


def _relation(name: str, prefix: str) -> SObject:
    activity = RELATIONS[name]
    return SObject(
        name,
        prefix,
        [
            *system_fields(),
            lookup(f"{activity}Id", activity, required=True, updateable=False, child=f"{name}s", cascade=True),
            lookup("RelationId", "Account", "Contact", "Lead", "Opportunity", required=True, child=f"{name}s"),
            flag("IsWhat"),
            *read_only([lookup("AccountId", "Account")]),
        ],
    )


def saved(org: Org, object: str, before: Row | None, row: Row, *, at: datetime, by: str) -> None:
    """What follows from a save: the contact named with a new deal is its primary role, and an activity counts those
    that it is shared with. (The org keeps relations of the others only; the one named has none here.)"""
    if object == "Opportunity" and before is None and "ContactId" in row:
        role = {"OpportunityId": row["Id"], "ContactId": row["ContactId"], "IsPrimary": True}
        org.insert("OpportunityContactRole", role, at=at, by=by)
    elif object in RELATIONS:
        _count(org, object, row, at=at, by=by)


def _count(org: Org, object: str, row: Row, *, at: datetime, by: str) -> None:
    activity = RELATIONS[object]
    key = f"{activity}Id"
    about = org.current(activity, row[key])
    if about is None:
        return
    held: list[Row] = [row, *(org.current(object, id) or {} for id in org.tables[object].having(key, [row[key]]))]
    others = {each["RelationId"] for each in held if each and not each.get("IsDeleted") and not each.get("IsWhat")}
    people: set[Any] = others | ({about["WhoId"]} if "WhoId" in about else set())
    org.revise(activity, row[key], {"WhoCount": len(people)}, at=at, by=by)
