from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, Transient
from connectors.examination import Examining
from connectors.mixpanel.crm import MixpanelCrm
from connectors.port import Page, Tier
from connectors.quota import Lane, OpenGate, RedisGate
from connectors.records import ActivityKind, FieldWrite, OutcomeStatus, RecordRef, ScoreField, WriteOutcome
from connectors.tokens import MemoryTokens
from sandbox.mixpanel import project as server
from sandbox.mixpanel.limits import VENDORS_LIMITS
from tests.contract.connectors.crm_contract import CrmContract
from tests.contract.connectors.crm_practice import (
    START,
    VALUES,
    Learning,
    Practice,
    deletions,
    drain,
    people,
    refs,
    roll,
)
from tests.contract.connectors.mixpanel_project import SECRET, SOURCE, TOKEN, PracticeProject
from tests.contract.connectors.practice import Host

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ONE_TIER = "what shows late is found by reading the last stretch again: there is one tier"
NO_TRACE = "Mixpanel tells nobody of merged profiles"
ANY_PROPERTY = "a profile takes any property, so none is ever missing"
NOT_HERE: Mapping[str, str] = {
    "test_a_look_goes_on_behind_where_the_last_one_ended": ONE_TIER,
    "test_the_fast_tier_shows_what_the_complete_one_does_not_yet_and_moves_nothing": ONE_TIER,
    "test_a_merged_record_leads_to_the_one_that_stays": NO_TRACE,
    "test_check_names_a_missing_field_and_its_cure": ANY_PROPERTY,
    "test_the_daily_allowance_is_learnt_from_the_answers": "Mixpanel counts no calls of a day",
    "test_an_erasure_is_told_from_a_deletion": "Mixpanel tells nobody why a profile is gone; see `erase_deleted`",
}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, server.ACCOUNT_SECRET)
    monkeypatch.setenv(TOKEN, server.TOKEN)


@pytest.fixture
def project(host: Host, tmp_path: Path) -> Iterator[PracticeProject]:
    practice = PracticeProject(host, tmp_path / "spool")
    yield practice
    practice.close()


class TestMixpanelKeepsTheContract(CrmContract):
    @pytest.fixture(autouse=True)
    def _only_laws_of_mixpanel(self, request: pytest.FixtureRequest) -> None:
        if reason := NOT_HERE.get(request.node.originalname):
            pytest.skip(reason)

    @pytest.fixture
    def practice(self, project: PracticeProject) -> Practice:
        return project

    def test_a_deleted_record_is_reported(self, practice: Practice) -> None:
        """By the count of all profiles: no stream sees it."""
        gone, stays = practice.add_people(2)
        practice.delete(gone)
        crm = practice.open()
        assert roll(crm, "profiles") == [stays]
        (deletion,) = crm.fetch([gone, stays]).deletions
        assert (deletion.ref, deletion.merged_into, deletion.erased, deletion.unseen) == (gone, None, False, True)

    def test_one_result_per_record_in_their_order_whatever_becomes_of_them(self, practice: Practice) -> None:
        fine, gone, refused, last = practice.add_people(4)
        practice.delete(gone)
        practice.forbid_writes(refused)
        crm = practice.open()
        order = [gone, fine, refused, last]
        results = crm.push([FieldWrite(ref, {ScoreField.SCORE: 50}) for ref in order])
        assert [result.ref for result in results] == order
        assert [str(result.outcome) for result in results] == ["gone", "written", "refused", "written"]
        assert results[2].code and results[2].message  # noqa: PT018 - one claim: it says why
        assert crm.read_back([fine, gone, last]) == {fine: {ScoreField.SCORE: 50}, last: {ScoreField.SCORE: 50}}

    def test_an_answer_lost_after_the_commit_is_made_good_by_sending_again(self, practice: Practice) -> None:
        (ref,) = practice.add_people(1)
        crm = practice.open()
        practice.faults.add([{"path": "^/engage", "count": 1, "effect": {"reset_after": True}}])
        assert [result.outcome for result in crm.push([FieldWrite(ref, VALUES)])] == [WriteOutcome.WRITTEN]
        assert len(practice.writes()) == 2
        assert crm.read_back([ref]) == {ref: VALUES}

    def test_a_census_leaves_out_what_is_gone(self, practice: Practice) -> None:
        gone, stays = practice.add_people(2)
        practice.delete(gone)
        assert roll(practice.open(), "profiles") == [stays]

    def test_rows_that_are_gone_are_fetched_as_deletions(self, practice: Practice) -> None:
        gone, stays = practice.add_people(2)
        practice.delete(gone)
        page = practice.open().fetch([gone, stays])
        assert (refs([page]), set(deletions([page]))) == ([stays], {gone})
        assert len(practice.open().fetch([])) == 0

    def test_rows_fetched_are_the_rows_pulled(self, practice: Practice) -> None:
        made = practice.populate()
        crm = practice.open()
        pulled = {record.ref: record for record in people(drain(crm, "profiles", None))}
        assert {record.ref: record for record in crm.fetch(sorted(made.people)).leads} == pulled

    def test_no_error_and_no_representation_shows_a_person(self, practice: Practice) -> None:
        made = practice.populate()
        crm = practice.open()
        pages = [page for stream in crm.streams for page in drain(crm, stream.name, None)]
        emails = {record.email for record in people(pages) if record.email}
        assert emails
        assert not any(email in repr(page) for page in pages for email in emails)
        said = {"error": f"no profile {min(emails)}", "status": "error"}
        practice.faults.add([{"path": "/api/query/", "effect": {"status": 400, "json": said}}])
        with pytest.raises(CrmError) as raised:
            practice.open().push([FieldWrite(min(made.people), VALUES)])
        assert not any(email in str(raised.value) for email in emails)


# -- profiles ---------------------------------------------------------------------------------------------------------


def test_a_profile_and_what_it_tells(project: PracticeProject) -> None:
    made = project.populate()
    project.project.put("u9", **{"$email": ["a", "b"], "Seats": "many", "Plan": 3})
    found = {record.ref.id: record for record in people(drain(project.open(), "profiles", None))}
    assert set(found) == {ref.id for ref in made.people} | {"u9"}, "a device is nobody"
    assert (found["u1"].email, found["u1"].name, found["u1"].created_at) == ("u1@acme.test", "Ann", START)
    assert found["u1"].attributes == {"has_phone": True, "plan": "free", "employees": 12, "country": "DE"}
    assert (found["u9"].email, found["u9"].attributes) == (None, {"has_phone": False, "plan": 3})


def test_a_profile_that_nobody_dates_has_the_same_stamps_every_time(project: PracticeProject) -> None:
    project.project.put("u1", **{"$created": None, "$last_seen": "yesterday"})
    one, again = (people(drain(project.open(), "profiles", None))[0] for _ in range(2))
    assert one == again
    assert one.created_at == one.modified_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_an_old_project_s_stamps_are_in_its_own_zone(project: PracticeProject) -> None:
    (ref,) = project.add_people(1)
    stamp = f"{START - 8 * HOUR:%Y-%m-%dT%H:%M:%S}"
    project.project.put(ref.id, **{"$created": stamp, "$last_seen": stamp})
    crm = project.open(time_zone="America/Los_Angeles")
    (page,) = drain(crm, "profiles", None)
    assert (page.leads[0].created_at, page.leads[0].modified_at) == (START, START)
    assert refs(drain(crm, "profiles", page.cursor)) == [ref], "what is asked for is in the same zone"


def test_an_address_as_an_id_stays_out_of_what_is_shown(project: PracticeProject) -> None:
    project.project.put("ann@acme.test")
    crm = project.open()
    (page,) = drain(crm, "profiles", None)
    assert page.leads[0].email == "ann@acme.test", "where nothing else names one"
    (result,) = crm.push([FieldWrite(page.leads[0].ref, VALUES)])
    assert result.outcome is WriteOutcome.WRITTEN
    assert "ann@" not in f"{page} {result}"


def test_a_walk_that_mixpanel_has_forgotten_begins_anew(project: PracticeProject) -> None:
    made = project.add_people(9)
    crm = project.open(page_size=4)
    first = crm.pull("profiles", None, Tier.COMPLETE)
    project.project.sessions.clear()
    rest = drain(crm, "profiles", first.cursor)
    assert sorted(refs(rest)) == sorted(made)
    assert all(page.backfill for page in rest)
    census = crm.census("profiles", None)
    project.project.sessions.clear()
    assert len(crm.census("profiles", census.cursor).refs) == 4


def test_a_walk_that_is_forgotten_again_and_again_is_told(project: PracticeProject) -> None:
    project.add_people(9)
    crm = project.open(page_size=4)
    cursor = crm.pull("profiles", None, Tier.COMPLETE).cursor
    for _ in range(3):
        project.project.sessions.clear()
        cursor = crm.pull("profiles", json.loads(json.dumps(cursor)), Tier.COMPLETE).cursor
    project.project.sessions.clear()
    with pytest.raises(ProtocolViolation):
        crm.pull("profiles", cursor, Tier.COMPLETE)


def test_changes_cost_one_query(project: PracticeProject) -> None:
    project.add_people(3)
    crm = project.open()
    (page,) = drain(crm, "profiles", None)
    project.calls.clear()
    drain(crm, "profiles", page.cursor)
    assert [call.endpoint for call in project.calls] == ["/api/query/engage"]
    assert crm.size("profiles") == 3


def test_what_is_read_is_told_with_the_people(project: PracticeProject) -> None:
    project.add_people(1)
    (page,) = drain(project.open(), "profiles", None)
    assert page.fields["profiles"] >= {"$email", "Plan", "Seats", "lead_gauge_score"}


def test_one_who_is_gone_may_count_as_erased(project: PracticeProject) -> None:
    (ref,) = project.add_people(1)
    project.delete(ref)
    (deletion,) = project.open(erase_deleted=True).fetch([ref]).deletions
    assert deletion.erased


# -- events -----------------------------------------------------------------------------------------------------------


def acts(pages: list[Page]) -> list[tuple[ActivityKind, str, str | None]]:
    return sorted((act.kind, act.people[0].id, act.detail) for page in pages for act in page.activities)


def test_an_event_is_an_act_or_a_deal_by_its_name(project: PracticeProject) -> None:
    project.populate()
    pages = drain(project.open(), "events", None)
    assert acts(pages) == [
        (ActivityKind.CONTENT_DOWNLOAD, "u2", "csv"), (ActivityKind.PRICING_PAGE_VIEW, "u1", "Viewed pricing"),
    ]  # fmt: skip
    (deal,) = [deal for page in pages for deal in page.outcomes]
    assert (deal.status, deal.stage, deal.amount) == (OutcomeStatus.WON, "Upgraded", 49.9)
    assert (deal.closed_at, deal.modified_at, deal.people) == (START - DAY, START, (project.ref("u2"),))
    assert all(page.backfill for page in pages)
    assert {act.occurred_at for page in pages for act in page.activities} == {START - DAY}
    assert {act.recorded_at for page in pages for act in page.activities} == {START}
    assert all(act.people[0].source == SOURCE for page in pages for act in page.activities)


def test_events_of_a_year_take_few_exports_and_come_page_by_page_from_any_process(project: PracticeProject) -> None:
    for n in range(12):
        project.project.add_event("Page view", START - n * 30 * DAY, f"u{n}")
    pages: list[Page] = []
    crm = project.open(page_size=1)
    while not pages or not pages[-1].done:
        cursor = json.loads(json.dumps(pages[-1].cursor)) if pages else None
        crm = project.open(page_size=1) if len(pages) % 5 == 0 else crm
        pages.append(crm.pull("events", cursor, Tier.COMPLETE))
    assert sorted(act.people[0].id for page in pages for act in page.activities) == sorted(f"u{n}" for n in range(12))
    assert not list(project.spool.iterdir())
    assert len(project.calls) < 20


def test_a_page_of_events_read_again_is_the_same_page_while_the_next_is_read(project: PracticeProject) -> None:
    for n in range(12):
        project.project.add_event("Page view", START - n * HOUR, f"u{n}")
    crm = project.open(page_size=5, timings={"history": "P1D"})
    first = crm.pull("events", None, Tier.COMPLETE)
    while not first.activities:
        first = crm.pull("events", first.cursor, Tier.COMPLETE)
    second, again = (crm.pull("events", first.cursor, Tier.COMPLETE) for _ in range(2))
    assert (second.activities, second.cursor) == (again.activities, again.cursor)
    assert not set(acts([first])) & set(acts([second]))


def test_a_spool_that_is_lost_goes_on_at_the_same_event(project: PracticeProject) -> None:
    for n in range(10):
        project.project.add_event("Page view", START - n * HOUR, f"u{n}")
    seen: list[str] = []
    cursor, done = None, False
    while not done:
        page = project.open(page_size=3, timings={"history": "P1D"}).pull("events", cursor, Tier.COMPLETE)
        seen += [act.people[0].id for act in page.activities]
        cursor, done = page.cursor, page.done
        for file in project.spool.iterdir():
            file.unlink()
    assert sorted(seen) == sorted(f"u{n}" for n in range(10))


def test_the_last_minutes_are_read_again_and_the_last_days_once_a_day(project: PracticeProject) -> None:
    crm = project.open()
    cursor = drain(crm, "events", None)[-1].cursor
    project.clock.advance(HOUR)
    project.project.add_event("Page view", project.clock.now(), "now")
    project.project.add_event("Page view", START - timedelta(minutes=9), "just-late")
    project.project.add_event("Page view", START - DAY, "a-day-late")
    pages = drain(crm, "events", cursor)
    assert [act[1] for act in acts(pages)] == ["just-late", "now"]
    assert not any(page.backfill for page in pages)
    again = drain(crm, "events", pages[-1].cursor)
    assert [act[1] for act in acts(again)] == ["now"]
    project.clock.advance(15 * HOUR)
    assert "a-day-late" in [act[1] for act in acts(drain(crm, "events", again[-1].cursor))]


def test_of_doubles_the_last_counts_and_an_act_keeps_its_name_when_it_turns_out_to_be_another_s(
    project: PracticeProject,
) -> None:
    add = project.project.add_event
    add("Page view", START - HOUR, "u1", "i-1")
    (first,) = [act for page in drain(project.open(), "events", None) for act in page.activities]
    project.clock.advance(HOUR)
    add("Page view", START - HOUR, "u2", "i-1", **{"$distinct_id_before_identity": "u1"})
    (now,) = [act for page in drain(project.open(), "events", None) for act in page.activities]
    assert (now.ref, now.people) == (first.ref, (project.ref("u2"),))


@pytest.mark.parametrize("odd", [{"split_lines": True}, {}])
def test_an_export_with_split_records_is_read_whole(host: Host, tmp_path: Path, odd: dict[str, bool]) -> None:
    project = PracticeProject(host, tmp_path / "spool", **odd)
    for n in range(30):
        project.project.add_event("Page view", START - HOUR, f"u{n}")
    assert len(acts(drain(project.open(), "events", None))) == 30
    project.close()


def test_an_export_that_ends_before_its_end_is_no_export(project: PracticeProject) -> None:
    for n in range(30):
        project.project.add_event("Page view", START - HOUR, f"u{n}")
    project.project.terminated_early = True
    crm = project.open(timings={"history": "P1D"})
    with pytest.raises(Transient, match="before its end"):
        drain(crm, "events", None)
    project.project.terminated_early = False
    project.faults.add([{"path": "export", "count": 1, "effect": {"cut_body": 0.5}}])
    assert len(acts(drain(crm, "events", None))) == 30


def test_an_export_that_is_too_much_is_asked_for_by_fewer_days(project: PracticeProject) -> None:
    for n in range(8):
        project.project.add_event("Page view", START - n * DAY, f"u{n}")
    crm = project.open(timings={"history": "P9D"})
    first = crm.pull("events", None, Tier.COMPLETE)
    assert first.cursor["days"] == 2
    project.faults.add([{"path": "export", "count": 6, "effect": {"status": 504, "html": "<html>"}}])
    halved = crm.pull("events", first.cursor, Tier.COMPLETE)
    assert (halved.done, halved.cursor["days"]) == (False, 1)
    assert len(acts([first, *drain(crm, "events", halved.cursor)])) == 8
    project.faults.add([{"path": "export", "effect": {"status": 504, "html": "<html>"}}])
    with pytest.raises(Transient):
        crm.pull("events", None, Tier.COMPLETE)


def test_only_named_events_are_exported(project: PracticeProject) -> None:
    project.populate()
    pages = drain(project.open(event_names=["Exported report"]), "events", None)
    assert [act[1] for act in acts(pages)] == ["u2"]
    assert not [deal for page in pages for deal in page.outcomes]


def test_a_window_of_events_ends_where_it_says(project: PracticeProject) -> None:
    for hours in (60, 30, 10):
        project.project.add_event("Page view", START - hours * HOUR, f"u{hours}")
    gate = Learning()
    crm = project.open(gate=gate)
    cursor = crm.window("events", START - 2 * DAY, START - DAY)
    assert acts(drain(crm, "events", cursor)) == [(ActivityKind.PAGE_VIEW, "u30", "Page view")]
    assert set(gate.entered) == {Lane.REFRESH}


def test_a_folder_that_others_may_read_is_refused(project: PracticeProject) -> None:
    project.spool.mkdir(mode=0o755)
    with pytest.raises(Misconfigured, match="spool"):
        project.open().pull("events", None, Tier.COMPLETE)


# -- writing ----------------------------------------------------------------------------------------------------------


def test_a_write_makes_no_profile_moves_no_one_and_is_no_visit(project: PracticeProject) -> None:
    there, gone = project.add_people(2)
    before = dict(project.project.profiles[there.id].properties)
    project.delete(gone)
    project.clock.advance(HOUR)
    crm = project.open()
    crm.push([FieldWrite(there, {ScoreField.SCORE: 7}), FieldWrite(gone, {ScoreField.SCORE: 7})])
    assert project.project.profiles.keys() == {there.id}
    assert project.project.profiles[there.id].properties == {**before, "lead_gauge_score": 7}


@pytest.mark.parametrize("text", ["Я" * 255, "a" * 255, "ab" + "Ж" * 200, "価" * 255])
def test_reasons_of_any_script_are_held_whole(project: PracticeProject, text: str) -> None:
    (ref,) = project.add_people(1)
    crm = project.open()
    crm.push([FieldWrite(ref, {ScoreField.REASONS: text})])
    assert crm.read_back([ref]) == {ref: {ScoreField.REASONS: text}}
    crm.push([FieldWrite(ref, {ScoreField.REASONS: "short"})])
    assert crm.read_back([ref]) == {ref: {ScoreField.REASONS: "short"}}


def test_a_push_is_one_query_and_so_is_its_proof(project: PracticeProject) -> None:
    made = project.add_people(1_000)
    crm = project.open()
    results = crm.push([FieldWrite(ref, VALUES) for ref in made])
    assert {result.outcome for result in results} == {WriteOutcome.WRITTEN}
    assert [call.endpoint for call in project.calls] == ["/api/query/engage", "/engage"]
    assert len(crm.read_back(made)) == 1_000
    assert len(project.calls) == 3


def test_where_the_hour_s_queries_are_used_up_nothing_is_sent_and_nothing_need_be_read_back(
    project: PracticeProject,
) -> None:
    class Full(OpenGate):
        def enter(self, source: str, bucket: str, lane: Lane, cost: int = 1) -> None:
            if bucket == "query":
                raise Transient(source, "no free place", timedelta(minutes=3))

    (ref,) = project.add_people(1)
    (result,) = project.open(gate=Full()).push([FieldWrite(ref, VALUES)])
    assert (result.outcome, result.retry_after) == (WriteOutcome.RETRY, timedelta(minutes=3))
    assert not project.calls


@pytest.mark.parametrize(
    ("said", "outcomes"),
    [
        ({"status": 1, "error": None}, ["written"] * 3),
        ({"status": 0, "error": "some are wrong"}, ["refused"] * 3),
        (0, ["refused"] * 3),
        ({"code": 400, "failed_records": [{"index": 1, "field": "$set"}]}, ["written", "refused", "written"]),
    ],
)
def test_whatever_shape_the_answer_has_it_is_read_or_refused(
    project: PracticeProject, said: Any, outcomes: list[str]
) -> None:
    made = project.add_people(3)
    project.faults.add([{"path": "^/engage", "effect": {"status": 200, "json": said}}])
    results = project.open().push([FieldWrite(ref, {ScoreField.SCORE: 1}) for ref in made])
    assert [str(result.outcome) for result in results] == outcomes


@pytest.mark.parametrize("said", [1, "yes", [], {}, {"failed_records": 3}, {"failed_records": [{"index": 9}]}])
def test_an_answer_that_nobody_understands_is_no_yes(project: PracticeProject, said: Any) -> None:
    (ref,) = project.add_people(1)
    project.faults.add([{"path": "^/engage", "effect": {"status": 200, "json": said}}])
    with pytest.raises(ProtocolViolation):
        project.open().push([FieldWrite(ref, {ScoreField.SCORE: 1})])


def test_a_request_that_is_too_large_is_halved(project: PracticeProject) -> None:
    made = project.add_people(8)
    project.faults.add([{"path": "^/engage", "count": 3, "effect": {"status": 413, "json": {"code": 413}}}])
    results = project.open().push([FieldWrite(ref, {ScoreField.SCORE: 1}) for ref in made])
    assert {result.outcome for result in results} == {WriteOutcome.WRITTEN}
    assert {each.properties["lead_gauge_score"] for each in project.project.profiles.values()} == {1}


def test_where_all_is_refused_and_nothing_named_it_is_tried_later_and_not_one_by_one(project: PracticeProject) -> None:
    made = project.add_people(600)
    project.faults.add([{"path": "^/engage", "effect": {"status": 200, "json": {"status": 0, "error": "no"}}}])
    results = project.open().push([FieldWrite(ref, {ScoreField.SCORE: 1}) for ref in made])
    assert {result.outcome for result in results} == {WriteOutcome.REFUSED, WriteOutcome.RETRY}
    assert len(project.calls) < 150


def test_too_much_in_a_minute_is_tried_again_within_seconds_and_then_left_for_a_minute(
    project: PracticeProject,
) -> None:
    (ref,) = project.add_people(1)
    crm = project.open()
    project.faults.add([{"path": "^/engage", "count": 2, "effect": {"status": 429, "json": {"code": 429}}}])
    assert crm.push([FieldWrite(ref, VALUES)])[0].outcome is WriteOutcome.WRITTEN
    project.faults.add([{"path": "^/engage", "effect": {"status": 429, "json": {"code": 429}}}])
    with pytest.raises(Transient) as raised:
        crm.push([FieldWrite(ref, VALUES)])
    assert raised.value.retry_after == timedelta(minutes=1)


def test_a_used_up_hour_is_not_knocked_at(project: PracticeProject) -> None:
    project.faults.add([{"path": "/api/", "effect": {"status": 429, "json": {"code": 429}}}])
    crm = project.open()
    for stream in ("profiles", "events"):
        with pytest.raises(Transient) as raised:
            crm.pull(stream, None, Tier.COMPLETE)
        assert raised.value.retry_after == timedelta(minutes=1)
    assert len(project.calls) == 2


def test_the_gate_spreads_an_hour_s_queries_and_leaves_a_person_s_check_alone(
    project: PracticeProject, redis_url: str
) -> None:
    project.add_people(1)
    project.project.meter.limits = VENDORS_LIMITS
    gate = RedisGate(redis.Redis.from_url(redis_url), {SOURCE: project.settings().budget}, sleep=lambda _: None)
    crm = project.open(gate=gate)
    pulled = 0
    with pytest.raises(Transient) as raised:  # noqa: PT012 - until there is no more room
        while pulled < 100:
            crm.pull("profiles", {"read_to": START.isoformat()}, Tier.COMPLETE)
            pulled += 1
    assert pulled == 8
    assert raised.value.retry_after is not None
    assert timedelta(minutes=9) < raised.value.retry_after <= timedelta(minutes=10)
    assert not [problem for problem in crm.check() if problem.fatal]
    assert project.project.meter.refused == 0


def test_another_s_record_is_refused(project: PracticeProject) -> None:
    crm = project.open()
    wrong = [RecordRef(SOURCE, "users", "u1"), RecordRef("crm", "profiles", "u1"), project.ref("leadgauge-check")]
    results = crm.push([FieldWrite(ref, VALUES) for ref in wrong])
    assert {result.outcome for result in results} == {WriteOutcome.REFUSED}
    assert not project.calls


# -- looking before working -------------------------------------------------------------------------------------------


def test_check_proves_the_token_and_leaves_nothing_behind(
    project: PracticeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.populate()
    before = set(project.project.profiles)
    assert [problem for problem in project.open().check() if problem.fatal] == []
    assert set(project.project.profiles) == before
    monkeypatch.setenv(TOKEN, "another-project-s")
    (problem,) = project.open().check()
    assert (problem.code, problem.fatal) == ("token", True)
    assert "Access Keys" in problem.fix


def test_what_was_proved_is_believed_for_a_day_by_all_who_share_a_store(
    project: PracticeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.populate()
    tokens = MemoryTokens()
    assert not [problem for problem in project.open(tokens=tokens).check() if problem.fatal]
    project.calls.clear()
    assert not [problem for problem in project.open(tokens=tokens).check() if problem.fatal]
    assert [call.endpoint for call in project.calls] == ["/api/query/engage", "/api/2.0/export"]
    monkeypatch.setenv(TOKEN, "another-project-s")
    assert [problem.code for problem in project.open(tokens=tokens).check()] == ["token"]


def test_what_was_just_written_may_show_late(project: PracticeProject) -> None:
    project.populate()
    project.project.lag = timedelta(seconds=3)
    crm = project.open()
    assert isinstance(crm, MixpanelCrm)
    crm._session.sleep = lambda seconds: project.clock.advance(timedelta(seconds=seconds))
    assert crm.check() == []


def test_nobody_is_pulled_counted_or_scored_who_is_only_the_check_s_own(project: PracticeProject) -> None:
    project.project.put("leadgauge-check")
    crm = project.open()
    assert refs(drain(crm, "profiles", None)) == roll(crm, "profiles") == []


def test_check_tells_what_no_profile_has(project: PracticeProject) -> None:
    project.project.put("u1", **{"$created": None, "Seats": 3, "Plan": "free"})
    found = {problem.code: problem for problem in project.open().check()}
    assert set(found) == {"email_missing", "created_missing", "attribute_missing"}
    assert not any(problem.fatal for problem in found.values())


@pytest.mark.parametrize(
    ("path", "effect", "code"),
    [
        ("/api/query/", {"status": 403, "json": {"error": "no access"}}, "misconfigured"),
        ("/api/query/", {"status": 402, "json": {}}, "misconfigured"),
        ("/api/query/", {"status": 200, "json": {"status": "error"}}, "protocol"),
        ("/api/query/", {"status": 200, "json": {"status": "ok", "results": [{}]}}, "protocol"),
        ("/api/query/", {"status": 429, "json": {}}, "quota"),
        ("/api/2.0/", {"status": 403, "json": {}}, "object_missing"),
        ("^/engage", {"status": 200, "json": {"status": 0, "error": "no"}}, "write_denied"),
        ("", {"status": 503}, "unreachable"),
    ],
)
def test_check_tells_what_else_is_wrong_and_never_raises(
    project: PracticeProject, path: str, effect: dict[str, Any], code: str
) -> None:
    project.populate()
    project.faults.add([{"path": path, "effect": effect}])
    assert {problem.code for problem in project.open().check() if problem.fatal} == {code}


def test_a_project_examined_says_which_it_is(project: PracticeProject) -> None:
    project.populate()
    crm = project.open()
    assert isinstance(crm, Examining)
    found = crm.examine()
    assert (found.account, found.identity) == ("project 2195193 (us)", "us:2195193")
    assert found.objects == {"profiles": 3}


def test_the_clock_of_another_day_is_told(project: PracticeProject) -> None:
    project.populate()
    project.own_clock = lambda: START - HOUR
    assert {problem.code for problem in project.open().check()} == {"clock_skew"}


def test_a_stream_or_object_that_does_not_exist_is_refused(project: PracticeProject) -> None:
    crm = project.open(without=["events"])
    for name in ("events", "users"):
        with pytest.raises(Misconfigured, match=name):
            crm.pull(name, None, Tier.COMPLETE)
    with pytest.raises(Misconfigured, match="users"):
        crm.census("users", None)
    assert [stream.name for stream in crm.streams] == ["profiles"]


def test_a_secret_that_cannot_be_read_is_told(project: PracticeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET)
    (problem,) = project.open().check()
    assert SECRET in problem.what


def test_another_region_s_hosts_know_nothing_of_the_project(host: Host, tmp_path: Path) -> None:
    project = PracticeProject(host, tmp_path / "spool", region="eu")
    assert project.settings(hosts=None).places.query == "https://eu.mixpanel.com"
    assert replace(project.project).region == "eu"
    project.close()


def test_credentials_of_no_one_are_told(project: PracticeProject) -> None:
    with pytest.raises(AuthFailed):
        project.open_with_wrong_credentials().pull("events", None, Tier.COMPLETE)
