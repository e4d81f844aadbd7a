"""What visitors and readers do: form submissions and marketing e-mail events, as kept and as read back."""

from __future__ import annotations

import uuid
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from sandbox.hubspot.instants import iso, parse_ms
from sandbox.hubspot.records import Record, Source

ANALYTICS: Source = ("ANALYTICS", "hs_analytics")
VISIT_GAP_MS = 30 * 60_000
"""A page view after this long a pause starts a new visit (vendor's definition of a session)."""

# Marketing e-mail event -> (counter, stamp) of the contact that it moves.
_EMAIL_ROLL_UPS: dict[str, tuple[str, str]] = {
    "DELIVERED": ("hs_email_delivered", "hs_email_last_send_date"),
    "OPEN": ("hs_email_open", "hs_email_last_open_date"),
    "CLICK": ("hs_email_click", "hs_email_last_click_date"),
}
EMAIL_EVENTS = frozenset(
    {"SENT", "PROCESSED", "DELIVERED", "OPEN", "CLICK", "BOUNCE", "DROPPED", "DEFERRED", "STATUSCHANGE", "SPAMREPORT",
     "UNBOUNCED", "FORWARD", "PRINT"}
)  # fmt: skip
"""Event types (vendor's e-mail events guide)."""


class EmailEvent(NamedTuple):
    """A marketing e-mail event; ordered by time. `filtered` marks what the vendor took for a bot."""

    created: int
    id: str
    type: str
    recipient: str
    campaign: int
    url: str | None = None
    filtered: bool = False


class Submission(NamedTuple):
    """A filled form; ordered by time."""

    submitted_at: int
    id: str
    values: tuple[tuple[str, str], ...]
    page_url: str


_Dated = TypeVar("_Dated", EmailEvent, Submission)


def sender(submission: Submission) -> str:
    """The e-mail address given in a form, in lower case."""
    return dict(submission.values).get("email", "").strip().lower()


class Form:
    """A marketing form with its submissions, oldest first, found by time and by the address that sent them."""

    def __init__(self, guid: str, name: str, created: int, submissions: Iterable[Submission] = ()) -> None:
        self.guid = guid
        self.name = name
        self.created = created
        self.submissions = sorted(submissions)
        self._by_sender: dict[str, list[Submission]] = {}
        for submission in self.submissions:
            self._by_sender.setdefault(sender(submission), []).append(submission)

    def add(self, submission: Submission) -> None:
        insort(self.submissions, submission)
        self._by_sender.setdefault(sender(submission), []).append(submission)

    def sent_by(self, address: str) -> Sequence[Submission]:
        """What this address sent."""
        return self._by_sender.get(address, ())

    def erase(self, addresses: frozenset[str]) -> None:
        """Forget what these addresses sent."""
        for address in addresses:
            _drop(self.submissions, self._by_sender.pop(address, ()))

    def dump(self) -> dict[str, Any]:
        sent = [tuple(submission) for submission in self.submissions]
        return {"guid": self.guid, "name": self.name, "created": self.created, "submissions": sent}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Form:
        sent = [
            Submission(at, id_, tuple((name, value) for name, value in values), url)
            for at, id_, values, url in state["submissions"]
        ]
        return cls(state["guid"], state["name"], state["created"], sent)


class EmailLog:
    """Every marketing e-mail event of the portal, oldest first, found by time and by recipient."""

    def __init__(self, events: Iterable[EmailEvent] = ()) -> None:
        self.events = sorted(events)
        self._by_recipient: dict[str, list[EmailEvent]] = {}
        for event in self.events:
            self._by_recipient.setdefault(event.recipient, []).append(event)

    def add(self, event: EmailEvent) -> None:
        insort(self.events, event)
        self._by_recipient.setdefault(event.recipient, []).append(event)

    def sent_to(self, address: str) -> Sequence[EmailEvent]:
        """What this address received and did."""
        return self._by_recipient.get(address, ())

    def between(self, since: int | None, until: int | None) -> list[EmailEvent]:
        """Events of the window, both ends included, oldest first."""
        start = 0 if since is None else bisect_left(self.events, since, key=lambda event: event.created)
        stop = len(self.events) if until is None else bisect_right(self.events, until, key=lambda event: event.created)
        return self.events[start:stop]

    def erase(self, addresses: frozenset[str]) -> None:
        for address in addresses:
            _drop(self.events, self._by_recipient.pop(address, ()))


def _drop(ordered: list[_Dated], gone: Iterable[_Dated]) -> None:
    """Take members out of a sorted list without looking at the others."""
    for one in gone:
        del ordered[bisect_left(ordered, one)]


def view_roll_up(contact: Record, url: str, at: int) -> dict[str, str]:
    """The contact's analytics properties after a page view."""
    values = {
        "hs_analytics_num_page_views": _more(contact, "hs_analytics_num_page_views"),
        "hs_analytics_last_url": url,
        "hs_analytics_last_timestamp": iso(at),
    }
    if "hs_analytics_first_timestamp" not in contact.values:
        values |= {
            "hs_analytics_first_url": url,
            "hs_analytics_first_timestamp": iso(at),
            "hs_analytics_first_visit_timestamp": iso(at),
        }
    last = parse_ms(contact.values.get("hs_analytics_last_timestamp", ""))
    if last is None or at - last > VISIT_GAP_MS:
        values["hs_analytics_num_visits"] = _more(contact, "hs_analytics_num_visits")
        values["hs_analytics_last_visit_timestamp"] = iso(at)
    return values


def conversion_roll_up(contact: Record, form: Form, page_url: str, at: int, *, unique: int) -> dict[str, str]:
    """The contact's conversion properties after it sent `form`; `unique` counts the different forms it has sent."""
    name = f"{page_url}: {form.name}"
    values = {
        "num_conversion_events": _more(contact, "num_conversion_events"),
        "num_unique_conversion_events": str(unique),
        "recent_conversion_event_name": name,
        "recent_conversion_date": iso(at),
    }
    if "first_conversion_date" not in contact.values:
        values |= {"first_conversion_event_name": name, "first_conversion_date": iso(at)}
    return values


def email_roll_up(contact: Record, event: EmailEvent) -> dict[str, str]:
    """The contact's e-mail properties after an event; nothing for bots and for events without a counter."""
    if event.type == "STATUSCHANGE":
        return {"hs_email_optout": "true"}
    if event.filtered or event.type not in _EMAIL_ROLL_UPS:
        return {}
    counter, stamp = _EMAIL_ROLL_UPS[event.type]
    return {counter: _more(contact, counter), stamp: iso(event.created)}


def new_guid(seed: int, *parts: object) -> str:
    """A UUID that is the same for the same seed and parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, (seed, *parts)))))


def _more(record: Record, name: str) -> str:
    return str(int(record.values.get(name, "0")) + 1)
