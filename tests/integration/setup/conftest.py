"""Hosts for the practice CRMs, and an installation that is well for every test."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.connectors.practice import Host, hosted
from tests.integration.setup.bench import Bench, bench
from worker import embedded


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("setup")


@pytest.fixture(scope="module")
def salesforce_host(directory: Path) -> Iterator[Host]:
    with hosted(directory) as running:
        yield running


@pytest.fixture(scope="module")
def hubspot_host(directory: Path) -> Iterator[Host]:
    with hosted(directory) as running:
        yield running


@pytest.fixture(scope="module")
def installed(
    directory: Path, salesforce_host: Host, hubspot_host: Host, module_database_url: str, servers: embedded.Addresses
) -> Iterator[Bench]:
    with bench(directory, salesforce_host, hubspot_host, module_database_url, servers) as made:
        yield made


@pytest.fixture
def well(installed: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """An installation that nothing is wrong with; what a test changes of its configuration ends with the test."""
    return replace(installed, patch=monkeypatch, config=deepcopy(installed.config))
