"""What else happens when a record is saved: field history, stage history, activity roll-ups."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.salesforce import relations
from sandbox.salesforce.schema import FieldType
from sandbox.salesforce.table import Row
from sandbox.salesforce.values import stamp

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

HISTORIES = {"Lead": ("LeadHistory", "LeadId"), "Contact": ("ContactHistory", "ContactId")}
_STAGE_FIELDS = ("StageName", "Amount", "ExpectedRevenue", "CloseDate", "Probability", "ForecastCategory")


def saved(org: Org, object: str, before: Row | None, row: Row, *, at: datetime, by: str) -> None:
    """Run the side effects of a save, inside its transaction."""
    if object in HISTORIES:
        _track(org, object, before, row, at=at, by=by)
    elif object == "Opportunity":
        _stage_history(org, before, row, at=at, by=by)
    elif object in ("Task", "Event"):
        _last_activity(org, object, row, at=at, by=by)
    relations.saved(org, object, before, row, at=at, by=by)


def note_history(org: Org, object: str, id: str, field: str, *, at: datetime, by: str, **values: Any) -> None:
    """Append a row to the field history; `field` may be synthetic (`created`, `leadConverted`, `leadMerged`)."""
    history, parent = HISTORIES[object]
    row: dict[str, Any] = {"IsDeleted": False, parent: id, "Field": field, "CreatedById": by, "CreatedDate": stamp(at)}
    row["Id"] = org.mint(org.schema[history].prefix)
    row |= {name: value for name, value in values.items() if value is not None}
    org.commits.write(history, row["Id"], row, at)


def _track(org: Org, object: str, before: Row | None, row: Row, *, at: datetime, by: str) -> None:
    if before is None:
        note_history(org, object, row["Id"], "created", at=at, by=by)
        return
    for field in org.schema[object].fields.values():
        if not field.tracked:
            continue
        old, new = before.get(field.name), row.get(field.name)
        if old == new:
            continue
        name = field.name
        if field.type is FieldType.REFERENCE:
            name = field.relationship or field.name
            # A changed reference gives two rows, one with names and one with ids (observed).
            note_history(
                org, object, row["Id"], name, at=at, by=by,
                DataType="Text", OldValue=_name(org, old), NewValue=_name(org, new),
            )  # fmt: skip
        kind = "EntityId" if field.type is FieldType.REFERENCE else "Text"
        note_history(
            org, object, row["Id"], name, at=at, by=by, DataType=kind, OldValue=_text(old), NewValue=_text(new)
        )


def _stage_history(org: Org, before: Row | None, row: Row, *, at: datetime, by: str) -> None:
    if before is not None and all(before.get(name) == row.get(name) for name in _STAGE_FIELDS):
        return
    entry = {name: row[name] for name in _STAGE_FIELDS if name in row}
    now = stamp(at)
    entry |= {"OpportunityId": row["Id"], "IsDeleted": False, "CreatedById": by, "CreatedDate": now}
    entry |= {"Id": org.mint("008"), "SystemModstamp": now}
    org.commits.write("OpportunityHistory", entry["Id"], entry, at)


def _last_activity(org: Org, object: str, row: Row, *, at: datetime, by: str) -> None:
    """Logging an activity moves LastActivityDate and SystemModstamp of those it is about, but not LastModifiedDate."""
    day = row.get("ActivityDate")
    if day is None or row.get("IsDeleted") or (object == "Task" and not row["IsClosed"]):
        return
    for id in dict.fromkeys(row[name] for name in ("WhoId", "WhatId", "AccountId") if name in row):
        kind = org.kind(id)
        if kind is None or "LastActivityDate" not in org.schema[kind].fields:
            continue
        about = org.current(kind, id)
        if about is not None and about.get("LastActivityDate", "") < day:
            org.revise(kind, id, {"LastActivityDate": day}, at=at, by=by, modified=False)


def _name(org: Org, id: Any) -> str | None:
    kind = org.kind(id) if id else None
    row = org.current(kind, id) if kind else None
    return row.get("Name") if row else None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
