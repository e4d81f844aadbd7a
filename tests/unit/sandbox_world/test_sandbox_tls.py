import ssl
from pathlib import Path

import jwt
import pytest

from sandbox.tls import certificates, signing_key


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """The client's side of a whole TLS handshake in memory. Raises what the client raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [ours, theirs]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)
    return ours


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_client_that_trusts_the_ca_accepts_the_server(tmp_path: Path, name: str) -> None:
    made = certificates(tmp_path)
    ours = _handshake(made.server_context(), ssl.create_default_context(cafile=str(made.ca)), name)
    assert ours.getpeercert(), "the certificate was looked at"


def test_a_client_that_does_not_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(certificates(tmp_path).server_context(), ssl.create_default_context(), "localhost")


def test_a_restart_keeps_the_ca(tmp_path: Path) -> None:
    first = certificates(tmp_path).ca.read_bytes()
    assert certificates(tmp_path).ca.read_bytes() == first


def test_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    signing_key(tmp_path / "signing.key")
    keys = (certificates(tmp_path).key, tmp_path / "signing.key")
    assert [key.stat().st_mode & 0o777 for key in keys] == [0o600, 0o600]


def test_the_signing_key_proves_a_token_and_stays_the_same(tmp_path: Path) -> None:
    public = signing_key(tmp_path / "signing.key")
    token = jwt.encode({"sub": "someone"}, (tmp_path / "signing.key").read_text(), algorithm="RS256")
    assert jwt.decode(token, public, algorithms=["RS256"]) == {"sub": "someone"}
    assert signing_key(tmp_path / "signing.key") == public
