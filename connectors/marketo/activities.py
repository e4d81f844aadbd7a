"""What people did: rows of the activity log as activities.

Types go by their names, since the numbers of an instance's own types differ. Of a row only what says what was done is
kept: addresses of computers, referrers and what was typed into a form stay behind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from connectors.marketo.session import Session, rows
from connectors.marketo.settings import KindPattern, MarketoSettings
from connectors.marketo.values import instant, parse
from connectors.quota import Lane
from connectors.records import Activity, ActivityKind, RecordRef

TYPES = "/rest/v1/activities/types.json"

DONE: Mapping[str, ActivityKind] = {
    "Visit Webpage": ActivityKind.PAGE_VIEW,
    "Fill Out Form": ActivityKind.FORM_SUBMISSION,
    "Open Email": ActivityKind.EMAIL_OPEN,
    "Click Email": ActivityKind.EMAIL_CLICK,
    "Unsubscribe Email": ActivityKind.UNSUBSCRIBE,
    "Open Sales Email": ActivityKind.EMAIL_OPEN,
    "Click Sales Email": ActivityKind.EMAIL_CLICK,
    "Interesting Moment": ActivityKind.CAMPAIGN_RESPONSE,
    "Change Status in Progression": ActivityKind.CAMPAIGN_RESPONSE,
}
"""What prospects do, by the type's name ("Activity types"): the stream `activities`."""

SENT: Mapping[str, ActivityKind] = {
    "Send Email": ActivityKind.CAMPAIGN_SEND,
    "Email Delivered": ActivityKind.EMAIL_DELIVERY,
    "Email Bounced": ActivityKind.EMAIL_BOUNCE,
    "Email Bounced Soft": ActivityKind.EMAIL_BOUNCE,
    "Send Sales Email": ActivityKind.SALES_EMAIL,
    "Sales Email Bounced": ActivityKind.EMAIL_BOUNCE,
}
"""What is done to them: the stream `deliveries`. A call takes ten types at most."""

_BY_BOTS_TOO = frozenset({"Open Email", "Click Email", "Open Sales Email", "Click Sales Email"})
"""Marketo says of these whether a bot did them ("Filtering email bot activity")."""

MERGE, REQUEST = "Merge Leads", "Request Campaign"

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

CAMPAIGNS: Sequence[tuple[str, ActivityKind]] = (
    (r"webinar.*(attended|on[- ]?demand)|attended.*webinar", ActivityKind.WEBINAR_ATTENDANCE),
    (r"webinar.*regist|regist.*webinar", ActivityKind.WEBINAR_REGISTRATION),
    (r"attended|visited booth", ActivityKind.EVENT_ATTENDANCE),
    (r"demo.*(request|regist)|request.*demo", ActivityKind.DEMO_REQUEST),
)
"""What `program / new status`, or an interesting moment, means. Of others a success of its program is a campaign
response, and the rest is nothing: a moment repeats, as a rule, what a form or a visit said."""

Patterns = Sequence[tuple[re.Pattern[str], ActivityKind]]


def patterns(own: Sequence[KindPattern], shipped: Sequence[tuple[str, ActivityKind]]) -> Patterns:
    """Configured patterns before the shipped ones, compiled."""
    table = [*((rule.pattern, rule.kind) for rule in own), *shipped]
    return [(re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in table]


def classify(text: str, table: Patterns) -> ActivityKind | None:
    return next((kind for pattern, kind in table if pattern.search(text)), None)


class ActivityTypes:
    """Number by name, as the instance has them, trusted for a while."""

    def __init__(self, session: Session, age: timedelta) -> None:
        self._session, self._age = session, age
        self._read_at: datetime | None = None
        self._numbers: Mapping[str, int] = {}

    def of(self, lane: Lane) -> Mapping[str, int]:
        now = self._session.now()
        if self._read_at is None or now - self._read_at >= self._age:
            found = rows(self._session.source, self._session.get(TYPES, {}, lane=lane))
            self._numbers, self._read_at = {str(row["name"]): int(row["id"]) for row in found}, now
        return self._numbers


class ActivityMapper:
    """Rows of one instance as activities."""

    def __init__(self, settings: MarketoSettings) -> None:
        self._source = settings.name
        self._pages = patterns(settings.pages, PAGES)
        self._forms = patterns(settings.forms, FORMS)
        self._campaigns = patterns(settings.campaigns, CAMPAIGNS)

    def activity(self, row: Mapping[str, Any], type: str, person: RecordRef) -> Activity | None:
        """None for what says nothing of a person: what a bot did, a status on the way. `type` is the type's name.

        Raises `KeyError` and `ValueError` for what is no activity.
        """
        kind = DONE.get(type) or SENT[type]
        told = {str(each["name"]): each.get("value") for each in row.get("attributes") or ()}
        name = str(row.get("primaryAttributeValue") or "") or None
        detail: str | None = name
        if type == "Visit Webpage":
            detail = _path(told.get("Webpage URL") or name)
            kind = classify(detail, self._pages) or kind
        elif type == "Fill Out Form":
            kind = classify(name or "", self._forms) or kind
        elif type in _BY_BOTS_TOO:
            if _true(told.get("Is Bot Activity")):
                return None
            detail = _path(told["Link"]) if told.get("Link") else name
        elif type in ("Interesting Moment", "Change Status in Progression"):
            moment = type == "Interesting Moment"
            also = told.get("Description") if moment else told.get("New Status")
            found = classify(f"{name or ''} / {also or ''}", self._campaigns)
            if found is None and (moment or not _true(told.get("Success"))):
                return None
            kind, detail = found or kind, None if moment else name
        at = instant(row["activityDate"])
        return Activity(RecordRef(self._source, "activities", guid(row)), kind, (person,), at, at, detail)


def guid(row: Mapping[str, Any]) -> str:
    """What names a row: `id` is not unique, and older answers have it alone ("Activities")."""
    return str(row.get("marketoGUID") or row["id"])


def _path(address: Any) -> str:
    """The path of an address, which may lack its scheme or its host."""
    text = str(address or "")
    if "://" not in text and not text.startswith("/"):
        text = f"//{text}"
    try:
        return urlsplit(text).path or "/"
    except ValueError:
        return "/"


def _true(raw: Any) -> bool:
    try:
        return parse(bool, raw) is True
    except ValueError:
        return False
