"""When writes become visible: transactions, roll-back, and versions that wait for their commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any, Protocol

from sandbox.salesforce.table import Row, Table
from sandbox.salesforce.values import stamp


class HasNow(Protocol):
    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Change:
    """One row version: `row` replaced `before` at `at`; None stands for no row."""

    object: str
    id: str
    before: Row | None
    row: Row | None
    at: datetime


@dataclass(frozen=True, slots=True, order=True)
class Pending:
    """A written version that queries may see from `visible_at` on."""

    visible_at: datetime
    number: int
    change: Change


class Commits:
    """Writes go to the truth at once, to the queries when their transaction has committed and `visibility` is over."""

    def __init__(
        self,
        clock: HasNow,
        tables: Mapping[str, Table],
        visibility: timedelta,
        straggling: Callable[[], timedelta] = timedelta,
    ) -> None:
        self.visibility = visibility
        self.pending: list[Pending] = []
        self.deletions: dict[str, list[tuple[str, str]]] = {}
        """By object: (stamp, id) of every deletion, oldest first within a second; what getDeleted answers from."""
        self._clock = clock
        self._straggling = straggling
        self._tables = tables
        self._journal: list[Change] | None = None
        self._numbers = count()

    @contextmanager
    def transaction(self, *, commits_at: datetime | None = None) -> Iterator[None]:
        """Undo everything inside on an exception. A transaction within another is a savepoint of it."""
        if self._journal is not None:
            mark = len(self._journal)
            try:
                yield
            except BaseException:
                self._undo(self._journal, mark)
                raise
            return
        self._journal = []
        try:
            yield
        except BaseException:
            self._undo(self._journal, 0)
            raise
        else:
            late = self._straggling() if self._journal else timedelta(0)
            for change in self._journal:
                self._commit(change, commits_at, late)
        finally:
            self._journal = None

    def write(self, object: str, id: str, row: Row | None, at: datetime) -> None:
        """Make `row` the truth; seen by queries after the commit."""
        table = self._tables[object]
        change = Change(object, id, table.current.get(id), row, at)
        table.put(id, row)
        if self._journal is not None:
            self._journal.append(change)
        else:
            self._commit(change, None, timedelta(0))

    def mature(self) -> None:
        """Let queries see the versions whose time has come."""
        now = self._clock.now()
        while self.pending and self.pending[0].visible_at <= now:
            self._reveal(heappop(self.pending).change)

    def oldest_in_flight(self) -> datetime | None:
        """When the oldest write that queries cannot see yet was made: how far a reader can trust what it sees."""
        self.mature()
        return min((pending.change.at for pending in self.pending), default=None)

    def wait(self, change: Change, visible_at: datetime) -> None:
        """Keep a version back until `visible_at`."""
        heappush(self.pending, Pending(visible_at, next(self._numbers), change))

    def _commit(self, change: Change, commits_at: datetime | None, late: timedelta) -> None:
        _note_deletion(self.deletions, change)
        visible_at = (commits_at or change.at) + self.visibility + late
        if visible_at <= self._clock.now():
            self._reveal(change)
        else:
            self.wait(change, visible_at)

    def _reveal(self, change: Change) -> None:
        table = self._tables[change.object]
        newest = table.current.get(change.id)
        # A version that waited while a newer one was shown stays in the past.
        if change.row is not newest and table.visible.get(change.id) is newest:
            return
        table.reveal(change.id, change.row)

    def _undo(self, journal: list[Change], mark: int) -> None:
        for change in reversed(journal[mark:]):
            self._tables[change.object].put(change.id, change.before)
        del journal[mark:]


def _note_deletion(deletions: dict[str, list[tuple[str, str]]], change: Change) -> None:
    before: Mapping[str, Any] = change.before or {}
    gone = change.row is None or change.row.get("IsDeleted", False)
    if gone and not before.get("IsDeleted", False):
        deletions.setdefault(change.object, []).append((stamp(change.at), change.id))
