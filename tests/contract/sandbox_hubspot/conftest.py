"""A practice portal behind real sockets and TLS, one for each test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvicorn

from sandbox.clock import Clock
from sandbox.hubspot.app import HubspotServer, build_app
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.settings import ALL_SCOPES
from tests.contract.sandbox_hubspot.practice import NOON, TOKEN, Live, Serve, Server


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


@pytest.fixture
def serve(certificates: tuple[Path, Path, Path]) -> Iterator[Serve]:
    """Start servers on ports of their own; they stop with the test."""
    ca, chain, key = certificates
    running: list[tuple[Server, threading.Thread]] = []

    def start(*, portal: Portal | None = None, **settings: Any) -> Live:
        # With the protocol named, asyncio switches Nagle's algorithm off; without, each answer takes 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        clock = Clock(NOON)
        clock.hold(NOON)
        held = portal or Portal(clock)
        if portal is not None and isinstance(portal.clock, Clock):
            clock = portal.clock
        chosen = HubspotServer(base_url=url, **{"tokens": {TOKEN: ALL_SCOPES}, **settings})
        config = uvicorn.Config(
            build_app(held, chosen), ssl_certfile=chain, ssl_keyfile=str(key), log_level="warning", lifespan="off"
        )
        server = Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        assert server.listening.wait(10)
        running.append((server, thread))
        return Live(url, str(ca), held, clock, chosen)

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def live(serve: Serve) -> Live:
    return serve()


@pytest.fixture(params=["/crm/v3/objects", "/crm/objects/2026-03", "/crm/objects/2026-09"])
def objects(request: pytest.FixtureRequest) -> str:
    """The objects path of each family."""
    return str(request.param)
