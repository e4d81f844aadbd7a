"""What happened to a person: from tasks, events, e-mails and campaign members.

One row can hold several facts (a campaign member was sent something, later responded). Each gets a reference of its own
(`<row id>#<fact>`) and an instant that later edits of the row do not move, so that a fact once seen stays what it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from connectors.records import Activity, ActivityKind, Deletion, RecordRef
from connectors.salesforce.mapping import PEOPLE, Row
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.values import day_end, day_start, instant, maybe_instant

_SYSTEM = ("Id", "CreatedDate", "LastModifiedDate", "SystemModstamp", "IsDeleted")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "Task": (
        *_SYSTEM, "WhoId", "IsClosed", "IsRecurrence", "TaskSubtype", "Type", "CallType", "CallDurationInSeconds",
        "CompletedDateTime", "WhoCount",
    ),
    "Event": (
        *_SYSTEM, "WhoId", "IsChild", "IsRecurrence", "IsAllDayEvent", "ActivityDate", "ActivityDateTime",
        "StartDateTime", "DurationInMinutes", "Type", "WhoCount",
    ),
    "EmailMessage": (*_SYSTEM, "Status", "Incoming", "MessageDate", "FirstOpenedDate"),
    "CampaignMember": (
        *_SYSTEM, "LeadId", "ContactId", "Status", "HasResponded", "FirstRespondedDate", "Campaign.Name",
        "Campaign.Type",
    ),
}  # fmt: skip
PLANNED = "#planned"
"""The fact that a task was made, beside that it was done."""
FACTS: Mapping[str, tuple[str, ...]] = {
    "Task": ("", PLANNED),
    "Event": ("",),
    "EmailMessage": ("", "#opened"),
    "CampaignMember": ("", "#responded"),
}
"""Suffixes of the facts that a row may hold: when it is deleted, so are they."""

CAMPAIGNS: tuple[tuple[str, ActivityKind], ...] = (
    (r"webinar.*/ attended", ActivityKind.WEBINAR_ATTENDANCE),
    (r"\bwebinar", ActivityKind.WEBINAR_REGISTRATION),
    (r"\bdemo video|\bvideo", ActivityKind.DEMO_VIDEO_VIEW),
    (r"\bdemo\b|\btrial\b", ActivityKind.DEMO_REQUEST),
    (r"\bcontact (us|request|form)", ActivityKind.FORM_SUBMISSION),
    (r"white ?paper|\be-?book|\bguide\b|\breport\b|case stud|\bcontent\b|download", ActivityKind.CONTENT_DOWNLOAD),
    (r"\btrade ?(show|fair)|\bconference|\bseminar|\bexpo\b|\bsummit|\bevents?\b", ActivityKind.EVENT_ATTENDANCE),
)
"""What a response means, by "type / name / status" of the campaign and the member; the first match decides."""

_DRAFT = "5"
"""EmailMessage.Status of what was not sent (object reference)."""
_PLANNED = timedelta(minutes=1)
"""A task that was completed so soon was logged, not planned."""


class Activities:
    """Reads the rows of one org."""

    def __init__(self, settings: SalesforceSettings) -> None:
        self._source = settings.name
        self._zone = settings.zone
        rules = (*((rule.pattern, rule.kind) for rule in settings.campaigns), *CAMPAIGNS)
        self._campaigns = tuple((re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in rules)

    def deletions(self, object: str, row: Row) -> Iterator[Deletion]:
        """A deleted row takes all its facts along."""
        for fact in FACTS[object]:
            yield Deletion(self._ref(object, row, fact), instant(row["SystemModstamp"]))

    def task(self, row: Row, others: Iterable[str] = ()) -> Iterator[Activity]:
        """`others` are those that the task is shared with. A closed task happened when it was completed. An open one
        is a plan, made when it was created; its due date is no occurrence. The template of a series is neither."""
        people = self._people(row.get("WhoId"), *others)
        if row.get("IsRecurrence") or not people:
            return
        created, completed = instant(row["CreatedDate"]), maybe_instant(row.get("CompletedDateTime"))
        if not row.get("IsClosed") or (completed is not None and completed - created > _PLANNED):
            ref = self._ref("Task", row, PLANNED)
            yield Activity(ref, ActivityKind.TASK, people, created, created, row.get("Type"))
        if row.get("IsClosed"):
            seconds = row.get("CallDurationInSeconds")
            yield Activity(
                ref=self._ref("Task", row),
                kind=_task_kind(row),
                people=people,
                occurred_at=completed or created,
                # Without a completion time it is certain only from the last edit on that the task was closed.
                recorded_at=completed or instant(row["LastModifiedDate"]),
                detail=row.get("Type"),
                duration=timedelta(seconds=seconds) if seconds else None,
            )

    def event(self, row: Row, others: Iterable[str] = ()) -> Iterator[Activity]:
        """A meeting happens when it starts, which may be in the future; an all-day one by the end of its day. The
        invitees' copies and the template of a series are left out."""
        people = self._people(row.get("WhoId"), *others)
        if row.get("IsChild") or row.get("IsRecurrence") or not people:
            return
        start = row.get("StartDateTime") or row.get("ActivityDateTime")
        if row.get("IsAllDayEvent") or start is None:
            if not row.get("ActivityDate"):
                return
            occurred = day_end(row["ActivityDate"], self._zone)
        else:
            occurred = instant(start)
        minutes = row.get("DurationInMinutes")
        yield Activity(
            ref=self._ref("Event", row),
            kind=ActivityKind.MEETING,
            people=people,
            occurred_at=occurred,
            recorded_at=instant(row["CreatedDate"]),
            detail=row.get("Type"),
            duration=timedelta(minutes=minutes) if minutes else None,
        )

    def email(self, row: Row, relations: Iterable[Row]) -> Iterator[Activity]:
        """An incoming mail is its sender's reply; an outgoing one is sales' mail to its recipients, who may open it.
        A draft is neither."""
        if row.get("Status") == _DRAFT:
            return
        incoming = bool(row.get("Incoming"))
        people = self._people(
            *(
                relation.get("RelationId")
                for relation in relations
                if (relation.get("RelationType") == "FromAddress") is incoming
            )
        )
        if not people:
            return
        created = instant(row["CreatedDate"])
        sent = maybe_instant(row.get("MessageDate")) or created
        kind = ActivityKind.EMAIL_REPLY if incoming else ActivityKind.SALES_EMAIL
        yield Activity(self._ref("EmailMessage", row), kind, people, sent, created)
        opened = None if incoming else maybe_instant(row.get("FirstOpenedDate"))
        if opened is not None:
            yield Activity(self._ref("EmailMessage", row, "#opened"), ActivityKind.EMAIL_OPEN, people, opened, opened)

    def member(self, row: Row) -> Iterator[Activity]:
        """A campaign member was sent something when it was added, unless it was added because it responded.

        Of a response only the day is known. It is taken to be as early as it can have been, and on record from the end
        of that day: a running sync counts it when it sees it, a backfill never too early.
        """
        people = self._people(row.get("ContactId"), row.get("LeadId"))
        if not people:
            return
        created, day = instant(row["CreatedDate"]), row.get("FirstRespondedDate")
        campaign: Mapping[str, Any] = row.get("Campaign") or {}
        name = campaign.get("Name")
        responded = bool(row.get("HasResponded"))
        if not responded or (day and day_start(day, self._zone) > created):
            yield Activity(self._ref("CampaignMember", row), ActivityKind.CAMPAIGN_SEND, people, created, created, name)
        if responded:
            text = " / ".join(str(part or "") for part in (campaign.get("Type"), name, row.get("Status")))
            yield Activity(
                ref=self._ref("CampaignMember", row, "#responded"),
                kind=self._response(text),
                people=people,
                occurred_at=max(created, day_start(day, self._zone)) if day else created,
                recorded_at=max(created, day_end(day, self._zone)) if day else instant(row["LastModifiedDate"]),
                detail=name,
            )

    def _response(self, text: str) -> ActivityKind:
        return next((kind for pattern, kind in self._campaigns if pattern.search(text)), ActivityKind.CAMPAIGN_RESPONSE)

    def _ref(self, object: str, row: Row, fact: str = "") -> RecordRef:
        return RecordRef(self._source, object, row["Id"] + fact)

    def _people(self, *ids: str | None) -> tuple[RecordRef, ...]:
        known = dict.fromkeys(id for id in ids if id is not None and id[:3] in PEOPLE)
        return tuple(RecordRef(self._source, PEOPLE[id[:3]], id) for id in known)


def is_email(row: Row) -> bool:
    """Whether a task stands for an e-mail, which is an EmailMessage too and must not count twice."""
    return row.get("TaskSubtype") in ("Email", "ListEmail")


def _task_kind(row: Row) -> ActivityKind:
    if is_email(row):
        return ActivityKind.SALES_EMAIL
    if row.get("TaskSubtype") == "Call" or row.get("CallType"):
        return ActivityKind.INBOUND_CALL if row.get("CallType") == "Inbound" else ActivityKind.SALES_CALL
    return ActivityKind.TASK
