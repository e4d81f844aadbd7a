"""Hosts and orgs for the connectors' contracts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.connectors.hubspot_portal import PracticePortal
from tests.contract.connectors.hubspot_site import TOKEN, VARIABLE
from tests.contract.connectors.practice import Host, hosted
from tests.contract.connectors.salesforce_org import SECRET, PracticeOrg


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "live: reads a real org or portal; skipped without its variables")


@pytest.fixture(scope="module")
def salesforce_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("salesforce")


@pytest.fixture(scope="module")
def salesforce_host(salesforce_directory: Path) -> Iterator[Host]:
    with hosted(salesforce_directory) as running:
        yield running


@pytest.fixture
def org(salesforce_host: Host, salesforce_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticeOrg]:
    monkeypatch.setenv("SF_SECRET", SECRET)
    practice = PracticeOrg(salesforce_host, salesforce_directory)
    yield practice
    practice.close()


@pytest.fixture
def portal(salesforce_host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticePortal]:
    """A practice HubSpot account, on the same host."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    practice = PracticePortal(salesforce_host, "v3")
    yield practice
    practice.site.close()
