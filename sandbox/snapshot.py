"""The practice world on disk, so that a restarted sandbox keeps what was written to it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from sandbox.tls import write_private

FORMAT = 1


class Unreadable(Exception):
    """The snapshot exists but is not one that this version can read."""


class Snapshot:
    """One file, replaced in one rename; both CRMs are in it, so they are always of the same instant."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = 0

    def load(self) -> dict[str, Any] | None:
        """The last state saved, or None where there is none. Raises `Unreadable`."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            state: dict[str, Any] = orjson.loads(content)
        except orjson.JSONDecodeError as problem:
            raise Unreadable(f"{self.path} is damaged ({problem}); move it away to start with a new world") from None
        if state.get("format") != FORMAT:
            raise Unreadable(f"{self.path} is of another version; move it away to start with a new world")
        self._written = zlib.crc32(content)
        return state

    def save(self, state: Mapping[str, Any]) -> bool:
        """Write `state` if it differs from what was written last; says whether it did."""
        content = orjson.dumps({"format": FORMAT, **state}, option=orjson.OPT_NON_STR_KEYS)
        if (sum_ := zlib.crc32(content)) == self._written:
            return False
        write_private(self.path, content)
        self._written = sum_
        return True
