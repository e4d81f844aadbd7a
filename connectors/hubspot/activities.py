"""What people did: engagements, page views, form submissions and marketing e-mail events as activities."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from connectors.hubspot.settings import KindPattern
from connectors.hubspot.values import instant, millis
from connectors.records import EMAIL, Activity, ActivityKind, RecordRef

Properties = Mapping[str, str | None]
Patterns = Sequence[tuple[re.Pattern[str], ActivityKind]]

PAGES: Sequence[tuple[str, ActivityKind]] = (
    (r"pricing|/plans?(/|$)|/quote", ActivityKind.PRICING_PAGE_VIEW),
    (r"careers?|/jobs?(/|$)|vacanc|/hiring", ActivityKind.CAREERS_PAGE_VIEW),
    (r"demo[-_/]?video|watch[-_/]?demo", ActivityKind.DEMO_VIDEO_VIEW),
)
"""What a page's path means; the first match decides, any other page is a page view."""

FORMS: Sequence[tuple[str, ActivityKind]] = (
    (r"demo[-_ ]?video|watch[-_ ]?(a[-_ ])?demo", ActivityKind.DEMO_VIDEO_VIEW),
    (r"demo|trial", ActivityKind.DEMO_REQUEST),
    (r"webinar", ActivityKind.WEBINAR_REGISTRATION),
    (r"white[-_ ]?paper|e-?book|guide|report|download|case[-_ ]?stud", ActivityKind.CONTENT_DOWNLOAD),
    (r"unsubscribe|opt[-_ ]?out", ActivityKind.UNSUBSCRIBE),
)
"""What a form's name means; any other form is a form submission."""

EMAIL_EVENTS: Mapping[str, ActivityKind] = {
    "SENT": ActivityKind.CAMPAIGN_SEND,
    "DELIVERED": ActivityKind.EMAIL_DELIVERY,
    "OPEN": ActivityKind.EMAIL_OPEN,
    "CLICK": ActivityKind.EMAIL_CLICK,
    "BOUNCE": ActivityKind.EMAIL_BOUNCE,
    "SPAMREPORT": ActivityKind.UNSUBSCRIBE,
    "STATUSCHANGE": ActivityKind.UNSUBSCRIBE,
}
"""Type of a marketing e-mail event; the others (PROCESSED, DROPPED, DEFERRED...) say nothing of a person."""

CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
"""The call disposition "Connected"; the same in every account."""

URL_HISTORY, TIME_HISTORY = "hs_analytics_last_url", "hs_analytics_last_timestamp"


def patterns(own: Sequence[KindPattern], shipped: Sequence[tuple[str, ActivityKind]]) -> Patterns:
    """Configured patterns before the shipped ones, compiled."""
    table = [*((rule.pattern, rule.kind) for rule in own), *shipped]
    return [(re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in table]


def classify(text: str, table: Patterns, otherwise: ActivityKind) -> ActivityKind:
    return next((kind for pattern, kind in table if pattern.search(text)), otherwise)


def page_views(
    contact: RecordRef, history: Mapping[str, Any], table: Patterns, lineage: str | None = None
) -> Iterator[Activity]:
    """The page views that the history of the two roll-ups still holds (HubSpot keeps about 45 versions).

    A view moves the timestamp; the address has a new version only where it differs. So each timestamp is a view of the
    address that held then. `lineage` is the contact's oldest id where it was merged out of others, so that the views
    it brought along keep their names.
    """
    urls = sorted(
        (instant(entry["timestamp"]), str(entry["value"])) for entry in history.get(URL_HISTORY) or () if entry["value"]
    )
    views = [
        (instant(entry["value"]), instant(entry["timestamp"]))
        for entry in history.get(TIME_HISTORY) or ()
        if entry["value"]
    ]
    for occurred, recorded in views:
        url = next((url for since, url in reversed(urls) if since <= recorded), None)
        if url is None:
            continue  # its address is older than the history that is kept
        path = urlsplit(url).path or "/"
        kind = classify(path, table, ActivityKind.PAGE_VIEW)
        ref = RecordRef(contact.source, "page_views", f"{lineage or contact.id}:{millis(occurred)}")
        yield Activity(ref, kind, (contact,), occurred, recorded, path)


def _call(p: Properties) -> tuple[ActivityKind, str | None, timedelta | None]:
    kind = ActivityKind.INBOUND_CALL if p.get("hs_call_direction") == "INBOUND" else ActivityKind.SALES_CALL
    detail = "connected" if p.get("hs_call_disposition") == CONNECTED else _lower(p.get("hs_call_status"))
    duration = p.get("hs_call_duration")
    return kind, detail, timedelta(milliseconds=float(duration)) if duration else None


def _email(p: Properties) -> tuple[ActivityKind, str | None, timedelta | None]:
    status = _lower(p.get("hs_email_status"))
    if p.get("hs_email_direction") == "INCOMING_EMAIL":
        return ActivityKind.EMAIL_REPLY, status, None
    return ActivityKind.EMAIL_BOUNCE if status == "bounced" else ActivityKind.SALES_EMAIL, status, None


def _meeting(p: Properties) -> tuple[ActivityKind, str | None, timedelta | None]:
    start, end = p.get("hs_meeting_start_time"), p.get("hs_meeting_end_time")
    duration = instant(end) - instant(start) if start and end else None
    return ActivityKind.MEETING, _lower(p.get("hs_meeting_outcome")), duration


def _note(p: Properties) -> tuple[ActivityKind, str | None, timedelta | None]:
    return ActivityKind.NOTE, None, None


def _task(p: Properties) -> tuple[ActivityKind, str | None, timedelta | None]:
    return ActivityKind.TASK, _lower(p.get("hs_task_type")), None


_Reader = Callable[[Properties], tuple[ActivityKind, str | None, timedelta | None]]

ENGAGEMENTS: Mapping[str, tuple[_Reader, str, tuple[str, ...]]] = {
    "calls": (
        _call, "hs_timestamp", ("hs_call_direction", "hs_call_disposition", "hs_call_status", "hs_call_duration"),
    ),
    "emails": (_email, "hs_timestamp", ("hs_email_direction", "hs_email_status")),
    "meetings": (
        _meeting, "hs_meeting_start_time", ("hs_timestamp", "hs_meeting_end_time", "hs_meeting_outcome"),
    ),
    "notes": (_note, "hs_timestamp", ()),
    "tasks": (_task, "hs_createdate", ("hs_task_type",)),
}  # fmt: skip
"""Object type -> how it is read, the property that says when it happened, further properties.

A task's hs_timestamp is its due date, which is no occurrence: it counts from when it was made.
"""


def engagement_properties(type: str) -> list[str]:
    _, when, more = ENGAGEMENTS[type]
    return sorted({when, "hs_createdate", "hs_timestamp", "hs_lastmodifieddate", *more})


def engagement(source: str, type: str, row: Mapping[str, Any], people: Sequence[RecordRef]) -> Activity:
    """Raises `ValueError` for a row whose times or numbers are none."""
    read, when, _ = ENGAGEMENTS[type]
    properties: Properties = row["properties"]
    kind, detail, duration = read(properties)
    recorded = instant(properties.get("hs_createdate") or row["createdAt"])
    happened = properties.get(when) or properties.get("hs_timestamp")
    occurred = instant(happened) if happened else recorded
    return Activity(RecordRef(source, type, str(row["id"])), kind, tuple(people), occurred, recorded, detail, duration)


def submission(source: str, form: str, name: str, row: Mapping[str, Any], table: Patterns) -> Activity | None:
    """A form submission; None when it names no e-mail address, and so nobody."""
    values = {str(value.get("name")): str(value.get("value") or "") for value in row.get("values") or ()}
    address = values.get("email", "").strip().lower()
    if not address:
        return None
    at = instant(row["submittedAt"])
    ref = RecordRef(source, "form_submissions", str(row.get("conversionId") or f"{form}:{millis(at)}"))
    return Activity(
        ref, classify(name, table, ActivityKind.FORM_SUBMISSION), (_by_email(source, address),), at, at, name
    )


def email_event(source: str, row: Mapping[str, Any]) -> Activity | None:
    """A marketing e-mail event; None for what says nothing of a person, bots' opens and clicks among it."""
    kind, address = EMAIL_EVENTS.get(str(row.get("type"))), str(row.get("recipient") or "").strip().lower()
    if kind is None or not address or row.get("filteredEvent"):
        return None
    if row["type"] == "STATUSCHANGE" and row.get("portalSubscriptionStatus", "UNSUBSCRIBED") != "UNSUBSCRIBED":
        return None
    at = instant(row["created"])
    # An id alone may come again for another event: the key is (id, created).
    ref = RecordRef(source, "email_events", f"{row['id']}:{millis(at)}")
    url = row.get("url")
    detail = (
        (urlsplit(str(url)).path or "/")
        if url
        else f"campaign {row['emailCampaignId']}"
        if row.get("emailCampaignId")
        else None
    )
    return Activity(ref, kind, (_by_email(source, address),), at, at, detail)


def _by_email(source: str, address: str) -> RecordRef:
    return RecordRef(source, EMAIL, address)


def _lower(text: str | None) -> str | None:
    return text.lower() if text else None
