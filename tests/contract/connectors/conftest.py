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
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("salesforce")


@pytest.fixture(scope="module")
def host(directory: Path) -> Iterator[Host]:
    with hosted(directory) as running:
        yield running


@pytest.fixture
def org(host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticeOrg]:
    monkeypatch.setenv("SF_SECRET", SECRET)
    practice = PracticeOrg(host, directory)
    yield practice
    practice.close()


@pytest.fixture
def practice(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticePortal]:
    """A practice HubSpot account, on the same host."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    practice = PracticePortal(host, "v3")
    yield practice
    practice.site.close()
