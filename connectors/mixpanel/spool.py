"""Events between an export and the store: on disk, without doubles, in one order for every process.

An export is one call of the few in an hour, comes in no order, and may be larger than the memory. So it is read through
once into a small SQLite file, which the processes of this machine share, and handed on from there page by page. A file
that is lost costs the same export once more.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path

from connectors.errors import Misconfigured, Transient
from connectors.mixpanel.mapping import Held

KEPT = timedelta(days=1)
"""Files that nobody has come back to for so long are removed."""
_AT_ONCE = 5_000
_SCHEMA = """
CREATE TABLE held (at INTEGER NOT NULL, ref TEXT NOT NULL, kind TEXT NOT NULL, person TEXT NOT NULL,
                   recorded INTEGER NOT NULL, detail TEXT, amount REAL, PRIMARY KEY (at, ref)) WITHOUT ROWID
"""
# Of doubles the one that came last counts ("Import Events", $insert_id).
_PUT = """
INSERT INTO held VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (at, ref) DO UPDATE SET
kind = excluded.kind, person = excluded.person, recorded = excluded.recorded, detail = excluded.detail,
amount = excluded.amount WHERE excluded.recorded > held.recorded
"""


class Spool:
    """The files of one source in one folder, private to this user."""

    def __init__(self, source: str, folder: Path | None) -> None:
        self._source, self._given = source, folder

    @cached_property
    def _folder(self) -> Path:
        """Raises `Misconfigured` for one that others may read or write."""
        folder = self._given or Path(tempfile.gettempdir()) / f"leadgauge-spool-{os.geteuid()}"
        with self._told():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            its = folder.lstat()
        if not stat.S_ISDIR(its.st_mode) or its.st_uid != os.geteuid() or its.st_mode & 0o077:
            what = f"{folder} is no private folder of this user: name another under `spool`, or make it 0700"
            raise Misconfigured(self._source, what)
        return folder

    def fill(self, name: str, rows: Iterable[Held], lines: Callable[[], int]) -> None:
        """Keep `rows` under a name, and of how many lines they were taken."""
        with self._told():
            self._sweep()
            draft = self._folder / f"{self._source}-{uuid.uuid4().hex}.draft"
            try:
                with closing(sqlite3.connect(draft)) as file:
                    file.execute("PRAGMA journal_mode = OFF")
                    file.execute("PRAGMA synchronous = OFF")
                    file.execute(_SCHEMA)
                    left = iter(rows)
                    while some := list(islice(left, _AT_ONCE)):
                        file.executemany(_PUT, some)
                    file.commit()
                    file.execute(f"PRAGMA user_version = {lines():d}")
                draft.replace(self._path(name))
            finally:
                draft.unlink(missing_ok=True)

    def page(self, name: str, after: Sequence[int | str] | None, size: int) -> list[Held] | None:
        """The next rows behind (time, ref); None where there is no such file here, or none that can be read."""
        path = self._path(name)
        with self._told():
            if not path.exists():
                return None
            at, ref = after or (-(2**62), "")
            query = "SELECT * FROM held WHERE (at, ref) > (?, ?) ORDER BY at, ref LIMIT ?"
            try:
                with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
                    rows = [Held(*row) for row in file.execute(query, (at, ref, size))]
            except sqlite3.DatabaseError:
                path.unlink(missing_ok=True)
                return None
            path.touch()
        return rows

    def drop(self, name: str) -> int:
        """Remove what has been handed on. Of how many lines it was taken."""
        path = self._path(name)
        with self._told():
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
                (lines,) = file.execute("PRAGMA user_version").fetchone()
            path.unlink(missing_ok=True)
        return int(lines)

    def _sweep(self) -> None:
        for path in self._folder.glob(f"{self._source}-*"):
            if time.time() - path.stat().st_mtime > KEPT.total_seconds():
                path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{self._source}-{name}.events"

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.DatabaseError) as problem:
            what = f"events cannot be kept for a while ({type(problem).__name__}): is the disk of `spool` full?"
            raise Transient(self._source, what, timedelta(minutes=1)) from None
