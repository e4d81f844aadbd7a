"""The practice portal: records, marketing activity, owners; everything the HTTP side serves, and nothing of HTTP."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.hubspot import marketing
from sandbox.hubspot.instants import HasNow
from sandbox.hubspot.marketing import ANALYTICS, EMAIL_EVENTS, EmailEvent, EmailLog, Form, Submission
from sandbox.hubspot.records import Record, Source
from sandbox.hubspot.schema import TYPES
from sandbox.hubspot.store import WRITES_KEPT, EmailTaken, NotFound, RecordStore
from sandbox.hubspot.values import InvalidProperties, checked

__all__ = ["EmailTaken", "InvalidProperties", "NotFound", "Owner", "Portal"]


@dataclass(frozen=True, slots=True)
class Owner:
    """A user (or queue) that records are assigned to. Assign by `id`, not by `user_id`."""

    id: str
    user_id: int
    email: str
    first_name: str
    last_name: str
    created: int
    archived: bool = False


class Portal(RecordStore):
    """One HubSpot account in memory, deterministic for a seed and a clock.

    `index_lag` is how long a write takes to show in search; reads by id and by list are immediate.
    """

    def __init__(
        self, clock: HasNow, *, seed: int = 7, portal_id: int = 9001, index_lag: timedelta = timedelta(0),
        time_zone: str = "America/New_York",
    ) -> None:  # fmt: skip
        super().__init__(clock, seed=seed, index_lag=index_lag)
        self.portal_id = portal_id
        self.time_zone = ZoneInfo(time_zone)
        self.owners: dict[str, Owner] = {}
        self.forms: dict[str, Form] = {}
        self.email_log = EmailLog()

    def add_owner(self, email: str, first_name: str, last_name: str, *, at: datetime | None = None) -> str:
        """A new owner's id."""
        number = len(self.owners) + 1
        id_ = str(71_000_000 + 977 * number + self.seed)
        self.owners[id_] = Owner(id_, 49_150_000 + number, email, first_name, last_name, self._stamp(at))
        return id_

    def page_view(self, contact: str, url: str, *, at: datetime | None = None) -> None:
        """A tracked visitor opened a page: moves the contact's analytics roll-ups. Raises `NotFound`."""
        stamp = self._stamp(at)
        record = self._need("contacts", contact)
        self.calculate(record, marketing.view_roll_up(record, url, stamp), stamp, ANALYTICS)

    def add_form(self, name: str, *, at: datetime | None = None) -> str:
        """A new form's GUID."""
        guid = marketing.new_guid(self.seed, "form", len(self.forms), name)
        self.forms[guid] = Form(guid, name, self._stamp(at))
        return guid

    def form_named(self, name: str) -> str:
        """The GUID of the form with this name; the form is made when there is none."""
        found = next((form.guid for form in self.forms.values() if form.name == name), None)
        return found or self.add_form(name)

    def submit_form(self, guid: str, values: Mapping[str, str], page_url: str, *, at: datetime | None = None) -> None:
        """Somebody sent a form. The contact with the given `email` is updated from the values, or made.

        Raises `KeyError` for an unknown form.
        """
        form, stamp = self.forms[guid], self._stamp(at)
        id_ = marketing.new_guid(self.seed, guid, len(form.submissions), stamp)
        form.add(Submission(stamp, id_, tuple(values.items()), page_url))
        email = values.get("email", "").strip().lower()
        if not email:
            return
        source: Source = ("FORM", guid)
        fields = self._form_fields(values)
        contact = self.contact_by_email(email)
        if contact is None:
            contact = self._need("contacts", self.create("contacts", {"email": email, **fields}, at=at, source=source))
        elif fields:
            self._write(contact, fields, stamp, source)
        unique = sum(bool(other.sent_by(email)) for other in self.forms.values())
        roll_up = marketing.conversion_roll_up(contact, form, page_url, stamp, unique=unique)
        self.calculate(contact, roll_up, stamp, source)

    def email_event(
        self, type: str, recipient: str, *, campaign: int, url: str | None = None, filtered: bool = False,
        at: datetime | None = None,
    ) -> str:  # fmt: skip
        """A marketing e-mail event's id; also moves the contact's e-mail roll-ups. `filtered`: taken for a bot.

        Raises `ValueError` for an unknown event type.
        """
        if type not in EMAIL_EVENTS:
            raise ValueError(f"{type!r} is no e-mail event type; known: {', '.join(sorted(EMAIL_EVENTS))}")
        stamp, address = self._stamp(at), recipient.strip().lower()
        id_ = marketing.new_guid(self.seed, "email", len(self.email_log.events), stamp, type)
        event = EmailEvent(stamp, id_, type, address, campaign, url, filtered)
        self.email_log.add(event)
        contact = self.contact_by_email(address)
        if contact is not None and (values := marketing.email_roll_up(contact, event)):
            self.calculate(contact, values, stamp, ("EMAIL", str(campaign)))
        return id_

    def gdpr_delete(self, id: str, *, at: datetime | None = None) -> None:
        """Erase a contact with its submissions and e-mail events. Raises `NotFound`."""
        record = self._records["contacts"].get(self.survivor("contacts", id))
        super().gdpr_delete(id, at=at)
        assert record is not None
        addresses = _addresses(record)
        self.email_log.erase(addresses)
        for form in self.forms.values():
            form.erase(addresses)

    def dump(self) -> dict[str, Any]:
        """Everything as JSON-able values, for `load`. Writes still on their way to search count as arrived."""
        return {
            "portal_id": self.portal_id,
            "next": self._next,
            "schemas": {name: schema.dump() for name, schema in self.schemas.items()},
            "records": [record.dump() for records in self._records.values() for record in records.values()],
            "merged": [[type, old, new] for (type, old), new in self._merged.items()],
            "owners": [{name: getattr(o, name) for name in o.__slots__} for o in self.owners.values()],
            "forms": [form.dump() for form in self.forms.values()],
            "email_events": [tuple(event) for event in self.email_log.events],
            "write_count": self.write_count,
            "writes": list(self.writes),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Become the portal that `dump` described; call it on a new portal."""
        self.portal_id = state["portal_id"]
        self._next.update(state["next"])
        for name, schema in state["schemas"].items():
            self.schemas[name].load(schema)
        for record in sorted(map(Record.load, state["records"]), key=lambda record: record.id):
            if record.archived_at is None:
                self._store(record)
            self._records[record.kind.name][record.id] = record
        for name in TYPES:
            self._index[name].settle(1 << 62)
        self._merged = {(type, old): new for type, old, new in state["merged"]}
        self.owners = {row["id"]: Owner(**row) for row in state["owners"]}
        self.forms = {row["guid"]: Form.load(row) for row in state["forms"]}
        self.email_log = EmailLog(EmailEvent(*row) for row in state["email_events"])
        self.write_count = state["write_count"]
        self.writes = deque(state["writes"], maxlen=WRITES_KEPT)

    def _form_fields(self, values: Mapping[str, str]) -> dict[str, str]:
        """The values of a form that a contact takes over: those of its properties that accept them."""
        taken: dict[str, str] = {}
        for name, value in values.items():
            if name == "email" or not value:
                continue
            try:
                taken |= checked(self.schemas["contacts"], {name: value}, by_api=True)
            except InvalidProperties:
                continue
        return taken


def _addresses(record: Record) -> frozenset[str]:
    return frozenset((record.values.get("email", ""), *record.values.get("hs_additional_emails", "").split(";"))) - {""}
