"""One time for a measured product and the practice CRMs beside it: a number in a file that all of them map.

It stands still but for what is charged to it, so that what is found does not depend on how busy the machine is.
"""

from __future__ import annotations

import mmap
import struct
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

_STAMP = struct.Struct("<q")  # written in one piece, being aligned
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Shared:
    """The time in the file at `path`, which is made with the wall's where there is none. One process moves it on."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_STAMP.pack((datetime.now(UTC) - _EPOCH) // _MICROSECOND))
        with path.open("r+b") as file:
            self._held = mmap.mmap(file.fileno(), _STAMP.size)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The instant, aware and in UTC."""
        microseconds: int = _STAMP.unpack(self._held[: _STAMP.size])[0]
        return _EPOCH + microseconds * _MICROSECOND

    def advance(self, by: timedelta) -> None:
        """Move on; never back."""
        with self._lock:
            microseconds = (self.now() - _EPOCH + max(by, timedelta(0))) // _MICROSECOND
            self._held[: _STAMP.size] = _STAMP.pack(microseconds)
