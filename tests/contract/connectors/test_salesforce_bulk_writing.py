"""Writing in ingest jobs: what was asked of many records is what they hold, whatever becomes of the job."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import AuthFailed, Transient
from connectors.port import Cursor
from connectors.quota import Lane
from connectors.records import FieldWrite, RecordRef, ScoreField, WriteOutcome, WriteResult
from connectors.salesforce.crm import SalesforceCrm
from connectors.salesforce.push import PATIENCE, Writer
from sandbox.profiles import Bites, Profile
from sandbox.salesforce.hostile import RULES, bite
from tests.contract.connectors.crm_contract import NOW_ON, VALUES, Learning
from tests.contract.connectors.practice import Host
from tests.contract.connectors.salesforce_org import SECRET, PracticeOrg

MANY = 260
"""More than one call of Collections carries."""


class Shelf:
    """Keeps the parcel as a caller does: as JSON."""

    def __init__(self) -> None:
        self.parcel: Cursor | None = None

    def __call__(self, parcel: Cursor) -> None:
        self.parcel = json.loads(json.dumps(parcel))


@pytest.fixture
def large(host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticeOrg]:
    monkeypatch.setenv("SF_SECRET", SECRET)
    org = PracticeOrg(host, directory)
    yield org
    org.close()


def opened(org: PracticeOrg, **given: Any) -> SalesforceCrm:
    return org.open(bulk_write_from=250, bulk_write_size=1000, **given)


def delivered(org: PracticeOrg, crm: SalesforceCrm, writes: Sequence[FieldWrite]) -> list[WriteResult]:
    """Push, and collect from another process until all is told."""
    shelf = Shelf()
    first = list(crm.push(writes, shelf))
    assert [result.ref for result in first] == [write.ref for write in writes]
    if shelf.parcel is None:
        return first
    waiting = [result.ref for result in first if result.outcome is WriteOutcome.UNRESOLVED]
    for _ in range(100):
        told = opened(org).collect(shelf.parcel, waiting)
        if told is not None:
            assert [result.ref for result in told] == waiting
            later = {result.ref: result for result in told}
            return [later.get(result.ref, result) for result in first]
    raise AssertionError("the parcel never comes to an end")


def test_the_size_of_a_push_follows_what_waits(large: PracticeOrg) -> None:
    crm = opened(large)
    assert [crm.push_size(waiting) for waiting in (0, 1, 249, 250, 10**6)] == [200, 200, 200, 1000, 1000]


def test_many_records_go_in_a_job_and_a_few_beside_them_in_a_call(large: PracticeOrg) -> None:
    leads, contacts = large.add_people(MANY), [large.contact() for _ in range(3)]
    asked: list[str] = []
    gate = Learning()
    crm = opened(large, gate=gate, observer=lambda exchange: asked.append(exchange.endpoint))
    order = [*contacts, *leads]
    results = delivered(large, crm, [FieldWrite(ref, VALUES) for ref in order])
    assert [(result.ref, result.outcome) for result in results] == [(ref, WriteOutcome.WRITTEN) for ref in order]
    assert crm.read_back(order) == dict.fromkeys(order, VALUES)
    assert asked.count("composite/sobjects") == asked.count("jobs/ingest") == 1
    assert set(gate.entered) == {Lane.WRITE}


def test_leads_and_contacts_have_jobs_of_their_own(large: PracticeOrg) -> None:
    refs = [*large.add_people(210), *(large.contact() for _ in range(210))]
    asked: list[str] = []
    crm = opened(large, observer=lambda exchange: asked.append(exchange.endpoint))
    results = delivered(large, crm, [FieldWrite(ref, {ScoreField.SCORE: 5}) for ref in refs])
    assert {result.outcome for result in results} == {WriteOutcome.WRITTEN}
    assert asked.count("jobs/ingest") == 2


def test_each_row_has_its_own_outcome_though_results_come_in_no_order(large: PracticeOrg) -> None:
    made = large.add_people(MANY)
    gone, winner, loser, converted, refused, locked = made[:6]
    large.delete(gone)
    large.merge(winner, loser)
    contact = large.ref("Contact", large.org.convert(converted.id).contact)
    large.forbid_writes(refused)
    large.org.automation.lock(locked.id, attempts=9)
    results = {
        result.ref: result
        for result in delivered(large, opened(large), [FieldWrite(ref, {ScoreField.SCORE: 50}) for ref in made])
    }
    assert {ref: str(results[ref].outcome) for ref in made[:6]} == {
        gone: "gone", winner: "written", loser: "moved", converted: "moved", refused: "refused", locked: "retry",
    }  # fmt: skip
    assert (results[loser].moved_to, results[converted].moved_to) == (winner, contact)
    assert results[locked].retry_after
    assert "Budget is required" in (results[refused].message or "")
    assert {results[ref].outcome for ref in made[6:]} == {WriteOutcome.WRITTEN}


def test_no_assignment_rule_runs_in_a_job(large: PracticeOrg) -> None:
    made = large.add_people(MANY)
    large.org.automation.lead_assignment.append(large.org.integration_user)
    delivered(large, opened(large), [FieldWrite(ref, {ScoreField.SCORE: 9}) for ref in made])
    rows = [large.org.get("Lead", ref.id) or {} for ref in made]
    assert {(row["OwnerId"], row["Lead_Score__c"]) for row in rows} == {(large.org.admin, 9)}


def test_null_clears_what_is_not_named_stays_and_text_arrives_as_it_is(large: PracticeOrg) -> None:
    made = large.add_people(MANY)
    texts = ['two\nlines, "quoted"', "a\rreturn", "Größe €", "#N/A", "null", "-5", "line\u2028separator", "a,b;c"]
    crm = opened(large)
    for start in range(0, MANY, 200):
        crm.push([FieldWrite(ref, VALUES) for ref in made[start : start + 200]])
    rest = {ref: {ScoreField.MQL_DATE: None} for ref in made[len(texts) + 1 :]}
    asked: dict[RecordRef, dict[ScoreField, Any]] = {
        **{ref: {ScoreField.REASONS: text} for ref, text in zip(made, texts, strict=False)},
        made[len(texts)]: {ScoreField.REASONS: ""},
        **rest,
    }
    results = delivered(large, crm, [FieldWrite(ref, values) for ref, values in asked.items()])
    assert {result.outcome for result in results} == {WriteOutcome.WRITTEN}
    held = crm.read_back(made)
    for ref, text in zip(made, texts, strict=False):
        assert held[ref] == {**VALUES, ScoreField.REASONS: text}
    without = {field: value for field, value in VALUES.items() if field is not ScoreField.MQL_DATE}
    assert all(held[ref] == without for ref in rest)
    assert ScoreField.REASONS not in held[made[len(texts)]]


def test_a_value_that_does_not_fit_is_refused_before_anything_is_sent(large: PracticeOrg) -> None:
    made = large.add_people(MANY)
    writes = [FieldWrite(ref, {ScoreField.BUCKET: "hot" if number else "odd"}) for number, ref in enumerate(made)]
    refused, *others = delivered(large, opened(large), writes)
    assert (refused.outcome, refused.code) == (WriteOutcome.REFUSED, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    assert {result.outcome for result in others} == {WriteOutcome.WRITTEN}


def test_the_parcel_is_noted_before_anything_is_sent(large: PracticeOrg) -> None:
    made = large.add_people(MANY)

    def lost(parcel: Cursor) -> None:
        raise LookupError("the lease is another's")

    with pytest.raises(LookupError):
        opened(large).push([FieldWrite(ref, VALUES) for ref in made], lost)
    assert large.writes() == []


def test_a_job_that_its_process_did_not_live_to_begin_is_called_off(large: PracticeOrg) -> None:
    made = large.add_people(MANY)
    shelf = Shelf()
    large.faults.add([{"method": "PUT", "effect": {"reset_before": True}}])
    with pytest.raises(Transient):
        opened(large).push([FieldWrite(ref, VALUES) for ref in made], shelf)
    large.faults.clear()
    assert shelf.parcel is not None
    asked: list[str] = []
    heir = opened(large, observer=lambda exchange: asked.append(f"{exchange.method} {exchange.endpoint}"))
    results = heir.collect(shelf.parcel, made)
    assert {result.outcome for result in results or ()} == {WriteOutcome.UNRESOLVED}
    assert "PATCH jobs/ingest/{id}" in asked
    assert large.writes() == []
    again = heir.collect(shelf.parcel, made)
    assert again == results


@pytest.mark.parametrize("effect", [{"reset_after": True}, {"cut_body": 0.5}], ids=["reset", "cut"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "GET"])
def test_a_lost_answer_anywhere_changes_nothing(large: PracticeOrg, method: str, effect: dict[str, Any]) -> None:
    made = large.add_people(MANY)
    crm = opened(large)
    crm.read_back(made[:1])
    large.faults.add([{"method": method, "path": "/jobs/ingest", "count": 1, "effect": effect}])
    results = delivered(large, crm, [FieldWrite(ref, VALUES) for ref in made])
    assert {result.outcome for result in results} == {WriteOutcome.WRITTEN}
    assert len(large.writes()) == MANY


def test_of_a_job_that_fails_half_way_the_rest_is_for_later_and_small(large: PracticeOrg) -> None:
    made = large.add_people(MANY)
    large.org.behaviour.bulk_fails_after = 1
    shelf, crm = Shelf(), opened(large)
    crm.push([FieldWrite(ref, {ScoreField.SCORE: 50}) for ref in made], shelf)
    assert shelf.parcel is not None
    results = crm.collect(shelf.parcel, made)
    assert results is not None
    landed = {ref for ref, values in crm.read_back(made).items() if values}
    assert len(landed) == 200
    assert {result.ref for result in results if result.outcome is WriteOutcome.WRITTEN} == landed
    assert {result.outcome for result in results if result.ref not in landed} == {WriteOutcome.RETRY}
    assert crm.push_size(10**6) == 200


def test_where_jobs_are_refused_the_records_are_for_the_next_call(large: PracticeOrg) -> None:
    made = large.add_people(MANY)
    refusal = {"status": 400, "json": [{"errorCode": "FEATURENOTENABLED", "message": "Bulk API is not enabled"}]}
    large.faults.add([{"method": "POST", "path": "/jobs/ingest", "effect": refusal}])
    crm, shelf = opened(large), Shelf()
    results = crm.push([FieldWrite(ref, VALUES) for ref in made], shelf)
    assert {(result.outcome, result.code) for result in results} == {(WriteOutcome.RETRY, "NO_JOB")}
    assert shelf.parcel is None
    assert crm.push_size(10**6) == 200
    again = crm.push([FieldWrite(ref, VALUES) for ref in made], shelf)
    assert {result.outcome for result in again} == {WriteOutcome.RETRY}


def test_a_job_that_takes_too_long_is_called_off(large: PracticeOrg) -> None:
    made = large.add_people(MANY)
    running = {"status": 200, "json": {"id": "750", "state": "InProgress"}}
    large.faults.add([{"method": "GET", "path": "/jobs/ingest/[^/]+$", "effect": running}])
    crm, shelf = opened(large), Shelf()
    crm.push([FieldWrite(ref, VALUES) for ref in made], shelf)
    assert shelf.parcel is not None
    assert crm.collect(shelf.parcel, made) is None
    large.clock.advance(timedelta(minutes=1))
    crm.read_back(made[:1])  # tells the time
    before = large.faults.describe()[0]["applied"]
    assert crm.collect(shelf.parcel, made) is None
    assert large.faults.describe()[0]["applied"] == before + 1, "an older job is looked at once"
    large.clock.advance(PATIENCE)
    crm.read_back(made[:1])
    results = crm.collect(shelf.parcel, made)
    assert {result.outcome for result in results or ()} == {WriteOutcome.WRITTEN}, "what was done stays done"
    assert crm.push_size(10**6) == 200


def test_a_job_under_way_is_called_off_when_writing_is_to_stop(large: PracticeOrg) -> None:
    made = large.add_people(MANY)
    queued = {"count": 1, "effect": {"status": 200, "json": {"id": "750", "state": "UploadComplete"}}}
    large.faults.add([{"method": method, "path": "/jobs/ingest/[^/]+$", **queued} for method in ("PATCH", "GET")])
    asked: list[str] = []
    crm = opened(large, observer=lambda exchange: asked.append(f"{exchange.method} {exchange.endpoint}"))
    shelf = Shelf()
    crm.push([FieldWrite(ref, VALUES) for ref in made], shelf)
    assert shelf.parcel is not None
    asked.clear()
    results = crm.collect(shelf.parcel, made, call_off=True)
    assert asked[:2] == ["GET jobs/ingest/{id}", "PATCH jobs/ingest/{id}"]
    assert {result.outcome for result in results or ()} <= {WriteOutcome.RETRY, WriteOutcome.UNRESOLVED}
    assert large.writes() == []
    assert crm.push_size(10**6) == 1000, "jobs are used again afterwards"


def test_a_warning_duplicate_rule_sends_the_rows_to_where_it_can_be_answered(large: PracticeOrg) -> None:
    made = large.add_people(MANY)
    shelf, crm = Shelf(), opened(large)
    crm.push([FieldWrite(ref, {ScoreField.SCORE: 50}) for ref in made], shelf)
    assert shelf.parcel is not None
    told = f'"sf__Id","sf__Error","Id"\r\n"","DUPLICATES_DETECTED:Use one of these records?:--","{made[0].id}"\r\n'
    answer = {"status": 200, "headers": {"content-type": "text/csv"}}
    large.faults.add(
        [
            {"path": "/failedResults", "effect": {**answer, "html": told}},
            {"path": "/successfulResults", "effect": {**answer, "html": ""}},
        ]
    )
    first, *others = crm.collect(shelf.parcel, made) or ()
    assert (first.outcome, first.code) == (WriteOutcome.RETRY, "DUPLICATES_DETECTED")
    assert {result.outcome for result in others} == {WriteOutcome.UNRESOLVED}
    assert crm.push_size(10**6) == 200


def test_a_file_that_would_be_too_large_is_two_jobs(large: PracticeOrg) -> None:
    made = large.add_people(MANY)
    crm = opened(large)
    writer = Writer(crm._settings, crm._session, largest_file=20_000)
    shelf = Shelf()
    writer.push([FieldWrite(ref, VALUES) for ref in made], shelf)
    assert shelf.parcel is not None
    assert len(shelf.parcel["jobs"]) > 2
    results = writer.collect(shelf.parcel, made)
    assert {result.outcome for result in results or ()} == {WriteOutcome.WRITTEN}


def test_wrong_credentials_are_raised_from_a_parcel_too(large: PracticeOrg) -> None:
    crm = large.open_with_wrong_credentials()
    with pytest.raises(AuthFailed):
        crm.collect({"jobs": ["750000000000001AAA"], "begun": "2026-03-02T09:30:15Z"}, large.add_people(1))


def test_on_a_bad_day_every_write_lands_or_is_told_apart(large: PracticeOrg) -> None:
    made = large.add_people(600)
    profile = Profile(Bites(RULES, lambda on: bite(large.org, on)), large.faults)
    profile.apply("hostile", seed=5)
    shelf = Shelf()
    open_writes = {ref: FieldWrite(ref, {ScoreField.SCORE: 61}) for ref in made}
    for _ in range(200):
        crm = opened(large)
        try:
            results: Sequence[WriteResult] | None
            if shelf.parcel is not None:
                results = crm.collect(shelf.parcel, list(open_writes))
                if results is None:
                    continue
                shelf.parcel = None
            else:
                size = crm.push_size(len(open_writes))
                results = crm.push(list(open_writes.values())[:size], shelf)
        except Transient:
            continue
        for result in results:
            if result.outcome is WriteOutcome.WRITTEN:
                open_writes.pop(result.ref, None)
        if not open_writes:
            break
    profile.apply("calm")
    assert not open_writes
    large.clock.advance(NOW_ON)  # some were saved by transactions that commit late
    held = large.open().read_back(made)
    assert {values[ScoreField.SCORE] for values in held.values()} == {61}
