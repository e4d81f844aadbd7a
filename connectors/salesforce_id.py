"""Ids of Salesforce records as other systems hold them."""

from __future__ import annotations


def case_safe(id: str) -> str:
    """The 18-character form of a Salesforce id: three characters that say which letters of the 15 are capitals."""
    if len(id) == 18:
        return id
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    chunks = (id[start : start + 5] for start in (0, 5, 10))
    return id + "".join(digits[sum(1 << n for n, letter in enumerate(chunk) if letter.isupper())] for chunk in chunks)
