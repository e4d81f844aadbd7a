"""A practice project behind real sockets and TLS: one server for the run, a project of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.clock import Clock
from sandbox.mixpanel.app import build_app
from sandbox.mixpanel.project import Project
from tests.contract.connectors.practice import Host, hosted
from tests.contract.sandbox_mixpanel.practice import NOON, Live, Serve


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosted(tmp_path_factory.mktemp("mixpanel")) as running:
        yield running


@pytest.fixture(scope="session")
def wire() -> Iterator[requests.Session]:
    """One connection for the run: a handshake takes longer than most tests."""
    with requests.Session() as session:
        session.trust_env = False  # a machine's own bundle of authorities would take the place of the practice one
        yield session


@pytest.fixture
def serve(host: Host, wire: requests.Session) -> Serve:
    """Put a new project, whose clock stands still, on the server."""

    def start(**settings: Any) -> Live:
        clock = Clock(NOON)
        clock.hold(NOON)
        project = Project(clock, **settings)
        host.show(build_app(project), clock)
        return Live(host.url, str(host.ca), project, clock, wire)

    return start


@pytest.fixture
def live(serve: Serve) -> Live:
    return serve()
