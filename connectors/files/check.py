"""Looking at a folder before working on it: every problem at once, each with its fix."""

from __future__ import annotations

import os
from collections.abc import Iterator

from connectors.files.facts import Facts
from connectors.files.flaw import Changed, Flaw
from connectors.files.mapping import Mappings, load
from connectors.files.output import Output
from connectors.files.pull import Opened
from connectors.files.settings import FilesSettings
from connectors.port import Problem

ROWS = 5000
"""How many of each file are looked at; the rest is, when it is read."""


class Check:
    """The examination of one folder."""

    def __init__(self, settings: FilesSettings, output: Output) -> None:
        self._settings = settings
        self._output = output

    def problems(self) -> Iterator[Problem]:
        """All that is wrong. Stops early only where nothing further can be seen."""
        directory = self._settings.directory
        if not directory.is_dir():
            fix = "correct `directory`, or mount it for this process"
            yield Problem("unreachable", str(directory), "there is no such folder", fix)
            return
        try:
            mappings = load(self._settings.mapping_file)
        except Flaw as flaw:
            yield self._problem("mapping", flaw)
            return
        for stream in mappings.tables:
            yield from self._table(mappings, stream)
        yield from self._writing(mappings)

    def _table(self, mappings: Mappings, stream: str) -> Iterator[Problem]:
        try:
            opened = Opened(self._settings, mappings, stream)
        except Flaw as flaw:
            yield self._problem("file", flaw)
            return
        except Changed:
            yield self._changing(stream)
            return
        reading = opened.reading
        unmapped, columns = opened.parts.unmapped
        if unmapped:
            what = f"{unmapped} of {columns} columns are not mapped and not read"
            yield Problem("columns_ignored", self._where(stream), what, "map those that should count", fatal=False)
        try:
            for line in opened.page(None, ROWS):
                id = reading.id(line)
                reading.add(Facts(), line, id or "", None)
        except Flaw as flaw:
            yield self._problem("row", flaw)
        except Changed:
            yield self._changing(stream)
        for column, first in reading.first_left_out.items():
            what = (
                f"{reading.left_out[column]} rows of the first {ROWS:,} have a value that is left out, first: {first}"
            )
            yield Problem("values_left_out", f"{self._where(stream)}/{column}", what, first.allowed, fatal=False)

    def _writing(self, mappings: Mappings) -> Iterator[Problem]:
        ours = (self._settings.output_file, self._settings.state_file)
        for file in ours:
            if not os.access(file.parent, os.W_OK):
                yield Problem("output", str(file), "its folder is missing or cannot be written to", "make it writable")
        inputs = {(self._settings.directory / table.file).resolve() for table in mappings.tables.values()}
        if inputs & {file.resolve() for file in ours}:
            what = "is a file that is read from, too"
            yield Problem("output", str(self._settings.output_file), what, "name another output")
            return
        try:
            self._output.read({""})
        except Flaw as flaw:
            yield self._problem("output", flaw)

    def _where(self, stream: str) -> str:
        return f"{self._settings.name}/{stream}"

    def _problem(self, code: str, flaw: Flaw) -> Problem:
        where = str(flaw.file) if flaw.row is None else f"{flaw.file}, row {flaw.row:,}"
        what = flaw.what if flaw.column is None else f"column {flaw.column!r} {flaw.what}"
        return Problem(code, where, what, flaw.allowed)

    def _changing(self, stream: str) -> Problem:
        what = "the file is being written to"
        return Problem("changing", self._where(stream), what, "look again when it is whole", fatal=False)
