from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from secrets import token_hex
from typing import Any

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.amplitude.push import rendered
from connectors.errors import AuthFailed, Misconfigured, ProtocolViolation, Transient
from connectors.port import Tier
from connectors.provisioning import Deed
from connectors.quota import Lane
from connectors.records import ActivityKind, FieldWrite, OutcomeStatus, RecordRef, ScoreField, WriteOutcome
from sandbox.amplitude.settings import AmplitudeServer
from tests.contract.connectors.amplitude_project import API_KEY, COHORTS, SECRET_KEY, SOURCE, PracticeProject
from tests.contract.connectors.crm_contract import CrmContract
from tests.contract.connectors.crm_practice import (
    MINUTE,
    NOW_ON,
    VALUES,
    Learning,
    Practice,
    deletions,
    drain,
    people,
    refs,
)
from tests.contract.connectors.practice import Host

HOUR = timedelta(hours=1) / 24
"""An hour of the practice clock."""
SETTLED = "an export shows what has settled: there is one tier"
NO_LIST = "Amplitude lists no users, and tells of none that are gone"
NOT_HERE: Mapping[str, str] = {
    "test_a_look_goes_on_behind_where_the_last_one_ended": SETTLED,
    "test_the_fast_tier_shows_what_the_complete_one_does_not_yet_and_moves_nothing": SETTLED,
    "test_a_deleted_record_is_reported": NO_LIST,
    "test_a_merged_record_leads_to_the_one_that_stays": NO_LIST,
    "test_a_census_names_every_row_once_whatever_the_cursors_have_seen": NO_LIST,
    "test_a_census_leaves_out_what_is_gone": NO_LIST,
    "test_rows_fetched_are_the_rows_pulled": NO_LIST,
    "test_the_daily_allowance_is_learnt_from_the_answers": "Amplitude counts no calls of a day",
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY, AmplitudeServer().api_key)
    monkeypatch.setenv(SECRET_KEY, AmplitudeServer().secret_key)


@pytest.fixture
def project(host: Host) -> Iterator[PracticeProject]:
    practice = PracticeProject(host)
    yield practice
    practice.close()


class TestAmplitudeKeepsTheContract(CrmContract):
    @pytest.fixture(autouse=True)
    def _only_laws_of_amplitude(self, request: pytest.FixtureRequest) -> None:
        if reason := NOT_HERE.get(request.node.originalname):
            pytest.skip(reason)

    @pytest.fixture
    def practice(self, project: PracticeProject) -> Practice:
        return project

    def test_own_fields_come_back_as_written_and_not_as_attributes(self, practice: Practice) -> None:
        """With the user's next event, and as they were then."""
        (ref,) = practice.add_people(1)
        crm = practice.open()
        crm.push([FieldWrite(ref, VALUES)])
        practice.edit(ref)
        practice.clock.advance(NOW_ON)
        (record,) = people(drain(crm, practice.people_stream, None))
        assert record.written == VALUES
        assert record.past
        assert record.attributes == {"plan": "pro"}

    def test_one_result_per_record_in_their_order_whatever_becomes_of_them(self, practice: Practice) -> None:
        """Amplitude makes users that it does not know, so none is gone."""
        fine, refused, last = practice.add_people(3)
        practice.forbid_writes(refused)
        crm = practice.open()
        order = [refused, RecordRef("other", "users", "u1"), fine, last]
        results = crm.push([FieldWrite(ref, {ScoreField.SCORE: 50}) for ref in order])
        assert [(result.ref, str(result.outcome), result.code) for result in results] == [
            (order[0], "refused", "SILENCED"), (order[1], "refused", "WRONG_OBJECT"), (fine, "written", None),
            (last, "written", None),
        ]  # fmt: skip
        assert crm.read_back([fine, last]) == {fine: {ScoreField.SCORE: 50}, last: {ScoreField.SCORE: 50}}

    def test_a_push_repeated_changes_nothing(self, practice: Practice) -> None:
        made = practice.add_people(3)
        crm = practice.open()
        writes = [FieldWrite(ref, VALUES) for ref in made]
        first = crm.push(writes)
        practice.clock.advance(timedelta(seconds=1))
        assert crm.push(writes) == first
        assert [write["changed"] for write in practice.writes()] == [True] * 3 + [False] * 3

    def test_an_answer_lost_after_the_commit_is_made_good_by_sending_again(self, practice: Practice) -> None:
        """Under the same insert id, so that it is taken once."""
        (ref,) = practice.add_people(1)
        crm = practice.open()
        crm.read_back([ref])
        practice.faults.add([{"method": "POST", "path": "^/batch$", "count": 1, "effect": {"reset_after": True}}])
        assert [result.outcome for result in crm.push([FieldWrite(ref, VALUES)])] == [WriteOutcome.WRITTEN]
        assert practice.faults.describe()[0]["applied"] == 1
        assert len(practice.writes()) == 1
        assert crm.read_back([ref]) == {ref: VALUES}

    def test_reading_and_writing_take_different_lanes(self, practice: Practice) -> None:
        (ref,) = practice.add_people(1)
        practice.clock.advance(NOW_ON)
        gate = Learning()
        crm = practice.open(gate=gate)
        cursor = drain(crm, practice.people_stream, None)[-1].cursor
        assert set(gate.entered) == {Lane.BACKFILL}
        gate.entered.clear()
        assert len(drain(crm, practice.people_stream, cursor)[0]) == 0
        assert gate.entered == [], "no hour has closed since"
        practice.clock.advance(HOUR)
        drain(crm, practice.people_stream, cursor)
        assert set(gate.entered) == {Lane.INBOUND}
        gate.entered.clear()
        crm.push([FieldWrite(ref, VALUES)])
        assert set(gate.entered) == {Lane.WRITE}

    def test_a_window_brings_what_was_changed_in_it_and_ends(self, practice: Practice) -> None:
        practice.add_people(1)
        practice.clock.advance(12 * HOUR)
        since = practice.clock.now()
        practice.clock.advance(12 * HOUR)
        inside = practice.add_people(5)
        practice.clock.advance(12 * HOUR)
        until = practice.clock.now()
        practice.clock.advance(12 * HOUR)
        practice.add_people(1)
        practice.clock.advance(NOW_ON)
        gate = Learning()
        crm = practice.open(gate=gate, page_size=2)
        pages = drain(crm, practice.people_stream, crm.window(practice.people_stream, since, until))
        assert sorted(refs(pages)) == sorted(inside)
        assert not any(page.backfill for page in pages)
        assert set(gate.entered) == {Lane.REFRESH}

    def test_an_erasure_is_told_from_a_deletion(self, practice: Practice) -> None:
        """From the day on which it is asked for, which is before it is done."""
        erased, deleted, stays = practice.add_people(3)
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        cursor = drain(crm, "erasures", None)[-1].cursor
        practice.erase(erased)
        practice.delete(deleted)
        pages = drain(crm, "erasures", cursor)
        assert [(gone.ref, gone.erased) for gone in deletions(pages).values()] == [(erased, True)]
        assert [(gone.ref, gone.erased) for gone in crm.fetch([deleted, stays]).deletions] == [(deleted, False)]
        practice.clock.advance(timedelta(days=1))
        assert set(refs(drain(crm, "events", None))) <= {stays}, "Amplitude has done it"
        assert deletions(drain(crm, "erasures", pages[-1].cursor)) == {}, "each is told once"

    def test_rows_that_are_gone_are_fetched_as_deletions(self, practice: Practice) -> None:
        gone, stays = practice.add_people(2)
        practice.delete(gone)
        crm = practice.open()
        page = crm.fetch([gone, stays])
        assert set(deletions([page])) == {gone}
        assert deletions([page])[gone].unseen
        assert len(crm.fetch([])) == 0

    def test_a_census_and_a_fetch_are_refreshes(self, practice: Practice) -> None:
        (ref,) = practice.add_people(1)
        gate = Learning()
        crm = practice.open(gate=gate)
        crm.fetch([ref])
        assert set(gate.entered) == {Lane.REFRESH}
        with pytest.raises(Misconfigured, match="no list"):
            crm.census("users", None)


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_user_and_what_they_did(project: PracticeProject) -> None:
    project.populate()
    project.clock.advance(NOW_ON)
    pages = drain(project.open(attributes={"plan": "plan", "seats": "list"}), "events", None)
    one, two = sorted(people(pages), key=lambda lead: lead.ref)
    assert (one.email, one.attributes["plan"], one.created_at) == ("u1@acme.test", "free", one.modified_at)
    acts = [act for page in pages for act in page.activities]
    assert {(act.kind, act.detail, act.people) for act in acts} == {
        (ActivityKind.PRICING_PAGE_VIEW, "Viewed pricing", (one.ref,)),
        (ActivityKind.CONTENT_DOWNLOAD, "Exported report", (two.ref,)),
    }
    (deal,) = (deal for page in pages for deal in page.outcomes)
    assert (deal.status, deal.stage, deal.amount, deal.people) == (OutcomeStatus.WON, "Upgraded", 49.9, (two.ref,))
    assert deal.closed_at == deal.created_at


def test_an_event_counts_from_when_it_happened_and_is_known_from_when_it_was_uploaded(project: PracticeProject) -> None:
    (ref,) = project.add_people(1)
    before = project.clock.now() - timedelta(days=3)
    project.act(ref.id, "Viewed pricing", time=int(before.timestamp() * 1000))
    project.clock.advance(NOW_ON)
    (act,) = (act for page in drain(project.open(), "events", None) for act in page.activities)
    assert act.occurred_at == before
    assert act.recorded_at > before + timedelta(days=2)


def test_amplitude_s_own_properties_may_be_attributes_and_lists_are_left_out(project: PracticeProject) -> None:
    project.act("u-1", "Came", country="Germany", user_properties={"tags": ["a"], "seats": 12, "trial": True})
    project.clock.advance(NOW_ON)
    wanted = {"tags": "tags", "seats": "seats", "trial": "trial", "email_domain_of_team": None}
    (lead,) = people(drain(project.open(attributes=wanted), "events", None))
    assert lead.attributes == {"country": "Germany", "seats": 12, "trial": True}


@pytest.mark.parametrize(
    ("user", "properties", "option", "address"),
    [
        ("u-1", {"email": "a@acme.test"}, "email", "a@acme.test"),
        ("u-1", {"mail": "a@acme.test", "email": "b@acme.test"}, "mail", "a@acme.test"),
        ("a@acme.test", {}, "email", "a@acme.test"),
        ("a@acme.test", {}, None, "a@acme.test"),
        ("u-1", {"email": "none"}, "email", None),
        ("u-1", {"email": 7}, "email", None),
    ],
)
def test_an_address_is_a_property_s_or_the_user_s_id(
    project: PracticeProject, user: str, properties: dict[str, Any], option: str | None, address: str | None
) -> None:
    project.act(user, "Came", user_properties=properties)
    project.clock.advance(NOW_ON)
    (lead,) = people(drain(project.open(email_property=option), "events", None))
    assert lead.email == address
    assert "acme.test" not in repr(lead)
    assert "acme.test" not in str(lead.ref)


def test_an_hour_is_read_once_it_has_settled_and_the_last_ones_again(project: PracticeProject) -> None:
    crm = project.open()
    cursor = drain(crm, "events", None)[-1].cursor
    project.act("u-1", "Viewed pricing", insert_id="a")
    project.project.delay = timedelta(hours=1)
    project.act("u-1", "Viewed pricing", insert_id="late")
    seen: list[int] = []
    for _ in range(6):
        project.clock.advance(HOUR)
        pages = drain(crm, "events", cursor)
        cursor = pages[-1].cursor
        seen.append(sum(len(page.activities) for page in pages))
    assert seen == [0, 0, 1, 2, 2, 0], "it was 9:30: from 12:00 on it shows, an hour later all of it"


def test_too_much_for_one_export_is_read_by_fewer_hours_and_by_more_again(host: Host) -> None:
    project = PracticeProject(host, export_hours=5)
    made = project.add_people(3)
    project.clock.advance(NOW_ON)
    pages = drain(project.open(), "events", None)
    assert set(refs(pages)) == set(made)
    hours = [page.cursor["hours"] for page in pages if "hours" in page.cursor]
    assert hours[:4] == [12, 6, 3, 6], "24, 12 and 6 hours are refused"
    project.close()


def test_an_hour_that_is_too_much_is_told(host: Host) -> None:
    project = PracticeProject(host, export_bytes=10)
    project.act("u-1", "Came")
    project.clock.advance(NOW_ON)
    with pytest.raises(Misconfigured, match=r"2026-03-02 09:00 UTC .* S3"):
        drain(project.open(), "events", None)
    project.close()


def test_an_export_is_in_its_file_byte_by_byte_however_often_it_broke(project: PracticeProject) -> None:
    for _ in range(4):  # more than is read at once, zipped or not
        project.act("u-1", "Came", event_properties={"noise": token_hex(60_000)})
    project.clock.advance(NOW_ON)
    session, hour = project.session(), project.clock.now().replace(hour=9, minute=0, second=0)
    whole, broken = io.BytesIO(), io.BytesIO(b"x" * 900_000)
    session.export(hour, hour, whole, Lane.INBOUND)
    project.faults.add([{"path": "export", "count": 2, "effect": {"cut_body": 0.7}}])
    session.export(hour, hour, broken, Lane.INBOUND)
    assert broken.getvalue() == whole.getvalue() != b""


def test_which_hours_have_closed_is_told_by_amplitude_s_clock(project: PracticeProject) -> None:
    ahead = project.open(clock=lambda: project.clock.now() + timedelta(days=1))
    (cursor,) = {page.cursor["to"] for page in drain(ahead, "events", None) if page.done}
    assert cursor == "2026-03-02T07:00:00+00:00", "it is 9:30"


def test_an_answer_that_is_no_json_is_asked_for_again(project: PracticeProject) -> None:
    (ref,) = project.add_people(1)
    project.faults.add([{"path": "userprofile", "count": 2, "effect": {"status": 200, "html": "<html>Busy</html>"}}])
    assert project.open().read_back([ref]) == {ref: {}}


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_export_that_breaks_is_fetched_again_whole(project: PracticeProject, status: int) -> None:
    made = project.add_people(30)
    project.clock.advance(NOW_ON)
    project.faults.add([
        {"path": "export", "skip": 1, "count": 1, "effect": {"cut_body": 0.5}},
        {"path": "export", "skip": 2, "count": 1, "effect": {"status": status, "html": "<html>"}},
    ])  # fmt: skip
    assert set(refs(drain(project.open(page_size=7), "events", None))) == set(made)


def test_what_is_no_zip_is_fetched_again_later(project: PracticeProject) -> None:
    project.faults.add([{"path": "export", "effect": {"status": 200, "html": "PK and nothing behind it"}}])
    with pytest.raises(Transient, match="damaged"):
        drain(project.open(), "events", None)


def test_an_export_that_is_damaged_inside_is_fetched_anew(project: PracticeProject) -> None:
    torn = io.BytesIO()
    with zipfile.ZipFile(torn, "w") as archive:
        archive.writestr("a.json.gz", gzip.compress(b"{}\n" * 99)[:-9])
    made = project.add_people(2)
    project.clock.advance(NOW_ON)
    crm = project.open()

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(torn.getvalue())(scope, receive, send)

    cursor = crm.pull("events", None, Tier.COMPLETE).cursor
    project.host.put(answering)
    for _ in range(2):
        with pytest.raises(Transient, match="damaged"):
            crm.pull("events", cursor, Tier.COMPLETE)
    project.show()
    assert set(refs(drain(crm, "events", cursor))) == set(made)


def test_a_large_export_is_fetched_once_for_all_its_pages(project: PracticeProject) -> None:
    project.add_people(50)
    project.clock.advance(NOW_ON)
    assert len(drain(project.open(page_size=5), "events", None)) > 10
    exports = [call for call in project.calls if call.endpoint == "/api/2/export"]
    assert len(exports) == 2, "two days of history, by the day"


def test_a_stream_that_does_not_exist_is_refused(project: PracticeProject) -> None:
    with pytest.raises(Misconfigured, match="evnets"):
        project.open().pull("evnets", None, Tier.COMPLETE)


def test_whoever_is_to_be_forgotten_is_looked_for_one_by_one(project: PracticeProject) -> None:
    made = project.add_people(5)
    for ref in made:
        project.erase(ref)
    pages = drain(project.open(), "erasures", None)
    assert [len(page.deletions) for page in pages] == [1] * 5
    assert set(deletions(pages)) == set(made)


def test_nobody_is_forgotten_whose_id_only_begins_like_the_number(project: PracticeProject) -> None:
    (ref,) = project.add_people(1)
    project.act(f"{project.project.users[ref.id].number}5", "Came")
    project.erase(ref)
    assert set(deletions(drain(project.open(), "erasures", None))) == {ref}


def test_whoever_is_forgotten_already_is_told_in_the_log(
    project: PracticeProject, caplog: pytest.LogCaptureFixture
) -> None:
    (ref,) = project.add_people(1)
    project.erase(ref)
    project.clock.advance(timedelta(days=11) / 24)
    assert deletions(drain(project.open(), "erasures", None)) == {}
    assert [record.amplitude_id for record in caplog.records] == [10_000]  # type: ignore[attr-defined]


def test_a_stream_may_be_left_out(project: PracticeProject) -> None:
    project.faults.add([{"path": "deletions", "effect": {"status": 403, "html": "Forbidden"}}])
    (problem,) = project.open().check()
    assert (problem.code, problem.fatal, "without" in problem.fix) == ("object_missing", True, True)
    crm = project.open(without=["erasures"])
    assert crm.check() == []
    assert [stream.name for stream in crm.streams] == ["events"]
    with pytest.raises(Misconfigured, match="erasures"):
        crm.pull("erasures", None, Tier.COMPLETE)


# -- writing -----------------------------------------------------------------------------------------------------------


def members(project: PracticeProject, bucket: str) -> set[str]:
    return next(its.members for its in project.project.cohorts.values() if its.name == COHORTS[bucket])


def bucket(ref: RecordRef, name: str) -> FieldWrite:
    return FieldWrite(ref, {ScoreField.BUCKET: name})


def test_a_cohort_has_the_users_of_its_bucket(project: PracticeProject) -> None:
    one, two, three = project.add_people(3)
    crm = project.open()
    crm.push([bucket(one, "hot"), bucket(two, "warm"), bucket(three, "cold")])
    assert (members(project, "hot"), members(project, "warm")) == ({"u1"}, {"u2"})
    crm.push([bucket(one, "nurture"), bucket(two, "hot"), FieldWrite(three, {ScoreField.SCORE: 1})])
    assert (members(project, "hot"), members(project, "warm")) == ({"u2"}, set())


def test_cohorts_are_moved_before_what_proves_the_write(project: PracticeProject) -> None:
    (ref,) = project.add_people(1)
    crm = project.open()
    project.faults.add([{"path": "membership", "effect": {"status": 403, "json": {}}}])
    with pytest.raises(Misconfigured):
        crm.push([bucket(ref, "hot")])
    assert crm.read_back([ref]) == {ref: {}}, "so it is read back, found missing, and done again"


def test_a_cohort_that_is_made_meanwhile_or_anew_is_found(project: PracticeProject) -> None:
    (ref,) = project.add_people(1)
    crm = project.open()
    hot = project.project.cohorts.pop("c0")
    with pytest.raises(Misconfigured, match="'Leadgauge hot'"):
        crm.push([bucket(ref, "hot")])
    for id in ("c8", "c9"):
        project.project.cohorts = {"c1": project.project.cohorts["c1"], id: replace(hot, id=id)}
        assert crm.push([bucket(ref, "hot")])[0].outcome is WriteOutcome.WRITTEN
        assert members(project, "hot") == {ref.id}


def test_members_that_amplitude_does_not_take_are_told(project: PracticeProject) -> None:
    (ref,) = project.add_people(1)
    project.faults.add([{"path": "membership", "effect": {"status": 400, "json": {"error": {}}}}])
    with pytest.raises(ProtocolViolation, match="membership"):
        project.open().push([bucket(ref, "hot")])


def test_a_value_that_somebody_changed_is_taken_once_more(project: PracticeProject) -> None:
    """Amplitude takes nothing twice within a week that has the same insert id."""
    (ref,) = project.add_people(1)
    crm = project.open()
    write = FieldWrite(ref, {ScoreField.SCORE: 50}, "ledger-7")
    crm.push([write])
    project.clock.advance(MINUTE)
    project.project.identify(ref.id, {"$set": {"lead_gauge_score": 3}})
    crm.push([write])
    assert crm.read_back([ref]) == {ref: {ScoreField.SCORE: 50}}


def test_too_large_an_upload_is_halved(host: Host) -> None:
    project = PracticeProject(host, batch_events=8)
    made = project.add_people(30)
    crm = project.open()
    results = crm.push([FieldWrite(ref, {ScoreField.SCORE: 5}) for ref in made])
    assert [(result.ref, result.outcome) for result in results] == [(ref, WriteOutcome.WRITTEN) for ref in made]
    assert len(project.writes()) == 30
    project.close()


def test_one_update_that_is_too_large_is_refused(host: Host) -> None:
    project = PracticeProject(host, batch_bytes=400)
    one, two = project.add_people(2)
    crm = project.open()
    long, short = {ScoreField.REASONS: "x" * 300}, {ScoreField.SCORE: 5}
    results = crm.push([FieldWrite(one, long), FieldWrite(two, short)])
    assert [(str(r.outcome), r.code) for r in results] == [("refused", "TOO_LARGE"), ("written", None)]
    project.close()


@pytest.mark.parametrize(
    ("limits", "outcome", "code", "wait"),
    [
        ({"batch_rate": 1}, "retry", "THROTTLED", timedelta(seconds=15)),
        ({"daily_events": 40}, "retry", "DAILY_QUOTA", timedelta(days=1)),
    ],
)
def test_only_users_who_get_too_much_are_delayed(
    host: Host, limits: dict[str, int], outcome: str, code: str, wait: timedelta
) -> None:
    project = PracticeProject(host, **limits)
    busy, calm = project.add_people(2)
    for _ in range(40):
        project.act(busy.id, "Moved the mouse")
    busy_one, calm_one = project.open().push([FieldWrite(ref, {ScoreField.SCORE: 5}) for ref in (busy, calm)])
    assert (str(busy_one.outcome), busy_one.code, busy_one.retry_after) == (outcome, code, wait)
    assert calm_one.outcome is WriteOutcome.WRITTEN
    project.close()


def test_updates_that_amplitude_drops_in_silence_are_seen_in_the_read_back(host: Host) -> None:
    project = PracticeProject(host, updates_per_hour=3)
    (ref,) = project.add_people(1)
    crm = project.open()
    for score in range(5):
        project.clock.advance(timedelta(seconds=1))
        assert crm.push([FieldWrite(ref, {ScoreField.SCORE: score})])[0].outcome is WriteOutcome.WRITTEN
    assert crm.read_back([ref])[ref] != {ScoreField.SCORE: 4}
    project.close()


def test_a_user_that_is_not_known_is_absent_from_a_read_back(project: PracticeProject) -> None:
    (ref,) = project.add_people(1)
    assert project.open().read_back([ref, project.ref("nobody")]) == {ref: {}}


def test_many_are_pushed_at_once_where_many_wait(project: PracticeProject) -> None:
    crm = project.open()
    assert [crm.push_size(waiting) for waiting in (0, 999, 1000, 10**6)] == [100, 100, 1000, 1000]


# -- the EU ------------------------------------------------------------------------------------------------------------


def test_in_the_eu_nothing_can_be_proved_by_asking(host: Host) -> None:
    project = PracticeProject(host, eu=True)
    (ref,) = project.add_people(1)
    crm = project.open()
    assert not crm.provable
    assert [problem for problem in crm.check() if problem.fatal] == []
    assert crm.push([FieldWrite(ref, VALUES)])[0].outcome is WriteOutcome.WRITTEN
    assert len(crm.fetch([ref, project.ref("gone")])) == 0
    with pytest.raises(Misconfigured, match="profile host in the region eu"):
        crm.read_back([ref])
    project.edit(ref)
    project.clock.advance(NOW_ON)
    (lead,) = people(drain(crm, "events", None))
    assert (lead.written, lead.past) == (VALUES, True)
    project.close()


# -- looking before working --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "effect", "code", "fatal"),
    [
        ("", {"status": 401, "html": "Unauthorized"}, "auth", True),
        ("", {"status": 503, "html": ""}, "unreachable", True),
        ("/batch", {"status": 400, "json": {"code": 400, "error": "Invalid API key: x"}}, "auth", True),
        ("/batch", {"status": 403, "html": "<h1>Forbidden</h1>"}, "misconfigured", True),
        ("cohorts", {"status": 403, "html": "Forbidden"}, "cohorts_denied", True),
        ("deletions", {"status": 200, "json": {"jobs": []}}, "protocol", True),
        ("cohorts", {"status": 200, "json": {"unexpected": []}}, "protocol", True),
        ("userprofile", {"status": 401, "html": "Invalid Api-Key"}, "profile_denied", True),
        ("userprofile", {"status": 403, "html": "Forbidden"}, "profile_denied", True),
    ],
)
def test_check_tells_what_is_wrong_and_never_raises(
    project: PracticeProject, path: str, effect: dict[str, Any], code: str, fatal: bool
) -> None:
    project.faults.add([{"path": path, "effect": effect}])
    assert {(problem.code, problem.fatal) for problem in project.open().check()} == {(code, fatal)}


@pytest.mark.parametrize("change", [{"archived": True}, {"app_id": 1}])
def test_a_cohort_of_the_bin_or_of_another_project_is_none(host: Host, change: dict[str, Any]) -> None:
    project = PracticeProject(host, **{name: value for name, value in change.items() if name == "app_id"})
    project.project.cohorts["c0"].archived = "archived" in change
    found = project.open(project=153_957, cohorts={"hot": COHORTS["hot"]}).check()
    assert [(problem.code, COHORTS["hot"] in problem.what) for problem in found] == [("cohort_missing", True)]
    project.close()


def test_a_project_whose_plan_has_no_cohorts_is_usable_without_them(project: PracticeProject) -> None:
    (ref,) = project.add_people(1)
    project.faults.add([{"path": "cohorts", "effect": {"status": 403, "html": "Forbidden"}}])
    crm = project.open(cohorts={})
    assert [(problem.code, problem.fatal) for problem in crm.check()] == [("cohorts_denied", False)]
    assert crm.push([bucket(ref, "hot")])[0].outcome is WriteOutcome.WRITTEN
    project.clock.advance(NOW_ON)
    assert refs(drain(crm, "events", None)) == [ref]


def test_check_tells_of_buckets_and_events_that_mean_nothing(project: PracticeProject) -> None:
    found = project.open(events=[]).check(["hot", "cold"])
    assert {(problem.code, problem.fatal) for problem in found} == {
        ("bucket_unknown", False),
        ("events_ignored", False),
    }


def test_a_secret_that_is_missing_is_named(project: PracticeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_KEY)
    (problem,) = project.open().check()
    assert problem.code == "misconfigured"
    assert f"secret_key: the environment variable {SECRET_KEY}" in problem.what


def test_an_examination_tells_which_project_it_is(project: PracticeProject) -> None:
    seen = project.open().examine()
    assert (seen.account, seen.identity, list(seen.problems)) == ("project 153957 (us)", "153957", [])
    assert seen.ahead is not None
    assert abs(seen.ahead) < timedelta(seconds=2)


# -- provisioning ------------------------------------------------------------------------------------------------------


def test_cohorts_are_made_once_empty_and_found_again(project: PracticeProject) -> None:
    project.add_people(1)
    project.project.cohorts.clear()
    crm = project.open()
    assert [step.deed for step in crm.provision(dry_run=True)] == [Deed.THERE, Deed.WOULD, Deed.WOULD]
    assert [step.deed for step in crm.provision(dry_run=False)] == [Deed.THERE, Deed.MADE, Deed.MADE]
    assert [step.deed for step in crm.provision(dry_run=False)] == [Deed.THERE] * 3
    assert {its.name: (its.members, its.owner) for its in project.project.cohorts.values()} == {
        name: (set(), "ann@acme.test") for name in COHORTS.values()
    }


@pytest.mark.parametrize(("owner", "why"), [(None, "cohort_owner"), ("ann@acme.test", "no user was found")])
def test_a_cohort_that_cannot_be_made_says_why(project: PracticeProject, owner: str | None, why: str) -> None:
    project.project.cohorts.pop("c1")
    there, hot, warm = project.open(cohort_owner=owner).provision(dry_run=False)
    assert (there.deed, hot.deed, warm.deed) == (Deed.THERE, Deed.THERE, Deed.FAILED)
    assert why in warm.note


def test_provisioning_with_wrong_keys_says_so(project: PracticeProject) -> None:
    project.faults.add([{"effect": {"status": 401, "html": "Unauthorized"}}])
    crm = project.open()
    assert [step.deed for step in crm.provision(dry_run=False)] == [Deed.THERE, Deed.FAILED]
    with pytest.raises(AuthFailed):
        crm.pull("events", None, Tier.COMPLETE)


def test_dates_are_texts_that_sort() -> None:
    assert rendered(VALUES[ScoreField.MQL_DATE]) == "2026-02-28T23:59:59Z"


def test_the_source_is_the_configured_name(project: PracticeProject) -> None:
    crm = project.open()
    assert (crm.source, [stream.name for stream in crm.streams], crm.objects) == (SOURCE, ["events", "erasures"], ())
