"""Fields that the system fills in from others whenever a record is saved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.objects import CLOSED_TASK, RESPONDED, STAGES
from sandbox.salesforce.table import Row
from sandbox.salesforce.values import instant, stamp

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

Derivation = Callable[["Org", dict[str, Any], Row | None, datetime], None]

FORECAST_NAMES = {"BestCase": "Best Case", "Forecast": "Commit"}


def derive(org: Org, object: str, row: dict[str, Any], before: Row | None, at: datetime) -> None:
    """Fill in the derived fields of `row` in place; `before` is the version it replaces."""
    derivation = _DERIVATIONS.get(object)
    if derivation is not None:
        derivation(org, row, before, at)


def _set(row: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        row.pop(name, None)
    else:
        row[name] = value


def _person(org: Org, row: dict[str, Any], before: Row | None, at: datetime) -> None:
    _set(row, "Name", " ".join(part for part in (row.get("FirstName"), row.get("LastName")) if part) or None)


def _opportunity(org: Org, row: dict[str, Any], before: Row | None, at: datetime) -> None:
    stage = row.get("StageName")
    moved = before is None or before.get("StageName") != stage
    probability, closed, won, category = STAGES.get(stage or "", (0.0, False, False, "Pipeline"))
    if moved:
        # A probability set in the same write wins over the stage's own.
        if before is None or before.get("Probability") == row.get("Probability"):
            row["Probability"] = probability if before is not None else row.get("Probability", probability)
        row["ForecastCategory"] = category
        row["ForecastCategoryName"] = FORECAST_NAMES.get(category, category)
        if before is not None:
            row["LastStageChangeDate"] = stamp(at)
    row["IsClosed"], row["IsWon"] = closed, won
    amount = row.get("Amount")
    _set(row, "ExpectedRevenue", None if amount is None else round(amount * row.get("Probability", 0.0) / 100.0, 2))


def _account_of(org: Org, row: dict[str, Any]) -> None:
    who, what = row.get("WhoId", ""), row.get("WhatId", "")
    account = None
    if what.startswith("001"):
        account = what
    elif what.startswith("006"):
        account = (org.current("Opportunity", what) or {}).get("AccountId")
    if account is None and who.startswith("003"):
        account = (org.current("Contact", who) or {}).get("AccountId")
    _set(row, "AccountId", account)


def _who_count(row: dict[str, Any], before: Row | None) -> None:
    """One, or none, until the activity is shared."""
    if before is None or row.get("WhoCount", 0) == before.get("WhoCount", 0) <= 1:
        row["WhoCount"] = int("WhoId" in row)


def _task(org: Org, row: dict[str, Any], before: Row | None, at: datetime) -> None:
    closed = row.get("Status") == CLOSED_TASK
    row["IsClosed"], row["IsHighPriority"] = closed, row.get("Priority") == "High"
    if not closed:
        row.pop("CompletedDateTime", None)
    elif before is None or not before["IsClosed"]:
        row.setdefault("CompletedDateTime", stamp(at))
    _account_of(org, row)
    _who_count(row, before)
    row["IsArchived"] = org.is_archivable("Task", row)


def _event(org: Org, row: dict[str, Any], before: Row | None, at: datetime) -> None:
    start = row.get("ActivityDateTime") or row.get("StartDateTime")
    if before is not None and row.get("StartDateTime") != before.get("StartDateTime"):
        start = row.get("StartDateTime")
    if start is not None:
        row["ActivityDateTime"] = row["StartDateTime"] = start
        row["ActivityDate"] = org.local_day(instant(start)).isoformat()
        minutes = row.setdefault("DurationInMinutes", 60)
        row["EndDateTime"] = stamp(instant(start) + timedelta(minutes=minutes))
    row["EventSubtype"] = "Event"
    _account_of(org, row)
    _who_count(row, before)
    row["IsArchived"] = org.is_archivable("Event", row)


def _campaign_member(org: Org, row: dict[str, Any], before: Row | None, at: datetime) -> None:
    person = row.get("ContactId") or row.get("LeadId")
    _set(row, "LeadOrContactId", person)
    row["Type"] = "Contact" if row.get("ContactId") else "Lead"
    row["HasResponded"] = row.get("Status") in RESPONDED
    if row["HasResponded"]:
        row.setdefault("FirstRespondedDate", org.local_day(at).isoformat())


def _email_message(org: Org, row: dict[str, Any], before: Row | None, at: datetime) -> None:
    row.setdefault("MessageDate", stamp(at))
    row["IsOpened"] = "FirstOpenedDate" in row


def _email_relation(org: Org, row: dict[str, Any], before: Row | None, at: datetime) -> None:
    _set(row, "RelationObjectType", org.kind(row.get("RelationId", "")))


_DERIVATIONS: dict[str, Derivation] = {
    "Lead": _person,
    "Contact": _person,
    "User": _person,
    "Opportunity": _opportunity,
    "Task": _task,
    "Event": _event,
    "CampaignMember": _campaign_member,
    "EmailMessage": _email_message,
    "EmailMessageRelation": _email_relation,
}
