"""The console on a database with some people, spoken to over HTTP as a browser does."""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import redis
import requests
import uvicorn
from sqlalchemy import text

from connectors.port import Page
from connectors.records import AccountRecord, Activity, ActivityKind, LeadRecord, RecordRef, RecordState, ScoreField
from tests.integration.models.conftest import by_hand
from worker import embedded
from worker.bootstrap import Process
from worker.console.app import create
from worker.console.aside import _begin
from worker.console.passwords import hashed
from worker.console.serve import console, hosts
from worker.rescoring.batch import rescore
from worker.settings import Settings
from worker.store import accounts, models, sessions
from worker.store.accounts import Role
from worker.store.sessions import Kind
from worker.sync.apply import apply
from worker.training.artefact import pack

NOW = datetime.now(UTC).replace(microsecond=0)
PEOPLE = 30
PASSWORD = "correct horse battery"
NAMES = ("Ada Lovelace", "Grace Hopper", "Katherine Johnson")
_HASHED = hashed(PASSWORD)  # once: it is slow on purpose


@dataclass
class Browser:
    """Somebody with a browser."""

    base: str
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(self.base + path, timeout=20, **more)

    def post(self, path: str, *, csrf: str | None = None, headers: dict[str, str] | None = None, **form: Any) -> Any:
        """As a script of one of our pages does; `csrf`: something else than the page's own mark."""
        mark = self.mark() if csrf is None else csrf
        sent = {"Origin": self.base, "HX-Request": "true", "X-CSRF-Token": mark, **(headers or {})}
        return self.session.post(self.base + path, data=form, headers=sent, timeout=20)

    def mark(self) -> str:
        found = re.search(r'"X-CSRF-Token": "([^"]*)"', unescape(self.get("/access").text))
        return found.group(1) if found else ""

    def sign_in(self, name: str, password: str = PASSWORD, **more: str) -> requests.Response:
        return self.session.post(
            f"{self.base}/sign-in", data={"name": name, "password": password, **more}, headers={"Origin": self.base},
            allow_redirects=False, timeout=20,
        )  # fmt: skip


@dataclass
class Office:
    """The console, and the product behind it."""

    base: str
    process: Process
    people: Sequence[int]

    def browser(self) -> Browser:
        return Browser(self.base)

    def signed_in(self, role: Role, name: str | None = None) -> Browser:
        """Somebody of a role, with an account of their own, who has signed in."""
        name, now, secret = name or f"{role} {uuid.uuid4().hex[:6]}", self.process.now(), secrets.token_urlsafe(16)
        with self.process.engine.begin() as connection:
            if accounts.named(connection, name) is None:
                accounts.add(connection, name, role, now, password=_HASHED)
            account = accounts.find(connection, name)
            sessions.begin(connection, account, Kind.BROWSER, secret, "a test", now, now + timedelta(days=1))
        browser = self.browser()
        browser.session.cookies.set("leadgauge", secret, path="/")
        return browser

    def rows(self, query: str, **values: Any) -> list[Any]:
        with self.process.engine.begin() as connection:
            result = connection.execute(text(query), values)
            return list(result) if result.returns_rows else []


def threaded(settings: Settings) -> Executor:
    """In place of a child process: the same work, in this one."""
    return ThreadPoolExecutor(1, initializer=_begin, initargs=(settings,))


@contextlib.contextmanager
def served(process: Process, host: str = "127.0.0.1") -> Iterator[str]:
    """The console's address while it answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        app = create(console(process, host, threaded), hosts(process.settings, host))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture(scope="module")
def office(module_database_url: str, servers: embedded.Addresses, worker_id: str) -> Iterator[Office]:
    """Thirty people with names, scored an hour ago, some writes proved and some refused; one challenger."""
    number = 1 if worker_id == "master" else 2 + int(worker_id.removeprefix("gw"))
    redis_url = servers.redis_url.replace("db=0", f"db={number}")
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    settings = Settings.model_validate({"database_url": module_database_url, "redis_url": redis_url})
    process = Process(settings)
    process.migrate()
    _fill(process)
    people = [row.person_id for row in _all(process, "SELECT person_id FROM score ORDER BY score DESC, person_id DESC")]
    with served(process) as base:
        yield Office(base, process, people)
    process.close()


def _fill(process: Process) -> None:
    born, then = NOW - timedelta(days=30), NOW - timedelta(days=40)
    firm = RecordRef("crm", "Account", "A1")
    refs = [RecordRef("crm", "Lead", f"{n:04}") for n in range(PEOPLE)]
    leads = [
        LeadRecord(
            ref, RecordState.OPEN, born, born, email=f"p{n}@example.com", name=NAMES[n] if n < 3 else f"Person {n}",
            account=firm if n % 2 else None, attributes={"country": "DE", "owner": "Kim" if n % 2 else "Sam"},
        )
        for n, ref in enumerate(refs)
    ]  # fmt: skip
    looks = [
        Activity(
            RecordRef("crm", "Visit", f"{n}-{k}"), ActivityKind.DEMO_REQUEST if k == 0 else ActivityKind.PAGE_VIEW,
            (ref,), NOW - timedelta(days=k + 1), NOW - timedelta(days=k + 1),
        )
        for n, ref in enumerate(refs)
        for k in range(n % 4)
    ]  # fmt: skip
    page = Page({}, True, leads=leads, accounts=[AccountRecord(firm, then, then, name="Analytical Engines")],
                activities=looks, backfill=True)  # fmt: skip
    with process.engine.begin() as connection:
        apply(connection, page, NOW - timedelta(hours=2))
    writable = {"crm": frozenset(ScoreField)}
    rescore(
        process.engine,
        process.arrow,
        process.goals.bases(),
        0,
        1,
        timedelta(days=365),
        writable,
        NOW - timedelta(hours=1),
    )
    model = by_hand({feature.name: feature for feature in process.vocabulary.features})
    artefact, manifest = pack(model, {"goal": "default"}, None)
    with process.engine.begin() as connection:
        models.register(connection, "default", "", model.kind, artefact, manifest, None, "ann", "", NOW)
        connection.execute(
            text("""
            UPDATE ledger SET state = CASE WHEN id % 3 = 0 THEN 'refused' ELSE 'verified' END, attempts = 1,
                   code = CASE WHEN id % 3 = 0 THEN 'FIELD_CUSTOM_VALIDATION_EXCEPTION' END, closed_at = :now
            """),
            {"now": NOW},
        )


def _all(process: Process, query: str) -> list[Any]:
    with process.engine.connect() as connection:
        return list(connection.execute(text(query)))
