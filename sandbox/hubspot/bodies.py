"""Reading a JSON body that may hold anything."""

from __future__ import annotations

from typing import Any


class Malformed(ValueError):
    """The body does not have the shape that the endpoint reads; the text is the vendor's wording of why."""


def as_object(raw: Any, name: str) -> dict[str, Any]:
    """Raises `Malformed` for anything but an object."""
    if not isinstance(raw, dict):
        raise Malformed(f"Cannot deserialize value of type `object` from `{name}`")
    return raw


def objects_in(raw: Any, name: str) -> list[dict[str, Any]]:
    """A list of objects, empty when left out. Raises `Malformed`."""
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise Malformed(f"Cannot deserialize value of type `java.util.ArrayList` from `{name}`")
    return [as_object(entry, name) for entry in raw]


def names_in(raw: Any, name: str) -> tuple[str, ...]:
    """A list of texts, empty when left out. Raises `Malformed`."""
    if raw is None:
        return ()
    if not isinstance(raw, list) or not all(isinstance(entry, str) for entry in raw):
        raise Malformed(f"Cannot deserialize value of type `java.util.ArrayList<String>` from `{name}`")
    return tuple(raw)


def whole_in(raw: Any, name: str, default: int) -> int:
    """A whole number, given as such or as text. Raises `Malformed`."""
    if raw is None or raw == "":
        return default
    text = str(raw) if isinstance(raw, int | str) and not isinstance(raw, bool) else ""
    if not text.removeprefix("-").isdecimal():
        raise Malformed(f"Cannot deserialize value of type `int` from `{name}`")
    return int(text)
