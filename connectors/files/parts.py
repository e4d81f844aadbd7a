"""The files of one table as one long file: `leads.csv`, or all that `leads-*.csv` finds, by name."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

from connectors.files.flaw import Flaw
from connectors.files.mapping import Table
from connectors.files.source import Line, Place, Source, Stamp, open_source, positions, stamp

_APART = 1 << 40
"""What lies between the first place of a file and that of the next: more bytes, and more rows, than a file has."""


def found(directory: Path, table: Table, ours: Collection[Path]) -> list[Path]:
    """The files that the table's `file` names, in the order of their names, without those that are written here.

    Raises `Flaw` for a pattern that finds none.
    """
    named = directory / table.file
    if os.path.exists(named) or not glob.has_magic(str(table.file)):  # Path.exists() raises where a name is too long
        return [named]
    hidden = {each.resolve() for each in ours}
    paths = [directory / each for each in sorted(glob.glob(str(table.file), root_dir=directory))]
    paths = [path for path in paths if path.is_file() and path.resolve() not in hidden]
    if not paths:
        raise Flaw(named, "there is no such file", "correct `file` in the mapping: no name matches the pattern")
    return paths


def stamp_of(paths: Sequence[Path]) -> Stamp:
    """The version of all of them together; the newest file's time. Raises `Flaw` when one is missing."""
    stamps = [stamp(path) for path in paths]
    if len(stamps) == 1:
        return stamps[0]
    digest = blake2b(digest_size=8)
    for path, each in zip(paths, stamps, strict=True):
        digest.update(f"{path.name}\0{each}\0".encode())
    return Stamp(sum(each.size for each in stamps), max(each.modified for each in stamps), digest.hexdigest())


class Parts:
    """Open files, each with columns in its own order. Raises `Flaw` for one that cannot be read so."""

    def __init__(self, paths: Sequence[Path], table: Table) -> None:
        self._paths = paths
        self._sources: list[tuple[Source, list[int]]] = []
        for path in paths:
            source = open_source(path, table)
            self._sources.append((source, positions(path, source, table)))
        self.start: Place = self._sources[0][0].start

    @property
    def unmapped(self) -> tuple[int, int]:
        """How many columns of the first file are not mapped, and how many it has."""
        source, mapped = self._sources[0]
        return len(source.header) - len(set(mapped)), len(source.header)

    def lines(self, place: Place) -> Iterator[Line]:
        """The rows from `place` on. Places grow from file to file as they do within one."""
        first = place.at // _APART
        for number, (source, columns) in enumerate(self._sources[first:], first):
            at = Place(place.at % _APART, place.row % _APART) if number == first else source.start
            for line in source.lines(at, columns):
                yield line if number == 0 else Line(_moved(line.place, number), _moved(line.after, number), line.cells)

    def locate(self, row: int) -> tuple[Path, int]:
        """The file that a row is in, and its number there as people count."""
        number, row = divmod(row, _APART)
        return self._paths[number], row


def _moved(place: Place, number: int) -> Place:
    return Place(place.at + number * _APART, place.row + number * _APART)
