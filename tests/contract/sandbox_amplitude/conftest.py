"""A practice project behind real sockets and TLS: one server for the run, a project of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.amplitude.app import build_app
from sandbox.amplitude.project import Project
from sandbox.amplitude.settings import AmplitudeServer
from sandbox.clock import Clock
from tests.contract.connectors.practice import Host, hosted
from tests.contract.sandbox_amplitude.practice import NOON, Live, Serve


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosted(tmp_path_factory.mktemp("amplitude")) as running:
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
        server = AmplitudeServer(**settings)
        project = Project(clock, server.export_latency, server.updates_per_hour)
        host.show(build_app(project, server), clock)
        wire.verify = str(host.ca)
        return Live(host.url, server, project, clock, wire)

    return start


@pytest.fixture
def live(serve: Serve) -> Live:
    return serve()
