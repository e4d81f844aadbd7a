"""A practice portal behind real sockets and TLS: one server for the run, a portal of its own for each test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from sandbox.clock import Clock
from sandbox.control import control_routes
from sandbox.faults import FaultMiddleware, Faults
from sandbox.hubspot.app import HubspotServer, build_app
from sandbox.hubspot.hostile import RULES, bite
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.settings import ALL_SCOPES
from sandbox.profiles import Bites, Profile
from sandbox.server import Connection
from tests.contract.sandbox_hubspot.practice import NOON, TOKEN, Live, Serve, Server, Stage


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """(CA, chain, key) for the loopback address."""
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    ca, chain, key = directory / "ca.pem", directory / "chain.pem", directory / "key.pem"
    authority.cert_pem.write_to_path(ca)
    issued.private_key_pem.write_to_path(key)
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return ca, chain, key


@pytest.fixture(scope="session")
def stage(certificates: tuple[Path, Path, Path]) -> Iterator[Stage]:
    """One listening server; each test puts its own application on it."""
    _, chain, key = certificates
    # With the protocol named, asyncio switches Nagle's algorithm off; without, each answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    stage = Stage(f"https://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(
        stage, http=Connection, ssl_certfile=chain, ssl_keyfile=str(key), log_level="warning", lifespan="off"
    )
    server = Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    assert server.listening.wait(10)
    yield stage
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def serve(stage: Stage, certificates: tuple[Path, Path, Path]) -> Serve:
    """Put a new portal, whose clock stands still, on the server, with the controls of the sandbox."""

    def start(*, index_lag: timedelta = timedelta(0), **settings: Any) -> Live:
        clock = Clock(NOON)
        clock.hold(NOON)
        held = Portal(clock, index_lag=index_lag)
        chosen = HubspotServer(base_url=stage.url, **{"tokens": {TOKEN: ALL_SCOPES}, **settings})
        faults = Faults()
        profile = Profile(Bites(RULES, partial(bite, held)), faults)
        routes = [*control_routes(clock, faults, profile, crm="hubspot"), Mount("/", app=build_app(held, chosen))]
        stage.app = FaultMiddleware(Starlette(routes=routes), faults)
        return Live(stage.url, str(certificates[0]), held, clock, chosen)

    return start


@pytest.fixture
def live(serve: Serve) -> Live:
    return serve()


@pytest.fixture(params=["/crm/v3/objects", "/crm/objects/2026-03", "/crm/objects/2026-09"])
def objects(request: pytest.FixtureRequest) -> str:
    """The objects path of each family."""
    return str(request.param)
