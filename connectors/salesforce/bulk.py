"""Bulk API 2.0 query jobs: Salesforce writes the answer to files, which are read piece by piece as streams of CSV.

A piece is named by a locator, which stays valid as long as the job (seven days), so that it can be read again.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from requests import Response

from connectors.errors import ProtocolViolation, Transient
from connectors.quota import Lane
from connectors.salesforce.describe import Field
from connectors.salesforce.faults import blot
from connectors.salesforce.session import Session

NOT_IN_BULK = frozenset({"address", "location", "base64"})
"""Types that a bulk query refuses (Bulk API 2.0 guide, "Considerations for Bulk Query")."""
FIRST_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 7.0)
"""Seconds before each look at a new job; a small one is done by then."""
LATER_PAUSES = (15.0,)
"""For a job that takes longer: every look is an API call."""
_RUNNING = frozenset({"Open", "UploadComplete", "InProgress"})
CHUNK = 1 << 16
"""Bytes of an answer that are read at once."""

_LONGEST = 1 << 24
"""Characters of a cell; the csv module's own limit is that of a long text area, to the character."""


class JobLost(Exception):
    """The job has failed or was aborted: its answer will not come."""


class Garbled(Transient):
    """A piece that arrived whole and makes no sense."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows as a REST query would have brought them, and where the next are (None: there are no more)."""

    rows: list[dict[str, Any]]
    locator: str | None


class BulkQueries:
    """Query jobs of one org; `everything` includes deleted, merged and archived rows."""

    def __init__(self, session: Session, lane: Lane, *, everything: bool = True) -> None:
        self._session = session
        self._lane = lane
        self._operation = "queryAll" if everything else "query"

    def start(self, soql: str) -> str:
        """Have a job made and return its id. When the answer is lost a second one is made: nobody asks for the first,
        and it lapses by itself."""
        body = {"operation": self._operation, "query": soql, "contentType": "CSV", "columnDelimiter": "COMMA"}
        answer = self._session.post("jobs/query", {**body, "lineEnding": "LF"}, lane=self._lane)
        if not isinstance(answer, dict) or "id" not in answer:
            raise ProtocolViolation(self._session.source, "a new bulk query was answered without its id")
        return str(answer["id"])

    def finished(self, job: str, pauses: Iterable[float]) -> bool:
        """Whether the answer is there, looked for after each of the pauses. Raises `JobLost`."""
        for pause in pauses:
            self._session.wait(pause)
            answer = self._session.get(f"jobs/query/{job}", lane=self._lane)
            state = answer.get("state") if isinstance(answer, dict) else None
            if state == "JobComplete":
                return True
            if state not in _RUNNING:
                raise JobLost(f"{state} {blot(str(answer.get('errorMessage') or ''))}".strip())
        return False

    def piece(self, job: str, locator: str | None, size: int, fields: Mapping[str, Field]) -> Piece:
        """The rows from `locator` on (None: from the first), at most `size`. Read again when it was cut off.

        Raises `JobLost` when it makes no sense however often it is read.
        """
        path = f"jobs/query/{job}/results"
        source = self._session.source

        def read(response: Response) -> Piece:
            if "csv" not in response.headers.get("Content-Type", ""):
                # A login or maintenance page must not be taken for the last piece.
                raise Transient(source, "a piece of a bulk query was answered with something else than CSV")
            try:
                rows = list(rows_of(response.iter_content(CHUNK), fields))
            except csv.Error as odd:
                raise Garbled(source, f"a piece of a bulk query is no CSV: {odd}") from None
            with suppress(ValueError):  # the count is a check, and not every answer has it
                if int(response.headers.get("Sforce-NumberOfRecords", "")) != len(rows):
                    raise Garbled(source, "a piece of a bulk query is shorter or longer than announced")
            # "null" is how Salesforce says that there are no more; a header that went missing must not loop.
            following = response.headers.get("Sforce-Locator", "null")
            return Piece(rows, None if following == "null" else following)

        params = {"maxRecords": str(size), **({"locator": locator} if locator else {})}
        try:
            piece = self._session.download(path, params, read, lane=self._lane)
        except Garbled as lasting:
            raise JobLost(lasting.message) from None
        if piece.locator is not None and piece.locator == locator:
            raise ProtocolViolation(source, "a bulk query's locator leads to itself")
        return piece


def rows_of(chunks: Iterable[bytes], fields: Mapping[str, Field]) -> Iterator[dict[str, Any]]:
    """Rows of CSV with a header, typed as in JSON; columns such as `Campaign.Name` are nested as there.

    An empty cell is null; words like "null" and "N/A" are words. Raises `csv.Error`.
    """
    csv.field_size_limit(_LONGEST)  # holds for the whole process, so others may have set it since
    records = csv.reader(_lines(chunks), strict=True)
    header = next(records, [])
    typed = [(name, read) for name in header if name in fields and (read := reader(fields[name].type))]
    nested = [name.split(".", 1) for name in header if "." in name]
    for cells in records:
        if len(cells) != len(header):
            raise csv.Error(f"a row of {len(cells)} cells under a header of {len(header)}")
        row: dict[str, Any] = dict(zip(header, [cell or None for cell in cells], strict=True))
        for name, read in typed:
            cell = row[name]
            if cell is not None:
                row[name] = read(cell)
        for parent, name in nested:
            value = row.pop(f"{parent}.{name}")
            if value is not None or parent not in row:
                row[parent] = {**(row.get(parent) or {}), name: value} if value is not None else None
        yield row


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Text by lines, whose ends stay: a quoted value may hold some. Cuts at newlines only, and drops NULs."""
    rest = ""
    for text in codecs.iterdecode(chunks, "utf-8", "replace"):
        *lines, rest = (rest + text.replace("\0", "")).split("\n")
        for line in lines:
            yield line + "\n"
    if rest:
        yield rest


def reader(kind: str) -> Callable[[str], Any] | None:
    """From a cell of a field of this type to the value in JSON; None where it is the same."""
    match kind:
        case "boolean":
            return "true".__eq__
        case "int" | "long":
            return _whole
        case "double" | "currency" | "percent":
            return _number
        case "datetime":
            return _stamp
    return None


def _stamp(cell: str) -> str:
    return cell[:-1] + "+0000" if cell[-1] == "Z" else cell


def _whole(cell: str) -> int | str:
    try:
        return int(float(cell))  # "12.0" occurs
    except ValueError:
        return cell


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell
