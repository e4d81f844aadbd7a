"""What happened to a record, newest first, as its page tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sandbox.hubspot.instants import from_ms, parse_ms
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.records import Record
from sandbox.hubspot.schema import ENGAGEMENTS

SHOWN = 100

# Engagement -> (property with its heading, property with its detail).
_HEADINGS: dict[str, tuple[str, str]] = {
    "calls": ("hs_call_title", "hs_call_body"),
    "emails": ("hs_email_subject", "hs_email_direction"),
    "meetings": ("hs_meeting_title", "hs_meeting_outcome"),
    "notes": ("hs_note_body", ""),
    "tasks": ("hs_task_subject", "hs_task_status"),
    "communications": ("hs_communication_body", "hs_communication_channel_type"),
}


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One thing that happened."""

    at: datetime
    kind: str
    title: str
    detail: str = ""


def timeline(portal: Portal, record: Record) -> list[Entry]:
    """The newest entries: engagements; for a contact also page views, forms, marketing e-mails and stage changes."""
    entries = _engagements(portal, record)
    if record.kind.name == "contacts":
        entries += _page_views(record) + _stages(record) + _marketing(portal, record)
    return sorted(entries, reverse=True)[:SHOWN]


def _engagements(portal: Portal, record: Record) -> list[Entry]:
    entries = []
    for type_ in ENGAGEMENTS:
        heading, detail = _HEADINGS[type_]
        for id_, _ in portal.live_links(record, type_):
            held = portal.exact(type_, str(id_))
            if held is not None:
                when = parse_ms(held.values.get("hs_timestamp", "")) or held.created
                title, more = held.values.get(heading, ""), held.values.get(detail, "")
                entries.append(Entry(from_ms(when), held.kind.singular, title or held.kind.singular.capitalize(), more))
    return entries


def _page_views(record: Record) -> list[Entry]:
    """The views still in the property's history."""
    urls = {version.at: version.value for version in reversed(record.history("hs_analytics_last_url"))}
    entries = []
    for version in record.history("hs_analytics_last_timestamp"):
        url = next((url for at, url in sorted(urls.items(), reverse=True) if at <= version.at), "")
        entries.append(Entry(from_ms(version.at), "page view", url))
    return entries


def _stages(record: Record) -> list[Entry]:
    return [
        Entry(from_ms(version.at), "lifecycle", version.value or "cleared", version.source_type)
        for version in record.history("lifecyclestage")
    ]


def _marketing(portal: Portal, record: Record) -> list[Entry]:
    email = record.values.get("email", "")
    sent = [
        Entry(from_ms(one.submitted_at), "form", form.name, one.page_url)
        for form in portal.forms.values()
        for one in form.sent_by(email)
    ]
    return sent + [
        Entry(from_ms(event.created), "marketing e-mail", event.type.capitalize(), event.url or "")
        for event in portal.email_log.sent_to(email)
    ]
