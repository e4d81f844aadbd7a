"""An export on this machine's disk: a zip of gzipped files with one event a line, read through and never held whole."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from connectors.errors import Transient
from connectors.escapes import storable

Place = tuple[int, int]
"""Which file of the zip, by name, and how many of its lines were read."""
START: Place = (0, 0)
_NOWHERE: Place = (-1, 0)

_LONGEST = 8 * 2**20
"""Bytes of a line; an event that Amplitude takes has 1 MB at most."""


class Archive:
    """One export; `file` is closed with it. Lines that are no JSON object are left out, and counted in `unread`."""

    def __init__(self, source: str, file: IO[bytes], unread: Counter[str]) -> None:
        """Raises `Transient` for a file that is not whole."""
        self._source, self._file, self._unread = source, file, unread
        try:
            self._zip = ZipFile(file)
        except BadZipFile:
            raise self._torn() from None
        self._names = sorted(entry.filename for entry in self._zip.infolist() if not entry.is_dir())
        self._at, self._lines = START, self._from(START)

    def read(self, place: Place, most: int) -> tuple[list[dict[str, Any]], Place | None]:
        """The next events from `place` on, and where to go on; None: that was all."""
        if place != self._at:
            self._lines = self._from(place)
        self._at = _NOWHERE  # until the page is whole
        try:
            lines = list(islice(self._lines, most))
        except (BadZipFile, EOFError, zlib.error, gzip.BadGzipFile):
            raise self._torn() from None
        events = [event for _, line in lines if (event := _event(line)) is not None]
        if len(events) < len(lines):
            self._unread["lines"] += len(lines) - len(events)
        if len(lines) < most:
            return events, None
        self._at = lines[-1][0]
        return events, self._at

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def _from(self, place: Place) -> Iterator[tuple[Place, bytes]]:
        """Each line with the place behind it."""
        for number, name in enumerate(self._names[place[0] :], place[0]):
            skip = place[1] if number == place[0] else 0
            with self._zip.open(name) as raw, gzip.open(raw) as lines:
                read = 0
                while line := lines.readline(_LONGEST):
                    read += 1
                    if read > skip:
                        yield (number, read), line

    def _torn(self) -> Transient:
        return Transient(self._source, "an export came damaged")


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(storable(line))
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
