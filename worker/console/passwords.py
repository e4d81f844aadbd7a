"""Passwords of local accounts: argon2id, checked in the same time whether there is such an account or not."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from worker.store.accounts import AccountError

SHORTEST, LONGEST = 12, 1024
"""NIST SP 800-63B: length is what counts; rules of composition do harm."""
_HASHER = PasswordHasher()  # argon2-cffi's defaults are those of RFC 9106 for little memory: 64 MiB, 3 passes


def hashed(password: str) -> str:
    """What is kept of a password. Raises `AccountError` for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError(f"a password needs at least {SHORTEST} characters; a sentence is a good one")
    return _HASHER.hash(password)


def right(password: str, kept: str | None) -> bool:
    """Whether it is the password whose hash is kept. None: there is no such account; it takes as long."""
    try:
        _HASHER.verify(kept or _nobodys(), password)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def outdated(kept: str) -> bool:
    """Whether it was hashed with less effort than is made today: hash it anew when the password is next known."""
    return _HASHER.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _HASHER.hash("a password that is nobody's")
