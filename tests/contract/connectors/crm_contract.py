"""What every CRM connector keeps, whatever the CRM: subclass `CrmContract` and give it a `practice`.

The tests run through a practice CRM over real TLS sockets with its clock held, so that "late" and "long ago" are exact.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from connectors.errors import AuthFailed, CrmError, QuotaExhausted, Transient
from connectors.port import Cursor, Tier
from connectors.quota import Lane, OpenGate
from connectors.records import EMAIL, FieldWrite, RecordRef, ScoreField, WriteOutcome
from tests.contract.connectors.crm_practice import (
    MINUTE,
    NOW_ON,
    START,
    VALUES,
    Learning,
    Populated,
    Practice,
    deletions,
    drain,
    people,
    refs,
)
from tests.contract.connectors.register_contract import RegisterContract

__all__ = [
    "MINUTE", "NOW_ON", "START", "VALUES", "CrmContract", "Learning", "Populated", "Practice", "deletions", "drain",
    "people", "refs",
]  # fmt: skip


class CrmContract(RegisterContract):
    """Override the `practice` fixture; all else comes along."""

    # -- reading -----------------------------------------------------------------------------------------------------

    def test_everything_that_was_made_is_pulled(self, practice: Practice) -> None:
        made = practice.populate()
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        pages = [
            page for stream in crm.streams if Tier.COMPLETE in stream.tiers for page in drain(crm, stream.name, None)
        ]
        assert set(refs(pages)) >= made.people
        assert {account.ref for page in pages for account in page.accounts} >= made.accounts
        assert {outcome.ref for page in pages for outcome in page.outcomes} >= made.outcomes
        activities = {activity.ref: activity for page in pages for activity in page.activities}
        assert len(activities) == made.activities
        known = made.people
        assert all(known & set(each.people) or each.people[0].object == EMAIL for each in activities.values())
        assert all(ref.source == crm.source for ref in [*refs(pages), *activities])

    def test_a_first_load_says_that_it_is_one(self, practice: Practice) -> None:
        practice.add_people(3)
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        first = drain(crm, practice.people_stream, None)
        assert all(page.backfill for page in first)
        practice.add_people(1)
        practice.clock.advance(NOW_ON)
        later = drain(crm, practice.people_stream, first[-1].cursor)
        assert not any(page.backfill for page in later)

    def test_many_rows_of_one_instant_are_all_read_though_a_page_holds_few(self, practice: Practice) -> None:
        made = practice.add_people(45)
        practice.clock.advance(NOW_ON)
        pages = drain(practice.open(page_size=7), practice.people_stream, None)
        assert len(pages) > 2
        assert sorted(refs(pages)) == sorted(made)

    def test_a_new_process_goes_on_from_any_cursor(self, practice: Practice) -> None:
        made = practice.add_people(20)
        practice.clock.advance(NOW_ON)
        seen: list[RecordRef] = []
        cursor: Cursor | None = None
        done = False
        while not done:
            page = practice.open(page_size=6).pull(practice.people_stream, cursor, Tier.COMPLETE)
            seen += refs([page])
            cursor, done = json.loads(json.dumps(page.cursor)), page.done
        assert set(seen) == set(made)

    def test_a_page_read_again_is_the_same_page(self, practice: Practice) -> None:
        practice.add_people(20)
        practice.clock.advance(NOW_ON)
        crm = practice.open(page_size=6)
        cursor = crm.pull(practice.people_stream, None, Tier.COMPLETE).cursor
        first, again = (crm.pull(practice.people_stream, cursor, Tier.COMPLETE) for _ in range(2))
        assert first.leads == again.leads
        assert first.cursor == again.cursor

    def test_another_thread_reads_the_next_page_before_one_is_stored_and_both_can_be_read_again(
        self, practice: Practice
    ) -> None:
        practice.add_people(20)
        practice.clock.advance(NOW_ON)
        crm = practice.open(page_size=6)
        first = crm.pull(practice.people_stream, None, Tier.COMPLETE)
        with ThreadPoolExecutor(1) as ahead:
            second = ahead.submit(crm.pull, practice.people_stream, first.cursor, Tier.COMPLETE).result()
        assert crm.pull(practice.people_stream, None, Tier.COMPLETE).leads == first.leads
        assert crm.pull(practice.people_stream, first.cursor, Tier.COMPLETE).leads == second.leads

    def test_changes_after_the_cursor_are_pulled(self, practice: Practice) -> None:
        old, new = practice.add_people(2)
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        cursor = drain(crm, practice.people_stream, None)[-1].cursor
        practice.edit(new)
        (made,) = practice.add_people(1)
        practice.clock.advance(NOW_ON)
        pulled = refs(drain(crm, practice.people_stream, cursor))
        assert set(pulled) == {new, made}
        assert old not in pulled

    def test_a_look_goes_on_behind_where_the_last_one_ended(self, practice: Practice) -> None:
        practice.add_people(1)
        practice.clock.advance(NOW_ON)
        cursor = drain(practice.open(), practice.people_stream, None)[-1].cursor
        early = practice.add_people(5)
        practice.clock.advance(NOW_ON)
        *_, first = pages = drain(practice.open(page_size=2), practice.people_stream, cursor, Tier.FAST)
        assert set(refs(pages)) == set(early)
        late = practice.add_people(1)
        practice.clock.advance(timedelta(seconds=5))
        looked = json.loads(json.dumps(first.looked))
        page = practice.open(page_size=2).pull(practice.people_stream, cursor, Tier.FAST, looked=looked)
        assert refs([page]) == late
        again = practice.open().pull(practice.people_stream, cursor, Tier.FAST, looked=page.looked)
        assert set(refs([again])) >= set(late), "what shows late is looked for behind where the last look ended"

    def test_the_fast_tier_shows_what_the_complete_one_does_not_yet_and_moves_nothing(self, practice: Practice) -> None:
        practice.add_people(2)
        practice.clock.advance(NOW_ON)
        crm = practice.open(page_size=5)
        cursor = drain(crm, practice.people_stream, None)[-1].cursor
        made = set(practice.add_people(12))
        practice.clock.advance(timedelta(seconds=2))
        complete = drain(crm, practice.people_stream, cursor)
        assert not made & set(refs(complete))
        fast = drain(crm, practice.people_stream, complete[-1].cursor, Tier.FAST)
        assert made <= set(refs(fast))
        assert not any(page.backfill for page in fast)
        practice.clock.advance(NOW_ON)
        assert made <= set(refs(drain(crm, practice.people_stream, complete[-1].cursor)))

    def test_a_row_that_becomes_visible_late_is_not_lost(self, practice: Practice) -> None:
        practice.add_people(1)
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        cursor = drain(crm, practice.people_stream, None)[-1].cursor
        late = practice.add_person_seen_late(4 * MINUTE)
        seen: set[RecordRef] = set()
        for _ in range(30):
            practice.clock.advance(MINUTE)
            pages = drain(crm, practice.people_stream, cursor)
            cursor = pages[-1].cursor
            seen |= set(refs(pages))
        assert late in seen

    def test_a_deleted_record_is_reported(self, practice: Practice) -> None:
        gone, stays = practice.add_people(2)
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        cursors = {stream.name: drain(crm, stream.name, None)[-1].cursor for stream in crm.streams}
        practice.delete(gone)
        practice.clock.advance(NOW_ON)
        found = deletions([page for name, cursor in cursors.items() for page in drain(crm, name, cursor)])
        assert gone in found
        assert stays not in found
        assert found[gone].merged_into is None

    def test_a_merged_record_leads_to_the_one_that_stays(self, practice: Practice) -> None:
        winner, loser = practice.add_people(2)
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        cursors = {stream.name: drain(crm, stream.name, None)[-1].cursor for stream in crm.streams}
        winner = practice.merge(winner, loser)
        practice.clock.advance(NOW_ON)
        pages = [page for name, cursor in cursors.items() for page in drain(crm, name, cursor)]
        assert deletions(pages)[loser].merged_into == winner
        assert not deletions(pages)[loser].erased
        assert winner in refs(pages)

    def test_own_fields_come_back_as_written_and_not_as_attributes(self, practice: Practice) -> None:
        (ref,) = practice.add_people(1)
        crm = practice.open()
        crm.push([FieldWrite(ref, VALUES)])
        practice.clock.advance(NOW_ON)
        (record,) = people(drain(crm, practice.people_stream, None))
        assert record.written == VALUES
        assert not set(map(str, VALUES.values())) & set(map(str, record.attributes.values()))

    # -- writing -----------------------------------------------------------------------------------------------------

    def test_what_was_pushed_is_read_back(self, practice: Practice) -> None:
        one, two = practice.add_people(2)
        crm = practice.open()
        assert crm.writable == frozenset(ScoreField)
        results = crm.push([FieldWrite(one, VALUES), FieldWrite(two, {ScoreField.SCORE: 7})])
        assert [result.outcome for result in results] == [WriteOutcome.WRITTEN] * 2
        assert crm.read_back([one, two]) == {one: VALUES, two: {ScoreField.SCORE: 7}}

    def test_null_clears_a_field_and_what_is_not_named_stays(self, practice: Practice) -> None:
        (ref,) = practice.add_people(1)
        crm = practice.open()
        crm.push([FieldWrite(ref, VALUES)])
        crm.push([FieldWrite(ref, {ScoreField.MQL_DATE: None})])
        assert crm.read_back([ref])[ref] == {k: v for k, v in VALUES.items() if k is not ScoreField.MQL_DATE}

    def test_one_result_per_record_in_their_order_whatever_becomes_of_them(self, practice: Practice) -> None:
        fine, gone, winner, loser, refused, last = practice.add_people(6)
        practice.delete(gone)
        winner = practice.merge(winner, loser)
        practice.forbid_writes(refused)
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        order = [gone, fine, refused, loser, last]
        results = crm.push([FieldWrite(ref, {ScoreField.SCORE: 50}) for ref in order])
        assert [result.ref for result in results] == order
        assert [str(result.outcome) for result in results] == ["gone", "written", "refused", "moved", "written"]
        assert results[3].moved_to == winner
        assert results[2].code and results[2].message  # noqa: PT018 - one claim: it says why
        assert crm.read_back([fine, gone, last]) == {fine: {ScoreField.SCORE: 50}, last: {ScoreField.SCORE: 50}}

    def test_a_push_repeated_changes_nothing(self, practice: Practice) -> None:
        made = practice.add_people(3)
        crm = practice.open()
        writes = [FieldWrite(ref, VALUES) for ref in made]
        first = crm.push(writes)
        assert crm.push(writes) == first
        assert [write["changed"] for write in practice.writes()] == [True] * 3 + [False] * 3

    def test_an_answer_lost_after_the_commit_is_made_good_by_sending_again(self, practice: Practice) -> None:
        (ref,) = practice.add_people(1)
        crm = practice.open()
        crm.read_back([ref])
        lost = {"count": 1, "effect": {"reset_after": True}}
        practice.faults.add([{"method": "PATCH", **lost}, {"method": "POST", "path": "batch/update", **lost}])
        assert [result.outcome for result in crm.push([FieldWrite(ref, VALUES)])] == [WriteOutcome.WRITTEN]
        assert len(practice.writes()) == 2
        assert crm.read_back([ref]) == {ref: VALUES}

    def test_a_push_takes_as_many_as_it_says_and_no_more(self, practice: Practice) -> None:
        crm = practice.open()
        made = practice.add_people(crm.push_size(1))
        writes = [FieldWrite(ref, {ScoreField.SCORE: 1}) for ref in made]
        assert {result.outcome for result in crm.push(writes)} == {WriteOutcome.WRITTEN}
        most = crm.push_size(10**9)
        with pytest.raises(ValueError, match=str(most)):
            crm.push(writes[:1] * (most + 1))
        assert crm.push([]) == []
        assert len(crm.read_back(made)) == len(made)

    def test_a_parcel_that_is_not_known_leaves_its_records_to_a_read_back(self, practice: Practice) -> None:
        made = practice.add_people(2)
        parcel = {"jobs": ["750000000000001AAA"], "begun": "2026-03-02T09:30:15Z"}
        results = practice.open().collect(parcel, made)
        assert results is not None
        assert [(result.ref, result.outcome) for result in results] == [(ref, WriteOutcome.UNRESOLVED) for ref in made]

    # -- looking before working ---------------------------------------------------------------------------------------

    def test_check_finds_nothing_wrong_with_a_good_account(self, practice: Practice) -> None:
        practice.populate()
        assert [problem for problem in practice.open().check() if problem.fatal] == []

    def test_check_names_a_missing_field_and_its_cure(self, practice: Practice) -> None:
        practice.populate()
        name = practice.remove_score_field()
        problems = [problem for problem in practice.open().check() if problem.fatal]
        assert problems
        assert all(name in f"{problem.where} {problem.what}" and problem.fix for problem in problems)

    def test_check_tells_wrong_credentials(self, practice: Practice) -> None:
        (problem,) = practice.open_with_wrong_credentials().check()
        assert (problem.code, problem.fatal) == ("auth", True)

    def test_check_tells_a_host_that_cannot_be_reached(self, practice: Practice) -> None:
        (problem,) = practice.open_nowhere().check()
        assert (problem.code, problem.fatal) == ("unreachable", True)

    # -- failures ----------------------------------------------------------------------------------------------------

    def test_wrong_credentials_fail_every_call(self, practice: Practice) -> None:
        (ref,) = practice.add_people(1)
        crm = practice.open_with_wrong_credentials()
        with pytest.raises(AuthFailed):
            crm.pull(practice.people_stream, None, Tier.COMPLETE)
        with pytest.raises(AuthFailed):
            crm.push([FieldWrite(ref, VALUES)])

    def test_a_short_failure_is_outlived(self, practice: Practice) -> None:
        made = practice.add_people(3)
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        drain(crm, practice.people_stream, None)  # logs in: a login that fails is not tried again at once
        html = {"status": 503, "html": "<html>Service Unavailable</html>"}
        practice.faults.add([{"count": 2, "effect": html}, {"count": 1, "effect": {"reset_before": True}}])
        assert set(refs(drain(crm, practice.people_stream, None))) == set(made)
        practice.faults.clear()
        practice.faults.add([{"count": 1, "effect": {"cut_body": 0.5}}])
        assert crm.read_back(made) == {ref: {} for ref in made}

    def test_a_long_failure_is_raised_with_the_wait_that_was_asked_for(self, practice: Practice) -> None:
        practice.add_people(1)
        crm = practice.open()
        drain(crm, practice.people_stream, None)
        practice.faults.add([{"effect": {"status": 503, "html": "<html>", "headers": {"Retry-After": "3600"}}}])
        with pytest.raises(Transient) as raised:
            drain(crm, practice.people_stream, None)
        assert raised.value.retry_after == timedelta(hours=1)
        assert practice.faults.describe()[0]["applied"] == 1

    def test_a_lasting_failure_ends_as_what_it_is(self, practice: Practice) -> None:
        crm = practice.open()
        drain(crm, practice.people_stream, None)
        practice.faults.add([{"effect": {"status": 502, "html": "<html>Bad Gateway</html>"}}])
        with pytest.raises(Transient):
            crm.pull(practice.people_stream, None, Tier.COMPLETE)
        assert practice.faults.describe()[0]["applied"] > 1

    def test_the_daily_allowance_is_learnt_from_the_answers(self, practice: Practice) -> None:
        gate = Learning()
        crm = practice.open(gate=gate)
        drain(crm, practice.people_stream, None)
        quota = crm.quota()
        assert quota is not None
        assert 0 < quota.used <= quota.limit
        assert gate.told[-1] == (quota.used, quota.limit)

    def test_a_gate_that_is_shut_is_heard(self, practice: Practice) -> None:
        class Shut(OpenGate):
            def enter(self, source: str, bucket: str, lane: Lane, cost: int = 1) -> None:
                raise QuotaExhausted(source, "spent", START)

        (ref,) = practice.add_people(1)
        crm = practice.open(gate=Shut())
        with pytest.raises(QuotaExhausted):
            crm.pull(practice.people_stream, None, Tier.FAST)
        with pytest.raises(QuotaExhausted):
            crm.push([FieldWrite(ref, VALUES)])
        assert practice.writes() == []

    def test_reading_and_writing_take_different_lanes(self, practice: Practice) -> None:
        (ref,) = practice.add_people(1)
        practice.clock.advance(NOW_ON)
        gate = Learning()
        crm = practice.open(gate=gate)
        pages = drain(crm, practice.people_stream, None)
        assert Lane.BACKFILL in gate.entered
        gate.entered.clear()
        drain(crm, practice.people_stream, pages[-1].cursor, Tier.FAST)
        assert set(gate.entered) == {Lane.INBOUND}
        gate.entered.clear()
        crm.push([FieldWrite(ref, VALUES)])
        assert set(gate.entered) == {Lane.WRITE}

    def test_no_error_and_no_representation_shows_a_person(self, practice: Practice) -> None:
        made = practice.populate()
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        pages = [page for stream in crm.streams for page in drain(crm, stream.name, None)]
        emails = {record.email for record in people(pages) if record.email}
        assert emails
        assert not any(email in repr(page) for page in pages for email in emails)
        practice.remove_score_field()
        with pytest.raises(CrmError) as raised:
            practice.open().push([FieldWrite(min(made.people), VALUES)])
        assert not any(email in str(raised.value) for email in emails)
