"""A key of this machine's own, for what must not lie about readable where nobody configured a key."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.fernet import Fernet

NAME = "token.key"


def own_key(home: Path) -> bytes:
    """The Fernet key in `home`, made on first use and readable by the owner alone. Safe to race. Raises `OSError`."""
    path = home / NAME
    if not path.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = home / f".{NAME}.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # whoever comes second keeps the first one's
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()


def fingerprint(key: bytes) -> str:
    """Tells keys apart and gives nothing of them away."""
    return hashlib.sha256(b"leadgauge token key\0" + key).hexdigest()[:12]
