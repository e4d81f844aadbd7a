"""A folder of files, and everything that one read of it brings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connectors.files.crm import FilesCrm
from connectors.files.settings import FilesSettings
from connectors.port import Cursor, Page, Tier
from connectors.records import Activity, Deletion, LeadRecord, Outcome

MAPPING = "leads: {file: leads.csv}\n"


@dataclass(slots=True)
class Read:
    """All pages of a stream, from a cursor to the end."""

    cursor: Cursor | None = None
    pages: int = 0
    leads: list[LeadRecord] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)

    def add(self, page: Page) -> None:
        self.pages += 1
        self.cursor = json.loads(json.dumps(page.cursor))
        self.leads += page.leads
        self.activities += page.activities
        self.outcomes += page.outcomes
        self.deletions += page.deletions


@dataclass(slots=True)
class Folder:
    """A directory to export into; `crm` reads it."""

    directory: Path
    _opened: list[FilesCrm] = field(default_factory=list)
    _seconds: int = 1_772_000_000

    def write(self, name: str, content: str | bytes) -> Path:
        """Put a file there, a second newer than the one before."""
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self._seconds += 1
        os.utime(path, (self._seconds, self._seconds))
        return path

    def crm(self, **settings: Any) -> FilesCrm:
        given = {"kind": "files", "name": "export", "directory": self.directory, **settings}
        self._opened.append(FilesCrm(FilesSettings.model_validate(given)))
        return self._opened[-1]

    def read(self, stream: str = "leads", cursor: Cursor | None = None, **settings: Any) -> Read:
        crm = self.crm(**settings)
        read = Read(cursor)
        while True:
            page = crm.pull(stream, read.cursor, Tier.COMPLETE)
            read.add(page)
            if page.done:
                return read
            assert read.pages < 1000, "the file never ends"

    def close(self) -> None:
        for crm in self._opened:
            crm.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    made.write("mapping.yaml", MAPPING)
    yield made
    made.close()


Leads = Callable[..., str]


@pytest.fixture
def leads() -> Leads:
    """`id,created_at` and rows of these ids."""

    def csv(*ids: str) -> str:
        return "id,created_at\n" + "".join(f"{id},2026-01-02T03:04:05Z\n" for id in ids)

    return csv
