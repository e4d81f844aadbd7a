"""The scored file: one row a person, replaced as a whole by every push, so that nobody ever sees half of one."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from connectors.files.flaw import Flaw
from connectors.files.settings import KEY, FilesSettings
from connectors.records import ScoreField, Value

Held = Mapping[ScoreField, Value]

TYPES: Mapping[ScoreField, type] = {
    ScoreField.SCORE: int,
    ScoreField.PROBABILITY: float,
    ScoreField.MQL_DATE: datetime,
    ScoreField.SCORED_AT: datetime,
}
"""Of the field contract; the others are text."""
_ARROW: Mapping[type, str] = {int: "int64", float: "float64", str: "string"}
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet would run, and what we made of it (owasp.org/www-community/attacks/CSV_Injection)."""
_GROUP = 50_000


class Output:
    """The output file. Where it was edited or deleted, it is as it is: what it holds is read from it alone."""

    def __init__(self, settings: FilesSettings) -> None:
        self._path = settings.output_file
        self._mapped = settings.mapped
        parquet = self._path.suffix == ".parquet"
        self._read_rows: Callable[[], Iterator[tuple[str, Held]]] = self._from_parquet if parquet else self._from_csv
        self._write_rows: Callable[[Path, Iterable[tuple[str, Held]]], None] = (
            self._to_parquet if parquet else self._to_csv
        )

    def read(self, ids: Collection[str]) -> dict[str, Held]:
        """What it holds of these people, null left out; those that it has no row of are absent. Raises `Flaw`."""
        return {id: held for id, held in self._rows() if id in ids} if ids else {}

    def write(self, values: Mapping[str, Held]) -> None:
        """Set values; null clears, what is not named stays. Nothing is touched where nothing changes. Raises `Flaw`."""
        before = self.read(values.keys())
        after = {id: _merged(before.get(id, {}), new, self._mapped) for id, new in values.items()}
        if all(id in before and before[id] == after[id] for id in after):
            return
        self._replace(self._updated(after))

    def remove(self, ids: Collection[str]) -> None:
        """Take people out. Nothing is touched where nobody of them is in it. Raises `Flaw`."""
        if self.read(ids):
            self._replace((id, held) for id, held in self._rows() if id not in ids)

    def _updated(self, changed: Mapping[str, Held]) -> Iterator[tuple[str, Held]]:
        left = dict(changed)
        for id, held in self._rows():
            yield id, left.pop(id, held)
        yield from left.items()

    def _replace(self, rows: Iterable[tuple[str, Held]]) -> None:
        """Write beside it, then take its place."""
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            try:
                self._write_rows(beside, rows)
                with beside.open("rb") as file:
                    os.fsync(file.fileno())
                beside.replace(self._path)
            finally:
                with suppress(FileNotFoundError):
                    beside.unlink()
        except OSError as problem:
            raise Flaw(self._path, f"cannot be written: {problem.strerror}", "make its folder writable") from None

    def _rows(self) -> Iterator[tuple[str, Held]]:
        try:
            yield from self._read_rows()
        except FileNotFoundError:
            return
        except OSError as problem:
            raise Flaw(self._path, f"cannot be read: {problem.strerror}", "make it readable") from None

    # -- CSV ---------------------------------------------------------------------------------------------------------

    def _from_csv(self) -> Iterator[tuple[str, Held]]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            names = {field: name for field, name in self._mapped.items() if name in (rows.fieldnames or ())}
            if KEY not in (rows.fieldnames or ()):
                raise self._not_ours()
            try:
                for row in rows:
                    yield (
                        _opened(row[KEY]),
                        {
                            field: value
                            for field, name in names.items()
                            if (value := _value(field, row[name])) is not None
                        },
                    )
            except (csv.Error, ValueError, TypeError):  # ragged, not UTF-8, or a value of another type
                raise self._not_ours() from None

    def _to_csv(self, path: Path, rows: Iterable[tuple[str, Held]]) -> None:
        with path.open("w", encoding="utf-8-sig", newline="") as file:  # Excel takes UTF-8 for what it is by the mark
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow((KEY, *self._mapped.values()))
            for id, held in rows:
                writer.writerow((_shut(id), *(_cell(held.get(field)) for field in self._mapped)))

    # -- Parquet -----------------------------------------------------------------------------------------------------

    def _from_parquet(self) -> Iterator[tuple[str, Held]]:
        arrow = import_module("pyarrow")
        self._path.stat()  # absent is not damaged
        try:
            with import_module("pyarrow.parquet").ParquetFile(self._path) as file:
                names = {field: name for field, name in self._mapped.items() if name in file.schema_arrow.names}
                if KEY not in file.schema_arrow.names:
                    raise self._not_ours()
                for batch in file.iter_batches(columns=[KEY, *names.values()]):
                    columns = [batch.column(name).to_pylist() for name in (KEY, *names.values())]
                    for id, *cells in zip(*columns, strict=True):
                        yield id, {f: _utc(c) for f, c in zip(names, cells, strict=True) if c is not None}
        except arrow.ArrowException:
            raise self._not_ours() from None

    def _to_parquet(self, path: Path, rows: Iterable[tuple[str, Held]]) -> None:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        instant = arrow.timestamp("us", "UTC")
        types = {field: TYPES.get(field.kind, str) for field in self._mapped}
        schema = arrow.schema(
            [(KEY, "string")] + [(self._mapped[f], instant if t is datetime else _ARROW[t]) for f, t in types.items()]
        )
        left = iter(rows)
        with parquet.ParquetWriter(path, schema) as writer:
            while group := list(islice(left, _GROUP)):
                columns = [[id for id, _ in group], *([held.get(field) for _, held in group] for field in types)]
                arrays = [arrow.array(column, type.type) for column, type in zip(columns, schema, strict=True)]
                writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))

    def _not_ours(self) -> Flaw:
        return Flaw(self._path, "is not a scored file as Leadgauge writes it", "move it away, or name another output")


def _merged(before: Held, new: Held, mapped: Collection[ScoreField]) -> Held:
    both = {**before, **{field: _fitting(field, value) for field, value in new.items() if field in mapped}}
    return {field: value for field, value in both.items() if value is not None}


def _fitting(field: ScoreField, value: Value) -> Value:
    """As the file gives it back: typed, in UTC; an empty text is null."""
    if value is None or value == "":
        return None
    wanted = TYPES.get(field.kind, str)
    if wanted is datetime:
        if not isinstance(value, datetime):
            raise ValueError(f"{field} must be an instant")
        return value.astimezone(UTC)
    if wanted is str:
        return str(value).replace("\0", "")
    if not isinstance(value, int | float):
        raise ValueError(f"{field} must be a number")
    return int(value) if wanted is int else float(value)


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return _shut(value) if isinstance(value, str) else repr(value)


def _value(field: ScoreField, cell: str) -> Value:
    if cell == "":
        return None
    wanted = TYPES.get(field.kind, str)
    if wanted is datetime:
        return datetime.fromisoformat(cell).astimezone(UTC)
    return _opened(cell) if wanted is str else int(cell) if wanted is int else float(cell)


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _shut(text: str) -> str:
    """`text` so that a spreadsheet shows it and does not run it. `_opened` gives the text back."""
    return f"'{text}" if _FORMULA.match(text) else text


def _opened(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
