"""How leads and what they did are read of Marketo: exports, ids, the log, and each of its moods."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, QuotaExhausted, Transient
from connectors.port import Cursor, Page, Tier
from connectors.records import ActivityKind, Alert, FieldWrite, RecordRef, RecordState, ScoreField, WriteOutcome
from connectors.tokens import MemoryTokens
from sandbox.marketo import log
from sandbox.marketo.instance import Cause
from sandbox.marketo.settings import CLIENT_ID, MarketoServer, Service
from sandbox.marketo.temper import Limits
from tests.contract.connectors.crm_practice import MINUTE, NOW_ON, START, Learning, deletions, drain, people, refs, roll
from tests.contract.connectors.marketo_instance import SECRET, VARIABLE, WRONG, PracticeInstance
from tests.contract.connectors.practice import Host


@pytest.fixture
def marketo(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticeInstance]:
    monkeypatch.setenv(VARIABLE, SECRET)
    monkeypatch.setenv(WRONG, "wrong")
    practice = PracticeInstance(host)
    yield practice
    practice.close()


def patiently(marketo: PracticeInstance, stream: str, **settings: Any) -> tuple[list[Page], int]:
    """A first load by somebody who comes back when he is told to; and how often that was."""
    crm, cursor, pages, waits = marketo.open(**settings), None, list[Page](), 0
    while not pages or not pages[-1].done:
        try:
            pages.append(crm.pull(stream, cursor, Tier.COMPLETE))
        except Transient as busy:
            marketo.clock.advance(busy.retry_after or timedelta(0))
            waits += 1
            assert waits < 100
            continue
        cursor = json.loads(json.dumps(pages[-1].cursor))
    return pages, waits


# -- the first load ----------------------------------------------------------------------------------------------------


def test_leads_of_years_come_by_exports_of_a_month_each(marketo: PracticeInstance) -> None:
    start = marketo.clock.now()
    marketo.clock.hold(start - timedelta(days=200))
    old = marketo.add_people(3)
    marketo.clock.hold(start)
    new = marketo.add_people(2)
    marketo.clock.advance(NOW_ON)
    pages = drain(marketo.open(since=start - timedelta(days=300)), "leads", None)
    assert sorted(refs(pages)) == sorted([*old, *new])
    assert all(page.backfill for page in pages)
    assert marketo.endpoints().count("/bulk/v1/leads/export/create.json") == 10


def test_an_export_that_takes_minutes_is_come_back_to(marketo: PracticeInstance) -> None:
    made = marketo.add_people(5)
    marketo.clock.advance(NOW_ON)
    marketo.temper(export_seconds=150.0)
    pages, waits = patiently(marketo, "leads", page_size=2)
    assert sorted(refs(pages)) == sorted(made)
    assert 2 <= waits <= 8, "no more often than the state changes"


def test_exports_that_fail_are_begun_again_and_at_last_leads_are_read_by_ids(marketo: PracticeInstance) -> None:
    made = marketo.add_people(5)
    marketo.clock.advance(NOW_ON)
    marketo.temper(failing=1.0)
    pages, _ = patiently(marketo, "leads")
    assert sorted(refs(pages)) == sorted(made)
    assert any(endpoint == "/rest/v1/leads.json" for endpoint in marketo.endpoints())


def test_an_export_that_fails_now_and_then_is_no_reason_to_do_without(marketo: PracticeInstance) -> None:
    made = marketo.add_people(3)
    marketo.clock.advance(NOW_ON)
    marketo.temper(failing=0.3)
    pages, _ = patiently(marketo, "leads", since=START - timedelta(days=600))
    assert sorted(refs(pages)) == sorted(made)
    created = marketo.endpoints().count("/bulk/v1/leads/export/create.json")
    assert created >= 20 + 3, "some were lost"
    assert "/rest/v1/leads.json" not in marketo.endpoints(), "never three in a row"


def test_where_bulk_extract_is_not_to_be_had_leads_are_read_by_ids_down_to_where_there_are_none(
    marketo: PracticeInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.marketo.roll.EMPTY_CALLS", 3)
    made = marketo.add_people(60)
    for gap in range(10, 50, 12):  # two calls find nobody, again and again
        for ref in made[gap : gap + 8]:
            marketo.delete(ref)
    left = [ref for n, ref in enumerate(made) if n < 10 or (n - 10) % 12 >= 8 or n >= 58]
    marketo.clock.advance(NOW_ON)
    marketo.temper(bulk=False)
    crm = marketo.open(page_size=4)
    assert sorted(refs(drain(crm, "leads", None))) == sorted(left)
    assert sorted(roll(crm, "leads")) == sorted(left)


def test_without_exports_and_without_a_trace_of_new_leads_somebody_is_asked(marketo: PracticeInstance) -> None:
    marketo.add_people(1)
    marketo.clock.advance(timedelta(days=1))
    marketo.instance.log.purge(marketo.clock.now())
    marketo.temper(bulk=False)
    with pytest.raises(Misconfigured, match="extract"):
        drain(marketo.open(), "leads", None)


def test_an_export_that_is_too_old_is_begun_again(marketo: PracticeInstance) -> None:
    made = marketo.add_people(6)
    marketo.clock.advance(NOW_ON)
    crm, cursor, seen = marketo.open(page_size=2), None, set[RecordRef]()
    while not seen:
        page = crm.pull("leads", cursor, Tier.COMPLETE)
        cursor, seen = page.cursor, seen | set(refs([page]))
    assert len(seen) == 2
    marketo.clock.advance(timedelta(days=8))
    assert seen | set(refs(drain(crm, "leads", cursor))) == set(made)


def test_a_cell_may_hold_what_csv_is_made_of(marketo: PracticeInstance) -> None:
    ref = marketo.add(company='Größe, "Söhne"\nund Co', title="null and void")
    marketo.clock.advance(NOW_ON)
    (lead,) = people(drain(marketo.open(page_size=1), "leads", None))
    assert (lead.ref, lead.attributes["company"]) == (ref, 'Größe, "Söhne"\nund Co')


def test_what_fields_held_before_is_told_as_history(marketo: PracticeInstance) -> None:
    ref = marketo.add(title="CTO")
    then = marketo.clock.now()
    for title in ("CEO", None):
        marketo.clock.advance(MINUTE)
        marketo.instance.change(int(ref.id), {"title": title})
    marketo.clock.advance(NOW_ON)
    crm = marketo.open()
    pages = drain(crm, "leads", None)
    told = [(c.ref, c.name, c.value, c.occurred_at - then) for page in pages for c in page.history]
    assert told == [(ref, "title", "CEO", MINUTE), (ref, "title", None, 2 * MINUTE)]
    marketo.instance.change(int(ref.id), {"title": "CIO"})
    marketo.clock.advance(NOW_ON)
    later = drain(crm, "leads", pages[-1].cursor)
    assert [(c.value, c.occurred_at) for page in later for c in page.history] == [
        ("CIO", later[0].history[0].recorded_at)
    ]


def test_nothing_is_told_of_what_a_lead_held_that_is_gone(marketo: PracticeInstance) -> None:
    gone, stays = marketo.add_people(2)
    marketo.clock.advance(NOW_ON)
    crm = marketo.open()
    cursor = drain(crm, "leads", None)[-1].cursor
    for ref in (gone, stays):
        marketo.edit(ref)
    marketo.clock.advance(NOW_ON)
    # The log of a real instance may keep for a while what happened to a lead that is gone.
    marketo.faults.add([{"method": "GET", "path": "v1/leads.json", "effect": {"status": 200, "json": {
        "success": True, "result": [{"id": int(stays.id), "createdAt": "2026-03-02T09:30:15Z",
                                     "updatedAt": "2026-03-02T09:50:15Z", "title": "CEO"}]}}}])  # fmt: skip
    pages = drain(crm, "leads", cursor)
    assert refs(pages) == [stays]
    assert {change.ref for page in pages for change in page.history} == {stays}


# -- who they are ------------------------------------------------------------------------------------------------------


def test_a_lead_and_what_is_known_of_it(marketo: PracticeInstance) -> None:
    marketo.instance.schema.add("seats", "Seats", "integer")
    ref = marketo.add(
        firstName="Ann", lastName="Bee", mobilePhone="+49 1", title="CTO", industry="Energy", numberOfEmployees=1200,
        annualRevenue=9e6, unsubscribed=True, leadStatus="Unqualified", sfdcLeadId="00Q5e00001AbcDe", seats=7,
    )  # fmt: skip
    marketo.clock.advance(NOW_ON)
    (lead,) = people(
        drain(marketo.open(salesforce="acme", attributes={"seats": "seats", "title": None}), "leads", None)
    )
    assert (lead.ref, lead.email, lead.name, lead.state) == (ref, "p1@acme.test", "Ann Bee", RecordState.DISQUALIFIED)
    assert lead.attributes == {
        "industry": "Energy", "employees": 1200, "annual_revenue": 9e6, "opted_out": True, "status": "Unqualified",
        "has_phone": True, "seats": 7,
    }  # fmt: skip
    assert lead.same_as == (RecordRef("acme", "Lead", "00Q5e00001AbcDeEAJ"),)
    assert lead.created_at == lead.modified_at


def test_an_attribute_that_the_instance_lacks_spoils_no_read_and_shows_when_it_is_there(
    marketo: PracticeInstance,
) -> None:
    ref = marketo.add(title="CTO")
    marketo.clock.advance(NOW_ON)
    crm = marketo.open(attributes={"seats": "seats"})
    first = drain(crm, "leads", None)
    assert refs(first) == [ref]
    (words,) = [page.fields["leads"] for page in first if page.leads]
    assert "title=title" in words
    assert "seats=seats" not in words
    marketo.instance.schema.add("seats", "Seats", "integer")
    marketo.instance.change(int(ref.id), {"seats": 7})
    crm.look_again("leads")
    page = crm.fetch([ref])
    assert page.leads[0].attributes["seats"] == 7
    assert page.fields["leads"] - words == {"seats=seats"}


def test_activities_and_deliveries_are_streams_of_their_own(marketo: PracticeInstance) -> None:
    made = marketo.populate()
    marketo.clock.advance(NOW_ON)
    crm = marketo.open()
    done, sent = (
        [act for page in drain(crm, stream, None) for act in page.activities] for stream in ("activities", "deliveries")
    )
    assert sorted(act.kind for act in sent) == [ActivityKind.CAMPAIGN_SEND, ActivityKind.EMAIL_DELIVERY]
    assert {act.kind for act in done} == {
        ActivityKind.PRICING_PAGE_VIEW, ActivityKind.CONTENT_DOWNLOAD, ActivityKind.EMAIL_OPEN,
        ActivityKind.EMAIL_CLICK, ActivityKind.WEBINAR_ATTENDANCE,
    }  # fmt: skip
    assert {person for act in (*done, *sent) for person in act.people} == made.people
    assert "10.0.0.1" not in repr(done), "addresses of computers stay behind"


def test_a_write_of_ours_comes_back_with_the_next_look_though_the_lead_s_stamp_did_not_move(
    marketo: PracticeInstance,
) -> None:
    ref = marketo.add()
    marketo.clock.advance(NOW_ON)
    crm = marketo.open()
    cursor = drain(crm, "leads", None)[-1].cursor
    crm.push([FieldWrite(ref, {ScoreField.SCORE: 7})])
    marketo.clock.advance(MINUTE)
    look = drain(crm, "leads", cursor, Tier.FAST)
    (lead,) = people(look)
    assert lead.written == {ScoreField.SCORE: 7}
    assert lead.modified_at == lead.created_at
    again = drain(crm, "leads", cursor, Tier.FAST)
    assert refs(again) == [], "the same process hands a change on once"


def test_looks_at_a_quiet_instance_cost_hardly_more_than_a_call_each(marketo: PracticeInstance) -> None:
    marketo.add_people(1)
    marketo.clock.advance(NOW_ON)
    crm = marketo.open()
    cursor = drain(crm, "leads", None)[-1].cursor
    looked: Cursor | None = None
    marketo.calls.clear()
    for _ in range(20):
        marketo.clock.advance(MINUTE)
        page = crm.pull("leads", cursor, Tier.FAST, looked=looked)
        assert page.done
        looked = page.looked
    assert len(marketo.calls) <= 20 + 6


def test_a_look_of_several_pages_knows_how_much_came(marketo: PracticeInstance) -> None:
    marketo.clock.advance(NOW_ON)
    crm = marketo.open(page_size=4)
    cursor = drain(crm, "leads", None)[-1].cursor
    marketo.add_people(9)
    marketo.clock.advance(MINUTE)
    *_, last = drain(crm, "leads", cursor, Tier.FAST)
    assert last.looked is not None
    looked = timedelta(seconds=9 / last.looked["rate"])
    assert looked < 10 * MINUTE, "all nine count, not those of the last page alone"


@pytest.mark.parametrize(
    "mood", [{"drift": True}, {"scan": 1}, {"lag": 240.0}, {"drift": True, "scan": 3, "lag": 60.0}]
)
def test_whatever_the_mood_nothing_is_lost(marketo: PracticeInstance, mood: dict[str, Any]) -> None:
    marketo.temper(**mood)
    first = marketo.populate()
    marketo.clock.advance(NOW_ON)
    crm = marketo.open(page_size=3)
    cursors = {}
    acts = set()
    for stream in crm.streams:
        pages = drain(crm, stream.name, None)
        acts |= {act.ref for page in pages for act in page.activities}
        cursors[stream.name] = pages[-1].cursor
    assert len(acts) == first.activities
    made = set(marketo.add_people(4))
    for ref in made:
        marketo.instance.happen(int(ref.id), log.VISIT, value="acme.test/", attributes={"Webpage URL": "/"})
    gone = made.pop()
    marketo.delete(gone)
    seen, told = set[RecordRef](), dict[RecordRef, Any]()
    for _ in range(6):
        marketo.clock.advance(5 * MINUTE)
        for name, cursor in cursors.items():
            pages = drain(crm, name, cursor)
            cursors[name] = pages[-1].cursor
            seen |= set(refs(pages))
            acts |= {act.ref for page in pages for act in page.activities}
            told |= deletions(pages)
    assert made <= seen
    assert len(acts) == first.activities + len(made)
    assert set(told) == {gone}


def test_a_window_has_its_first_second_and_not_its_last(marketo: PracticeInstance) -> None:
    first, last = marketo.add_people(2)
    since = marketo.clock.now() + timedelta(hours=1)
    for ref, at in ((first, since), (last, since + timedelta(hours=1))):
        marketo.clock.hold(at)
        marketo.edit(ref)
    marketo.clock.advance(NOW_ON)
    crm = marketo.open()
    cursor = crm.window("leads", since, since + timedelta(hours=1))
    assert refs(drain(crm, "leads", cursor)) == [first]


def test_who_is_deleted_may_be_taken_for_erased_once_a_merge_would_show(marketo: PracticeInstance) -> None:
    gone, winner, loser = marketo.add_people(3)
    marketo.clock.advance(NOW_ON)
    crm = marketo.open(erase_deleted=True)
    cursor = drain(crm, "removals", None)[-1].cursor
    marketo.delete(gone)
    marketo.merge(winner, loser)
    for entry in marketo.instance.log:
        if entry.type == log.MERGE:
            entry.shows += 8 * MINUTE
    marketo.clock.advance(4 * MINUTE)
    early = drain(crm, "removals", cursor)
    assert set(deletions(early)) == {gone, loser}
    marketo.clock.advance(NOW_ON)
    late = drain(crm, "removals", early[-1].cursor)
    told = [(removal.ref, removal.erased) for pages in (early, late) for page in pages for removal in page.deletions]
    assert (gone, True) in told
    assert told.index((gone, False)) < told.index((gone, True))
    assert (loser, True) not in told
    assert not any(removal.erased for removal in crm.fetch([gone, loser]).deletions), "nobody knows since when"


@pytest.mark.parametrize("adopted", [True, False], ids=["the log goes along", "it stays"])
def test_a_lead_that_was_merged_twice_leads_to_where_it_lives_now(marketo: PracticeInstance, adopted: bool) -> None:
    first, second, third = marketo.add_people(3)
    if adopted:
        marketo.merge(second, first)
        marketo.merge(third, second)
    else:
        for winner, loser in ((second, first), (third, second)):
            told = {"Merge IDs": loser.id}
            marketo.instance.log.add(int(winner.id), log.MERGE, START, START, attributes=told)
        for ref in (first, second):
            marketo.instance._leads.pop(int(ref.id))
    crm = marketo.open()
    assert {gone.merged_into for gone in crm.fetch([first, second]).deletions} == {third}
    (result,) = crm.push([FieldWrite(first, {ScoreField.SCORE: 7})])
    assert (result.outcome, result.moved_to) == (WriteOutcome.MOVED, third)


def test_streams_can_be_left_out_and_no_other_is_asked_for(marketo: PracticeInstance) -> None:
    crm = marketo.open(without=["deliveries"])
    assert [stream.name for stream in crm.streams] == ["leads", "activities", "removals"]
    with pytest.raises(Misconfigured, match="deliveries"):
        crm.pull("deliveries", None, Tier.COMPLETE)
    assert crm.window("removals", marketo.clock.now(), marketo.clock.now()) is None
    with pytest.raises(Misconfigured, match="leads"):
        crm.census("companies", None)


def test_a_record_s_page_is_known_where_the_pages_are(marketo: PracticeInstance) -> None:
    assert marketo.open().location(marketo.ref(7)) is None
    crm = marketo.open(ui="https://app-ab12.marketo.com")
    assert crm.location(marketo.ref(7)) == "https://app-ab12.marketo.com/leadDatabase/loadLeadDetail?leadId=7"


# -- tokens, limits, odd answers ---------------------------------------------------------------------------------------


def test_processes_share_one_login_and_one_more_after_a_revocation(marketo: PracticeInstance) -> None:
    tokens = MemoryTokens()
    made = marketo.add_people(1)
    for _ in range(3):
        marketo.open(tokens=tokens).read_back(made)
    assert marketo.endpoints().count("/identity/oauth/token") == 1
    marketo.tokens(revoke=True)
    for _ in range(3):
        assert set(marketo.open(tokens=tokens).read_back(made)) == set(made)
    assert marketo.endpoints().count("/identity/oauth/token") == 2


def test_a_token_that_has_ended_is_replaced(marketo: PracticeInstance) -> None:
    made, crm = marketo.add_people(1), marketo.open()
    crm.read_back(made)
    marketo.clock.advance(timedelta(hours=1))
    assert set(crm.read_back(made)) == set(made)
    assert marketo.tokens() == 2


def test_a_token_that_is_doubted_and_given_out_again_is_waited_out(marketo: PracticeInstance) -> None:
    made, crm = marketo.add_people(1), marketo.open()
    crm.read_back(made)
    marketo.calls.clear()
    marketo.tokens(doubt=1)
    with pytest.raises(Transient) as raised:
        crm.read_back(made)
    assert raised.value.retry_after is not None
    assert timedelta(minutes=50) < raised.value.retry_after <= timedelta(hours=1)
    assert len(marketo.calls) == 2, "no storm of logins"


def test_a_fresh_token_that_is_refused_is_the_operator_s_business(marketo: PracticeInstance) -> None:
    made, crm = marketo.add_people(1), marketo.open()
    crm.read_back(made)
    marketo.tokens(revoke=True)
    marketo.faults.add(
        [{"path": "v1/leads", "effect": {"status": 200, "json": {"success": False, "errors": [{"code": "601"}]}}}]
    )
    with pytest.raises(AuthFailed):
        crm.read_back(made)


def test_the_rate_is_waited_for_and_the_day_is_not(marketo: PracticeInstance) -> None:
    made, gate = marketo.add_people(1), Learning()
    crm = marketo.open(gate=gate)
    crm.read_back(made)
    marketo.temper(limits=Limits(rate_20s=1))
    with pytest.raises(Transient):
        crm.read_back(made)
    assert marketo.slept, "it was tried again within the twenty seconds that are ours"
    marketo.temper(limits=Limits(daily=3))
    with pytest.raises(QuotaExhausted) as raised:
        crm.read_back(made)
    assert raised.value.resume_at == datetime.fromisoformat("2026-03-03T06:00:00Z"), "midnight in Chicago"
    assert gate.told[-1] == (50_000, 50_000)


def test_ten_calls_at_once_are_too_many_for_a_moment(marketo: PracticeInstance) -> None:
    made, crm = marketo.add_people(1), marketo.open()
    crm.read_back(made)
    marketo.temper(limits=Limits(concurrent=10), others=10)
    with pytest.raises(Transient, match="615"):
        crm.read_back(made)
    marketo.temper(others=0)
    assert set(crm.read_back(made)) == set(made)


def test_a_long_query_goes_as_a_form(marketo: PracticeInstance) -> None:
    names = [f"{'w' * 90}{n}" for n in range(80)]
    for name in names:
        marketo.instance.schema.add(name, name, "string")
    ref = marketo.add(title="CTO", **{names[0]: "wide"})
    marketo.clock.advance(NOW_ON)
    crm = marketo.open(attributes={name: name for name in names})
    (lead,) = crm.fetch([ref]).leads
    assert lead.attributes[names[0]] == "wide"
    assert ("POST", "/rest/v1/leads.json") in {(call.method, call.endpoint) for call in marketo.calls}


def test_a_query_that_is_found_too_long_is_asked_again_as_a_form(marketo: PracticeInstance) -> None:
    made, gate = marketo.add_people(1), Learning()
    crm = marketo.open(gate=gate)
    crm.read_back(made)
    marketo.faults.add([{"method": "GET", "path": "v1/leads.json", "effect": {"status": 414, "html": "too long"}}])
    assert set(crm.read_back(made)) == set(made)
    assert len(gate.entered) == sum("identity" not in endpoint for endpoint in marketo.endpoints())


def test_a_page_that_leads_to_itself_ends_as_a_fault_of_the_protocol(marketo: PracticeInstance) -> None:
    crm = marketo.open()
    token, page = ({"success": True, "nextPageToken": "A", **more} for more in ({}, {"moreResult": True}))
    for path, answer in (("pagingtoken", token), ("activities.json", page)):
        marketo.faults.add([{"path": path, "effect": {"status": 200, "json": answer}}])
    with pytest.raises(ProtocolViolation, match="itself"):
        crm.pull("activities", None, Tier.COMPLETE)


def test_a_place_in_the_log_that_is_not_known_any_more_is_looked_for_again(marketo: PracticeInstance) -> None:
    made = marketo.add_people(9)
    marketo.clock.advance(NOW_ON)
    crm = marketo.open(page_size=4)
    cursor = drain(crm, "leads", None)[-1].cursor
    for ref in made:
        marketo.edit(ref)
    marketo.clock.advance(NOW_ON)
    first = crm.pull("leads", cursor, Tier.COMPLETE)
    reason, since, until, _, read = first.cursor["window"]
    spoilt = {**first.cursor, "window": [reason, since, until, "GARBAGE=", read]}
    assert set(refs(drain(crm, "leads", spoilt))) == set(made)


def test_a_role_without_the_right_is_told_which(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    rights = frozenset({"Read-Only Lead"})
    marketo = PracticeInstance(host, MarketoServer(services={CLIENT_ID: Service(SECRET, permissions=rights)}))
    marketo.add_people(1)
    crm = marketo.open()
    with pytest.raises(Misconfigured, match="603"):
        drain(crm, "activities", None)
    found = {(problem.code, problem.where) for problem in crm.check() if problem.fatal}
    assert found == {("write_denied", "acme-mkto/leads"), ("object_missing", "acme-mkto/activities")}
    marketo.close()


def test_one_bad_record_keeps_no_other_from_being_written(marketo: PracticeInstance) -> None:
    fine, partitioned, gone = marketo.add_people(3)
    marketo.forbid_writes(partitioned)
    marketo.delete(gone)
    marketo.temper(drift=True)
    crm = marketo.open(fields={"grade": "numberOfEmployees"})
    writes = [FieldWrite(ref, {ScoreField.SCORE: 7}) for ref in (partitioned, gone, fine, marketo.ref("x"))]
    other = FieldWrite(RecordRef("other", "leads", fine.id), {ScoreField.SCORE: 1})
    results = crm.push([*writes, FieldWrite(fine, {ScoreField.GRADE: "A1"}), other])
    assert [(result.outcome, result.code) for result in results] == [
        (WriteOutcome.REFUSED, "1008"), (WriteOutcome.GONE, "1004"), (WriteOutcome.REFUSED, "1001"),
        (WriteOutcome.REFUSED, "WRONG_OBJECT"), (WriteOutcome.REFUSED, "1001"), (WriteOutcome.REFUSED, "WRONG_OBJECT"),
    ]  # fmt: skip
    assert all(result.message for result in results)


def test_two_writes_to_one_lead_are_one_and_the_later_value_counts(marketo: PracticeInstance) -> None:
    (ref,) = marketo.add_people(1)
    crm = marketo.open()
    first = FieldWrite(ref, {ScoreField.SCORE: 1, ScoreField.GRADE: "A1"})
    results = crm.push([first, FieldWrite(ref, {ScoreField.SCORE: 2})])
    assert [result.outcome for result in results] == [WriteOutcome.WRITTEN] * 2
    assert crm.read_back([ref]) == {ref: {ScoreField.SCORE: 2, ScoreField.GRADE: "A1"}}
    assert len(marketo.writes()) == 1


def test_a_batch_that_is_too_large_goes_in_halves(marketo: PracticeInstance) -> None:
    made, crm = marketo.add_people(5), marketo.open()
    crm.read_back(made)
    marketo.faults.add(
        [{"method": "POST", "path": "v1/leads.json", "count": 2, "effect": {"status": 413, "html": "-"}}]
    )
    results = crm.push([FieldWrite(ref, {ScoreField.SCORE: n}) for n, ref in enumerate(made)])
    assert {result.outcome for result in results} == {WriteOutcome.WRITTEN}
    assert crm.read_back(made) == {ref: {ScoreField.SCORE: n} for n, ref in enumerate(made)}


@pytest.mark.parametrize(
    "answer",
    [{"success": True, "result": []}, {"success": True}, {"success": True, "result": [{"id": 1, "status": "updated"}]}],
)
def test_an_answer_that_does_not_say_what_became_of_a_record_is_no_yes(
    marketo: PracticeInstance, answer: dict[str, Any]
) -> None:
    (ref,) = marketo.add_people(1)
    crm = marketo.open()
    crm.read_back([ref])
    marketo.faults.add([{"method": "POST", "path": "v1/leads.json", "effect": {"status": 200, "json": answer}}])
    (result,) = crm.push([FieldWrite(ref, {ScoreField.SCORE: 7})])
    assert result.outcome is WriteOutcome.UNRESOLVED


@pytest.mark.parametrize(
    ("cause", "told"),
    [(("", "Lead Database"), "user"), (("", "Marketo Flow Action"), "flow"), (("", "List Import"), "import"),
     (("", "salesforce.com"), "integration"), (("", "New Thing"), "something unknown New Thing"),
     (("", "ann@acme.test"), "something unknown")],
)  # fmt: skip
def test_who_changed_a_field_is_told_by_the_log(marketo: PracticeInstance, cause: tuple[str, str], told: str) -> None:
    ref = marketo.add()
    crm = marketo.open()
    crm.push([FieldWrite(ref, {ScoreField.SCORE: 7})])
    marketo.clock.advance(MINUTE)
    marketo.instance.change(int(ref.id), {"leadGaugeScore": 5}, cause=Cause(*cause))
    marketo.instance.change(int(ref.id), {"title": "CEO"})
    assert {ref: str(author) for ref, author in crm.authors({ref: [ScoreField.SCORE]}).items()} == {ref: told}
    assert crm.authors({}) == {}


def test_each_lead_is_asked_for_its_own_fields(marketo: PracticeInstance) -> None:
    one, two = marketo.add_people(2)
    crm = marketo.open()
    marketo.instance.change(int(one.id), {"leadGaugeScore": 5}, cause=Cause("", "List Import"))
    marketo.clock.advance(MINUTE)
    marketo.instance.change(int(one.id), {"leadGaugeBucket": "hot"})
    marketo.instance.change(int(two.id), {"leadGaugeBucket": "hot"})
    told = crm.authors({one: [ScoreField.SCORE], two: [ScoreField.BUCKET]})
    assert {ref: str(author) for ref, author in told.items()} == {one: "import", two: "user"}


ODD: tuple[Any, ...] = (
    {"success": True, "result": 7}, {"success": True, "result": [7]}, {"success": True, "result": [{}]},
    {"success": True, "result": [{"id": None, "leadId": None, "activityDate": "soon", "fields": 3}], "moreResult": 1},
    {"success": True, "result": [{"id": [], "createdAt": 3, "updatedAt": {}, "rest": "name", "name": {}}]},
    {"success": False}, {"success": False, "errors": "none"}, {"errors": [{"code": {}}], "success": False}, [], "text",
)  # fmt: skip
"""Answers that no page of the vendor's describes."""


def test_an_answer_of_any_shape_ends_as_an_error_of_ours_or_as_an_outcome(marketo: PracticeInstance) -> None:
    (ref,) = marketo.add_people(1)
    marketo.clock.advance(NOW_ON)
    campaign = marketo.instance.add_campaign("Hot leads")
    crm = marketo.open(alert={"campaign": campaign})
    cursors = {stream.name: drain(crm, stream.name, None)[-1].cursor for stream in crm.streams}
    alert = Alert(ref, "Leadgauge 1", "", "", date(2026, 3, 3), START, tried=True)
    calls: list[Callable[[], object]] = [
        *(partial(crm.pull, name, cursor, Tier.COMPLETE) for name, cursor in cursors.items()),
        lambda: crm.pull("leads", None, Tier.COMPLETE), lambda: crm.fetch([ref]), lambda: crm.census("leads", None),
        lambda: crm.push([FieldWrite(ref, {ScoreField.SCORE: 7})]), lambda: crm.read_back([ref]),
        lambda: crm.authors({ref: [ScoreField.SCORE]}), lambda: crm.alert([alert]),
        lambda: list(crm.provision(dry_run=False)),
    ]  # fmt: skip
    for answer in ODD:
        marketo.faults.clear()
        marketo.faults.add([{"path": "/(rest|bulk)/", "effect": {"status": 200, "json": answer}}])
        for call in calls:
            with suppress(CrmError):
                call()
        assert crm.check(), answer
        assert crm.examine().problems, answer
        crm.look_again("leads")
        with suppress(CrmError):
            crm.fetch([ref])
