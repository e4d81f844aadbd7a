"""Looking at an org before working on it: every problem at once, each with its fix."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from connectors.contract import SHAPES
from connectors.errors import AuthFailed, CrmError, Misconfigured, QuotaExhausted, Transient
from connectors.port import BUCKETS, Problem
from connectors.quota import Lane
from connectors.records import ScoreField
from connectors.salesforce.describe import Description, Field
from connectors.salesforce.pull import HISTORIES, OBJECTS
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.stages import LeadStatus
from connectors.stages import STAGES

_NUMBERS = frozenset({"double", "int", "percent", "currency"})
_TEXTS = frozenset({"string", "textarea", "picklist", "combobox"})
_FITTING: Mapping[ScoreField, frozenset[str]] = {
    ScoreField.SCORE: _NUMBERS,
    ScoreField.PROBABILITY: _NUMBERS,
    ScoreField.MQL_DATE: frozenset({"datetime"}),
    ScoreField.SCORED_AT: frozenset({"datetime"}),
}
_LENGTHS: Mapping[ScoreField, int] = {field: its.length for field, its in SHAPES.items() if its.length}
_DIGITS: Mapping[ScoreField, int] = {field: its.digits - its.decimals for field, its in SHAPES.items() if its.digits}
_QUOTA_SHARE = 0.8
_GRANT = "give the integration user the permission set that grants it"


class Check:
    """The examination of one org."""

    def __init__(self, settings: SalesforceSettings, session: Session, buckets: Collection[str] = BUCKETS) -> None:
        self._settings = settings
        self._values = {ScoreField.BUCKET: buckets, ScoreField.STAGE: STAGES}
        self._session = session
        self._name = settings.name
        self._status = LeadStatus(settings, session)

    def problems(self) -> Iterator[Problem]:
        """All that is wrong. Stops early only where nothing further can be seen."""
        try:
            versions = self._session.versions()
        except CrmError as error:
            yield problem_of(error, self._settings.login_url)
            return
        if self._settings.api_version not in versions:
            offered = f"it offers {versions[0]} to {versions[-1]}" if versions else "it offers none"
            fix = f"set api_version to one of them; {offered}"
            yield Problem("api_version", self._name, f"API version {self._settings.api_version} is not offered", fix)
            return
        try:
            self._session.query("SELECT Id FROM Lead LIMIT 1", lane=Lane.INBOUND)
        except (AuthFailed, Transient, QuotaExhausted) as error:
            yield problem_of(error, self._session.instance() or self._settings.login_url)
            return
        except CrmError:  # the object itself is looked at below
            pass
        for stream, object in OBJECTS.items():
            if stream not in self._settings.without:
                yield from self._guarded(object, self._object(stream, object))
        for stream, object in HISTORIES.items():
            if stream not in self._settings.without:
                yield from self._guarded(object, self._history(stream, object))
        yield from self._guarded("Organization", self._organization())
        yield from self._allowance()

    def _guarded(self, object: str, found: Iterator[Problem]) -> Iterator[Problem]:
        """A probe that fails is a problem by itself and stops no other."""
        try:
            yield from found
        except CrmError as error:
            yield problem_of(error, f"{self._name}/{object}")

    def _object(self, stream: str, object: str) -> Iterator[Problem]:
        where = f"{self._name}/{object}"
        try:
            described = self._session.describe(object, lane=Lane.INBOUND)
        except Misconfigured:
            fix = f"give the integration user read access to {object}, or list {stream} under `without`"
            yield Problem(
                "object_missing", where, f"{object} does not exist or is hidden", fix, object != "EmailMessage"
            )
            return
        if not self._session.query(f"SELECT Id FROM {object} LIMIT 1", lane=Lane.INBOUND).records:
            fix = "if there are any, give the integration user View All on the object (View All Data for activities)"
            yield Problem("nothing_visible", where, f"no {object} is visible", fix, fatal=False)
        if object in ("Lead", "Contact"):
            for field, name in self._settings.mapped.items():
                yield from _score_field(where, described, field, name)
                yield from _lacking(where, described, name, self._values.get(field.kind, ()))
        if object == "Lead":
            yield from self._status.problems(where, described)
        yield from self._attributes(where, described)

    def _history(self, stream: str, object: str) -> Iterator[Problem]:
        if self._session.readable(object, lane=Lane.INBOUND):
            return
        what = f"{object} does not exist or is hidden; values of the past stay unknown"
        parent = object.removesuffix("History")
        fix = f"switch on field history of {parent} and let the integration user read it, or list {stream} in `without`"
        yield Problem("history_unseen", f"{self._name}/{object}", what, fix, fatal=False)

    def _attributes(self, where: str, described: Description) -> Iterator[Problem]:
        """Only what was chosen: that an org lacks a standard field is its own affair."""
        by_object = {
            "Lead": self._settings.attributes,
            "Contact": self._settings.attributes,
            "Account": self._settings.account_attributes,
        }
        for attribute, name in by_object.get(described.name, {}).items():
            if name is not None and name not in described.fields:
                what = f"{name}, mapped to {attribute}, does not exist or is hidden; the attribute stays unknown"
                yield Problem("attribute_missing", f"{where}.{name}", what, f"create it or {_GRANT}", fatal=False)

    def _organization(self) -> Iterator[Problem]:
        if not self._session.readable("Organization", lane=Lane.INBOUND):
            return
        rows = self._session.query("SELECT TimeZoneSidKey FROM Organization", lane=Lane.INBOUND).records
        zone = rows[0].get("TimeZoneSidKey") if rows else None
        if zone and zone != self._settings.time_zone:
            what = f"the org's time zone is {zone}, the configured one {self._settings.time_zone}"
            yield Problem("time_zone", self._name, what, f"set time_zone to {zone}", fatal=False)

    def _allowance(self) -> Iterator[Problem]:
        used, limit = self._usage()
        if limit and used >= _QUOTA_SHARE * limit:
            what = f"{used} of the day's {limit} API calls are used"
            yield Problem(
                "quota_low", self._name, what, "wait, lower other integrations' use or buy calls", fatal=False
            )

    def _usage(self) -> tuple[int, int]:
        quota = self._session.quota()
        with suppress(CrmError):  # wants View Setup; the header of every answer says the same
            quota = self._session.usage(lane=Lane.INBOUND)
        return (quota.used, quota.limit) if quota else (0, 0)


def problem_of(error: CrmError, where: str) -> Problem:
    """A failed call as a problem."""
    code, fix = "protocol", "this is a defect of the connector or no Salesforce; please report it"
    match error:
        case AuthFailed():
            code, fix = "auth", "correct the credentials, or the app's settings"
        case Misconfigured():
            code, fix = "misconfigured", "do what the message says"
        case QuotaExhausted():
            code, fix = "quota", f"wait until {error.resume_at:%H:%M} UTC"
        case Transient():
            code, fix = "unreachable", "check the address, the network and any proxy, then try again"
    return Problem(code, where, error.message, fix)


def _score_field(where: str, described: Description, field: ScoreField, name: str) -> Iterator[Problem]:
    place = f"{where}.{name}"
    vendor = described.fields.get(name)
    if vendor is None:
        fix = f"create it (`leadgauge provision`) and {_GRANT}, map `{field}` to another field, or to null"
        yield Problem("field_missing", place, f"{name} does not exist or is hidden", fix)
        return
    if not vendor.updateable:
        fix = "a formula cannot be written; otherwise grant edit access with the permission set"
        yield Problem("field_read_only", place, f"{name} cannot be written", fix)
    fitting = _FITTING.get(field.kind, _TEXTS)
    if vendor.type not in fitting:
        fix = f"map `{field}` to a field of type {' or '.join(sorted(fitting))}"
        yield Problem("field_type", place, f"{name} is of type {vendor.type}", fix)
        return
    yield from _capacity(place, field, vendor)


def _capacity(place: str, field: ScoreField, vendor: Field) -> Iterator[Problem]:
    wanted = _LENGTHS.get(field.kind, 0)
    if vendor.type != "picklist" and vendor.length and vendor.length < wanted:
        what = f"{vendor.name} holds {vendor.length} characters; texts of up to {wanted} will be cut"
        yield Problem("field_short", place, what, f"widen it to {wanted}", fatal=False)
    digits = vendor.precision - vendor.scale
    if vendor.precision and digits < _DIGITS.get(field.kind, 0):
        what = f"{vendor.name} holds {digits} digits before the point"
        yield Problem("field_short", place, what, "100 needs 3: widen it")


def _lacking(where: str, described: Description, name: str, needed: Collection[str]) -> Iterator[Problem]:
    vendor = described.fields.get(name)
    missing = [value for value in needed if vendor is not None and value not in vendor.values]
    if vendor is not None and vendor.restricted and missing:
        there = ", ".join(vendor.values) or "none"
        what = f"the restricted picklist {name} lacks {', '.join(missing)}; there are {there}"
        yield Problem("picklist_value_missing", f"{where}.{name}", what, "add the values (to the record types, too)")
