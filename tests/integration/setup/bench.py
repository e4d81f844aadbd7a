"""An installation that is well: both practice CRMs with what they need and no more, a database at the newest schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.hubspot.check import SCOPES
from connectors.hubspot.examine import ALWAYS
from connectors.port import Problem
from sandbox.clock import Clock
from tests.contract.connectors.hubspot_portal import PracticePortal
from tests.contract.connectors.hubspot_site import TOKEN, VARIABLE, Site
from tests.contract.connectors.practice import Host
from tests.contract.connectors.salesforce_org import KEY, SECRET, PracticeOrg
from worker import embedded
from worker.bootstrap import Process
from worker.settings import load
from worker.setup.checks import problems
from worker.setup.gather import gather

SALESFORCE, HUBSPOT = "SETUP_SALESFORCE", "SETUP_HUBSPOT"
ADMIN = "admin@practice.example"


@dataclass
class Bench:
    """What a test plants faults in: the CRMs, the configuration, the environment."""

    directory: Path
    org: PracticeOrg
    portal: PracticePortal
    tokens: dict[str, frozenset[str]]
    patch: pytest.MonkeyPatch
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def salesforce(self) -> dict[str, Any]:
        """The org's source."""
        return self.config["sources"][0]  # type: ignore[no-any-return]

    @property
    def hubspot(self) -> dict[str, Any]:
        return self.config["sources"][1]  # type: ignore[no-any-return]

    def process(self) -> Process:
        """Of the configuration as it is now. Raises `ConfigurationError`."""
        file = self.directory / "leadgauge.yaml"
        file.write_text(yaml.safe_dump(self.config), "utf-8")
        self.patch.setenv("LEADGAUGE_CONFIG", str(file))
        return Process(load())

    def found(self, *only: str) -> Sequence[Problem]:
        """What the doctor says, of these accounts or of all."""
        process = self.process()
        try:
            return problems(gather(process, only))
        finally:
            process.close()

    def as_admin(self) -> dict[str, Any]:
        """The credentials of the org's administrator."""
        key = {"file": str(self.org.private_key)}
        return {"type": "jwt_bearer", "consumer_key": KEY, "username": ADMIN, "private_key": key}


@contextmanager
def bench(
    directory: Path, salesforce: Host, hubspot: Host, database_url: str, servers: embedded.Addresses
) -> Iterator[Bench]:
    """A bench whose configuration is accepted without a word."""
    now = datetime.now(UTC)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ((SALESFORCE, SECRET), ("SF_SECRET", SECRET), (HUBSPOT, TOKEN), (VARIABLE, TOKEN)):
            patch.setenv(name, value)
        org, portal, tokens = PracticeOrg(salesforce, directory), PracticePortal(hubspot, "v3"), _tokens()
        portal.site.close()
        portal.site = Site(hubspot, Clock(now), {"tokens": tokens})
        portal.portal = portal.site.portal
        org.populate()
        portal.populate()
        org.clock.hold(now)
        made = Bench(directory, org, portal, tokens, patch, _config(org, portal, directory, database_url, servers))
        process = made.process()
        process.migrate()
        process.close()
        yield made
        org.close()
        portal.site.close()


def _tokens() -> dict[str, frozenset[str]]:
    """A key with the scopes that are needed, and none beside."""
    return {TOKEN: ALWAYS | frozenset(SCOPES.values())}


def _config(
    org: PracticeOrg, portal: PracticePortal, directory: Path, database_url: str, servers: embedded.Addresses
) -> dict[str, Any]:
    salesforce = {
        "kind": "salesforce", "name": "sf", "login_url": org.url, "ca_bundle": str(org.ca),
        "time_zone": "Europe/Berlin", "calls_per_second": 1000,
        "auth": {"type": "client_credentials", "consumer_key": KEY, "consumer_secret": {"env": SALESFORCE}},
    }  # fmt: skip
    hubspot = {
        "kind": "hubspot", "name": "hs", "host": portal.site.host.url, "ca_bundle": str(portal.site.host.ca),
        "calls_per_10_seconds": 10_000, "searches_per_second": 100,
        "auth": {"type": "token", "token": {"env": HUBSPOT}},
    }  # fmt: skip
    return {
        "database_url": database_url, "redis_url": servers.redis_url, "home": str(directory / "home"),
        "model_key": "k" * 40, "sources": [salesforce, hubspot],
    }  # fmt: skip
