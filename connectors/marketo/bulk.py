"""Bulk extract of leads: Marketo writes a file of all that were made in a stretch of time, and it is read in pieces.

A stretch is 31 days at most, two exports run at once, and a state changes once a minute ("Bulk extract"). So some are
asked for ahead, and whoever finds that one is not done yet comes back later.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.errors import Transient
from connectors.marketo.faults import Rejected
from connectors.marketo.session import Session, rows
from connectors.marketo.values import iso
from connectors.quota import Lane

SPAN = timedelta(days=31) - timedelta(seconds=1)
"""Both ends of a stretch belong to it."""
AGAIN = timedelta(seconds=60)
ROW_BYTES = 1_000
"""About what a row takes."""
LEAST_BYTES, MOST_BYTES = 1 << 16, 1 << 23
NOTHING = "null"
"""What an empty field is in a file; a text of these letters cannot be told from it ("Bulk lead extract")."""


class JobLost(Exception):
    """The export failed, was cancelled, or its file is not kept any more."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows by field, and where the next ones begin; None behind the last."""

    rows: Sequence[Mapping[str, str | None]]
    columns: Sequence[str]
    following: int | None


class Exports:
    """Export jobs of one instance: they belong to the API-only user who made them."""

    def __init__(self, session: Session, piece: int) -> None:
        self._session, self._rows = session, piece

    def start(self, since: datetime, until: datetime, fields: Sequence[str], lane: Lane) -> str:
        """Have the leads written that were made then; the job's id. Where an answer is lost another is begun: the
        first lapses."""
        body = {
            "fields": list(fields), "format": "CSV",
            "filter": {"createdAt": {"startAt": iso(since), "endAt": iso(until)}},
        }  # fmt: skip
        made = rows(self._session.source, self._session.post(_path("create"), body, lane=lane))
        job = str(made[0]["exportId"])
        self._session.post(_path(f"{job}/enqueue"), lane=lane)
        return job

    def size(self, job: str, lane: Lane) -> int:
        """The bytes of its file. Raises `Transient` while it is being written, `JobLost` when it will not be."""
        try:
            (told,) = rows(self._session.source, self._session.get(_path(f"{job}/status"), {}, lane=lane))
        except Rejected as unknown:
            raise JobLost(unknown.code) from None
        state = str(told.get("status"))
        if state == "Completed":
            return int(told["fileSize"])
        if state in ("Created", "Failed", "Canceled", "Cancelled"):  # created and never queued: the answer was lost
            raise JobLost(state)
        raise Transient(self._session.source, "Marketo is still writing an export of leads", AGAIN)

    def piece(self, job: str, start: int, size: int, columns: Sequence[str], lane: Lane) -> Piece:
        """Rows from a byte of the file on, at most as many as a piece has. Raises `JobLost`, also for a file that makes
        no sense."""
        if size == 0:
            return Piece([], columns, None)
        length = min(max(self._rows * ROW_BYTES, LEAST_BYTES), MOST_BYTES)
        while True:
            try:
                raw = self._session.file(_path(f"{job}/file"), start, min(length, size - start), lane=lane)
            except Rejected as gone:
                raise JobLost(gone.code) from None
            last = start + length >= size
            lines, used = cut(raw, self._rows + (0 if columns else 1), whole=last)
            if lines or last:
                break
            length *= 2
            if length > MOST_BYTES:
                raise JobLost("a row is longer than eight megabytes")
        header, lines = (columns, lines) if columns else (lines[0] if lines else [], lines[1:])
        if any(len(line) != len(header) for line in lines):
            raise JobLost("a row has more or fewer cells than the header")
        found = [
            {name: None if cell in ("", NOTHING) else cell for name, cell in zip(header, line, strict=True)}
            for line in lines
        ]
        following = start + used
        return Piece(found, header, following if following < size else None)


def cut(raw: bytes, most: int, *, whole: bool) -> tuple[list[list[str]], int]:
    """The first lines of CSV, at most so many, and how many bytes they take; a cell may hold line breaks. `whole`: the
    last line is complete although it does not end in a break."""
    lines: list[list[str]] = []
    begin = end = quotes = 0
    while len(lines) < most and begin < len(raw):
        found = raw.find(b"\n", end)
        stop = found + 1 if found >= 0 else len(raw)
        quotes += raw.count(b'"', end, stop)
        end = stop
        if quotes % 2 == 0 and (found >= 0 or whole):
            text = raw[begin:end].decode("utf-8", "replace").removeprefix("\ufeff")
            lines += list(csv.reader(io.StringIO(text, newline="")))
            begin = end
        elif found < 0:
            break
    return [line for line in lines if line], begin


def _path(tail: str) -> str:
    return f"/bulk/v1/leads/export/{tail}.json"
