"""One folder of files as a `Crm`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import cached_property

from connectors.errors import Misconfigured, Transient
from connectors.files.check import Check
from connectors.files.facts import ACCOUNTS, ERASURES, LEADS, STREAMS
from connectors.files.flaw import Changed, Flaw
from connectors.files.mapping import Mappings, load
from connectors.files.output import Output
from connectors.files.pull import Reader
from connectors.files.settings import FilesSettings
from connectors.files.state import State
from connectors.port import (
    BUCKETS,
    Census,
    Cursor,
    Known,
    Note,
    Page,
    Problem,
    Quota,
    Stream,
    Tier,
    nothing_known,
    unnoted,
)
from connectors.quota import Gate
from connectors.records import Author, FieldWrite, RecordRef, ScoreField, Value, WriteOutcome, WriteResult
from connectors.tokens import Tokens
from connectors.transport import Clock, Observer, wall

PUSH_SIZE = 5000
"""A push rewrites the whole output, so it is better large."""
_UNTIL_STILL = timedelta(seconds=5)


class FilesCrm:
    """See `connectors.port.Crm`. Calls cost nothing and there is no quota. Opens nothing before its first method."""

    provable = True

    def __init__(self, settings: FilesSettings) -> None:
        self._settings = settings
        self._output = Output(settings)

    @property
    def source(self) -> str:
        return self._settings.name

    @property
    def streams(self) -> Sequence[Stream]:
        """Also those that the mapping names no file for: they are empty. A file that lies there is complete."""
        return [Stream(name, self._settings.every, frozenset({Tier.COMPLETE})) for name in STREAMS]

    def window(self, stream: str, since: datetime, until: datetime) -> Cursor | None:
        """A file is read as a whole."""
        return None

    @property
    def objects(self) -> Sequence[str]:
        """People, and companies where the mapping has them."""
        with suppress(Flaw):
            return _objects(self._mappings)
        return (LEADS,)

    @property
    def writable(self) -> frozenset[ScoreField]:
        return frozenset(self._settings.mapped)

    def check(self, buckets: Collection[str] = BUCKETS) -> Sequence[Problem]:
        return list(Check(self._settings, self._output).problems())

    def pull(
        self, stream: str, cursor: Cursor | None, tier: Tier, known: Known = nothing_known, looked: Cursor | None = None
    ) -> Page:
        """See `Crm.pull`. The tiers read the same: a file that is being written is told by `Transient`."""
        if stream not in STREAMS:
            raise Misconfigured(self.source, f"there is no stream {stream!r}; there are {', '.join(STREAMS)}")
        with self._told():
            page = self._reader.pull(self._mappings, stream, cursor)
            if erased := {deletion.ref.id for deletion in page.deletions if deletion.erased}:
                with self._state.transaction():
                    self._state.forget(erased, but=ERASURES)
                    self._output.remove(erased)
            return page

    def size(self, stream: str) -> None:
        """To count a file's rows is to read it."""

    def census(self, object: str, cursor: Cursor | None) -> Census:
        with self._told():
            mappings = self._mappings
            if object not in _objects(mappings):
                known = ", ".join(_objects(mappings))
                raise Misconfigured(self.source, f"there is no object {object!r}; there is {known}")
            return self._reader.census(mappings, object, cursor)

    def fetch(self, refs: Sequence[RecordRef], *, binned: bool = False) -> Page:
        with self._told():
            return self._reader.fetch(self._mappings, refs)

    def push_size(self, waiting: int) -> int:
        return PUSH_SIZE

    def collect(self, parcel: Cursor, refs: Sequence[RecordRef], *, call_off: bool = False) -> Sequence[WriteResult]:
        """A push is whole when it returns, so nothing is known of a parcel."""
        return [WriteResult(ref, WriteOutcome.UNRESOLVED) for ref in refs]

    def push(self, writes: Sequence[FieldWrite], note: Note = unnoted) -> Sequence[WriteResult]:
        """See `Crm.push`. A person whom the file of people does not hold is gone."""
        if len(writes) > PUSH_SIZE:
            raise ValueError(f"a push carries at most {PUSH_SIZE} records, not {len(writes)}")
        values: dict[str, Mapping[ScoreField, Value]] = {}
        for write in writes:
            if write.ref.object == LEADS:
                values[write.ref.id] = {**values.get(write.ref.id, {}), **write.values}
        with self._told():
            living = set(self._reader.living(self._mappings, list(values)))
            with self._state.transaction():  # one writer at a time
                self._output.write({id: held for id, held in values.items() if id in living})
        return [self._result(write.ref, living) for write in writes]

    def read_back(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Mapping[ScoreField, Value]]:
        """See `Crm.read_back`: from the output file itself, whoever wrote it last."""
        with self._told():
            ids = [ref.id for ref in refs if ref.object == LEADS]
            living = set(self._reader.living(self._mappings, ids))
            held = self._output.read(living)
        return {ref: held.get(ref.id, {}) for ref in refs if ref.object == LEADS and ref.id in living}

    def authors(self, changed: Mapping[RecordRef, Collection[ScoreField]]) -> Mapping[RecordRef, Author]:
        """A file does not say who wrote in it."""
        return {}

    def location(self, ref: RecordRef) -> str | None:
        return None

    def quota(self) -> Quota | None:
        return None

    def close(self) -> None:
        if "_state" in self.__dict__:
            self._state.close()
            del self._state

    @property
    def _mappings(self) -> Mappings:
        """Read anew for every call: it is small, and whoever tries an export changes it often."""
        return load(self._settings.mapping_file)

    @cached_property
    def _state(self) -> State:
        return State(self._settings.state_file)

    @property
    def _reader(self) -> Reader:
        return Reader(self._settings, self._state, self._output)

    def _result(self, ref: RecordRef, living: set[str]) -> WriteResult:
        if ref.object == LEADS and ref.id in living:
            return WriteResult(ref, WriteOutcome.WRITTEN)
        return WriteResult(ref, WriteOutcome.GONE, "NOT_IN_FILE", "the file of leads has no row with this id")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong with files, as the application knows it."""
        try:
            yield
        except Flaw as flaw:
            raise Misconfigured(self.source, str(flaw)) from None
        except Changed:
            raise Transient(self.source, "a file was changed while it was read", _UNTIL_STILL) from None
        except sqlite3.DatabaseError as problem:
            if getattr(problem, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                what = "another process is reading or writing these files"
                raise Transient(self.source, what, _UNTIL_STILL) from None
            raise self._damaged(problem) from None
        except OSError as problem:
            raise Transient(self.source, f"the disk failed: {problem.strerror}", _UNTIL_STILL) from None

    def _damaged(self, problem: sqlite3.DatabaseError) -> Misconfigured:
        what = (
            f"{self._settings.state_file.name} cannot be used ({getattr(problem, 'sqlite_errorname', 'no error code')})"
        )
        return Misconfigured(self.source, f"{what}; make its folder writable, or delete it: all is read anew then")


def _objects(mappings: Mappings) -> Sequence[str]:
    return [name for name in (LEADS, ACCOUNTS) if name in mappings.tables]


def open_files(
    settings: FilesSettings,
    *,
    gate: Gate,
    tokens: Tokens,
    observer: Observer,
    sleep: Callable[[float], None] = time.sleep,
    clock: Clock = wall,
) -> FilesCrm:
    """The folder that `settings` describe. There is nothing to log in to, to wait for or to meter."""
    return FilesCrm(settings)
