"""A CSV or Parquet file as a frame, for an analyst without a database: whatever a spreadsheet or a CRM exports."""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

_MARKS = ((BOM_UTF8, "utf-8"), (BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be"))
_SEPARATORS = (",", ";", "\t", "|")
_HEAD = 256 * 1024
_FOREIGN = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive", "save it as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save it as CSV (UTF-8)"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it"),
    (b"ARROW1", "an Arrow or Feather file", "save it as Parquet"),
)
_MARKUP = re.compile(rb"\s*(?:(<!doctype|<html|<table|<\?xml)|[\[{]\s*[\[{\"])", re.IGNORECASE)
"""The beginnings of a web page, which some exports are in spite of their name, and of JSON."""


class BadFile(Exception):
    """A file that cannot be read as a table: which, where, and what to do. Never a cell's value."""

    def __init__(self, path: Path, what: str, todo: str, row: int | None = None) -> None:
        where = path.name if row is None else f"{path.name}, row {row:,}"
        super().__init__(f"{where}: {what}; {todo}")


def read(path: Path) -> tuple[pl.DataFrame, str]:
    """The table, and in words how it was read. CSV cells are text, null where empty; Parquet columns as they are typed.

    CSV: comma, semicolon, tab or bar; UTF-8, UTF-16, else Windows-1252, in which every byte that is not UTF-8 has a
    letter. Rows are counted as a spreadsheet does: the header is row 1. Raises `BadFile`.
    """
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise BadFile(path, f"cannot be read ({problem.strerror})", "give the path of a CSV or Parquet file") from None
    if raw.startswith(b"PAR1"):
        return _parquet(path, raw), "Parquet"
    for mark, what, todo in _FOREIGN:
        if raw.startswith(mark):
            raise BadFile(path, f"is {what}", todo)
    if found := _MARKUP.match(raw.removeprefix(BOM_UTF8)):
        raise BadFile(path, "is a web page or XML" if found[1] else "is JSON", "save it as CSV (UTF-8)")
    return _text(path, raw)


def _parquet(path: Path, raw: bytes) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(io.BytesIO(raw))
    except (pl.exceptions.PolarsError, OSError):  # the library's message may quote the file
        raise BadFile(path, "is not whole Parquet", "export it again") from None
    return _peopled(path, frame)


def _text(path: Path, raw: bytes) -> tuple[pl.DataFrame, str]:
    encoding, utf8 = _decoded(path, raw)
    if not utf8.strip():
        raise BadFile(path, "is empty", "the first row names the columns")
    separator = _separator(utf8)
    first = _first_record(utf8)
    header = _header(path, first, separator)
    body = utf8[len(first.encode()) :]
    schema = dict.fromkeys(header, pl.String())
    try:
        frame = pl.read_csv(io.BytesIO(body), has_header=False, separator=separator, infer_schema=False, schema=schema)
    except pl.exceptions.NoDataError:
        frame = pl.DataFrame(schema=schema)
    except pl.exceptions.PolarsError:
        frame = pl.DataFrame(_rows(path, utf8, separator, len(header)), schema, orient="row")
    else:
        # Missing cells at the end of a row are filled with nulls in silence.
        if frame.width > 1 and frame.to_series(frame.width - 1).has_nulls():
            for _ in _rows(path, utf8, separator, len(header)):
                pass
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
    return _peopled(path, frame), f"CSV, {encoding}, separated by {names[separator]}"


def _decoded(path: Path, raw: bytes) -> tuple[str, bytes]:
    """The encoding in words, and the text as UTF-8 without a mark."""
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return encoding.upper(), _recoded(path, raw[len(mark) :], encoding)
    if b"\0" in raw[:4096]:
        even, odd = raw[:4096:2].count(0), raw[1:4096:2].count(0)
        encoding = "utf-16-le" if odd > even else "utf-16-be"
        if max(even, odd) < min(len(raw), 4096) // 8 or 4 * min(even, odd) > max(even, odd):
            raise BadFile(path, "holds binary data", "give a CSV or Parquet file")
        try:
            return encoding.upper(), raw.decode(encoding).encode()
        except UnicodeDecodeError:  # it was a guess
            raise BadFile(path, "holds binary data", "give a CSV or Parquet file") from None
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "Windows-1252", raw.decode("cp1252", errors="replace").encode()
    return "UTF-8", raw


def _recoded(path: Path, raw: bytes, encoding: str) -> bytes:
    try:
        return raw.decode(encoding).encode()
    except UnicodeDecodeError as problem:
        rows = raw[: problem.start].count("\n".encode(encoding)) + 1
        raise BadFile(path, f"holds bytes that are not {encoding.upper()}", "save it as UTF-8", rows) from None


def _separator(utf8: bytes) -> str:
    """The one that cuts most of the first rows into the same number of cells, and into most of them."""
    head = utf8[:_HEAD].decode("utf-8", errors="ignore").splitlines(keepends=True)[:50]

    def judged(separator: str) -> tuple[float, int]:
        try:
            widths = Counter(len(cells) for cells in csv.reader(head, delimiter=separator) if cells)
        except csv.Error:
            return 0.0, 0
        width, rows = widths.most_common(1)[0] if widths else (0, 0)
        return (rows / widths.total() if width > 1 else 0.0), width

    return max(_SEPARATORS, key=judged)


def _header(path: Path, first: str, separator: str) -> list[str]:
    try:
        cells = next(csv.reader(io.StringIO(first, newline=""), delimiter=separator), [])
    except csv.Error:
        raise BadFile(path, "has a first row that names no columns", "is it a CSV file?", 1) from None
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise BadFile(path, f"two columns are called {twice[0]!r}", "rename one", 1)
    return names


def _first_record(utf8: bytes) -> str:
    """The header: the first line, and further ones as long as a quote is open."""
    taken = ""
    for line in io.StringIO(utf8[: 8 * _HEAD].decode("utf-8", errors="ignore"), newline=""):
        taken += line
        if taken.count('"') % 2 == 0:
            break
    return taken


def _rows(path: Path, utf8: bytes, separator: str, width: int) -> Iterator[list[str | None]]:
    """The rows below the header, slowly but forgiving of quotes in the middle of a cell. Raises `BadFile` for the first
    row of another width."""
    csv.field_size_limit(max(len(utf8), csv.field_size_limit()))  # of the whole process: others need theirs
    quoting = f'cells that hold {separator!r}, " or line breaks are quoted with "; is one never closed?'
    row = 0
    try:
        for row, cells in enumerate(csv.reader(io.StringIO(utf8.decode(), newline=""), delimiter=separator), 1):
            if cells and len(cells) != width:
                raise BadFile(path, f"has {len(cells)} cells, the header {width}", quoting, row)
            if cells and row > 1:
                yield [cell or None for cell in cells]
    except csv.Error as problem:
        raise BadFile(path, f"is not CSV ({problem})", quoting, row + 1) from None


def _peopled(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    if not frame.height:
        raise BadFile(path, "has no rows", "give one row a lead below the names of the columns")
    return frame
