"""A look at everything that a person may have to put right, before any work is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from connectors.errors import AuthFailed, CrmError, Misconfigured, QuotaExhausted, Transient
from connectors.marketo.activities import TYPES
from connectors.marketo.campaign import Campaigns
from connectors.marketo.faults import Denied, Rejected
from connectors.marketo.leads import LEADS_PATH
from connectors.marketo.mapping import LeadMapper
from connectors.marketo.schema import LeadField, Schema
from connectors.marketo.session import Session
from connectors.marketo.settings import MarketoSettings
from connectors.port import BUCKETS, Problem
from connectors.quota import Lane
from connectors.records import ScoreField
from connectors.understood import understood

FITTING: Mapping[ScoreField, frozenset[str]] = dict.fromkeys(ScoreField, frozenset({"string", "text"})) | {
    ScoreField.SCORE: frozenset({"score", "integer"}),
    ScoreField.PROBABILITY: frozenset({"float", "currency"}),
    ScoreField.MQL_DATE: frozenset({"datetime"}),
    ScoreField.SCORED_AT: frozenset({"datetime"}),
}
"""The types ("Field types") that a field may have to hold each score field."""
SKEW = timedelta(minutes=5)
_LANE = Lane.INBOUND


class Checker:
    """Looks at one instance. It writes nothing: permissions are looked at before the body, which has no leads in it."""

    def __init__(
        self, settings: MarketoSettings, session: Session, mapper: LeadMapper, schema: Schema, campaigns: Campaigns
    ) -> None:
        self._settings, self._session, self._mapper = settings, session, mapper
        self._schema, self._campaigns = schema, campaigns

    def check(self, buckets: Collection[str] = BUCKETS) -> list[Problem]:
        """All problems; none raised. What stops everything is reported alone. Texts take any bucket."""
        try:
            with understood(self._session.source):
                self._session.usage(_LANE)
                return [*self._rights(), *self._fields(), *self._campaign(), *self._clocks()]
        except CrmError as problem:
            return [self._whole(problem)]

    def _whole(self, problem: CrmError) -> Problem:
        code, fix = "protocol", "check that host is the instance's (Admin > Integration > Web Services)"
        match problem:
            case AuthFailed():
                code, fix = "auth", "correct client_id and client_secret, then run the check again"
            case QuotaExhausted():
                code, fix = "quota", "wait until midnight US Central, or have the subscription's quota raised"
            case Misconfigured():
                code, fix = "misconfigured", "do what the message says, then run the check again"
            case Transient():
                code, fix = "unreachable", "check host; status.adobe.com tells of outages; try again then"
        return Problem(code, self._session.source, problem.message, fix)

    def _rights(self) -> Iterator[Problem]:
        source, session = self._session.source, self._session
        someone = {"filterType": "id", "filterValues": "1", "fields": "id"}
        yield from self._allowed(
            f"{source}/leads", "object_missing", "Read-Only Lead", lambda: session.get(LEADS_PATH, someone, lane=_LANE)
        )
        nobody: dict[str, Any] = {"action": "updateOnly", "lookupField": "id", "input": []}
        yield from self._allowed(
            f"{source}/leads", "write_denied", "Read-Write Lead", lambda: session.post(LEADS_PATH, nobody, lane=_LANE)
        )
        yield from self._allowed(
            f"{source}/activities", "object_missing", "Read-Only Activity",
            lambda: session.get(TYPES, {}, lane=_LANE),
        )  # fmt: skip

    def _allowed(self, where: str, code: str, right: str, call: Callable[[], object]) -> Iterator[Problem]:
        try:
            call()
        except Denied as problem:
            fix = f"give the role of the API-only user {right} (Admin > Users & Roles > Roles > Access API)"
            yield Problem(code, where, problem.message, fix)
        except Rejected:
            return  # allowed, whatever it thinks of the request

    def _fields(self) -> Iterator[Problem]:
        """The score fields must fit; without an attribute scores are poorer, not wrong."""
        where = f"{self._session.source}/leads"
        try:
            there = self._schema.of(_LANE, fresh=True)
        except Denied:
            return  # the right is missed already
        for field, name in self._mapper.contract.items():
            if (trouble := _unfit(field, name, there.get(name))) is not None:
                code, what, fix = trouble
                yield Problem(code, f"{where}.{name}", what, fix)
        for attribute, name in self._mapper.attributes.items():
            if name not in there:
                what = f"the attribute {attribute} is to come from {name}, which does not exist"
                fix = f"name the lead field that holds it, or null: attributes: {{{attribute}: null}}"
                yield Problem("attribute_missing", f"{where}.{name}", what, fix, fatal=False)

    def _campaign(self) -> Iterator[Problem]:
        alert = self._settings.alert
        if alert is None:
            return
        where = f"{self._session.source}/campaigns/{alert.campaign}"
        nobody: dict[str, Any] = {"input": {"leads": []}}
        yield from self._allowed(
            where, "campaign_denied", "Execute Campaign",
            lambda: self._session.post(self._campaigns.trigger, nobody, lane=_LANE),
        )  # fmt: skip
        try:
            campaign = self._campaigns.read(_LANE)
        except Denied as problem:
            fix = "give the role of the API-only user Read-Only Assets; without it lost answers cannot be made good"
            yield Problem("campaign_unseen", where, problem.message, fix, fatal=False)
            return
        except Rejected:
            campaign = None
        if campaign is None:
            fix = "take the number from the campaign's address: 1234 of SC1234A1"
            yield Problem("campaign_missing", where, f"there is no smart campaign {alert.campaign}", fix)
            return
        if not campaign.requestable:
            fix = "add the trigger Campaign is Requested with the source Web Service API to its smart list"
            yield Problem("campaign_closed", where, "the campaign cannot be requested", fix)
        if not campaign.active:
            fix = "activate it: Schedule > Activate"
            yield Problem("campaign_inactive", where, "the campaign is not active", fix)
        if campaign.repeats:
            what = "a request whose answer is lost is not repeated: the campaign would run a lead twice"
            fix = "set its qualification rule to once in a day, say: Schedule > Smart Campaign Settings"
            yield Problem("campaign_repeats", where, what, fix, fatal=False)

    def _clocks(self) -> Iterator[Problem]:
        if abs(self._session.ahead) > SKEW:
            what = f"its clock differs from this machine's by {abs(self._session.ahead.total_seconds()):.0f} seconds"
            fix = "synchronise this machine's clock (NTP); changes are read late until then, none is lost"
            yield Problem("clock_skew", self._session.source, what, fix, fatal=False)


def _unfit(field: ScoreField, name: str, definition: LeadField | None) -> tuple[str, str, str] | None:
    """(code, what, fix) of what keeps a lead field from holding a score field."""
    other = f"map another one under fields: {{{field}: ...}}, or null to leave it out"
    kinds = " or ".join(sorted(FITTING[field.kind]))
    if definition is None:
        fix = f"create it with type {kinds} (`leadgauge provision`), or {other}"
        return "field_missing", f"there is no lead field {name}", fix
    if definition.read_only:
        return "field_read_only", f"the field {name} cannot be written", other
    if definition.type not in FITTING[field.kind]:
        return "field_type", f"the field {name} is of type {definition.type}, not {kinds}", other
    return None
