"""A practice instance behind real sockets and TLS: one server for the run, an instance of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import requests

from sandbox.clock import Clock
from sandbox.marketo.app import build_app
from sandbox.marketo.hostile import RULES, bite
from sandbox.marketo.instance import Instance
from sandbox.marketo.settings import MarketoServer
from sandbox.profiles import Bites
from sandbox.server import make_app
from tests.contract.connectors.practice import Host, hosted
from tests.contract.sandbox_marketo.practice import NOON, Live, Serve


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosted(tmp_path_factory.mktemp("marketo")) as running:
        yield running


@pytest.fixture(scope="session")
def wire() -> Iterator[requests.Session]:
    """One connection for the run: a handshake takes longer than most tests."""
    with requests.Session() as session:
        yield session


@pytest.fixture
def serve(host: Host, wire: requests.Session) -> Serve:
    """Put a new instance, whose clock stands still, on the server, with the controls of the sandbox."""

    def start(**settings: Any) -> Live:
        clock = Clock(NOON)
        clock.hold(NOON)
        instance = Instance(clock)
        app = build_app(instance, MarketoServer(**settings))
        host.put(make_app("marketo", app, clock, Bites(RULES, partial(bite, instance))))
        return Live(host.url, str(host.ca), instance, clock, wire)

    return start


@pytest.fixture
def live(serve: Serve) -> Live:
    return serve()
