"""Marketo's leads as our records."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.marketo.schema import LeadField, Schema
from connectors.marketo.settings import MarketoSettings
from connectors.marketo.values import DATA_TYPES, instant, parse, score_fields
from connectors.quota import Lane
from connectors.records import AttributeChange, LeadRecord, RecordRef, RecordState, ScoreField, Value
from connectors.salesforce_id import case_safe

log = logging.getLogger(__name__)

LEADS = "leads"
ATTRIBUTES: Mapping[str, tuple[str, type]] = {
    "title": ("title", str),
    "company": ("company", str),
    "industry": ("industry", str),
    "country": ("country", str),
    "employees": ("numberOfEmployees", int),
    "annual_revenue": ("annualRevenue", float),
    "website": ("website", str),
    "lead_source": ("leadSource", str),
    "status": ("leadStatus", str),
    "authority": ("leadRole", str),
    "opted_out": ("unsubscribed", bool),
    "bounced": ("emailInvalid", bool),
}
"""Attribute -> lead field ("List of standard fields") and the type of its values."""

PHONES = ("phone", "mobilePhone")
LINKS: Mapping[str, str] = {"sfdcLeadId": "Lead", "sfdcContactId": "Contact"}
"""Field of Marketo's own Salesforce sync -> the Salesforce object whose id it holds."""
FIXED = ("id", "email", "firstName", "lastName", "createdAt", "updatedAt", *PHONES)

Row = Mapping[str, Any]


class LeadMapper:
    """The mapping of one instance. A value that is not of its type is left out and counted in the log.

    `contract`: the fields of the field contract. A field that the instance lacks is not asked for: it would refuse the
    whole request.
    """

    def __init__(self, settings: MarketoSettings, schema: Schema) -> None:
        self._settings, self._source, self._schema = settings, settings.name, schema
        self.contract: dict[ScoreField, str] = {f: name for f, name in settings.fields.items() if name is not None}
        self._kinds: dict[str, tuple[str, type | None]] = dict(ATTRIBUTES)
        for attribute, name in settings.attributes.items():
            self._kinds.pop(attribute, None)
            if name is not None:
                self._kinds[attribute] = name, ATTRIBUTES[attribute][1] if attribute in ATTRIBUTES else None
        self.unread: Counter[str] = Counter()

    @property
    def attributes(self) -> Mapping[str, str]:
        """Lead field by attribute."""
        return {attribute: name for attribute, (name, _) in self._kinds.items()}

    def read_with(self, lane: Lane) -> list[str]:
        """The fields to ask for."""
        links = LINKS if self._settings.salesforce is not None else ()
        there = self._schema.of(lane)
        return [name for name in dict.fromkeys((*FIXED, *links, *self._watched)) if name in there]

    def watched(self, lane: Lane) -> list[str]:
        """The fields whose changes are looked for."""
        there = self._schema.of(lane)
        return [name for name in dict.fromkeys(("email", *PHONES, *self._watched)) if name in there]

    def written(self, lane: Lane) -> list[str]:
        """The score fields that there are."""
        there = self._schema.of(lane)
        return [name for name in self.contract.values() if name in there]

    def shown(self, lane: Lane) -> frozenset[str]:
        """What of the mapping the instance has: see `Page.fields`."""
        there = self._schema.of(lane)
        words = {f"{attribute}={name}" for attribute, name in self.attributes.items() if name in there}
        words |= {name for name in (*FIXED, *self.contract.values()) if name in there}
        words.add(f"customer={','.join(sorted(self._settings.customer_statuses))}")
        words.add(f"disqualified={','.join(sorted(self._settings.disqualified_statuses))}")
        return frozenset(words)

    def ref(self, id: Any) -> RecordRef:
        return RecordRef(self._source, LEADS, str(id))

    def lead(self, row: Row, lane: Lane) -> LeadRecord:
        """Raises `KeyError` and `ValueError` for what is no lead."""
        fields = self._schema.of(lane)
        attributes: dict[str, Value] = {}
        for attribute, (name, kind) in self._kinds.items():
            value = self._value(name, kind or _kind_of(fields.get(name)), row.get(name))
            if value is not None:
                attributes[attribute] = value
        status = attributes.get("status")
        attributes["has_phone"] = any(row.get(name) for name in PHONES)
        names = (row.get("firstName"), row.get("lastName"))
        email = row.get("email")
        return LeadRecord(
            ref=self.ref(row["id"]),
            state=self._state(status),
            created_at=instant(row["createdAt"]),
            modified_at=instant(row["updatedAt"]),
            email=str(email) if email else None,
            name=" ".join(str(name) for name in names if name) or None,
            same_as=self._links(row),
            attributes=attributes,
            written=score_fields(row, self.contract),
        )

    def changes(self, row: Row, lane: Lane) -> Iterator[AttributeChange]:
        """The values that attributes took on in one activity 13, at its instant."""
        fields, at, ref = self._schema.of(lane), instant(row["activityDate"]), self.ref(row["leadId"])
        told = {str(change["name"]): change.get("newValue") for change in row.get("fields") or ()}
        for attribute, (name, kind) in self._kinds.items():
            if name in told:
                before = self.unread[name]
                value = self._value(name, kind or _kind_of(fields.get(name)), told[name])
                if self.unread[name] == before:
                    yield AttributeChange(ref, attribute, value, at, at)

    def report_unread(self) -> None:
        """Log how many values of which fields were left out, and forget them."""
        if self.unread:
            counts = dict(self.unread)
            self.unread.clear()
            log.warning(
                "values that are not of their type were left out",
                extra={"action": "values_unread", "source": self._source, "fields": counts},
            )

    @property
    def _watched(self) -> Sequence[str]:
        return sorted({*self.attributes.values(), *self.contract.values()})

    def _value(self, name: str, kind: type, raw: Any) -> Value:
        if raw is None or raw == "":
            return None
        try:
            return parse(kind, raw)
        except ValueError:
            self.unread[name] += 1
            return None

    def _state(self, status: Value) -> RecordState:
        if status in self._settings.customer_statuses:
            return RecordState.CUSTOMER
        return RecordState.DISQUALIFIED if status in self._settings.disqualified_statuses else RecordState.OPEN

    def _links(self, row: Row) -> tuple[RecordRef, ...]:
        org = self._settings.salesforce
        if org is None:
            return ()
        held = ((object, str(row.get(name) or "")) for name, object in LINKS.items())
        return tuple(RecordRef(org, object, case_safe(id)) for object, id in held if len(id) in (15, 18))


def _kind_of(field: LeadField | None) -> type:
    return DATA_TYPES.get(field.type, str) if field is not None else str
