"""What was read of the files so far: one small SQLite file beside the output.

A CSV has no change stamps. So every row's id is kept with a digest of its content and the generation (version of the
file) that it last changed in; what a reader that knows generation `base` has to be told is what changed since. There is
no content in it. Lost, it costs a full read; rows that vanished meanwhile are then found by the census.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

from connectors.files.source import Place, Stamp

_SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS generations (
  stream TEXT, number INTEGER, stamp TEXT NOT NULL, at INTEGER NOT NULL, reached INTEGER NOT NULL DEFAULT 0,
  complete INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (stream, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
  stream TEXT, id TEXT, digest BLOB NOT NULL, row INTEGER NOT NULL, place INTEGER NOT NULL, seen INTEGER NOT NULL,
  changed INTEGER NOT NULL, fate INTEGER NOT NULL, PRIMARY KEY (stream, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS gone ON rows (stream, id) WHERE fate = 3;
"""
_WAIT = 15.0  # seconds for another process's page or push


class Fate(IntEnum):
    """What became of a row since it was first read."""

    FIRST = 0
    EDITED = 1
    RETURNED = 2
    GONE = 3


@dataclass(frozen=True, slots=True)
class Generation:
    """One version of one file. `at` is when it was exported, later than the version before; `reached` how far read."""

    number: int
    stamp: str
    at: int
    reached: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as read now."""

    id: str
    place: Place
    digest: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """A row as kept."""

    digest: bytes
    row: int
    seen: int
    changed: int
    fate: Fate


class State:
    """The file; made when first used."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA cache_size = -32768")  # KiB
        self._db.execute("PRAGMA secure_delete = ON")  # who is forgotten does not live on in free pages
        self._db.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes back is read again: see `reached`
        with self.transaction():
            for statement in _SCHEMA.split(";")[:-1]:
                self._db.execute(statement)
            if self._db.execute("SELECT name FROM identity").fetchone() is None:
                self._db.execute("INSERT INTO identity VALUES (?)", (uuid.uuid4().hex,))
        self.name: str = self._db.execute("SELECT name FROM identity").fetchone()[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and nobody else meanwhile."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def generation(self, stream: str) -> Generation | None:
        """The newest that was begun."""
        row = self._db.execute(
            "SELECT number, stamp, at, reached, complete FROM generations"
            " WHERE stream = ? ORDER BY number DESC LIMIT 1",
            (stream,),
        ).fetchone()
        if row is None:
            return None
        number, version, at, reached, complete = row
        return Generation(number, version, at, reached, bool(complete))

    def begin(self, stream: str, stamp: Stamp, version: str) -> Generation:
        """The generation of this version: the newest if it is the same, else a new one."""
        newest = self.generation(stream)
        if newest is not None and newest.stamp == version:
            return newest
        number, at = (newest.number + 1, max(stamp.modified, newest.at + 1_000_000)) if newest else (1, stamp.modified)
        self._db.execute(
            "INSERT INTO generations (stream, number, stamp, at) VALUES (?, ?, ?, ?)", (stream, number, version, at)
        )
        return Generation(number, version, at, 0, False)

    def exported(self, stream: str) -> Mapping[int, datetime]:
        """When each generation was exported."""
        rows = self._db.execute("SELECT number, at FROM generations WHERE stream = ?", (stream,))
        return {number: _instant(at) for number, at in rows}

    def known(self, stream: str, ids: Collection[str]) -> dict[str, Known]:
        """Those of `ids` that were ever read."""
        rows = self._db.execute(
            "SELECT id, digest, row, seen, changed, fate FROM rows"
            " WHERE stream = ? AND id IN (SELECT value FROM json_each(?))",
            (stream, json.dumps(list(ids))),
        )
        return {id: Known(digest, row, seen, changed, Fate(fate)) for id, digest, row, seen, changed, fate in rows}

    def keep(self, stream: str, rows: Sequence[tuple[Seen, Known]]) -> None:
        """Store rows of a page as they are now known."""
        self._db.executemany(
            "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(stream, s.id, k.digest, k.row, s.place.at, k.seen, k.changed, int(k.fate)) for s, k in rows],
        )

    def repeats(self, stream: str, content: str, generation: int, before: int) -> int:
        """How many rows of this generation before row `before` have the same content and so an id that begins so."""
        (count,) = self._db.execute(
            "SELECT count(*) FROM rows WHERE stream = ? AND id >= ? AND id < ? AND seen = ? AND row < ?",
            (stream, content, content + "~", generation, before),
        ).fetchone()
        return int(count)

    def progress(self, stream: str, generation: int, reached: int) -> None:
        self._db.execute(
            "UPDATE generations SET reached = max(reached, ?) WHERE stream = ? AND number = ?",
            (reached, stream, generation),
        )

    def finish(self, stream: str, generation: int) -> None:
        """All rows of the generation were read: what it lacks is gone."""
        self._db.execute(
            "UPDATE rows SET fate = 3, changed = ? WHERE stream = ? AND seen < ? AND fate < 3",
            (generation, stream, generation),
        )
        self._db.execute("UPDATE generations SET complete = 1 WHERE stream = ? AND number = ?", (stream, generation))

    def gone(self, stream: str, base: int, after: str, limit: int) -> list[tuple[str, int]]:
        """Rows that vanished after generation `base`, by id from `after` on, with the generation that lacked them."""
        rows = self._db.execute(
            "SELECT id, changed FROM rows WHERE stream = ? AND fate = 3 AND changed > ? AND id > ? ORDER BY id LIMIT ?",
            (stream, base, after, limit),
        )
        return list(rows)

    def places(self, stream: str, ids: Collection[str]) -> dict[str, Place]:
        """Where rows of a complete generation stand; those that are gone are absent."""
        rows = self._db.execute(
            "SELECT id, place, row FROM rows WHERE stream = ? AND id IN (SELECT value FROM json_each(?)) AND fate < 3",
            (stream, json.dumps(list(ids))),
        )
        return {id: Place(place, row) for id, place, row in rows}

    def forget(self, ids: Collection[str], but: str) -> None:
        """Rows by these ids in all streams but one. What is still in a file is read as if for the first time."""
        self._db.execute(
            "DELETE FROM rows WHERE stream <> ? AND id IN (SELECT value FROM json_each(?))",
            (but, json.dumps(list(ids))),
        )

    def close(self) -> None:
        self._db.close()


def _instant(microseconds: int) -> datetime:
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
