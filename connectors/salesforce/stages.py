"""The Status of open leads, where it follows the stage: which values may be written, and over which.

Status is the field by which an org tells a converted lead from an open one, and reps edit it by hand. So a converted
status is never written (Salesforce converts by another call), nor a value that the org does not offer, nor one over
what somebody set since the stage was decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from time import monotonic

from connectors.errors import CrmError, Misconfigured, ProtocolViolation
from connectors.port import Problem
from connectors.quota import Lane
from connectors.records import FieldWrite, RecordRef, ScoreField, Value
from connectors.salesforce.describe import Description, Field
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.stages import missing_values, somebodys

STATUS = ScoreField.follower("Status")
OPTION = "lead_status"

Kept = dict[RecordRef, dict[ScoreField, str]]


class LeadStatus:
    """The Status of one org's leads."""

    def __init__(self, settings: SalesforceSettings, session: Session) -> None:
        self._given, self._session = settings.lead_status, session
        self._age = settings.describe_for.total_seconds()
        self._converted: tuple[float, frozenset[str]] | None = None

    def settled(self, writes: Sequence[FieldWrite]) -> tuple[list[FieldWrite], Kept]:
        """The writes without a Status that must stay as it is, and why it must. Looks at the leads as they are now."""
        kept: Kept = {}
        following = [write for write in writes if STATUS in write.values]
        if following:
            held = self._held([write.ref.id for write in following if write.ref.object == "Lead"])
            for write in following:
                if why := self._unfit(write) or somebodys(write, held.get(write.ref.id, {})).get(STATUS):
                    kept[write.ref] = {STATUS: why}
        return [write.without(kept.get(write.ref, ())) for write in writes], kept

    def problems(self, where: str, described: Description) -> Iterator[Problem]:
        """What of the option does not fit the org."""
        if self._given is None:
            return
        place, status = f"{where}.Status", described.fields.get("Status")
        if status is None or not status.updateable:
            fix = f"let the integration user edit Status of Lead, or leave {OPTION} out"
            yield Problem("stage_field_read_only", place, f"{OPTION}: Status is hidden or cannot be written", fix)
            return
        yield from missing_values(self._given, OPTION, place, "Status", status.values)
        for stage, value in self._given.stages.items():
            if value in self._converted_ones():
                what = f"{OPTION}.stages.{stage}: {value!r} means that a lead is converted, which no field write can do"
                fix = f"name an open status under {OPTION}.stages.{stage}"
                yield Problem("stage_value_converted", place, what, fix)
        yield from self._by_record_type(place, described)

    def _by_record_type(self, place: str, described: Description) -> Iterator[Problem]:
        """Values that leads of a record type are not offered (UI API guide, "Get Values for a Picklist Field")."""
        assert self._given is not None
        for id, name in described.record_types.items():
            try:
                answer = self._session.get(f"ui-api/object-info/Lead/picklist-values/{id}/Status", lane=Lane.INBOUND)
                offered = {str(each["value"]) for each in answer["values"]}
            except (CrmError, KeyError, TypeError):  # not every user may ask; then refusals tell
                return
            for stage, value in self._given.stages.items():
                if value in described.fields["Status"].values and value not in offered:
                    what = f"{OPTION}.stages.{stage}: leads of record type {name} are not offered {value!r}"
                    fix = "add it to the record type's lead process; until then Status of such leads may stay"
                    yield Problem("stage_value_missing", place, what, fix, fatal=False)

    def _unfit(self, write: FieldWrite) -> str | None:
        value = write.values[STATUS]
        if write.ref.object != "Lead":
            return f"a {write.ref.object} has no Status"
        field = self._field()
        if field is None or not field.updateable:
            return "Status is hidden from the integration user, or cannot be written"
        if value not in field.values:
            return f"the org has no active status {value!r}; there are {', '.join(field.values)}"
        return f"{value!r} means converted" if value in self._converted_ones() else None

    def _field(self) -> Field | None:
        try:
            return self._session.describe("Lead", lane=Lane.WRITE).fields.get("Status")
        except Misconfigured:
            return None

    def _held(self, ids: Sequence[str]) -> Mapping[str, Mapping[ScoreField, Value]]:
        rows = self._session.query_ids("SELECT Id, Status FROM Lead WHERE Id IN {ids}", ids, lane=Lane.WRITE)
        return {str(row["Id"]): {STATUS: row.get("Status")} for row in rows}

    def _converted_ones(self) -> frozenset[str]:
        """The statuses that mean converted; none where the org does not show them."""
        if self._converted is None or monotonic() - self._converted[0] > self._age:
            found: frozenset[str] = frozenset()
            try:
                rows = self._session.query("SELECT ApiName, MasterLabel, IsConverted FROM LeadStatus", lane=Lane.WRITE)
                converted = (row for row in rows.records if row.get("IsConverted"))
                found = frozenset(str(row.get("ApiName") or row["MasterLabel"]) for row in converted)
            except (Misconfigured, ProtocolViolation, KeyError):
                pass
            self._converted = monotonic(), found
        return self._converted[1]
