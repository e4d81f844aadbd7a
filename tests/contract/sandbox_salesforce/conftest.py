"""A practice Salesforce on a real socket over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.clock import Clock
from sandbox.profiles import Bites
from sandbox.salesforce.app import SalesforceServer, build_app
from sandbox.salesforce.hostile import RULES, bite
from sandbox.salesforce.org import Org
from sandbox.server import make_app
from tests.contract.connectors.practice import Host, hosted
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
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One listening socket for the run."""
    with hosted(tmp_path_factory.mktemp("salesforce")) as running:
        yield running


@pytest.fixture
def practice(host: Host, keys: tuple[str, str]) -> Iterator[Practice]:
    """An org of the test's own behind it, with the controls of the sandbox."""
    clock = Clock(NOON)
    org = Org(clock)
    settings = SalesforceServer(
        base_url=f"https://{HOST}", consumer_key=KEY, consumer_secret=SECRET, jwt_public_key_pem=keys[1],
        username=USERNAME, password=PASSWORD, security_token="tok", bulk_delay=0.01,
        refresh_token=REFRESH, other_url=f"https://{OTHER_HOST}",
    )  # fmt: skip
    app = build_app(org, settings)
    host.put(make_app("salesforce", app, clock, Bites(RULES, partial(bite, org))))
    running = Practice(org, clock, app.state.service, host.url.replace("localhost", "127.0.0.1"), host.ca, keys[0])
    yield running
    for session in running.sessions:
        session.close()


@pytest.fixture
def api(practice: Practice) -> Api:
    """Plain calls with a live token."""
    return practice.api()
