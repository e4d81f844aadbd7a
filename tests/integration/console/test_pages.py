"""What the pages show, and what one does there."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any

import pytest

from tests.integration.console.conftest import PEOPLE, Browser, Office
from worker.console.figures import Figures
from worker.scoring.rules import shipped
from worker.store import reports
from worker.store.accounts import Role


@pytest.fixture(autouse=True, scope="module")
def somebody(office: Office) -> None:
    office.signed_in(Role.ADMIN, "root")


def until_made(browser: Browser, path: str) -> str:
    """What a page shows when it has been made behind it."""
    for _ in range(200):
        answer = browser.get(path, headers={"HX-Request": "true"})
        assert answer.status_code == 200, answer.text
        if "loading" not in answer.text:
            return unescape(answer.text)
        time.sleep(0.05)  # the browser asks again, too
    raise AssertionError(f"{path} was never made")


def plain(html: str) -> str:
    """What somebody reads."""
    return " ".join(re.sub(r"<[^>]*>", " ", unescape(html)).split())


def audit(office: Office, action: str) -> list[Any]:
    return office.rows("SELECT who, subject, detail FROM audit WHERE action = :action ORDER BY id", action=action)


def test_the_overview_says_how_it_stands(office: Office) -> None:
    shown = plain(until_made(office.signed_in(Role.VIEWER), "/overview/live"))
    assert f"Scored today {PEOPLE} of {PEOPLE} people" in shown or "Scored today 0" in shown  # an hour ago
    assert "What scores Rules" in shown
    assert "10 writes refused" in shown


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("/", {"/overview/live"}), ("/threshold", {"/threshold/spread"}), ("/leads?q=a&bucket=hot", {"/leads/list"}),
        ("/leads/{person}", {"/leads/{person}/live"}), ("/model", {"/model/live"}), ("/model/1", {"/model/1/compare"}),
        ("/writes?state=refused", {"/writes/figures", "/writes/list?state=refused"}), ("/audit", {"/audit/list"}),
    ],
)  # fmt: skip
def test_pages_ask_for_what_is_new(office: Office, page: str, asked: set[str]) -> None:
    browser, person = office.signed_in(Role.VIEWER), office.people[0]
    shown = browser.get(page.format(person=person)).text
    found = set(
        re.findall(r'<div id="[a-z]+"[^>]* hx-get="([^"]+)"[^>]* hx-trigger="every \d+s" hx-swap="innerMorph"', shown)
    )
    assert found == {address.format(person=person) for address in asked}
    for address in found:
        answer = browser.get(address, params={"enter": 60} if "spread" in address else {})
        assert answer.status_code == 200
        assert "<html" not in answer.text


def test_a_list_that_goes_on_says_so(office: Office) -> None:
    browser = office.signed_in(Role.VIEWER)
    assert "data-later" not in browser.get("/leads/list").text
    assert "data-later" in browser.get("/leads/list?after=101:1").text, "whoever looks at it is not thrown back"


def test_a_threshold_from_the_slider_to_the_policy(office: Office) -> None:
    editor, publisher = office.signed_in(Role.EDITOR, "ed"), office.signed_in(Role.PUBLISHER, "pia")
    meant = plain(until_made(editor, "/threshold/what-if?enter=40&reps=2&each=10"))
    assert "2 reps take 20 leads a week" in meant
    over = office.rows("SELECT count(*) FROM score WHERE score >= 40 AND score < 70 AND stage = 'nurturing'")[0][0]
    assert f"{over} people would be over the line at once" in meant
    assert len(re.findall(r'href="/leads/\d+"', editor.get("/threshold/people?enter=40").text)) == min(over, 25)
    saved = editor.post("/threshold/draft", version=0, enter=40, reps=2, each=10)
    assert saved.headers["hx-redirect"] == "/threshold?draft=draft&saved=1"
    late = office.signed_in(Role.EDITOR).post("/threshold/draft", version=0, enter=80)
    assert late.status_code == 409, "two editors at once"
    assert "Somebody else was faster" in late.text
    told = editor.post("/threshold/document", version=1, text="mql:\n  enter: 400\n")
    assert told.status_code == 422
    assert "draft:2: mql.enter" in told.text
    assert publisher.post("/threshold/publish", version=9).status_code == 409, "not what was looked at"
    done = publisher.post("/threshold/publish", version=1, comment="more of them")
    assert done.headers["hx-redirect"] == "/threshold?published=2"
    shown = plain(publisher.get("/threshold?published=2").text)
    assert "Policy 2 is in force." in shown
    assert "more of them" in shown
    assert publisher.post("/threshold/revert", revision=1).headers["hx-redirect"] == "/threshold?published=3"
    (told,) = audit(office, "policy.publish")
    assert (told.who, told.subject, told.detail["changes"]["mql.enter"]) == ("pia", "default/2", [70, 40])
    listed = plain(publisher.get("/audit?about=policy").text)
    assert listed.count("policy publish default/2") == 1, "once, though it stands in the policies' history, too"


def test_a_replay_names_who_would_become_qualified(office: Office) -> None:
    editor = office.signed_in(Role.EDITOR)
    editor.post("/threshold/draft", version=0, enter=30, name="low")
    shown = until_made(editor, "/threshold/replay?name=low&days=7")
    becoming = re.search(r"Would become MQL: (\d+)", shown)
    assert becoming is not None
    assert int(becoming[1]) > 0
    assert "crm/Lead/" in shown
    editor.post("/threshold/discard", name="low")


@pytest.mark.parametrize(
    ("words", "found"),
    [("lovel", {"Ada Lovelace"}), ("GRACE hop", {"Grace Hopper"}), ("p2@example.com", {"Katherine Johnson"}),
     ("0001", {"Grace Hopper"}), ("crm/Lead/0002", {"Katherine Johnson"}), ("o'); DROP", set()), ("& | !", set())],
)  # fmt: skip
def test_leads_are_found(office: Office, words: str, found: set[str]) -> None:
    told = office.signed_in(Role.VIEWER, "leo").get("/api/v1/leads", params={"q": words}).json()
    assert {lead["name"] for lead in told["leads"]} == found


def test_leads_in_pages_and_by_company(office: Office) -> None:
    browser = office.signed_in(Role.VIEWER)
    told = browser.get("/api/v1/leads", params={"q": "analytical"}).json()["leads"]
    assert len(told) == PEOPLE // 2, "everybody of the account"
    cold = browser.get("/api/v1/leads?bucket=cold").json()["leads"]
    assert [lead["score"] for lead in cold] == sorted((lead["score"] for lead in cold), reverse=True)
    assert len(cold) == office.rows("SELECT count(*) FROM score WHERE bucket = 'cold'")[0][0]
    third = browser.get("/api/v1/leads").json()["leads"][2]
    rest = browser.get("/api/v1/leads", params={"after": f"{third['score']}:{third['person_id']}"}).json()["leads"]
    assert [lead["person_id"] for lead in rest] == list(office.people[3:])
    assert browser.get("/api/v1/leads?after=x").status_code == 422
    assert browser.get("/leads/99999").status_code == 404


def test_a_leads_reasons_add_up(office: Office) -> None:
    browser, person = office.signed_in(Role.VIEWER), office.people[0]
    page = plain(browser.get(f"/leads/{person}").text)
    shown = browser.get(f"/leads/{person}/reasons").text
    score = office.rows("SELECT score FROM score WHERE person_id = :id", id=person)[0].score
    points = [int(number.replace("\u2212", "-")) for number in re.findall(r"<strong>([+\u2212]\d+)</strong>", shown)]
    assert sum(points) == score
    assert f"= {score}" in plain(shown)
    assert re.search(r"Grade [ABC][123] ?: (fit|engagement) [+\u2212]\d", plain(shown))
    assert re.search(r"BANT \d of 4", plain(shown))
    assert f"{score} hot" in page or f"{score} warm" in page or f"{score} nurture" in page
    assert "verified" in page or "FIELD_CUSTOM_VALIDATION_EXCEPTION" in page
    changed = plain(browser.get(f"/leads/{person}/change?span=7d").text)
    assert re.search(r"now \d+ \([+\u2212]\d+\)", changed)
    assert "What happened" in changed


def test_rules_are_checked_tried_and_published(office: Office) -> None:
    editor, publisher = office.signed_in(Role.EDITOR, "rita"), office.signed_in(Role.PUBLISHER, "paul")
    line = shipped().splitlines().index("base: 54") + 1
    wrong = editor.post("/rules/check", text=shipped().replace("base: 54", "base: much"))
    assert f"line {line}: base" in plain(wrong.text)
    text = shipped().replace("base: 54", "base: 44")
    held = office.rows("SELECT version FROM rules_draft")
    version = held[0].version if held else 0
    assert editor.post("/rules/draft", text="base: much", version=version).headers["hx-redirect"]
    assert publisher.post("/rules/publish", version=version + 1).status_code == 422, "what is wrong is not published"
    assert editor.post("/rules/draft", text=text, version=version).status_code == 409
    assert editor.post("/rules/draft", text=text, version=version + 1).headers["hx-redirect"]
    tried = plain(until_made(editor, "/rules/try"))
    assert f"Of {PEOPLE} people {PEOPLE} would have another score" in tried
    assert publisher.post("/rules/publish", version=version + 1).status_code == 409
    assert publisher.post("/rules/publish", version=version + 2).headers["hx-redirect"] == "/rules?published=2"
    assert not office.rows("SELECT FROM rules_draft")
    assert publisher.post("/rules/revert", revision=1).headers["hx-redirect"] == "/rules?published=3"
    assert [row.subject for row in audit(office, "rules.publish")] == ["default/2"]


def test_writes_are_tried_again_dismissed_and_stopped(office: Office) -> None:
    browser = office.signed_in(Role.PUBLISHER, "willi")
    rows = [row.id for row in office.rows("SELECT id FROM ledger WHERE state = 'refused' ORDER BY id LIMIT 3")]
    page = browser.get("/writes?code=FIELD_CUSTOM_VALIDATION_EXCEPTION").text
    assert all(f'value="{row}"' in page for row in rows)
    assert browser.post("/writes/retry", ids=rows[:2]).headers["hx-redirect"] == "/writes?done=2"
    assert browser.post("/writes/retry", ids=[]).status_code == 422
    assert browser.post("/writes/dismiss", ids=rows[2], reason=" ").status_code == 422
    assert browser.post("/writes/dismiss", ids=rows[2], reason="a test org").headers["hx-redirect"]
    held = office.rows("SELECT state, dismissed_why FROM ledger WHERE id = ANY(:ids) ORDER BY id", ids=rows)
    assert [tuple(row) for row in held] == [("intended", None), ("intended", None), ("refused", "a test org")]
    assert "a test org" in plain(browser.get(f"/writes/{rows[2]}").text)
    assert browser.post("/writes/pause", reason="audit").headers["hx-redirect"]
    assert "stopped since" in plain(browser.get("/writes").text)
    assert "Write again" in plain(browser.get("/writes/figures").text), "for whoever has had the page open"
    assert browser.post("/writes/resume").headers["hx-redirect"]
    assert not office.rows("SELECT FROM pause")
    assert [row.who for row in audit(office, "writes.pause")] == ["willi"]


def test_a_model_is_promoted_against_its_figures_only_with_a_reason(office: Office) -> None:
    browser = office.signed_in(Role.PUBLISHER, "mona")
    office.rows(
        "UPDATE model SET report = :page WHERE number = 1", page=reports.packed("<style>b{color:red}</style><b>hi</b>")
    )
    report = browser.get("/model/1/report")
    assert "sandbox" in report.headers["content-security-policy"]
    assert "script-src" not in report.headers["content-security-policy"]
    assert "no figures of it on people" in until_made(browser, "/model/1")
    refused = browser.post("/model/1/promote")
    assert refused.status_code == 409
    assert "no figures of it" in refused.text
    assert browser.post("/model/1/promote", force="true").status_code == 409
    assert browser.post("/model/1/promote", force="true", reason="a test").headers["hx-redirect"] == "/model/1"
    assert "Model 1 scores everybody" in plain(browser.get("/model").text)
    assert browser.post("/model/rollback", reason="enough").headers["hx-redirect"] == "/model"
    listed = plain(browser.get("/audit?about=model").text)
    assert listed.count("model promoted default/1") == 1
    assert listed.count("model rolled back default/1") == 1


def test_results_wait_for_a_day_of_scores(office: Office) -> None:
    browser = office.signed_in(Role.VIEWER)
    assert "Too early" in browser.get("/results").text
    office.rows("UPDATE live SET since = since - interval '30 days'")
    office.rows("UPDATE policy SET created_at = created_at - interval '30 days' WHERE revision = 1")
    office.rows("UPDATE score_history SET as_of = as_of - interval '29 days' WHERE person_id = ANY(:ids)",
                ids=list(office.people[:5]))  # fmt: skip
    office.rows("""
        WITH deal AS (INSERT INTO outcome (source, object, key, status, stage, amount, created_at, modified_at,
                                           closed_at, known_at)
                      VALUES ('crm', 'Opportunity', 'W', 'won', 'Won', 5000, now() - interval '9 days', now(),
                              now() - interval '2 days', now()) RETURNING id)
        INSERT INTO outcome_person SELECT deal.id, s.id FROM deal, subject s WHERE s.person_id = :id LIMIT 1
    """, id=office.people[0])  # fmt: skip
    for _ in range(100):
        told = browser.get("/api/v1/results?days=14")
        if told.status_code == 200:
            break
        time.sleep(0.05)
    outcomes = told.json()["outcomes"]
    assert sum(its["closed"]["of"] for its in outcomes) == 5
    (won,) = [its for its in outcomes if its["closed"]["hits"]]
    assert won["closed"]["hits"] == won["won"]["hits"] == won["won"]["of"] == 1
    assert 11 < won["days"] < 13
    assert won["revenue"] == 5000 / won["closed"]["of"]


def test_a_figure_is_made_once_however_many_ask() -> None:
    from datetime import timedelta
    from threading import Event

    made, go, figures = [], Event(), Figures()

    def make() -> int:
        go.wait(5)
        made.append(1)
        if len(made) == 2:
            raise ValueError("broken")
        return len(made)

    asked = [figures.get("key", make, timedelta(hours=1), patience=0) for _ in range(5)]
    assert asked == [None] * 5
    go.set()
    first = figures.get("key", make, timedelta(hours=1), patience=5)
    assert first is not None
    assert first.value == 1
    assert len(made) == 1
    with pytest.raises(ValueError, match="broken"):
        figures.get("other", make, timedelta(hours=1), patience=5)
    figures.close()
