"""The ends and turns of a record: deletion with its cascade, merge, lead conversion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.salesforce import effects
from sandbox.salesforce.schema import Field
from sandbox.salesforce.table import Row

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

MERGEABLE = frozenset({"Lead", "Contact", "Account"})
MOST_LOSERS = 2
"""At most three records can be merged at once, the winner included."""

CONTACT_MAPPING = {
    # lead field: contact field. Score fields are not mapped, as by default, so a conversion loses them.
    "Salutation": "Salutation", "FirstName": "FirstName", "LastName": "LastName", "Title": "Title", "Email": "Email",
    "Phone": "Phone", "MobilePhone": "MobilePhone", "LeadSource": "LeadSource", "Description": "Description",
    "Street": "MailingStreet", "City": "MailingCity", "State": "MailingState", "PostalCode": "MailingPostalCode",
    "Country": "MailingCountry", "HasOptedOutOfEmail": "HasOptedOutOfEmail", "DoNotCall": "DoNotCall",
    "OwnerId": "OwnerId", "Budget__c": "Budget__c", "Timeline__c": "Timeline__c", "Need__c": "Need__c",
    "Authority__c": "Authority__c", "Demo_Completed__c": "Demo_Completed__c",
    "Discovery_Notes__c": "Discovery_Notes__c",
}  # fmt: skip
ACCOUNT_MAPPING = {
    "Company": "Name", "Industry": "Industry", "NumberOfEmployees": "NumberOfEmployees", "Website": "Website",
    "AnnualRevenue": "AnnualRevenue", "Street": "BillingStreet", "City": "BillingCity", "State": "BillingState",
    "PostalCode": "BillingPostalCode", "Country": "BillingCountry", "Phone": "Phone", "OwnerId": "OwnerId",
}  # fmt: skip
CONVERTED_STATUS = "Closed - Converted"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What to convert into: existing ids, or None for a new record; `opportunity` is the name of a new one, if any."""

    account: str | None = None
    contact: str | None = None
    opportunity: str | None = None


@dataclass(frozen=True, slots=True)
class Converted:
    """Ids of what a lead became."""

    account: str
    contact: str
    opportunity: str | None


def children(org: Org, parent: str, id: str, *, cascading: bool) -> Iterator[tuple[str, Field, Row]]:
    """Records that refer to `id`: (object, reference field, row). With `cascading`, only those that die with it."""
    for object, sobject in org.schema.items():
        for field in sobject.references():
            if parent not in field.reference_to or (cascading and not field.cascade):
                continue
            for child in org.tables[object].having(field.name, [id]):
                row = org.current(object, child)
                if row is not None and row.get(field.name) == id:
                    yield object, field, row


def delete(org: Org, object: str, id: str, *, at: datetime, by: str, purge: bool) -> None:
    """Soft-delete (or purge) a record and what hangs on it."""
    row = org.current(object, id)
    if row is None:
        raise LookupError(f"{object} {id} does not exist")
    with org.commits.transaction():
        for child_object, _, child in list(children(org, object, id, cascading=True)):
            if org.current(child_object, child["Id"]) is not None and (purge or not child.get("IsDeleted")):
                delete(org, child_object, child["Id"], at=at, by=by, purge=purge)
        if object in effects.HISTORIES:
            _delete_history(org, object, id, at=at, purge=purge)
        if purge:
            org.commits.write(object, id, None, at)
        elif not row.get("IsDeleted"):
            org.revise(object, id, {"IsDeleted": True}, at=at, by=by)


def _delete_history(org: Org, object: str, id: str, *, at: datetime, purge: bool) -> None:
    history, parent = effects.HISTORIES[object]
    for entry in org.tables[history].having(parent, [id]):
        row = org.current(history, entry)
        if row is not None:
            org.commits.write(history, entry, None if purge else {**row, "IsDeleted": True}, at)


def merge(org: Org, object: str, winner: str, losers: Sequence[str], *, at: datetime, by: str) -> None:
    """Delete the losers with MasterRecordId = winner and hang their children on the winner."""
    if object not in MERGEABLE:
        raise ValueError(f"{object} cannot be merged, only {', '.join(sorted(MERGEABLE))}")
    if not 1 <= len(losers) <= MOST_LOSERS or winner in losers:
        raise ValueError("a merge takes one winner and one or two other records")
    for id in (winner, *losers):
        row = org.current(object, id)
        if row is None or row.get("IsDeleted"):
            raise LookupError(f"{object} {id} does not exist or is deleted")
    with org.commits.transaction():
        for loser in losers:
            _reparent(org, object, loser, winner, at=at, by=by)
            org.revise(object, loser, {"IsDeleted": True, "MasterRecordId": winner}, at=at, by=by)
            if object in effects.HISTORIES:
                effects.note_history(org, object, winner, f"{object.lower()}Merged", at=at, by=by)
        org.revise(object, winner, {}, at=at, by=by)


def _reparent(org: Org, parent: str, loser: str, winner: str, *, at: datetime, by: str) -> None:
    for object, field, row in list(children(org, parent, loser, cascading=False)):
        if field.name == "MasterRecordId" or field.name.startswith("Converted"):
            continue
        org.revise(object, row["Id"], {field.name: winner}, at=at, by=by, restamp=org.reparenting_restamps)


def convert(org: Org, lead: str, request: Conversion, *, at: datetime, by: str) -> Converted:
    """Make or link account, contact and opportunity; the lead keeps their ids and is read-only from now on."""
    row = org.current("Lead", lead)
    if row is None or row.get("IsDeleted"):
        raise LookupError(f"Lead {lead} does not exist or is deleted")
    if row.get("IsConverted"):
        raise ValueError(f"Lead {lead} is already converted")
    owner = row.get("OwnerId", by)
    people_owner = owner if org.kind(owner) == "User" else by
    with org.commits.transaction():
        account = request.account or org.insert(
            "Account", _mapped(row, ACCOUNT_MAPPING) | {"OwnerId": people_owner}, at=at, by=by
        )
        contact = request.contact or org.insert(
            "Contact", _mapped(row, org.contact_mapping) | {"OwnerId": people_owner, "AccountId": account}, at=at, by=by
        )
        opportunity = None
        if request.opportunity is not None:
            deal = {
                "Name": request.opportunity, "AccountId": account, "ContactId": contact, "StageName": "Prospecting",
                "CloseDate": at.date(), "LeadSource": row.get("LeadSource"), "OwnerId": people_owner,
            }  # fmt: skip
            opportunity = org.insert("Opportunity", deal, at=at, by=by)
        changes: dict[str, Any] = {
            "IsConverted": True, "ConvertedDate": org.local_day(at).isoformat(), "ConvertedAccountId": account,
            "ConvertedContactId": contact, "ConvertedOpportunityId": opportunity, "Status": CONVERTED_STATUS,
        }  # fmt: skip
        org.revise("Lead", lead, changes, at=at, by=by)
        effects.note_history(org, "Lead", lead, "leadConverted", at=at, by=by)
        _hand_over(org, lead, contact, at=at, by=by)
    return Converted(account, contact, opportunity)


def _mapped(row: Row, mapping: dict[str, str]) -> dict[str, Any]:
    return {target: row[source] for source, target in mapping.items() if source in row}


def _hand_over(org: Org, lead: str, contact: str, *, at: datetime, by: str) -> None:
    """Activities move to the contact; campaign members keep the lead and gain the contact."""
    restamp = org.reparenting_restamps
    for object, name in (
        ("Task", "WhoId"), ("Event", "WhoId"), ("EmailMessageRelation", "RelationId"), ("TaskRelation", "RelationId"),
        ("EventRelation", "RelationId"),
    ):  # fmt: skip
        for id in org.tables[object].having(name, [lead]):
            row = org.current(object, id)
            if row is not None and row.get(name) == lead:
                org.revise(object, id, {name: contact}, at=at, by=by, restamp=restamp)
    for id in org.tables["CampaignMember"].having("LeadId", [lead]):
        row = org.current("CampaignMember", id)
        if row is not None and row.get("LeadId") == lead:
            org.revise("CampaignMember", id, {"ContactId": contact}, at=at, by=by, restamp=restamp)
