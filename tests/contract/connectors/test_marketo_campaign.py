"""A campaign for hot leads, requested once each, whatever becomes of the answer; and what an instance needs for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from connectors.alerts import ALERTS, Alerting
from connectors.examination import Examining
from connectors.marketo.campaign import SHOWN
from connectors.marketo.crm import MarketoCrm
from connectors.provisioning import Deed, Provisioning
from connectors.records import Alert, RecordRef, ScoreField, WriteOutcome
from sandbox.marketo import log
from sandbox.marketo.settings import ALL_PERMISSIONS, CLIENT_ID, MarketoServer, Service
from sandbox.marketo.temper import Limits
from tests.contract.connectors.crm_practice import MINUTE, START
from tests.contract.connectors.marketo_instance import SECRET, VARIABLE, WRONG, PracticeInstance
from tests.contract.connectors.practice import Host

LOST: list[Mapping[str, Any]] = [{"path": "trigger.json", "count": 1, "effect": {"reset_after": True}}]
"""The answer to the next request is lost, though it was carried out."""


@pytest.fixture
def marketo(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticeInstance]:
    monkeypatch.setenv(VARIABLE, SECRET)
    practice = PracticeInstance(host)
    yield practice
    practice.close()


def opened(marketo: PracticeInstance, **campaign: Any) -> tuple[MarketoCrm, int]:
    """A connector, and the campaign that it requests."""
    number = marketo.instance.add_campaign("Hot leads", **campaign)
    return marketo.open(alert={"campaign": number}), number


def alert(ref: RecordRef, mark: str = "Leadgauge 1f", *, tried: bool = False) -> Alert:
    return Alert(ref, mark, "", "Score 92", date(2026, 3, 3), START, tried)


def runs(marketo: PracticeInstance, number: int) -> list[str]:
    return [str(run[0]) for run in marketo.instance.campaigns[number].runs]


def test_a_hundred_leads_run_through_the_campaign_by_one_request(marketo: PracticeInstance) -> None:
    made = marketo.add_people(ALERTS)
    crm, number = opened(marketo)
    assert isinstance(crm, Alerting)
    results = crm.alert([alert(ref, f"Leadgauge {n}") for n, ref in enumerate(made)])
    assert {result.outcome for result in results} == {WriteOutcome.WRITTEN}
    assert runs(marketo, number) == [ref.id for ref in made]
    assert sum(endpoint.endswith("trigger.json") for endpoint in marketo.endpoints()) == 1


def test_without_a_campaign_nothing_is_requested(marketo: PracticeInstance) -> None:
    (result,) = marketo.open().alert([alert(marketo.add())])
    assert (result.outcome, result.code) == (WriteOutcome.REFUSED, "NO_CAMPAIGN")


def test_who_is_gone_spoils_it_for_nobody(marketo: PracticeInstance) -> None:
    gone, fine, closing = marketo.add_people(3)
    marketo.delete(gone)
    crm, number = opened(marketo)
    crm.read_back([fine])
    (lost, *_), want = crm.alert([alert(gone)]), [alert(fine, "a"), alert(closing, "b")]
    assert lost.outcome is WriteOutcome.GONE
    refused = {"success": False, "errors": [{"code": "1004", "message": "Lead '1' not found"}]}
    marketo.faults.add([{"path": "trigger.json", "count": 1, "effect": {"status": 200, "json": refused}}])
    assert [result.outcome for result in crm.alert(want)] == [WriteOutcome.WRITTEN] * 2
    assert runs(marketo, number) == [fine.id, closing.id]


def test_a_lost_answer_is_found_in_the_lead_s_log_and_nothing_is_requested_twice(marketo: PracticeInstance) -> None:
    one, two = marketo.add_people(2)
    crm, number = opened(marketo)
    crm.read_back([one])
    marketo.faults.add(LOST)
    (lost,) = crm.alert([alert(one)])
    assert (lost.outcome, lost.code) == (WriteOutcome.UNRESOLVED, "NO_ANSWER")
    marketo.clock.advance(MINUTE)
    other = marketo.instance.add_campaign("Another")
    marketo.instance.happen(int(two.id), log.REQUEST, primary=other, value="Another")
    found, unseen = crm.alert([alert(one, tried=True), alert(two, "b", tried=True)])
    assert found.outcome is WriteOutcome.WRITTEN
    assert found.made is not None
    assert found.made.object == "activities"
    assert (unseen.outcome, unseen.code) == (WriteOutcome.UNRESOLVED, "LOG_LAGS")
    assert runs(marketo, number) == [one.id]


def test_the_log_has_its_time_from_the_attempt_on(marketo: PracticeInstance) -> None:
    ref = marketo.add()
    crm, _ = opened(marketo)
    marketo.clock.advance(timedelta(hours=5))
    just = replace(alert(ref, tried=True), sent_at=marketo.clock.now() - MINUTE)
    (result,) = crm.alert([just])
    assert (result.outcome, result.code) == (WriteOutcome.UNRESOLVED, "LOG_LAGS")


def test_a_request_of_long_ago_proves_one_of_then_and_none_of_now(marketo: PracticeInstance) -> None:
    ref = marketo.add()
    crm, number = opened(marketo)
    ago = marketo.clock.now() - timedelta(days=3)
    marketo.instance.happen(int(ref.id), log.REQUEST, at=ago, primary=number, value="Hot leads")
    results = crm.alert([alert(ref, tried=True), Alert(ref, "of then", "", "", date(2026, 3, 1), ago, True)])
    assert [result.outcome for result in results] == [WriteOutcome.UNRESOLVED, WriteOutcome.WRITTEN]


@pytest.mark.parametrize(
    ("rule", "outcome", "code", "requested"),
    [("any", WriteOutcome.REFUSED, "NOBODY_KNOWS", 0), ("once", WriteOutcome.WRITTEN, None, 1)],
)
def test_what_the_log_never_shows_is_repeated_only_where_that_does_no_harm(
    marketo: PracticeInstance, rule: str, outcome: WriteOutcome, code: str | None, requested: int
) -> None:
    ref = marketo.add()
    crm, number = opened(marketo, rule=rule)
    marketo.clock.advance(SHOWN)
    (result,) = crm.alert([alert(ref, tried=True)])
    assert (result.outcome, result.code) == (outcome, code)
    assert (result.message is None) is (outcome is WriteOutcome.WRITTEN)
    assert len(runs(marketo, number)) == requested


def test_what_was_not_sent_is_to_be_tried_again_and_says_when(marketo: PracticeInstance) -> None:
    ref = marketo.add()
    crm, number = opened(marketo)
    crm.read_back([ref])
    marketo.temper(limits=Limits(daily=1))
    new, tried = crm.alert([alert(ref), alert(ref, "b", tried=True)])
    assert (new.outcome, new.code) == (WriteOutcome.RETRY, "NOT_SENT")
    assert new.retry_after is not None
    assert timedelta(hours=20) < new.retry_after < timedelta(hours=21), "until midnight in Chicago"
    assert (tried.outcome, tried.code) == (WriteOutcome.UNRESOLVED, "NOT_LOOKED")
    marketo.temper(limits=None)
    marketo.faults.add([{"path": "trigger.json", "count": 1, "effect": {"status": 200, "json": {
        "success": False, "errors": [{"code": "611", "message": "System error"}]}}}])  # fmt: skip
    (refused,) = crm.alert([alert(ref)])
    assert (refused.outcome, refused.code) == (WriteOutcome.RETRY, "NOT_SENT")
    assert runs(marketo, number) == []


@pytest.mark.parametrize("state", [{"active": False}, {"requestable": False}, {"type": "batch"}])
def test_a_campaign_that_is_not_open_is_waited_for(marketo: PracticeInstance, state: dict[str, Any]) -> None:
    made = marketo.add_people(2)
    crm, number = opened(marketo, **state)
    results = crm.alert([alert(ref, ref.id) for ref in made])
    assert [result.outcome for result in results] == [WriteOutcome.RETRY] * 2
    assert "activate" in str(results[0].message)
    assert sum(endpoint.endswith("trigger.json") for endpoint in marketo.endpoints()) == 1
    assert {problem.code for problem in crm.check() if problem.fatal} >= {
        "campaign_inactive" if "active" in state or "type" in state else "campaign_closed"
    }
    assert runs(marketo, number) == []


def test_check_sees_whether_the_campaign_can_be_requested_and_requests_nobody(marketo: PracticeInstance) -> None:
    crm, number = opened(marketo)
    found = {problem.code: problem.fatal for problem in crm.check() if problem.code.startswith("campaign")}
    assert found == {"campaign_repeats": False}
    crm, number = opened(marketo, rule="once")
    assert not [problem for problem in crm.check() if problem.code.startswith("campaign")]
    assert runs(marketo, number) == []
    (missing,) = [problem for problem in marketo.open(alert={"campaign": 9}).check() if problem.fatal]
    assert (missing.code, missing.where) == ("campaign_missing", "acme-mkto/campaigns/9")


@pytest.mark.parametrize(
    ("right", "codes"),
    [("Execute Campaign", {"campaign_denied"}), ("Read-Only Assets", {"campaign_unseen"}),
     ("Read-Only Activity", {"object_missing"})],
)  # fmt: skip
def test_check_names_the_right_that_is_missing(
    host: Host, monkeypatch: pytest.MonkeyPatch, right: str, codes: set[str]
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    rights = ALL_PERMISSIONS - {right, right.replace("Only", "Write")}
    marketo = PracticeInstance(host, MarketoServer(services={CLIENT_ID: Service(SECRET, permissions=rights)}))
    crm, _ = opened(marketo, rule="once")
    found = [problem for problem in crm.check() if problem.code != "clock_skew"]
    assert {problem.code for problem in found} == codes
    assert all(right in problem.fix for problem in found)
    marketo.close()


def test_check_finds_fields_that_do_not_fit(marketo: PracticeInstance) -> None:
    crm = marketo.open(fields={"score": "title", "grade": "inferredCompany", "bucket": "nope"}, attributes={"x": "y"})
    found = {(problem.code, problem.where.rpartition(".")[2], problem.fatal) for problem in crm.check()}
    assert found - {("clock_skew", "acme-mkto", False)} == {
        ("field_type", "title", True), ("field_read_only", "inferredCompany", True), ("field_missing", "nope", True),
        ("attribute_missing", "y", False),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "effect", "code"),
    [
        ("", {"status": 503}, "unreachable"),
        ("rest/", {"status": 200, "json": {"success": False, "errors": [{"code": "607", "message": "-"}]}}, "quota"),
        ("v1/", {"status": 200, "json": {"success": False, "errors": [{"code": "610", "message": "-"}]}}, "protocol"),
        ("describe", {"status": 200, "json": {"success": True, "result": {"a": 1}}}, "protocol"),
    ],
)
def test_check_tells_what_else_is_wrong_and_never_raises(
    marketo: PracticeInstance, path: str, effect: dict[str, Any], code: str
) -> None:
    marketo.faults.add([{"path": path, "effect": effect}])
    assert {problem.code for problem in marketo.open().check() if problem.fatal} == {code}


def test_wrong_credentials_are_told_with_where_the_right_ones_are(
    marketo: PracticeInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WRONG, "wrong")
    (problem,) = marketo.open_with_wrong_credentials().check()
    assert "LaunchPoint" in problem.what
    assert "wrong" not in problem.what.replace("is wrong", "")


# -- provisioning ------------------------------------------------------------------------------------------------------


def test_fields_are_made_once_after_a_dry_run_that_makes_none(marketo: PracticeInstance) -> None:
    for field in ScoreField:
        name = marketo.settings().fields[field]
        assert name is not None
        marketo.instance.schema.remove(name)
    crm = marketo.open()
    assert isinstance(crm, Provisioning)
    before = len(list(marketo.instance.schema))
    dry = list(crm.provision(dry_run=True))
    assert [step.deed for step in dry] == [Deed.WOULD] * 12 + [Deed.BY_HAND]
    assert "hidden" in dry[0].note
    assert len(list(marketo.instance.schema)) == before
    assert [step.deed for step in crm.provision(dry_run=False)] == [Deed.MADE] * 12 + [Deed.BY_HAND]
    score = marketo.instance.schema.get("leadGaugeScore")
    assert score is not None
    assert (score.type, score.label) == ("score", "Leadgauge Score"), "Marketo has a Lead Score of its own"
    assert [step.deed for step in crm.provision(dry_run=False)] == [Deed.THERE] * 12 + [Deed.BY_HAND]
    assert [problem for problem in crm.check() if problem.fatal] == []


def test_what_cannot_be_made_is_told_and_stops_nothing_else(marketo: PracticeInstance) -> None:
    schema = marketo.instance.schema
    for name in ("leadGaugeScore", "leadGaugeGrade"):
        schema.remove(name)
    schema.add("mine", "Leadgauge Score Grade", "string")
    steps = {step.what: step for step in marketo.open(fields={"action": "title2"}).provision(dry_run=False)}
    assert steps["field leadGaugeScore"].deed is Deed.MADE
    assert steps["field leadGaugeGrade"].deed is Deed.FAILED
    assert "label" in steps["field leadGaugeGrade"].note
    wrong = {step.what: step for step in marketo.open(fields={"score": "title"}).provision(dry_run=False)}
    assert wrong["field title"].deed is Deed.BY_HAND


def test_provisioning_without_the_right_says_so(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    rights = ALL_PERMISSIONS - {"Read-Write Schema Custom Field"}
    marketo = PracticeInstance(host, MarketoServer(services={CLIENT_ID: Service(SECRET, permissions=rights)}))
    marketo.remove_score_field()
    steps = list(marketo.open().provision(dry_run=False))
    assert [step.note for step in steps if step.deed is Deed.FAILED]
    marketo.close()


def test_an_examination_says_which_instance_it_is_and_what_is_used(marketo: PracticeInstance) -> None:
    crm = marketo.open(daily_calls=5)
    assert isinstance(crm, Examining)
    found = crm.examine()
    assert found.identity == "localhost"
    assert found.quota is not None
    assert found.quota.limit == 5
    assert "quota_low" in {problem.code for problem in found.problems}
    assert marketo.open(host="https://localhost:1").examine().problems[0].code == "unreachable"
