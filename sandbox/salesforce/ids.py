"""Record ids: 15 case-sensitive characters plus a 3-character checksum that makes them safe to compare without case."""

from __future__ import annotations

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_COUNTER_DIGITS = 9


def base62(number: int, width: int) -> str:
    """`number` in base 62, padded with zeros to `width`."""
    digits = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits)).rjust(width, "0")


def checksum(id15: str) -> str:
    """The three characters that tell, five characters at a time, which of them are upper case."""
    return "".join(
        _CHECKSUM[sum(1 << bit for bit, char in enumerate(id15[start : start + 5]) if "A" <= char <= "Z")]
        for start in (0, 5, 10)
    )


def mint(prefix: str, pod: str, counter: int) -> str:
    """The 18-character id number `counter` of a kind: prefix (3), pod (2), reserved zero, counter (9), checksum (3)."""
    id15 = f"{prefix}{pod}0{base62(counter, _COUNTER_DIGITS)}"
    return id15 + checksum(id15)


def normalise(id: object) -> str | None:
    """The 18-character form of a well-formed 15- or 18-character id, or None for anything else."""
    if not isinstance(id, str) or not id.isascii() or not id.isalnum():
        return None
    if len(id) == 15:
        return id + checksum(id)
    if len(id) == 18 and checksum(id[:15]) == id[15:].upper():
        return id[:15] + id[15:].upper()
    return None
