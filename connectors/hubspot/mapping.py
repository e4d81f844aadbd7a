"""HubSpot's rows as our records."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.hubspot.schema import Property
from connectors.hubspot.settings import HubspotSettings
from connectors.hubspot.values import EPOCH, PROPERTY_TYPES, instant, parse, score_fields
from connectors.hubspot.values import MILLISECOND as MS
from connectors.records import (
    EMAIL,
    AccountRecord,
    AttributeChange,
    Deletion,
    LeadRecord,
    Outcome,
    OutcomeStatus,
    RecordRef,
    RecordState,
    ScoreField,
    Value,
)
from connectors.salesforce_id import case_safe

log = logging.getLogger(__name__)

CONTACT: Mapping[str, tuple[str, type]] = {
    "title": ("jobtitle", str),
    "company": ("company", str),
    "industry": ("industry", str),
    "country": ("country", str),
    "lead_source": ("hs_analytics_source", str),
    "status": ("hs_lead_status", str),
    "lifecycle_stage": ("lifecyclestage", str),
    "owner": ("hubspot_owner_id", str),
    "opted_out": ("hs_email_optout", bool),
    "budget": ("budget", float),
    "timeline": ("buying_timeline", str),
    "need": ("need", str),
    "authority": ("authority", str),
    "website": ("website", str),
    "page_views": ("hs_analytics_num_page_views", int),
}
"""Attribute -> contact property and the type of its values."""

COMPANY: Mapping[str, tuple[str, type]] = {
    "industry": ("industry", str),
    "employees": ("numberofemployees", int),
    "annual_revenue": ("annualrevenue", float),
    "country": ("country", str),
    "website": ("domain", str),
}

PHONES = ("phone", "mobilephone")
MERGED, MERGED_AT = "hs_merged_object_ids", "hs_calculated_merged_vids"
FURTHER = "hs_additional_emails"
"""The addresses that a contact took over in merges; HubSpot's e-mail events go on to name them."""
LINKS: Mapping[str, str] = {"salesforceleadid": "Lead", "salesforcecontactid": "Contact"}
"""Contact property of HubSpot's own Salesforce sync -> the Salesforce object whose id it holds."""

DEAL = ("dealstage", "amount", "closedate", "createdate", "hs_lastmodifieddate", "hs_is_closed", "hs_is_closed_won")

Row = Mapping[str, Any]


class RecordMapper:
    """The mapping of one configured account. A value that is not of its type is left out and counted in the log.

    `contract`: the properties of the field contract; `names`: these, and those of HubSpot's own that follow the stage.
    """

    def __init__(self, settings: HubspotSettings) -> None:
        self._settings, self._source = settings, settings.name
        self.contract: dict[ScoreField, str] = {f: name for f, name in settings.fields.items() if name is not None}
        own = {follower.field: follower.field.vendor for follower in settings.followers}
        self.names: Mapping[ScoreField, str] = {**self.contract, **own}
        self._contact: dict[str, tuple[str, type | None]] = dict(CONTACT)
        for attribute, name in settings.attributes.items():
            self._contact.pop(attribute, None)
            if name is not None:
                self._contact[attribute] = name, CONTACT[attribute][1] if attribute in CONTACT else None
        self.unread: Counter[str] = Counter()

    @property
    def historic(self) -> list[str]:
        """The contact properties whose history is read: those of the attributes."""
        return sorted(set(self.attributes.values()))

    @property
    def attributes(self) -> Mapping[str, str]:
        """Contact property by attribute."""
        return {attribute: name for attribute, (name, _) in self._contact.items()}

    def properties(self, type: str) -> list[str]:
        """What to ask for of contacts, companies or deals."""
        if type == "deals":
            return list(DEAL)
        if type == "companies":
            return sorted({name for name, _ in COMPANY.values()} | {"name", "createdate", "hs_lastmodifieddate"})
        fixed = {
            "email",
            "firstname",
            "lastname",
            "createdate",
            "lastmodifieddate",
            "hs_email_bounce",
            "lifecyclestage",
        }
        links = LINKS if self._settings.salesforce is not None else ()
        asked = fixed | {"hs_lead_status", FURTHER, MERGED, MERGED_AT, *PHONES, *links}
        return sorted(asked | set(self.names.values()) | set(self.attributes.values()))

    @property
    def untyped(self) -> frozenset[str]:
        """The contact properties whose values are of the type that the account's definition says."""
        return frozenset(name for name, kind in self._contact.values() if kind is None)

    def fields(self, type: str, present: Collection[str]) -> frozenset[str]:
        """What of the mapping of contacts or companies the account has, by its properties: see `Page.fields`."""
        contacts = type == "contacts"
        attributes = self.attributes if contacts else {attribute: name for attribute, (name, _) in COMPANY.items()}
        words = {f"{attribute}={name}" for attribute, name in attributes.items() if name in present}
        words |= set(present) - set(attributes.values())
        if contacts:
            words.add(f"customer={','.join(sorted(self._settings.customer_stages))}")
            words.add(f"disqualified={','.join(sorted(self._settings.disqualified_statuses))}")
        return frozenset(words)

    def contact(self, row: Row, company: str | None, schema: Callable[[], Mapping[str, Property]]) -> LeadRecord:
        """`schema` is asked only where a configured attribute has no type of its own."""
        properties: Mapping[str, str | None] = row["properties"]
        wanted = {
            attribute: (name, kind or _type_of(schema().get(name))) for attribute, (name, kind) in self._contact.items()
        }
        attributes = self._attributes(wanted, properties)
        attributes["has_phone"] = any(properties.get(name) for name in PHONES)
        attributes["bounced"] = (properties.get("hs_email_bounce") or "0").strip() not in ("0", "0.0")
        names = (properties.get("firstname"), properties.get("lastname"))
        return LeadRecord(
            ref=RecordRef(self._source, "contacts", str(row["id"])),
            state=self._state(properties),
            created_at=instant(properties.get("createdate") or row["createdAt"]),
            modified_at=instant(properties.get("lastmodifieddate") or row["updatedAt"]),
            email=_text(properties, "email"),
            name=" ".join(name for name in names if name) or None,
            account=RecordRef(self._source, "companies", company) if company else None,
            same_as=self._links(properties),
            attributes=attributes,
            written=score_fields(properties, self.names),
        )

    def changes(
        self, contact: RecordRef, history: Mapping[str, Any], schema: Callable[[], Mapping[str, Property]]
    ) -> Iterator[AttributeChange]:
        """The values that each attribute took on, as far back as HubSpot keeps them (about 45 a property).

        A version that repeats the value before it is left out: HubSpot recalculates (`sourceType` CALCULATED) and
        rewrites without changing anything. A value that is not of its type is none, and counted.
        """
        for attribute, (name, kind) in self._contact.items():
            oldest_first = reversed(history.get(name) or ())
            versions = sorted(((instant(each["timestamp"]), each["value"] or "") for each in oldest_first), key=_at)
            for before, (at, raw) in zip([None, *versions], versions, strict=False):
                if before is None or raw != before[1]:
                    kind = kind or _type_of(schema().get(name))
                    value = self._attributes({attribute: (name, kind)}, {name: raw}).get(attribute)
                    yield AttributeChange(contact, attribute, value, at, at)

    def merged(self, row: Row) -> list[Deletion]:
        """The old ids that live on in this contact, each with when it was merged away."""
        properties: Mapping[str, str | None] = row["properties"]
        stamps = dict(pair.split(":", 1) for pair in (properties.get(MERGED_AT) or "").split(";") if ":" in pair)
        survivor = RecordRef(self._source, "contacts", str(row["id"]))
        unknown = instant(properties.get("lastmodifieddate") or row["updatedAt"])
        return [
            Deletion(
                RecordRef(self._source, "contacts", old),
                EPOCH + int(stamps[old]) * MS if stamps.get(old, "").isdecimal() else unknown,
                survivor,
            )
            for old in dict.fromkeys((properties.get(MERGED) or "").split(";"))
            if old.isdecimal() and old != survivor.id
        ]

    def company(self, row: Row) -> AccountRecord:
        properties: Mapping[str, str | None] = row["properties"]
        return AccountRecord(
            ref=RecordRef(self._source, "companies", str(row["id"])),
            created_at=instant(properties.get("createdate") or row["createdAt"]),
            modified_at=instant(properties.get("hs_lastmodifieddate") or row["updatedAt"]),
            name=_text(properties, "name"),
            attributes=self._attributes(COMPANY, properties),
        )

    def deal(self, row: Row, company: str | None, people: Sequence[RecordRef]) -> Outcome:
        properties: Mapping[str, str | None] = row["properties"]
        won = properties.get("hs_is_closed_won") == "true"
        closed = won or properties.get("hs_is_closed") == "true"
        status = OutcomeStatus.WON if won else OutcomeStatus.LOST if closed else OutcomeStatus.OPEN
        modified = instant(properties.get("hs_lastmodifieddate") or row["updatedAt"])
        at = properties.get("closedate")  # of an open deal it is the day that is hoped for
        amount = self._attributes({"amount": ("amount", float)}, properties).get("amount")
        return Outcome(
            ref=RecordRef(self._source, "deals", str(row["id"])),
            status=status,
            stage=properties.get("dealstage") or "",
            created_at=instant(properties.get("createdate") or row["createdAt"]),
            modified_at=modified,
            closed_at=None if not closed else instant(at) if at else modified,
            amount=amount if isinstance(amount, float) else None,
            account=RecordRef(self._source, "companies", company) if company else None,
            people=tuple(people),
        )

    def report_unread(self) -> None:
        """Log how many values of which properties were left out, and forget them."""
        if self.unread:
            counts = dict(self.unread)
            self.unread.clear()
            log.warning(
                "values that are not of their type were left out",
                extra={"action": "values_unread", "source": self._source, "properties": counts},
            )

    def _attributes(
        self, wanted: Mapping[str, tuple[str, type]], properties: Mapping[str, str | None]
    ) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for attribute, (name, kind) in wanted.items():
            raw = properties.get(name)
            if raw is None or raw == "":
                continue
            try:
                found[attribute] = parse(kind, raw)
            except ValueError:
                self.unread[name] += 1
        return found

    def _state(self, properties: Mapping[str, str | None]) -> RecordState:
        if properties.get("lifecyclestage") in self._settings.customer_stages:
            return RecordState.CUSTOMER
        if properties.get("hs_lead_status") in self._settings.disqualified_statuses:
            return RecordState.DISQUALIFIED
        return RecordState.OPEN

    def _links(self, properties: Mapping[str, str | None]) -> tuple[RecordRef, ...]:
        addresses = (address.strip() for address in (properties.get(FURTHER) or "").split(";"))
        further = tuple(RecordRef(self._source, EMAIL, address) for address in addresses if address)
        org = self._settings.salesforce
        if org is None:
            return further
        held = ((object, properties.get(name)) for name, object in LINKS.items())
        return *further, *(RecordRef(org, object, case_safe(id)) for object, id in held if id and len(id) in (15, 18))


def _at(version: tuple[datetime, str]) -> datetime:
    return version[0]


def _type_of(definition: Property | None) -> type:
    return PROPERTY_TYPES.get(definition.type, str) if definition is not None else str


def _text(properties: Mapping[str, Any], name: str) -> str | None:
    """Raises `ValueError` for what is no text."""
    raw = properties.get(name)
    if raw is not None and not isinstance(raw, str):
        raise ValueError(f"{name} is a {type(raw).__name__}")
    return raw or None
