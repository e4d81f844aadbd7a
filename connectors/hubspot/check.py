"""A look at everything that a person may have to put right, before any work is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from connectors.errors import AuthFailed, CrmError, Misconfigured, QuotaExhausted, Transient
from connectors.hubspot.faults import Denied, Rejected
from connectors.hubspot.mapping import RecordMapper
from connectors.hubspot.paths import EMAIL_EVENTS, FORMS
from connectors.hubspot.schema import Property, Schemas
from connectors.hubspot.session import Session
from connectors.hubspot.stages import OwnProperties
from connectors.port import BUCKETS, Problem
from connectors.quota import Lane
from connectors.records import ScoreField
from connectors.stages import STAGES

TYPES: Mapping[ScoreField, frozenset[str]] = {field: frozenset({"string", "enumeration"}) for field in ScoreField} | {
    ScoreField.SCORE: frozenset({"number"}),
    ScoreField.PROBABILITY: frozenset({"number"}),
    ScoreField.MQL_DATE: frozenset({"datetime"}),
    ScoreField.SCORED_AT: frozenset({"datetime"}),
}
"""The types that a property may have to hold each score field."""

SCOPES: Mapping[str, str] = {
    "contacts": "crm.objects.contacts.read",
    "companies": "crm.objects.companies.read",
    "deals": "crm.objects.deals.read",
    "calls": "crm.objects.contacts.read",
    "emails": "sales-email-read",
    "meetings": "crm.objects.contacts.read",
    "notes": "crm.objects.contacts.read",
    "tasks": "crm.objects.contacts.read",
    "form_submissions": "forms",
    "email_events": "content",
}
"""Stream -> the scope that it is read under."""


class Checker:
    """Asks HubSpot for one row of everything; writes nothing."""

    def __init__(
        self, session: Session, mapper: RecordMapper, schemas: Schemas, own: OwnProperties, streams: tuple[str, ...]
    ) -> None:
        self._session, self._mapper, self._schemas, self._streams = session, mapper, schemas, streams
        self._own = own

    def check(self, buckets: Collection[str] = BUCKETS) -> list[Problem]:
        """All problems; none raised. What stops everything is reported alone."""
        try:
            self._session.account()
            return [*self._readable(), *self._writable(), *self._properties(buckets), *self._clocks()]
        except CrmError as problem:
            return [self._whole(problem)]
        except (KeyError, TypeError, ValueError):
            what = "an answer is not of the expected shape"
            return [
                Problem("protocol", self._session.source, what, "check that host is HubSpot's, and report it if so")
            ]

    def _whole(self, problem: CrmError) -> Problem:
        code, fix = "protocol", "check that host is HubSpot's, and report it if so"
        match problem:
            case AuthFailed():
                code, fix = "auth", "then run the check again"
            case QuotaExhausted():
                code, fix = "quota", "wait, or raise the account's limit of calls"
            case Misconfigured():
                code, fix = "misconfigured", "do what the message says, then run the check again"
            case Transient():
                code, fix = "unreachable", "status.hubspot.com tells of outages; try again then"
        return Problem(code, self._session.source, problem.message, fix)

    def _readable(self) -> Iterator[Problem]:
        for stream in self._streams:
            if stream not in SCOPES:
                continue
            fix = f"grant the scope {SCOPES[stream]}, or leave the stream out (without: [{stream}])"
            yield from self._allowed(stream, self._probe(stream), "object_missing", fix)

    def _probe(self, stream: str) -> Callable[[], Any]:
        path = {"form_submissions": FORMS, "email_events": EMAIL_EVENTS}.get(
            stream, self._session.paths.objects(stream)
        )
        return lambda: self._session.get(path, [("limit", 1)], lane=Lane.INBOUND)

    def _writable(self) -> Iterator[Problem]:
        """A batch without rows: scopes are looked at before the body, and nothing can be written by it."""
        path = self._session.paths.objects("contacts", "batch/update")
        fix = "grant the scope crm.objects.contacts.write"
        yield from self._allowed(
            "contacts", lambda: self._session.post(path, {"inputs": []}, lane=Lane.INBOUND), "write_denied", fix
        )

    def _allowed(self, where: str, call: Callable[[], Any], code: str, fix: str) -> Iterator[Problem]:
        try:
            call()
        except Denied as problem:
            yield Problem(code, f"{self._session.source}/{where}", problem.message, fix)
        except Rejected:
            return  # allowed, whatever it thinks of the request

    def _clocks(self) -> Iterator[Problem]:
        if self._session.disagrees:
            what = f"its clock differs from this machine's by {abs(self._session.ahead.total_seconds()):.0f} seconds"
            fix = "synchronise this machine's clock (NTP); changes are read late until then, none is lost"
            yield Problem("clock_skew", self._session.source, what, fix, fatal=False)

    def _properties(self, buckets: Collection[str]) -> Iterator[Problem]:
        """The score fields must fit; without an attribute scores are poorer, not wrong."""
        where = f"{self._session.source}/contacts"
        try:
            schema = self._schemas.of("contacts", Lane.INBOUND, fresh=True)
        except Denied as problem:
            yield Problem("schema_denied", where, problem.message, "grant the scope crm.schemas.contacts.read")
            return
        yield from self._own.problems(where, schema)
        for field, name in self._mapper.contract.items():
            if (trouble := _unfit(field, name, schema.get(name), buckets)) is not None:
                code, what, fix = trouble
                yield Problem(code, f"{where}.{name}", what, fix)
        for attribute, name in self._mapper.attributes.items():
            if name not in schema:
                what = f"the attribute {attribute} is to come from {name}, which does not exist"
                fix = f"name the contact property that holds it, or null: attributes: {{{attribute}: null}}"
                yield Problem("attribute_missing", f"{where}.{name}", what, fix, fatal=False)


def _unfit(
    field: ScoreField, name: str, definition: Property | None, buckets: Collection[str]
) -> tuple[str, str, str] | None:
    """(code, what, fix) of what keeps a property from holding a score field."""
    other = f"map another one under fields: {{{field}: ...}}, or null to leave it out"
    if definition is None:
        kind = " or ".join(sorted(TYPES[field.kind]))
        return (
            "field_missing",
            f"there is no contact property {name}",
            f"create it with type {kind} (`leadgauge provision`), or {other}",
        )
    if definition.read_only:
        return "field_read_only", f"the property {name} cannot be written", other
    if definition.type not in TYPES[field.kind]:
        kind = " or ".join(sorted(TYPES[field.kind]))
        return "field_type", f"the property {name} is of type {definition.type}, not {kind}", other
    needed = {ScoreField.BUCKET: buckets, ScoreField.STAGE: STAGES}.get(field.kind, ())
    missing = [value for value in needed if value not in definition.options]
    if definition.type == "enumeration" and missing:
        what = f"the property {name} lacks options; there are {', '.join(definition.options) or 'none'}"
        return "picklist_value_missing", what, f"add the options {', '.join(missing)}"
    return None
