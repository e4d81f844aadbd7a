"""Triggers that fail for many rows at once and would not for fewer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.records import FieldWrite, RecordRef, ScoreField, WriteOutcome, WriteResult
from connectors.salesforce.crm import SalesforceCrm
from connectors.salesforce.halves import HOPELESS_FOR, MOST_MORE, SMALLER_FOR
from connectors.transport import Exchange
from tests.contract.connectors.salesforce_org import PracticeOrg

CODE = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"


def push(crm: SalesforceCrm, refs: list[RecordRef]) -> list[WriteResult]:
    return list(crm.push([FieldWrite(ref, {ScoreField.SCORE: 70}) for ref in refs]))


def writes(calls: list[Exchange]) -> int:
    """How many calls wrote, since this was asked last."""
    made = sum(exchange.endpoint == "composite/sobjects" for exchange in calls)
    calls.clear()
    return made


def held(org: PracticeOrg, refs: list[RecordRef]) -> list[object]:
    return [row["Lead_Score__c"] for ref in refs if (row := org.org.get("Lead", ref.id)) is not None]


def test_rows_that_a_trigger_cannot_take_at_once_are_written_in_smaller_calls(
    org: PracticeOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads, contact = org.add_people(120), org.contact()
    org.org.automation.most_at_once["Lead"] = 40
    calls: list[Exchange] = []
    crm = org.open(observer=calls.append)
    results = push(crm, [contact, *leads])
    assert {result.outcome for result in results} == {WriteOutcome.WRITTEN}
    assert [result.ref for result in results] == [contact, *leads]
    assert held(org, leads) == [70] * 120
    # 121, 61 and 59, then 31 and 30, 30 and 29.
    assert writes(calls) == 7
    assert crm.push_size(9) == 31, "what went well"
    push(crm, leads[:62])
    assert writes(calls) == 2
    later = SMALLER_FOR.total_seconds() + 1
    monkeypatch.setattr("connectors.salesforce.halves.monotonic", lambda: 1e9 + later)
    assert crm.push_size(9) == 200, "the trigger may have been mended"


def test_only_the_row_that_fails_alone_is_refused(org: PracticeOrg) -> None:
    leads = org.add_people(200)
    org.org.automation.heavy.add(leads[117].id)
    calls: list[Exchange] = []
    crm = org.open(observer=calls.append)
    results = push(crm, leads)
    assert [result.outcome for result in results].count(WriteOutcome.WRITTEN) == 199
    refused = results[117]
    assert (refused.outcome, refused.code) == (WriteOutcome.REFUSED, CODE)
    assert "CPU time limit" in (refused.message or "")
    assert writes(calls) <= 17, "two halves at each of eight sizes"
    assert crm.push_size(9) == 100


def test_a_trigger_that_always_fails_costs_no_more_calls_than_it_may(
    org: PracticeOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = org.add_people(200)
    org.org.automation.heavy |= {lead.id for lead in leads}
    calls: list[Exchange] = []
    crm = org.open(observer=calls.append)
    results = push(crm, leads)
    refused = [result for result in results if result.outcome is WriteOutcome.REFUSED]
    later = [result for result in results if result.outcome is WriteOutcome.RETRY]
    assert len(refused) + len(later) == 200
    assert refused, "who was tried alone"
    assert {(result.code, result.retry_after) for result in later} == {(CODE, HOPELESS_FOR)}
    assert writes(calls) <= 1 + MOST_MORE
    org.org.automation.heavy.clear()
    org.org.automation.most_at_once["Lead"] = 100
    assert {result.outcome for result in push(crm, leads)} == {WriteOutcome.RETRY}
    assert writes(calls) == 1, "nothing is halved for a while"
    monkeypatch.setattr("connectors.salesforce.halves.monotonic", lambda: 1e9)
    assert {result.outcome for result in push(crm, leads)} == {WriteOutcome.WRITTEN}


def test_where_calls_run_out_the_rest_comes_soon(org: PracticeOrg) -> None:
    leads = org.add_people(200)
    org.org.automation.most_at_once["Lead"] = 3
    calls: list[Exchange] = []
    crm = org.open(observer=calls.append)
    results = push(crm, leads)
    assert writes(calls) <= 1 + MOST_MORE
    left = [result.ref for result in results if result.outcome is WriteOutcome.RETRY]
    assert {result.retry_after for result in results if result.ref in left} == {timedelta(seconds=1)}
    assert len(left) < 200
    assert {result.outcome for result in push(crm, left[: crm.push_size(9)])} == {WriteOutcome.WRITTEN}


def test_rows_of_a_job_that_a_trigger_cannot_take_are_for_smaller_calls(org: PracticeOrg) -> None:
    leads = org.add_people(300)
    org.org.automation.most_at_once["Lead"] = 100
    crm = org.open(bulk_write_from=201, bulk_write_size=1000)
    parcels: list[object] = []
    assert crm.push_size(300) == 1000
    crm.push([FieldWrite(ref, {ScoreField.SCORE: 70}) for ref in leads], parcels.append)
    (parcel,) = parcels
    results = None
    while results is None:
        results = crm.collect(parcel, leads)  # type: ignore[arg-type]
    failed = [result for result in results if result.outcome is not WriteOutcome.WRITTEN]
    assert {(result.outcome, result.code) for result in failed} == {(WriteOutcome.RETRY, CODE)}
    assert len(failed) == 200, "of two hundred and of a hundred"
    assert crm.push_size(300) == 200
    assert {result.outcome for result in push(crm, [result.ref for result in failed])} == {WriteOutcome.WRITTEN}
