"""Fields of the CRMs' own that follow the stage: written over what nobody chose, and never over a person's choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from connectors.records import FieldWrite, RecordRef, ScoreField, Value, WriteOutcome, WriteResult
from sandbox.hubspot.schema import Option
from sandbox.salesforce.automation import ValidationRule
from sandbox.salesforce.schema import RecordType
from tests.contract.connectors.hubspot_portal import PracticePortal
from tests.contract.connectors.salesforce_org import PracticeOrg

STATUS, LIFECYCLE, LEAD = map(ScoreField.follower, ("Status", "lifecyclestage", "hs_lead_status"))
OPEN, WORKING, MINE = "Open - Not Contacted", "Working - Contacted", "Marketing Qualified"
FOLLOWS: Mapping[str, Any] = {"lead_status": {"stages": {"mql": WORKING}}}
LIVES: Mapping[str, Any] = {
    "lifecycle_stage": {"stages": {"mql": "marketingqualifiedlead", "sql": "salesqualifiedlead"}},
    "lead_status": {"stages": {"mql": "OPEN"}},
}


def write(ref: RecordRef, field: ScoreField, value: str, over: str | None) -> FieldWrite:
    return FieldWrite(ref, {ScoreField.SCORE: 90, field: value}, over={field: over})


def kept(result: WriteResult) -> str:
    """Why the one native field stays as it is; the rest of the record was written."""
    assert result.outcome is WriteOutcome.WRITTEN
    (why,) = result.kept.values()
    return why


class TestSalesforce:
    def test_the_status_of_an_open_lead_follows_and_is_proved_like_a_score(self, org: PracticeOrg) -> None:
        lead, contact = org.lead(), org.contact()
        crm = org.open(**FOLLOWS)
        written, other = crm.push([write(lead, STATUS, WORKING, OPEN), FieldWrite(contact, {ScoreField.SCORE: 5})])
        assert (written.outcome, written.kept, other.outcome) == (WriteOutcome.WRITTEN, {}, WriteOutcome.WRITTEN)
        held = {lead: {ScoreField.SCORE: 90, STATUS: WORKING}, contact: {ScoreField.SCORE: 5}}
        assert crm.read_back([lead, contact]) == held
        (shown,) = crm.fetch([lead]).leads
        assert shown.written[STATUS] == shown.attributes["status"] == WORKING
        assert crm.push([write(lead, STATUS, WORKING, OPEN)])[0].kept == {}, "again is no conflict with ourselves"

    @pytest.mark.parametrize(
        ("value", "over", "now", "why"),
        [
            (WORKING, OPEN, "Closed - Not Converted", "somebody set it to Closed - Not Converted meanwhile"),
            ("Closed - Converted", OPEN, OPEN, "means converted"),
            ("Hot", OPEN, OPEN, "no active status 'Hot'; there are Open - Not Contacted, Working"),
            ("Retired", OPEN, OPEN, "no active status 'Retired'"),
            (MINE, OPEN, OPEN, "Salesforce refuses it: A budget is needed"),
        ],
    )
    def test_a_status_that_must_stay_keeps_no_score(
        self, org: PracticeOrg, value: str, over: str, now: str, why: str
    ) -> None:
        sobject = org.org.schema["Lead"]
        status = sobject.fields["Status"]
        sobject.put(replace(status, values=(*status.values, MINE), inactive=("Retired",)))
        rule = ValidationRule("Lead", "A budget is needed", lambda row: row["Status"] == MINE)
        org.org.automation.validation_rules.append(rule)
        lead = org.lead(Status=now)
        crm = org.open(**FOLLOWS)
        (result,) = crm.push([write(lead, STATUS, value, over)])
        assert why in kept(result)
        assert crm.read_back([lead]) == {lead: {ScoreField.SCORE: 90, STATUS: now}}

    def test_without_the_option_status_is_neither_ours_nor_written(self, org: PracticeOrg) -> None:
        lead = org.lead()
        crm = org.open()
        crm.push([FieldWrite(lead, {ScoreField.SCORE: 1})])
        assert crm.read_back([lead]) == {lead: {ScoreField.SCORE: 1}}
        assert crm.writable == frozenset(ScoreField)

    @pytest.mark.parametrize(
        ("option", "said"),
        [
            ({"stages": {"mql": "Hot"}}, "lead_status.stages.mql: Status has no active value 'Hot'; there are Open"),
            ({"stages": {"mql": "Retired"}}, "has no active value 'Retired'"),
            ({"stages": {"sql": "Closed - Converted"}}, "'Closed - Converted' means that a lead is converted"),
            ({"stages": {"mql": WORKING}}, "leads of record type Partner are not offered 'Working - Contacted'"),
            (
                {"stages": {"mql": OPEN}, "replaces": ["Fresh"]},
                "lead_status.replaces: Status has no active value",
            ),
        ],
    )
    def test_a_value_that_the_org_does_not_have_is_told_with_those_that_it_has(
        self, org: PracticeOrg, option: Mapping[str, Any], said: str
    ) -> None:
        org.populate()
        sobject = org.org.schema["Lead"]
        sobject.put(replace(sobject.fields["Status"], inactive=("Retired",)))
        sobject.record_types.append(RecordType("012000000000001AAA", "Partner", {"Status": (OPEN,)}))
        found = [its for its in org.open(lead_status=option).check() if its.where == "acme/Lead.Status"]
        assert [its for its in found if said in its.what and its.fix], [its.what for its in found]

    def test_a_status_that_may_not_be_edited_is_told(self, org: PracticeOrg) -> None:
        org.populate()
        org.org.access.read_only.add("Lead.Status")
        crm = org.open(**FOLLOWS)
        (problem,) = [its for its in crm.check() if its.where == "acme/Lead.Status"]
        assert (problem.code, problem.fatal) == ("stage_field_read_only", True)
        assert "cannot be written" in kept(crm.push([write(org.lead(), STATUS, WORKING, OPEN)])[0])


class TestHubspot:
    def test_both_properties_follow_and_are_proved_like_a_score(self, practice: PracticePortal) -> None:
        (id,) = practice.site.people(1, lifecyclestage="lead")
        ref, crm = practice.ref(id), practice.open(**LIVES)
        values: dict[ScoreField, Value] = {ScoreField.SCORE: 90, LIFECYCLE: "marketingqualifiedlead", LEAD: "OPEN"}
        (result,) = crm.push([FieldWrite(ref, values, over={LIFECYCLE: "lead", LEAD: None})])
        assert (result.outcome, result.kept) == (WriteOutcome.WRITTEN, {})
        assert crm.read_back([ref]) == {ref: values}
        assert crm.fetch([ref]).leads[0].written == values

    @pytest.mark.parametrize(
        ("field", "value", "over", "now", "why"),
        [
            (LEAD, "OPEN", "NEW", "BAD_TIMING", "somebody set it to BAD_TIMING meanwhile"),
            (LEAD, "SLEEPING", "NEW", "NEW", "HubSpot cannot take 'SLEEPING': INVALID_OPTION"),
            (LIFECYCLE, "lead", "opportunity", "opportunity", "it is opportunity, and moves forward only"),
        ],
    )
    def test_a_property_that_must_stay_keeps_no_score(
        self, practice: PracticePortal, field: ScoreField, value: str, over: str, now: str, why: str
    ) -> None:
        (id,) = practice.site.people(1, **{field.vendor: now})
        ref, crm = practice.ref(id), practice.open(**LIVES)
        (result,) = crm.push([write(ref, field, value, over)])
        assert why in kept(result)
        assert crm.read_back([ref]) == {ref: {ScoreField.SCORE: 90, field: now}}

    def test_a_lifecycle_stage_goes_back_where_that_is_wanted(self, practice: PracticePortal) -> None:
        option = {**LIVES["lifecycle_stage"], "backward": True}
        (id,) = practice.site.people(1, lifecyclestage="salesqualifiedlead")
        ref, crm = practice.ref(id), practice.open(lifecycle_stage=option)
        (result,) = crm.push([write(ref, LIFECYCLE, "marketingqualifiedlead", "salesqualifiedlead")])
        assert result.kept == {}
        assert crm.read_back([ref])[ref][LIFECYCLE] == "marketingqualifiedlead"

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (
                {"lifecycle_stage": {"stages": {"mql": "mql"}}},
                "lifecycle_stage.stages.mql: lifecyclestage has no",
            ),
            ({"lead_status": {"stages": {"mql": "Working it"}}}, "'Working it' is the label of 'WORKING', write that"),
            (
                {"lead_status": {"stages": {"mql": "OPEN"}, "replaces": ["OLD"]}},
                "lead_status.replaces: hs_lead",
            ),
        ],
    )
    def test_a_value_that_the_account_does_not_have_is_told_with_those_that_it_has(
        self, practice: PracticePortal, options: Mapping[str, Any], said: str
    ) -> None:
        schema = practice.portal.schemas["contacts"]
        status = schema.get("hs_lead_status")
        assert status is not None
        schema.put(replace(status, options=(*status.options, Option("Working it", "WORKING"))))
        found = [its.what for its in practice.open(**options).check() if its.code == "stage_value_missing"]
        assert [what for what in found if said in what], found
