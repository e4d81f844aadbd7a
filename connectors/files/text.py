"""CSV, streamed: one line in memory at a time, and a byte to go on from after every row."""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from pathlib import Path

from connectors.files.flaw import Flaw
from connectors.files.mapping import Table
from connectors.files.source import Line, Place

LONGEST_LINE = 1024 * 1024
LONGEST_CELL = 128 * 1024
"""Characters. More without a line break is no CSV, and would be held in memory."""
_MARKS = ((BOM_UTF8, "utf-8"), (BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be"))
_SEPARATORS = (",", ";", "\t", "|")
_HINTS = {
    "utf-8": "declare `encoding`: cp1252 is what Excel writes on Windows in Western Europe",
}


class TextSource:
    """A CSV file. Rows are counted as a spreadsheet does: the header is row 1."""

    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self._quote = table.quote
        mark, self._encoding = self._opening(table)
        self._separator = table.separator or self._sniffed(mark, table)
        first = next(self._records(Place(mark, 1), self._separator), None)
        if first is None or not any(cell.strip() for cell in first[1]):
            raise Flaw(path, "is empty", f"the first row names the columns: {', '.join(table.mapped.values())}")
        self.start, cells = first
        self.header: Sequence[str] = [cell.strip() for cell in cells]

    def lines(self, place: Place, columns: Sequence[int]) -> Iterator[Line]:
        width = len(self.header)
        for after, cells in self._records(place, self._separator):
            if cells and len(cells) != width:
                what = f"has {len(cells)} cells, the header {width}"
                allowed = f"every row has as many; cells that hold {self._separator!r} or line breaks are quoted"
                raise Flaw(self._path, what, allowed, row=place.row)
            if cells:  # a blank line is no row of data
                yield Line(place, after, [cells[each] for each in columns])
            place = after

    def _opening(self, table: Table) -> tuple[int, str]:
        """The length of the byte order mark, and the encoding that it or the mapping tells."""
        with self._path.open("rb") as file:
            head = file.read(4096)
        for mark, encoding in _MARKS:
            if head.startswith(mark):
                return len(mark), encoding
        encoding = table.encoding or "utf-8"
        if b"\0" in head and not encoding.startswith("utf-16"):
            allowed = "declare `encoding: utf-16-le` (or utf-16-be) if it is UTF-16; Parquet files end in .parquet"
            raise Flaw(self._path, "holds NUL bytes", allowed)
        return 0, encoding

    def _sniffed(self, mark: int, table: Table) -> str:
        """The separator under which the header shows the most of the mapped columns."""
        wanted = set(table.mapped.values())

        def found(separator: str) -> tuple[int, int]:
            try:
                _, cells = next(self._records(Place(mark, 1), separator), (None, []))
            except Flaw:
                return 0, 0
            return len(wanted & {cell.strip() for cell in cells}), len(cells)

        return max(_SEPARATORS, key=found)

    def _records(self, place: Place, separator: str) -> Iterator[tuple[Place, list[str]]]:
        """Every record from `place` on, with the place of the next; a blank line is an empty record."""
        with self._path.open("rb") as binary:
            binary.seek(place.at)
            # Undecodable bytes come through, and are found by `_measured`, which knows the row.
            text = io.TextIOWrapper(binary, self._encoding, errors="surrogateescape", newline="")
            reached = [place.at, place.row]
            records = csv.reader(self._measured(text, reached), delimiter=separator, quotechar=self._quote, strict=True)
            while True:
                csv.field_size_limit(LONGEST_CELL)  # holds for the whole process, so others may have set it since
                try:
                    cells = next(records)
                except StopIteration:
                    return
                except UnicodeDecodeError:
                    raise self._undecodable(reached[1]) from None
                except csv.Error as problem:
                    allowed = f"quote cells with {self._quote!r}, double it inside; is one never closed?"
                    raise Flaw(self._path, f"is not CSV ({problem})", allowed, row=reached[1]) from None
                reached[1] += 1
                yield Place(reached[0], reached[1]), cells

    def _measured(self, text: io.TextIOWrapper, reached: list[int]) -> Iterator[str]:
        """The lines, `reached[0]` moved behind each as it is taken."""
        while line := text.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE and not line.endswith(("\n", "\r")):
                what = f"has more than {LONGEST_LINE:,} characters without a line break"
                raise Flaw(self._path, what, "is it CSV, and of this encoding?", row=reached[1])
            if "\0" in line:
                raise Flaw(self._path, "holds a NUL character", "remove it, or declare the encoding", row=reached[1])
            try:
                reached[0] += len(line.encode(self._encoding))
            except UnicodeEncodeError:
                raise self._undecodable(reached[1]) from None
            yield line

    def _undecodable(self, row: int) -> Flaw:
        allowed = _HINTS.get(self._encoding, "declare the `encoding` that it was saved in")
        return Flaw(self._path, f"holds bytes that are not {self._encoding.upper()}", allowed, row=row)
