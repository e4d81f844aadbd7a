"""Every way in which a batch update can end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.errors import Misconfigured, Transient
from connectors.port import Crm
from connectors.records import FieldWrite, RecordRef, ScoreField, Value, WriteOutcome
from sandbox.hubspot.schema import Option
from tests.contract.connectors.hubspot_site import Site

UPDATE = r"/batch/update$"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def crm(site: Site) -> Crm:
    """A connector that has the definitions already."""
    opened = site.open()
    opened.push([write(*site.people(1))])
    return opened


def write(id: str, trace: str = "", **values: Value) -> FieldWrite:
    """A write of score fields by name; score 50 unless told otherwise."""
    if not values:
        values["score"] = 50
    chosen: dict[ScoreField, Value] = {ScoreField(name): value for name, value in values.items()}
    return FieldWrite(RecordRef("acme-hs", "contacts", id), chosen, trace)


def outcomes(crm: Crm, *writes: FieldWrite) -> list[tuple[WriteOutcome, str | None]]:
    results = crm.push(writes)
    assert [result.ref for result in results] == [write.ref for write in writes]
    return [(result.outcome, result.code) for result in results]


def stored(site: Site, id: str, name: str) -> str | None:
    record = site.portal.get("contacts", id)
    assert record is not None
    return record.values.get(name)


WRITTEN = (WriteOutcome.WRITTEN, None)


def test_all_of_a_batch_is_written_in_one_call_and_read_back_the_same(site: Site, crm: Crm) -> None:
    ids = site.people(3)
    values: dict[ScoreField, Value] = {
        ScoreField.SCORE: 87, ScoreField.PROBABILITY: 12.3, ScoreField.BUCKET: "warm", ScoreField.STAGE: "mql",
        ScoreField.REASONS: "visited pricing +15; \u20ac5k budget", ScoreField.MQL_DATE: NOON,
    }  # fmt: skip
    site.calls.clear()
    results = crm.push([FieldWrite(RecordRef("acme-hs", "contacts", id), values) for id in ids])
    assert {result.outcome for result in results} == {WriteOutcome.WRITTEN}
    assert site.endpoints() == ["/crm/v3/objects/contacts/batch/update"]
    refs = [result.ref for result in results]
    assert crm.read_back(refs) == dict.fromkeys(refs, values)


def test_none_clears_a_field(site: Site, crm: Crm) -> None:
    (id,) = site.people(1)
    crm.push([write(id, score=5, action="call")])
    assert outcomes(crm, write(id, action=None)) == [WRITTEN]
    assert crm.read_back([write(id).ref]) == {write(id).ref: {ScoreField.SCORE: 5}}


def test_two_writes_for_one_record_are_one_update(site: Site, crm: Crm) -> None:
    (id,) = site.people(1)
    assert outcomes(crm, write(id, score=5, grade="A1"), write(id, score=6)) == [WRITTEN, WRITTEN]
    assert (stored(site, id, "lead_gauge_score"), stored(site, id, "lead_gauge_grade")) == ("6", "A1")


def test_a_record_that_is_gone_stops_no_other(site: Site, crm: Crm) -> None:
    one, archived, other = site.people(3)
    site.portal.archive("contacts", archived)
    assert outcomes(crm, write(one), write(archived), write("99999999"), write(other)) == [
        WRITTEN, (WriteOutcome.GONE, "OBJECT_NOT_FOUND"), (WriteOutcome.GONE, "OBJECT_NOT_FOUND"), WRITTEN
    ]  # fmt: skip


def test_an_id_that_is_silently_missing_was_merged_away(site: Site, crm: Crm) -> None:
    one, primary, other = site.people(3)
    survivor = site.portal.merge("contacts", primary, other)
    results = crm.push([write(one), write(primary), write(other)])
    assert [result.outcome for result in results] == [WriteOutcome.WRITTEN, WriteOutcome.MOVED, WriteOutcome.MOVED]
    assert {result.moved_to for result in results[1:]} == {RecordRef("acme-hs", "contacts", survivor)}


def test_a_batch_of_merged_ids_only_looks_like_a_no_op_and_is_told_from_it(site: Site, crm: Crm) -> None:
    primary, other = site.people(2)
    site.portal.merge("contacts", primary, other)
    assert outcomes(crm, write(primary), write(other)) == [(WriteOutcome.MOVED, "MERGED")] * 2


def test_a_yes_without_results_is_no_success_and_costs_one_look(site: Site, crm: Crm) -> None:
    ids = site.people(5)
    site.fault(UPDATE, status=200, json={"status": "COMPLETE", "results": []})
    site.calls.clear()
    assert outcomes(crm, *map(write, ids)) == [(WriteOutcome.RETRY, "EMPTY_RESULT")] * 5
    assert len(site.calls) == 2


def test_a_silently_missing_id_that_still_lives_is_tried_again(site: Site, crm: Crm) -> None:
    one, other = site.people(2)
    site.fault(UPDATE, status=200, json={"status": "COMPLETE", "results": [{"id": one, "properties": {}}]})
    assert outcomes(crm, write(one), write(other)) == [WRITTEN, (WriteOutcome.RETRY, "NOT_IN_RESULT")]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"category": "OBJECT_NOT_FOUND", "context": {"ids": ["ID"]}}, (WriteOutcome.GONE, "OBJECT_NOT_FOUND")),
        (
            {"category": "OBJECT_NOT_FOUND", "context": {"objectWriteTraceId": ["row-2"]}},
            (WriteOutcome.GONE, "OBJECT_NOT_FOUND"),
        ),
        (
            {"category": "VALIDATION_ERROR", "code": "INVALID_OPTION", "context": {"ids": ["ID"]}},
            (WriteOutcome.REFUSED, "INVALID_OPTION"),
        ),
        ({"category": "VALIDATION_ERROR", "context": {"ids": ["ID"]}}, (WriteOutcome.REFUSED, "VALIDATION_ERROR")),
        ({"category": "CONFLICT", "context": {"ids": ["ID"]}}, (WriteOutcome.RETRY, "CONFLICT")),
        ({"category": "RATE_LIMITS", "context": {"ids": ["ID"]}}, (WriteOutcome.RETRY, "RATE_LIMITS")),
        ({"category": "SOMETHING_NEW", "context": {"ids": ["ID"]}}, (WriteOutcome.RETRY, "SOMETHING_NEW")),
    ],
)
@pytest.mark.parametrize("status", [200, 207])
def test_rows_of_errors_decide_whatever_the_status(
    site: Site, crm: Crm, error: dict[str, Any], expected: tuple[WriteOutcome, str], status: int
) -> None:
    one, other = site.people(2)
    context = {key: [other if value == "ID" else value for value in values] for key, values in error["context"].items()}
    body = {
        "results": [{"id": one, "properties": {}}],
        "numErrors": 1,
        "errors": [{"status": "error", **error, "context": context}],
    }  # fmt: skip
    site.fault(UPDATE, status=status, json=body)
    assert outcomes(crm, write(one, "row-1"), write(other, "row-2")) == [WRITTEN, expected]


def test_a_bad_option_is_refused_before_it_spoils_the_batch(site: Site, crm: Crm) -> None:
    one, other = site.people(2)
    assert outcomes(crm, write(one), write(other, bucket="lukewarm")) == [
        WRITTEN, (WriteOutcome.REFUSED, "INVALID_OPTION")
    ]  # fmt: skip


def test_an_option_that_was_added_meanwhile_is_found(site: Site, crm: Crm) -> None:
    (id,) = site.people(1)
    schema = site.portal.schemas["contacts"]
    before = schema.get("lead_gauge_bucket")
    assert before is not None
    schema.put(replace(before, options=(*before.options, Option("Lukewarm", "lukewarm"))))
    try:
        assert outcomes(crm, write(id, bucket="lukewarm")) == [WRITTEN]
    finally:
        schema.put(before)


@pytest.mark.parametrize(
    ("change", "code"), [({"archived_at": 1}, "PROPERTY_DOESNT_EXIST"), ({"read_only": True}, "READ_ONLY_VALUE")]
)
def test_a_property_that_was_taken_away_meanwhile_stops_all_and_writes_nothing(
    site: Site, crm: Crm, change: dict[str, Any], code: str
) -> None:
    ids = site.people(8)
    schema = site.portal.schemas["contacts"]
    definition = schema.get("lead_gauge_grade")
    assert definition is not None
    schema.put(replace(definition, **change))
    site.calls.clear()
    with pytest.raises(Misconfigured, match=rf"lead_gauge_grade.*{code}"):
        crm.push([write(id, score=9, grade="A1") for id in ids])
    assert {stored(site, id, "lead_gauge_score") for id in ids} == {None}
    assert len(site.calls) == 2  # the batch and the definitions; no search for a bad record
    assert outcomes(crm, write(ids[0], score=9)) == [WRITTEN]


def test_a_rejected_batch_is_halved_until_the_bad_record_is_alone(site: Site, crm: Crm) -> None:
    """A text that is too long: property definitions do not tell the limit."""
    ids = site.people(16)
    site.calls.clear()
    found = outcomes(crm, *(write(id, reasons="x" * (70_000 if n == 5 else 10)) for n, id in enumerate(ids)))
    assert found == [WRITTEN] * 5 + [(WriteOutcome.REFUSED, "PROPERTY_VALUE_TOO_LONG")] + [WRITTEN] * 10
    assert site.endpoints().count("/crm/v3/objects/contacts/batch/update") <= 2 + 2 * 4


def test_a_lifecycle_stage_that_would_go_backward_is_seen_although_hubspot_says_yes(site: Site) -> None:
    crm = site.open(fields={"stage": "lifecyclestage"})
    (id,) = site.people(1)
    site.portal.update("contacts", id, {"lifecyclestage": "opportunity"})
    assert outcomes(crm, write(id, stage="lead")) == [(WriteOutcome.REFUSED, "LIFECYCLE_BACKWARD")]
    assert outcomes(crm, write(id, stage="customer")) == [WRITTEN]


def test_a_conflict_of_the_whole_batch_is_tried_again(site: Site, crm: Crm) -> None:
    (id,) = site.people(1)
    site.fault(UPDATE, status=409, json={"category": "CONFLICT", "message": "Contact already exists."})
    assert outcomes(crm, write(id)) == [(WriteOutcome.RETRY, "CONFLICT")]


def test_what_is_not_a_contact_of_this_account_is_refused_without_a_call(site: Site, crm: Crm) -> None:
    site.calls.clear()
    writes = [
        FieldWrite(RecordRef("acme-hs", "companies", "1"), {ScoreField.SCORE: 1}),
        FieldWrite(RecordRef("other", "contacts", "1"), {ScoreField.SCORE: 1}),
        FieldWrite(RecordRef("acme-hs", "contacts", "ana@acme.test"), {ScoreField.SCORE: 1}),
    ]
    assert {result.code for result in crm.push(writes)} == {"WRONG_OBJECT"}
    assert site.calls == []


def test_a_write_whose_answer_was_lost_is_sent_again_and_lands_once(site: Site, crm: Crm) -> None:
    (id,) = site.people(1)
    site.fault(UPDATE, count=1, reset_after=True)
    assert outcomes(crm, write(id, score=77)) == [WRITTEN]
    assert stored(site, id, "lead_gauge_score") == "77"


def test_a_missing_write_scope_is_the_operator_s(site: Site, crm: Crm) -> None:
    (id,) = site.people(1)
    body = {
        "category": "MISSING_SCOPES",
        "errors": [{"context": {"requiredGranularScopes": ["crm.objects.contacts.write"]}}],
    }
    site.fault(UPDATE, status=403, json=body)
    with pytest.raises(Misconfigured, match=r"crm\.objects\.contacts\.write"):
        crm.push([write(id)])


def test_a_locked_record_is_waited_for(site: Site, crm: Crm) -> None:
    (id,) = site.people(1)
    site.fault(UPDATE, count=1, status=423, json={"message": "Locked"})
    assert outcomes(crm, write(id)) == [WRITTEN]
    assert len(site.slept) == 1
    assert site.slept[0] >= 2


def test_a_migration_of_hours_is_raised_at_once(site: Site, crm: Crm) -> None:
    (id,) = site.people(1)
    site.fault(UPDATE, status=477, headers={"Retry-After": "7200"})
    with pytest.raises(Transient) as raised:
        crm.push([write(id)])
    assert raised.value.retry_after is not None
    assert raised.value.retry_after.total_seconds() == 7200
    assert site.slept == []
