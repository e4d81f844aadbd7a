"""The activity log: what happened to leads, in order, with the tokens that name a place in it."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sandbox.marketo.instants import iso, read


@dataclass(frozen=True, slots=True)
class Type:
    """A kind of activity. `primary` and `attributes`: names and types of what its rows carry."""

    id: int
    name: str
    primary: tuple[str, str] | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    custom: str | None = None
    """The API name of a custom type."""


VISIT, FORM, CLICK_LINK, SEND, DELIVERED, BOUNCED = 1, 2, 3, 6, 7, 8
UNSUBSCRIBE, OPEN, CLICK, NEW_LEAD, CHANGE, SCORE = 9, 10, 11, 12, 13, 22
ADD_TO_LIST, REMOVE_FROM_LIST, MERGE, DELETE, MOMENT, REQUEST, PROGRESS = 24, 25, 32, 37, 46, 47, 104

_MAIL = (("Campaign Run ID", "integer"), ("Choice Number", "integer"), ("Step ID", "integer"))
_WEB = (
    ("Client IP Address", "string"),
    ("Query Parameters", "string"),
    ("Referrer URL", "string"),
    ("User Agent", "string"),
)

# 1, 2, 12, 13, 37 and 104 are in the vendor's pages on activities, the others as integrations know them; a client is
# to ask for the types of its instance.
TYPES: tuple[Type, ...] = (
    Type(VISIT, "Visit Webpage", ("Webpage ID", "integer"), (*_WEB, ("Webpage URL", "string"))),
    Type(FORM, "Fill Out Form", ("Webform ID", "integer"), (*_WEB, ("Form Fields", "text"), ("Webpage ID", "integer"))),
    Type(CLICK_LINK, "Click Link", ("Link ID", "integer"), (*_WEB, ("Webpage ID", "integer"))),
    Type(SEND, "Send Email", ("Mailing ID", "integer"), _MAIL),
    Type(DELIVERED, "Email Delivered", ("Mailing ID", "integer"), _MAIL),
    Type(BOUNCED, "Email Bounced", ("Mailing ID", "integer"), (*_MAIL, ("Category", "string"), ("Details", "text"))),
    Type(UNSUBSCRIBE, "Unsubscribe Email", ("Mailing ID", "integer"), _MAIL),
    Type(OPEN, "Open Email", ("Mailing ID", "integer"), (*_MAIL, ("Device", "string"), ("Is Bot Activity", "boolean"))),
    Type(CLICK, "Click Email", ("Mailing ID", "integer"), (*_MAIL, ("Link", "string"), ("Is Bot Activity", "boolean"))),
    Type(NEW_LEAD, "New Lead", None, (("Created Date", "date"), ("Source Type", "string"), ("Lead Source", "string"))),
    Type(
        CHANGE, "Change Data Value", ("Attribute Name", "string"),
        (("New Value", "text"), ("Old Value", "text"), ("Reason", "text"), ("Source", "string")),
    ),
    Type(
        SCORE, "Change Score", ("Score Name", "string"),
        (("Change Value", "string"), ("New Value", "integer"), ("Old Value", "integer"), ("Reason", "text")),
    ),
    Type(ADD_TO_LIST, "Add to List", ("List ID", "integer"), (("Source", "string"),)),
    Type(REMOVE_FROM_LIST, "Remove from List", ("List ID", "integer"), (("Source", "string"),)),
    Type(MERGE, "Merge Leads", ("Lead ID", "integer"), (("Merge IDs", "string"), ("Master Updated", "boolean"))),
    Type(DELETE, "Delete Lead", ("Lead ID", "integer"), ()),
    Type(27, "Email Bounced Soft", ("Mailing ID", "integer"), (*_MAIL, ("Details", "text"))),
    Type(39, "Send Sales Email", ("Artifact ID", "integer"), (("Sent By", "string"), ("Source", "string"))),
    Type(40, "Open Sales Email", ("Artifact ID", "integer"), (("Is Bot Activity", "boolean"),)),
    Type(41, "Click Sales Email", ("Artifact ID", "integer"), (("Link", "string"), ("Is Bot Activity", "boolean"))),
    Type(48, "Sales Email Bounced", ("Artifact ID", "integer"), (("Category", "string"),)),
    Type(
        PROGRESS, "Change Status in Progression", ("Program ID", "integer"),
        (("New Status", "string"), ("Old Status", "string"), ("Reason", "text"), ("Success", "boolean")),
    ),
    Type(MOMENT, "Interesting Moment", ("Type", "string"), (("Description", "text"), ("Source", "string"))),
    Type(REQUEST, "Request Campaign", ("Campaign ID", "integer"), (("Source", "string"),)),
)  # fmt: skip


class Change(NamedTuple):
    """One field that took on another value."""

    field: int
    name: str
    old: str | None
    new: str | None


class Place(NamedTuple):
    """Behind the entry of this number at this instant; `LAST` is behind all of it."""

    at: datetime
    number: int

    @property
    def token(self) -> str:
        """As the vendor's: Base32, with `=` that must be escaped in a URL."""
        text = base64.b32encode(f"{iso(self.at)},{self.number}".encode()).decode()
        return text if text.endswith("=") else text + "===="

    @classmethod
    def parse(cls, token: str) -> Place:
        """Raises `ValueError`."""
        try:
            bare = token.rstrip("=")
            at, _, number = base64.b32decode(bare + "=" * (-len(bare) % 8)).decode().partition(",")
            return cls(read(at), int(number))
        except (ValueError, binascii.Error):
            raise ValueError("Invalid nextPageToken") from None


LAST = 1 << 62


@dataclass(slots=True)
class Entry:
    """Something that happened to a lead; nobody sees it before `shows`."""

    at: datetime
    number: int
    lead: int
    type: int
    shows: datetime
    primary: int | None = None
    value: str | None = field(default=None, repr=False)
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    change: Change | None = field(default=None, repr=False)
    campaign: int | None = None

    @property
    def place(self) -> Place:
        return Place(self.at, self.number)


class Log:
    """Entries by instant. One that shows late lies before others that were read already."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._number = 102_000
        self.types = {type.id: type for type in TYPES}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def add(self, lead: int, type: int, at: datetime, shows: datetime, **more: Any) -> Entry:
        self._number += 1
        entry = Entry(at, self._number, lead, type, shows, **more)
        if not self._entries or self._entries[-1].place < entry.place:
            self._entries.append(entry)
        else:
            insort(self._entries, entry, key=lambda other: other.place)
        return entry

    def add_type(self, api_name: str, name: str) -> int:
        """A custom type, approved; its id."""
        number = 100_001 + sum(type.custom is not None for type in self.types.values())
        self.types[number] = Type(number, name, ("Primary", "string"), custom=api_name)
        return number

    def behind(self, place: Place) -> Iterator[Entry]:
        """What comes after a place, seen or not."""
        for index in range(bisect_right(self._entries, place, key=lambda entry: entry.place), len(self._entries)):
            yield self._entries[index]

    def end(self, now: datetime) -> Place:
        """Behind everything there is now: what is added in the same second still comes after it."""
        return Place(now, self._number)

    def adopt(self, winner: int, loser: int) -> None:
        """The loser's activities are the winner's from now on (vendor's page Leads, Merge)."""
        for entry in self._entries:
            if entry.lead == loser and entry.type != DELETE:
                entry.lead = winner

    def forget(self, lead: int) -> None:
        """All of a lead but that it was deleted."""
        self._entries = [entry for entry in self._entries if entry.lead != lead or entry.type == DELETE]

    def purge(self, before: datetime) -> int:
        """Drop what is older, as the vendor does after its retention period; how many."""
        kept = [entry for entry in self._entries if entry.at >= before]
        gone, self._entries = len(self._entries) - len(kept), kept
        return gone


DELETIONS_KEPT = timedelta(days=14)
"""Older ones may be pruned (swagger, getDeletedLeads)."""
