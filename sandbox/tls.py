"""The certificate authority of the practice CRMs and the keys that lie beside it."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

NAMES = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in the sandbox's directory; made once and reused, so that clients may pin the CA over restarts."""

    ca: Path
    chain: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """A context for servers on `NAMES`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.chain, self.key)
        return context


def certificates(directory: Path) -> Certificates:
    """The certificates in `directory`, made on first use. The CA's own key is never written down."""
    files = Certificates(ca=directory / "ca.pem", chain=directory / "server.pem", key=directory / "server.key")
    if not all(path.exists() for path in (files.ca, files.chain, files.key)):
        authority = trustme.CA(organization_name="Leadgauge practice CRMs")
        issued = authority.issue_cert(*NAMES)
        write_private(files.key, issued.private_key_pem.bytes())
        files.chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        authority.cert_pem.write_to_path(files.ca)
    return files


def signing_key(path: Path) -> str:
    """The PEM public key of the RSA key pair at `path`, which is made on first use.

    It plays the certificate that an admin uploads for the JWT bearer flow.
    """
    if not path.exists():
        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        write_private(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key = load_pem_private_key(path.read_bytes(), password=None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def write_private(path: Path, content: bytes) -> None:
    """Write `content` in one rename, readable by the owner alone from the first byte on."""
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
