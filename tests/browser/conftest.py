"""The whole product, and people with real browsers: practice CRMs, a first pass, the console as people start it.

These tests take minutes and a Chromium (Debian: `apt-get install chromium`), so they run only when BROWSER is set
(`make browser`). CHROMIUM names another program. SHOTS names the directory of the README's pictures, LOOK one for
pictures of every page, for somebody who wants to look at all of them.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from sqlalchemy import NullPool, create_engine, text

from tests.integration.cli.product import Product, hubspot, salesforce, secrets
from tests.integration.sandbox.sandbox_process import Sandbox, running
from worker import embedded
from worker.console.passwords import hashed
from worker.store import accounts
from worker.store.accounts import Role
from worker.store.database import connect

PASSWORD = "correct horse battery"
expect.set_options(timeout=60_000)  # a machine may be busy
collect_ignore_glob = [] if os.environ.get("BROWSER") else ["test_*.py"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Skips without one; where tests must not be skipped (CI=true), fails."""
    program = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None
    )
    if program is None:
        reason = "no Chromium: apt-get install chromium, or name one in CHROMIUM"
        pytest.fail(reason, pytrace=False) if os.environ.get("CI", "").lower() == "true" else pytest.skip(reason)
    with sync_playwright() as playwright:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=[*root, "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@dataclass
class Company:
    """The product at work: `base` is where its console answers."""

    base: str
    product: Product
    practice: Sandbox
    database_url: str
    chromium: Browser
    opened: list[BrowserContext] = field(default_factory=list)

    def rows(self, query: str, **values: Any) -> list[Any]:
        engine = create_engine(self.database_url, poolclass=NullPool)
        with engine.begin() as connection:
            result = connection.execute(text(query), values)
            return list(result) if result.returns_rows else []

    def account(self, name: str, role: Role) -> None:
        engine = connect(self.database_url)
        with engine.begin() as connection:
            if accounts.named(connection, name) is None:
                now = connection.execute(text("SELECT now()")).scalar_one()
                accounts.add(connection, name, role, now, password=hashed(PASSWORD))
        engine.dispose()

    def somebody(self, **options: Any) -> Page:
        """A browser of somebody's own. Whatever its console complains of fails the test."""
        wanted: dict[str, Any] = {"viewport": {"width": 1366, "height": 860}, "ignore_https_errors": True} | options
        context = self.chromium.new_context(**wanted)
        context.set_default_timeout(30_000)
        self.opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        return page

    def signed_in(self, name: str, role: Role, **options: Any) -> Page:
        self.account(name, role)
        page = self.somebody(**options)
        page.goto(f"{self.base}/")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Overview").wait_for()
        return page

    def sync(self) -> None:
        """Everything that is due, at once: read, scored, written, verified."""
        ended = self.product.run("sync", "--once")
        assert ended.code == 0, ended.err

    def rep_sees(self, stage: str) -> int:
        """How many people of the practice Salesforce's rep page are in a stage."""
        page = requests.get(
            f"{self.practice.address['salesforce']['url']}/sandbox/", verify=self.practice.ca, timeout=20
        )
        return page.text.count(f'<td class="wide">{stage}</td>')


@pytest.fixture(scope="session")
def whole(
    chromium: Browser, servers: embedded.Addresses, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Company]:
    """Practice CRMs with forty people each, all of them read, scored, written and verified."""
    from tests.conftest import _database

    with running(tmp_path_factory.mktemp("practice"), "--people", "40", "--seed", "3") as practice:
        for database_url in _database(servers, database_template):
            environment = {
                "LEADGAUGE_DATABASE_URL": database_url, "LEADGAUGE_REDIS_URL": servers.redis_url, **secrets(practice),
            }  # fmt: skip
            config = {"sources": [salesforce(practice), hubspot(practice, salesforce="salesforce")]}
            product = Product(tmp_path_factory.mktemp("product"), environment, config)
            ended = product.run("sync", "--once")
            assert ended.code == 0, ended.err
            with _console(product) as base:
                yield Company(base, product, practice, database_url, chromium)


class _console:
    """The console as people start it."""

    def __init__(self, product: Product) -> None:
        self._product = product

    def __enter__(self) -> str:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._log = (self._product.directory / "console.log").open("wb")
        self._running = subprocess.Popen(
            [sys.executable, "-m", "worker", "console", "--port", str(port)],
            env={**os.environ, **self._product._environment()}, cwd=Path(__file__).parents[2], stdout=self._log,
            stderr=self._log,
        )  # fmt: skip
        base = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                requests.get(f"{base}/static/mark.svg", timeout=2)
                return base
            except requests.ConnectionError:
                assert self._running.poll() is None, (self._product.directory / "console.log").read_text()
                self._running_for(0.2)
        raise AssertionError("the console did not start")

    def _running_for(self, seconds: float) -> None:
        try:
            self._running.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def __exit__(self, *_: object) -> None:
        self._running.terminate()
        self._running.wait(30)
        self._log.close()


@pytest.fixture
def company(whole: Company) -> Iterator[Company]:
    yield whole
    for context in whole.opened:
        context.close()
    whole.opened.clear()


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Takes a picture for the README, where pictures are wanted."""
    return partial(_picture, os.environ.get("SHOTS"))


@pytest.fixture
def look() -> Callable[[Page, str], None]:
    """Takes a picture of a page for whoever looks at all of them."""
    return partial(_picture, os.environ.get("LOOK"))


def _picture(directory: str | None, page: Page, name: str) -> None:
    if directory:
        page.screenshot(path=Path(directory) / f"console-{name}.png", full_page=directory == os.environ.get("LOOK"))
