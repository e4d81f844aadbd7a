"""A practice Salesforce on a real socket over TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.clock import Clock
from sandbox.profiles import Bites
from sandbox.salesforce.app import SalesforceServer, build_app
from sandbox.salesforce.hostile import RULES, bite
from sandbox.salesforce.org import Org
from sandbox.server import make_server
from tests.contract.sandbox_salesforce.practice import (
    HOST,
    KEY,
    NOON,
    OTHER_HOST,
    PASSWORD,
    REFRESH,
    SECRET,
    USERNAME,
    Api,
    Practice,
)


@pytest.fixture(scope="session")
def keys() -> tuple[str, str]:
    """(private, public) of the JWT signer, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """The server's context, and the file of the authority that signed its certificate."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    return context, ca


@pytest.fixture
def practice(tls: tuple[ssl.SSLContext, Path], keys: tuple[str, str]) -> Iterator[Practice]:
    clock = Clock(NOON)
    org = Org(clock)
    settings = SalesforceServer(
        base_url=f"https://{HOST}", consumer_key=KEY, consumer_secret=SECRET, jwt_public_key_pem=keys[1],
        username=USERNAME, password=PASSWORD, security_token="tok", bulk_delay=0.01,
        refresh_token=REFRESH, other_url=f"https://{OTHER_HOST}",
    )  # fmt: skip
    app = build_app(org, settings)
    context, ca = tls
    listener = socket.create_server(("127.0.0.1", 0))
    server = make_server("salesforce", app, clock, context, Bites(RULES, partial(bite, org)))
    server.config.timeout_graceful_shutdown = 1

    async def serve() -> None:
        await server.serve([listener])
        for connection in list(server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    address = f"https://127.0.0.1:{listener.getsockname()[1]}"
    running = Practice(org, clock, app.state.service, address, ca, keys[0])
    try:
        yield running
    finally:
        for session in running.sessions:
            session.close()
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture
def api(practice: Practice) -> Api:
    """Plain calls with a live token."""
    return practice.api()
