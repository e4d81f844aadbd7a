"""What happens in the practice world, as plain records before any CRM sees them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple


class Kind(StrEnum):
    """One kind of event. The payload of each is what `Moment.detail` holds."""

    CREATED = "created"
    PAGES = "pages"  # urls: one session
    FORM = "form"  # form, url, values
    MAIL = "mail"  # type (SENT, DELIVERED, OPEN, CLICK, BOUNCE), campaign, url, filtered
    CAMPAIGN = "campaign"  # campaign, responded (or only invited), told
    OPTED_OUT = "opted_out"
    STATUS = "status"  # status: a Progress
    TASK = "task"  # subject, done
    CALL = "call"  # connected, minutes
    SALES_MAIL = "sales_mail"  # incoming, subject
    MEETING = "meeting"  # subject, minutes
    NOTE = "note"  # text
    FIELDS = "fields"  # what sales fills: BANT, and the leaks; a CRM without a field for something lacks it
    DEAL = "deal"  # name, amount
    STAGE = "stage"  # stage: a Stage, reason
    MERGED = "merged"  # into: number of the person whose record wins
    DELETED = "deleted"
    PURGED = "purged"
    ERASED = "erased"


class Progress(StrEnum):
    """How far sales is with a lead."""

    WORKING = "working"
    CONNECTED = "connected"
    RECYCLED = "recycled"
    UNQUALIFIED = "unqualified"


class Stage(StrEnum):
    """Stages of a deal."""

    QUALIFICATION = "qualification"
    PROPOSAL = "proposal"
    NEGOTIATION = "negotiation"
    WON = "won"
    LOST = "lost"


class Moment(NamedTuple):
    """Something that happened at `at` to the person of that number."""

    at: datetime
    person: int
    kind: Kind
    detail: Mapping[str, Any]


def at_work(at: datetime) -> datetime:
    """The first instant from `at` on at which sales is at work: Monday to Friday, 08:00 to 18:00 UTC."""
    if at.hour >= 18:
        at = at.replace(hour=8) + timedelta(days=1)
    elif at.hour < 8:
        at = at.replace(hour=8)
    while at.weekday() >= 5:
        at = at.replace(hour=8) + timedelta(days=1)
    return at


def instant(seconds: float) -> datetime:
    """Seconds since 1970, cut to the millisecond as the CRMs do, as an aware datetime."""
    return datetime.fromtimestamp(int(seconds * 1000) / 1000, UTC)
