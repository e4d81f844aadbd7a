"""A file as rows, whatever its format: opened anywhere, read in order, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from connectors.files.flaw import Flaw, did_you_mean
from connectors.files.mapping import Table

_SAMPLE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row begins: `at` is a byte (CSV) or a count of rows (Parquet), `row` its number as people count."""

    at: int
    row: int


@dataclass(frozen=True, slots=True)
class Line:
    """One row: the mapped cells in the order of the mapping, and where it and its successor begin."""

    place: Place
    after: Place
    cells: Sequence[Any]


class Source(Protocol):
    """An open file. Its methods raise `Flaw`."""

    @property
    def header(self) -> Sequence[str]: ...

    @property
    def start(self) -> Place:
        """Of the first row of data."""

    def lines(self, place: Place, columns: Sequence[int]) -> Iterator[Line]:
        """The rows from `place` on, with the cells of `columns` (positions in the header)."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one version of a file from another. `modified` is in microseconds since 1970."""

    size: int
    modified: int
    sample: str

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.modified // 1_000_000, UTC)

    def __str__(self) -> str:
        return f"{self.size}-{self.modified}-{self.sample}"


def stamp(path: Path) -> Stamp:
    """The version that lies there now, by size, time and the first and last 64 KiB. Raises `Flaw` if there is none."""
    try:
        with path.open("rb") as file:
            head = file.read(_SAMPLE)
            size = file.seek(0, 2)
            file.seek(max(0, size - _SAMPLE))
            digest = blake2b(head, digest_size=8)
            digest.update(file.read(_SAMPLE))
        return Stamp(size, path.stat().st_mtime_ns // 1000, digest.hexdigest())
    except FileNotFoundError:
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, beside)
        raise Flaw(path, f"there is no such file{hint}", "correct `file` in the mapping") from None
    except OSError as problem:
        raise Flaw(path, f"cannot be read: {problem.strerror}", "make it a readable file") from None


def open_source(path: Path, table: Table) -> Source:
    """The file as rows, by its ending: .parquet, anything else is CSV. Raises `Flaw`."""
    if path.suffix == ".parquet":
        from connectors.files.parquet import ParquetSource  # pyarrow costs its process 60 MB

        return ParquetSource(path)
    from connectors.files.text import TextSource

    return TextSource(path, table)


def positions(path: Path, source: Source, table: Table) -> list[int]:
    """Where the mapped columns stand. Raises `Flaw` that names every one that is missing or ambiguous."""
    header = list(source.header)
    wanted = table.mapped
    missing = [name for name in dict.fromkeys(wanted.values()) if name not in header]
    if missing:
        names = ", ".join(f"{name!r}{did_you_mean(name, header)}" for name in missing)
        shown = ", ".join(header[:30]) + (", ..." if len(header) > 30 else "")
        raise Flaw(path, f"has no column {names}", f"it has: {shown}")
    if twice := [name for name in dict.fromkeys(wanted.values()) if header.count(name) > 1]:
        raise Flaw(path, f"has the column {twice[0]!r} more than once", "give every mapped column a name of its own")
    return [header.index(name) for name in wanted.values()]
