"""Practice CRMs for a module, a scored database for a module, a command for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.product import Product, hubspot, salesforce, secrets
from tests.integration.sandbox.sandbox_process import Sandbox, running
from worker import embedded


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One practice Salesforce and one practice HubSpot with about 40 people each."""
    with running(tmp_path_factory.mktemp("practice"), "--people", "40", "--seed", "3") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def scored_database(
    practice: Sandbox,
    module_database_url: str,
    servers: embedded.Addresses,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """A database in which a first pass was made."""
    environment = {
        "LEADGAUGE_DATABASE_URL": module_database_url,
        "LEADGAUGE_REDIS_URL": servers.redis_url,
        **secrets(practice),
    }
    product = Product(tmp_path_factory.mktemp("first"), environment, _sources(practice))
    assert (ended := product.run("sync", "--once")).code == 0, ended.err
    return module_database_url


@pytest.fixture
def product(practice: Sandbox, scored_database: str, redis_url: str, broker_url: str, tmp_path: Path) -> Product:
    """The command on the practice CRMs, the scored database, and an empty Redis: it logs in anew."""
    environment = {
        "LEADGAUGE_DATABASE_URL": scored_database,
        "LEADGAUGE_REDIS_URL": redis_url,
        "LEADGAUGE_BROKER_URL": broker_url,
        **secrets(practice),
    }
    return Product(tmp_path, environment, _sources(practice), list(secrets(practice).values()))


def _sources(practice: Sandbox) -> dict[str, object]:
    return {"sources": [salesforce(practice), hubspot(practice, salesforce="salesforce")]}
