"""Who gets in, who may do what, and what is written down of it."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
import requests
from fastapi.routing import APIRoute
from redis import Redis

from tests.integration.console.conftest import PASSWORD, Browser, Office, served
from worker.bootstrap import Process
from worker.console.app import ROOMS
from worker.console.serve import check
from worker.console.throttle import Throttle, TooManyTries
from worker.settings import ConfigurationError
from worker.store import accounts, sessions
from worker.store.accounts import AccountError, Role
from worker.store.sessions import Kind

PAGES = ("/", "/threshold", "/results", "/leads", "/model", "/rules", "/writes", "/audit", "/access")


@pytest.fixture(autouse=True, scope="module")
def somebody(office: Office) -> None:
    """There is an account, so that nobody comes in without signing in."""
    office.signed_in(Role.ADMIN, "root")


def test_without_signing_in_there_is_nothing(office: Office) -> None:
    browser = office.browser()
    for path in PAGES:
        answer = browser.get(path, allow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next=/{path[1:]}")
    part = browser.get("/overview/live", headers={"HX-Request": "true", "HX-Current-URL": f"{office.base}/leads?q=x"})
    assert part.status_code == 401
    assert part.headers["hx-redirect"] == "/sign-in?next=/leads%3Fq%3Dx"
    told = browser.get("/api/v1/overview")
    assert told.status_code == 401
    assert told.headers["content-type"] == "application/problem+json"


def test_every_page_of_every_role(office: Office) -> None:
    for role in Role:
        browser = office.signed_in(role)
        for path in PAGES:
            answer = browser.get(path)
            assert answer.status_code == 200, (role, path)
            assert "style=" not in answer.text, "a strict policy has no room for it"
            assert "<script>" not in answer.text


def test_the_headers_of_every_answer(office: Office) -> None:
    for path in ("/sign-in", "/nowhere", "/static/console.css", "/api/v1/overview"):
        headers = office.browser().get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"


def test_a_wrong_password_tells_nothing_and_soon_has_to_wait(office: Office) -> None:
    office.signed_in(Role.VIEWER, "wendy")
    browser = office.browser()
    wrong, nobody = browser.sign_in("wendy", "wrong"), browser.sign_in("nobody-at-all", "wrong")
    assert wrong.status_code == nobody.status_code == 401
    for answer in (wrong, nobody):
        assert "do not belong together" in answer.text
    assert [browser.sign_in("wendy", "wrong").status_code for _ in range(4)] == [401] * 4
    late = browser.sign_in("wendy")
    assert late.status_code == 429, "even with the right one"
    assert "Too many tries" in late.text
    assert not browser.session.cookies


def test_signing_in_leads_on_and_never_elsewhere(office: Office) -> None:
    office.signed_in(Role.VIEWER, "nora")
    for wanted, given in (("/leads?q=a", "/leads?q=a"), ("//evil.example", "/"), ("https://evil.example", "/")):
        answer = office.browser().sign_in("nora", next=wanted)
        assert answer.headers["location"] == given
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
    with office.process.engine.begin() as connection:
        accounts.disable(connection, accounts.find(connection, "nora"), office.process.now())
    assert office.browser().sign_in("nora").status_code == 401, "a disabled account, by the right password"


def test_sessions_end_by_idling_by_age_and_by_somebodys_hand(office: Office) -> None:
    with office.process.engine.begin() as connection:
        connection.begin_nested()
        account = accounts.add(connection, "sid", Role.VIEWER, office.process.now())
        now, idle = office.process.now(), timedelta(hours=8)
        for kind in Kind:
            sessions.begin(connection, account, kind, f"secret {kind}", "", now, now + timedelta(days=7))
        late = now + idle + timedelta(seconds=1)
        assert sessions.use(connection, "secret browser", now + timedelta(hours=7), idle)
        assert sessions.use(connection, "secret browser", late, idle), "it was used meanwhile"
        assert not sessions.use(connection, "secret browser", late + idle + timedelta(minutes=2), idle)
        assert sessions.use(connection, "secret token", late, idle), "a token does not idle"
        assert not sessions.use(connection, "secret token", now + timedelta(days=8), idle)
        assert not sessions.use(connection, "another", now, idle)
        assert sessions.end_all(connection, account, now) == 2
        assert not sessions.use(connection, "secret token", now, idle)
        sessions.begin(connection, account, Kind.TOKEN, "secret of late", "", now, now + timedelta(days=7))
        accounts.disable(connection, account, now)
        assert not sessions.use(connection, "secret of late", now, idle), "a disabled account has none that goes on"
    browser = office.signed_in(Role.VIEWER, "vera")
    assert office.rows("SELECT count(*) FROM console_session WHERE position('vera' in encode(digest, 'escape')) > 0")
    number = office.rows("SELECT max(id) FROM console_session")[0][0]
    assert office.signed_in(Role.VIEWER).post("/access/sessions/end", session=number).status_code == 403
    root = office.signed_in(Role.ADMIN, "root")
    assert root.post("/access/sessions/end", session=number).headers["hx-redirect"] == "/access"
    ended = browser.get("/", allow_redirects=False)
    assert ended.headers["location"].endswith("&ended=1")
    assert "has ended" in browser.get(ended.headers["location"]).text


LEAST: dict[Role, str] = {
    Role.EDITOR: """
        GET /threshold/replay     POST /threshold/draft     POST /threshold/document  POST /threshold/discard
        POST /threshold/rebase    GET /model/{number}/replay  POST /model/train       POST /rules/check
        POST /rules/draft         POST /rules/discard       GET /rules/try            GET /rules/replay
        PUT /api/v1/policy/drafts/{name}     DELETE /api/v1/policy/drafts/{name}  POST /api/v1/models/train
        GET /api/v1/policy/drafts/{name}/replay  POST /api/v1/rules/check         PUT /api/v1/rules/draft
    """,
    Role.PUBLISHER: """
        POST /threshold/publish   POST /threshold/revert    POST /model/rollback      POST /model/{number}/promote
        POST /model/{number}/retire  POST /rules/publish    POST /rules/revert        POST /writes/retry
        POST /writes/dismiss      POST /writes/pause        POST /writes/resume
        POST /api/v1/policy/drafts/{name}/publish  POST /api/v1/policy/history/{revision}/revert
        POST /api/v1/models/{number}/promote       POST /api/v1/models/{number}/retire
        POST /api/v1/models/rollback               POST /api/v1/rules/draft/publish
        POST /api/v1/writes/retry  POST /api/v1/writes/dismiss  PUT /api/v1/pauses   DELETE /api/v1/pauses
    """,
    Role.ADMIN: """
        POST /access/role         POST /access/disable      POST /access/enable       GET /api/v1/accounts
        PUT /api/v1/accounts/{name}/role           DELETE /api/v1/accounts/{name}
    """,
}
OWN = {"POST /access/password", "POST /access/sessions/end"}
"""What everybody may do to what is theirs."""


def test_an_open_page_keeps_nobody_signed_in(office: Office) -> None:
    browser = office.signed_in(Role.VIEWER, "paula")
    since = "interval '7 hours 59 minutes'"
    office.rows(f"UPDATE console_session SET seen_at = now() - {since} WHERE label = 'a test' AND account_id = "
                "(SELECT id FROM console_account WHERE name = 'paula')")  # fmt: skip
    seen = (
        "SELECT seen_at < now() - interval '7 hours' FROM console_session s JOIN console_account a ON a.id = account_id"
    )
    assert browser.get("/overview/live", headers={"X-Polling": "1"}).status_code == 200
    assert office.rows(f"{seen} WHERE a.name = 'paula'")[0][0]
    assert browser.get("/overview/live").status_code == 200
    assert not office.rows(f"{seen} WHERE a.name = 'paula'")[0][0]


def test_who_may_not(office: Office) -> None:
    calls = {role: re.findall(r"([A-Z]+) (\S+)", told) for role, told in LEAST.items()}
    changes = {
        f"{method} {prefix}{route.path}"
        for room in ROOMS
        for prefix, router in (("", room.pages), ("/api/v1", room.api))
        for route in router.routes if isinstance(route, APIRoute)
        for method in (route.methods or set()) - {"GET"}
    }  # fmt: skip
    told = {" ".join(call) for those in calls.values() for call in those}
    assert changes - told == OWN, "whoever adds a change says here who may do it"
    roles = list(Role)
    for least, those in calls.items():
        browser = office.signed_in(roles[roles.index(least) - 1])
        headers = {"Origin": office.base, "X-CSRF-Token": browser.mark()}
        for method, path in those:
            address = office.base + path.format(number=1, name="root", revision=1)
            answer = browser.session.request(method, address, headers=headers, timeout=20)
            assert answer.status_code == 403, (least, method, path)
            assert f"this needs the role {least}" in answer.text
    assert not office.rows("SELECT FROM policy WHERE revision > 1")


def test_changes_come_from_our_own_pages(office: Office) -> None:
    browser = office.signed_in(Role.PUBLISHER)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": ""},
    ):
        assert browser.post("/writes/pause", headers=headers, reason="x").status_code == 403, headers
    assert browser.post("/writes/pause", csrf="guessed", reason="x").status_code == 403
    assert browser.post("/writes/pause", csrf=office.signed_in(Role.PUBLISHER).mark(), reason="x").status_code == 403
    assert not office.rows("SELECT FROM pause")
    assert browser.get("/", headers={"Host": "evil.example"}).status_code == 421


def test_the_last_admin_stays(office: Office) -> None:
    root = office.signed_in(Role.ADMIN, "root")
    with office.process.engine.begin() as connection:
        for account in accounts.listed(connection):
            if account.name != "root" and account.role is Role.ADMIN:
                accounts.disable(connection, account, office.process.now())
    asked: list[tuple[str, dict[str, Any]]] = [("/access/role", {"role": "viewer"}), ("/access/disable", {})]
    for path, form in asked:
        answer = root.post(path, name="root", **form)
        assert answer.status_code == 422
        assert "the only admin" in answer.text
    with office.process.engine.begin() as connection, pytest.raises(AccountError, match="already"):
        accounts.add(connection, "ROOT", Role.VIEWER, office.process.now())


def test_a_new_password_signs_the_others_out(office: Office) -> None:
    one, other = office.signed_in(Role.VIEWER, "pat"), office.signed_in(Role.VIEWER, "pat")
    assert one.post("/access/password", old="wrong", new="x" * 12).status_code == 422
    assert "at least 12" in one.post("/access/password", old=PASSWORD, new="short").text
    assert one.post("/access/password", old=PASSWORD, new="another long one").headers["hx-redirect"]
    assert one.get("/", allow_redirects=False).status_code == 200
    assert other.get("/", allow_redirects=False).status_code == 303
    assert office.browser().sign_in("pat").status_code == 401
    assert office.browser().sign_in("pat", "another long one").status_code == 303
    kept = office.rows("SELECT password FROM console_account WHERE name = 'pat'")[0].password
    assert kept.startswith("$argon2id$")


def test_signing_out(office: Office) -> None:
    browser = office.signed_in(Role.VIEWER)
    kept = browser.session.cookies.copy()
    browser.post("/sign-out", headers={"HX-Request": ""})
    assert browser.get("/", allow_redirects=False).status_code == 303
    browser.session.cookies = kept
    assert browser.get("/", allow_redirects=False).status_code == 303, "the secret itself is worth nothing"


def test_open_on_this_machine_alone(database_url: str, office: Office) -> None:
    process = Process(office.process.settings.model_copy(update={"database_url": None}))
    process.__dict__["addresses"] = office.process.addresses.__class__(
        database_url, office.process.addresses.redis, office.process.addresses.broker
    )
    process.migrate()
    with pytest.raises(ConfigurationError, match="make an account first"):
        check(process, "192.0.2.1")
    check(process, "127.0.0.1")
    with served(process) as base:
        first = Browser(base)
        assert "Nobody has to sign in" in first.get("/").text
        assert first.post("/writes/pause", reason="a test").headers["hx-redirect"] == "/writes"
        assert first.post("/writes/pause", csrf="x", reason="a test").status_code == 403
        with process.engine.begin() as connection:
            accounts.add(connection, "ann", Role.ADMIN, process.now(), password="x")
        assert first.get("/", allow_redirects=False).status_code == 303, "from the first account on"
    check(process, "192.0.2.1")
    process.close()


def test_programs_have_tokens(office: Office) -> None:
    with office.process.engine.begin() as connection:
        account = accounts.add(connection, "robot", Role.EDITOR, office.process.now())
        now = office.process.now()
        sessions.begin(connection, account, Kind.TOKEN, "lgk_one", "a test", now, now + timedelta(days=1))

    def call(method: str, path: str, token: str = "lgk_one", **more: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{office.base}/api/v1{path}", headers=headers, timeout=20, **more)  # type: ignore[arg-type]

    assert call("GET", "/me").json() == {"name": "robot", "role": "editor", "via": "api"}
    assert call("GET", "/me", "lgk_two").status_code == 401
    browser = office.browser()
    browser.session.cookies.set("leadgauge", "lgk_one", path="/")
    assert browser.get("/", allow_redirects=False).status_code == 303, "a token is no browser's session"
    secret = office.signed_in(Role.ADMIN).session.cookies["leadgauge"]
    assert call("GET", "/me", secret).status_code == 401, "nor is a browser's session a token"
    assert call("PUT", "/pauses", params={"reason": "x"}).status_code == 403
    saved = call("PUT", "/rules/draft", json={"text": "version: 1", "version": 0})
    assert saved.json()["version"] == 1
    again = call("PUT", "/rules/draft", json={"text": "version: 2", "version": 0})
    assert again.status_code == 409
    assert again.json()["title"] == "Somebody else was faster"
    told = office.rows("SELECT who, via, action FROM audit ORDER BY id DESC LIMIT 1")[0]
    assert tuple(told) == ("robot", "api", "rules.draft")
    paths = call("GET", "/openapi.json").json()["paths"]
    assert {"/api/v1/policy", "/api/v1/leads/{person}", "/api/v1/writes", "/api/v1/audit"} <= paths.keys()
    for path, methods in paths.items():
        if not re.search(r"\{|drafts/|/change|/accounts", path) and "get" in methods:
            assert call("GET", path.removeprefix("/api/v1"), params={"enter": 60}).status_code in (200, 202), path


@pytest.mark.parametrize("away", [False, True])
def test_whoever_tries_many_names_has_to_wait(office: Office, away: bool) -> None:
    address = uuid.uuid4().hex
    with Redis.from_url("redis://127.0.0.1:1/0" if away else office.process.addresses.redis) as redis:
        throttle = Throttle(redis)
        for name in range(50):
            throttle.enter(f"{address} {name}", address)
        with pytest.raises(TooManyTries):
            throttle.enter("one more", address)
        throttle.enter("from elsewhere", f"not {address}")
