from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.connectors.hubspot_site import TOKEN, VARIABLE, Site
from tests.contract.connectors.practice import Host, hosted


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosted(tmp_path_factory.mktemp("hubspot")) as running:
        yield running


@pytest.fixture
def site(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty practice portal in good health."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    made = Site(host)
    yield made
    made.close()
