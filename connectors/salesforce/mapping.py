"""People, accounts and deals: from Salesforce's rows to ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.records import (
    AccountRecord,
    Deletion,
    LeadRecord,
    Outcome,
    OutcomeStatus,
    RecordRef,
    RecordState,
    ScoreField,
    Value,
)
from connectors.salesforce.describe import Description
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.values import (
    ATTRIBUTE_TYPES,
    SCORE_TYPES,
    Unreadable,
    day_end,
    instant,
    maybe_instant,
    typed,
)

Row = Mapping[str, Any]

PEOPLE: Mapping[str, str] = {"00Q": "Lead", "003": "Contact"}
"""Objects by id prefix (help article 000385203, "Standard Field Record ID Prefix Decoder")."""

LEAD_ATTRIBUTES: Mapping[str, str] = {
    "title": "Title",
    "company": "Company",
    "industry": "Industry",
    "employees": "NumberOfEmployees",
    "annual_revenue": "AnnualRevenue",
    "country": "Country",
    "lead_source": "LeadSource",
    "status": "Status",
    "owner": "OwnerId",
    "opted_out": "HasOptedOutOfEmail",
    "website": "Website",
}
CONTACT_ATTRIBUTES: Mapping[str, str] = {
    "title": "Title",
    "country": "MailingCountry",
    "lead_source": "LeadSource",
    "owner": "OwnerId",
    "opted_out": "HasOptedOutOfEmail",
}
ACCOUNT_ATTRIBUTES: Mapping[str, str] = {
    "industry": "Industry",
    "employees": "NumberOfEmployees",
    "annual_revenue": "AnnualRevenue",
    "country": "BillingCountry",
    "website": "Website",
    "account_type": "Type",
}
_SYSTEM = ("Id", "CreatedDate", "LastModifiedDate", "SystemModstamp", "IsDeleted")
_PERSON = ("MasterRecordId", "LastModifiedById", "Name", "Email", "Phone", "MobilePhone", "EmailBouncedDate")
_LEAD = ("IsConverted", "ConvertedContactId", "Status")
_OPPORTUNITY = (
    "AccountId", "ContactId", "StageName", "IsClosed", "IsWon", "Amount", "CloseDate", "LastStageChangeDate",
)  # fmt: skip


class Records:
    """Reads the rows of one org. `unreadable` counts, by object and field, the values that had to be left out."""

    def __init__(self, settings: SalesforceSettings) -> None:
        self.unreadable: Counter[str] = Counter()
        self._source = settings.name
        self._zone = settings.zone
        self._disqualified = settings.disqualified
        followers = {follower.field: follower.field.vendor for follower in settings.followers}
        self._score_fields = {"Lead": {**settings.mapped, **followers}, "Contact": settings.mapped}
        self._score_types = {field: SCORE_TYPES.get(field.kind, str) for field in self._score_fields["Lead"]}
        self._attributes = {
            "Lead": _over(LEAD_ATTRIBUTES, settings.attributes),
            "Contact": _over(CONTACT_ATTRIBUTES, settings.attributes),
            "Account": _over(ACCOUNT_ATTRIBUTES, settings.account_attributes),
        }

    def columns(self, object: str) -> tuple[str, ...]:
        """The fields to ask for. Those that the org lacks or hides are simply not known."""
        own = {
            "Lead": (*_SYSTEM, *_PERSON, *_LEAD, *self._score_fields["Lead"].values()),
            "Contact": (*_SYSTEM, *_PERSON, "AccountId", *self._score_fields["Contact"].values()),
            "Account": (*_SYSTEM, "MasterRecordId", "Name"),
            "Opportunity": (*_SYSTEM, *_OPPORTUNITY),
        }[object]
        return tuple(dict.fromkeys((*own, *self._attributes.get(object, {}).values())))

    def shown(self, object: str, row: Row) -> frozenset[str]:
        """What of the mapping the org has, by any row that was asked for `columns`: see `Page.fields`."""
        attributes = self.attributes(object)
        words = {f"{attribute}={name}" for attribute, name in attributes.items() if name in row}
        words |= {name for name in self.columns(object) if name in row and name not in attributes.values()}
        if object == "Lead":
            words.add(f"disqualified={','.join(sorted(self._disqualified))}")
        return frozenset(words)

    def contract(self, object: str) -> frozenset[str]:
        """The fields that `written` reads."""
        return frozenset(self._score_fields[object].values())

    def attributes(self, object: str) -> Mapping[str, str]:
        """The fields that attributes are read from, by attribute."""
        return self._attributes.get(object, {})

    def ref(self, object: str, id: Any) -> RecordRef:
        """Raises `TypeError` for what an answer has in place of an id."""
        if not isinstance(id, str) or not id:
            raise TypeError(f"an id of {object} is no text")
        return RecordRef(self._source, object, id)

    def maybe_ref(self, object: str, id: str | None) -> RecordRef | None:
        return None if id is None else self.ref(object, id)

    def deletion(self, object: str, row: Row) -> Deletion:
        """A row in the recycle bin. A merge's loser names the winner, which may itself have lost since."""
        into = self.maybe_ref(object, row.get("MasterRecordId"))
        return Deletion(self.ref(object, row["Id"]), instant(row["SystemModstamp"]), into, binned=into is None)

    def person(self, description: Description, row: Row) -> LeadRecord:
        """A Lead or a Contact.

        A converted lead is the same person as its contact. A contact is open even where its account has bought: whether
        a customer counts as converted is the goal's business, and the account's `account_type` says so.
        """
        object = description.name
        attributes = self._read_attributes(description, row)
        attributes["has_phone"] = bool(row.get("Phone") or row.get("MobilePhone"))
        if "EmailBouncedDate" in row:
            attributes["bounced"] = row["EmailBouncedDate"] is not None
        contact = self.maybe_ref("Contact", row.get("ConvertedContactId"))
        return LeadRecord(
            ref=self.ref(object, row["Id"]),
            state=self._state(row),
            created_at=instant(row["CreatedDate"]),
            modified_at=instant(row["SystemModstamp"]),
            email=row.get("Email"),
            name=row.get("Name"),
            account=self.maybe_ref("Account", row.get("AccountId")),
            same_as=(contact,) if contact is not None else (),
            attributes=attributes,
            written=self.written(object, row),
            modified_by=row.get("LastModifiedById"),
        )

    def account(self, description: Description, row: Row) -> AccountRecord:
        return AccountRecord(
            ref=self.ref("Account", row["Id"]),
            created_at=instant(row["CreatedDate"]),
            modified_at=instant(row["SystemModstamp"]),
            name=row.get("Name"),
            attributes=self._read_attributes(description, row),
        )

    def outcome(self, row: Row, contacts: Iterable[str]) -> Outcome:
        """An opportunity. It closed when its stage moved; the close date is typed by people, so it comes second."""
        status = OutcomeStatus.OPEN
        closed_at = None
        if row.get("IsClosed"):
            status = OutcomeStatus.WON if row.get("IsWon") else OutcomeStatus.LOST
            closed_at = maybe_instant(row.get("LastStageChangeDate"))
            if closed_at is None and row.get("CloseDate"):
                closed_at = min(day_end(row["CloseDate"], self._zone), instant(row["LastModifiedDate"]))
        people = dict.fromkeys((*([row["ContactId"]] if row.get("ContactId") else ()), *contacts))
        return Outcome(
            ref=self.ref("Opportunity", row["Id"]),
            status=status,
            stage=str(row.get("StageName") or ""),
            created_at=instant(row["CreatedDate"]),
            modified_at=instant(row["SystemModstamp"]),
            closed_at=closed_at,
            amount=row.get("Amount"),
            account=self.maybe_ref("Account", row.get("AccountId")),
            people=tuple(self.ref("Contact", id) for id in people),
        )

    def written(self, object: str, row: Row) -> dict[ScoreField, Value]:
        """The field contract as the row holds it, null left out."""
        held: dict[ScoreField, Value] = {}
        for field, name in self._score_fields[object].items():
            value = self._value(object, name, row.get(name), self._score_types[field], "")
            if value is not None:
                held[field] = value
        return held

    def _state(self, row: Row) -> RecordState:
        if row.get("IsConverted"):
            return RecordState.CONVERTED
        return RecordState.DISQUALIFIED if row.get("Status") in self._disqualified else RecordState.OPEN

    def _read_attributes(self, description: Description, row: Row) -> dict[str, Value]:
        read: dict[str, Value] = {}
        for attribute, name in self._attributes[description.name].items():
            field = description.fields.get(name)
            value = self.value(description.name, attribute, name, row.get(name), field.type if field else "")
            if value is not None:
                read[attribute] = value
        return read

    def value(self, object: str, attribute: str, name: str, raw: Any, vendor: str) -> Value:
        """An attribute's value, from the field `name` of the vendor's own type; null where it is unreadable."""
        return self._value(object, name, raw, ATTRIBUTE_TYPES.get(attribute), vendor)

    def _value(self, object: str, name: str, raw: Any, wanted: type | None, vendor: str) -> Value:
        try:
            return typed(raw, wanted, vendor)
        except Unreadable:
            self.unreadable[f"{object}.{name}"] += 1
            return None


def _over(standard: Mapping[str, str], chosen: Mapping[str, str | None]) -> dict[str, str]:
    """`standard` with what was chosen instead; null takes an attribute out."""
    return {attribute: name for attribute, name in {**standard, **chosen}.items() if name is not None}
