"""Parquet, streamed by row groups and within them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from connectors.files.flaw import Flaw
from connectors.files.source import Line, Place

BATCH = 5000


class ParquetSource:
    """A Parquet file. Rows are counted from 1; there is no header row."""

    start = Place(0, 1)

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrow: Any = import_module("pyarrow")
        with self._open() as file:
            self.header: Sequence[str] = list(file.schema_arrow.names)

    def lines(self, place: Place, columns: Sequence[int]) -> Iterator[Line]:
        names = [self.header[each] for each in columns]
        with self._open() as file:
            at = 0
            groups: list[int] = []
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if at + rows > place.at or groups:
                    groups.append(group)
                else:
                    at += rows
            try:
                # Batches of other groups follow one another without a seam.
                for batch in file.iter_batches(BATCH, row_groups=groups, columns=list(dict.fromkeys(names))):
                    if at + batch.num_rows > place.at:
                        skip = max(0, place.at - at)
                        yield from self._rows(batch.slice(skip), names, at + skip)
                    at += batch.num_rows
            except (self._arrow.ArrowException, OSError) as problem:
                raise self._damaged(problem, at + 1) from None

    def _rows(self, batch: Any, names: Sequence[str], at: int) -> Iterator[Line]:
        cells = [self._values(batch.column(name)) for name in names]
        for offset, row in enumerate(zip(*cells, strict=True)):
            number = at + offset
            yield Line(Place(number, number + 1), Place(number + 1, number + 2), row)

    def _values(self, column: Any) -> list[Any]:
        """Python's own values. Nanoseconds are cut: datetimes have none."""
        types = self._arrow.types
        if types.is_timestamp(column.type) and column.type.unit == "ns":
            column = column.cast(self._arrow.timestamp("us", column.type.tz), safe=False)
        try:
            values: list[Any] = column.to_pylist()
        except (ValueError, OverflowError, self._arrow.ArrowException):  # one is out of Python's range
            values = [_alone(each) for each in column]
        return values

    def _open(self) -> Any:
        try:
            return import_module("pyarrow.parquet").ParquetFile(self._path)
        except (self._arrow.ArrowException, OSError) as problem:
            raise self._damaged(problem, None) from None

    def _damaged(self, problem: Exception, row: int | None) -> Flaw:
        # The library's message may quote the file's bytes.
        return Flaw(self._path, f"is not whole Parquet ({type(problem).__name__})", "export it again", row=row)


def _alone(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return b""  # of no type that is read, so that it is told where it stands
