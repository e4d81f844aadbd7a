"""The search index of one object type: a second store, filled later than the primary one.

Rows are held in blocks of consecutive ids; inside a block, keys are sorted by (modified stamp, id). A window of stamps
over a range of ids is then counted with two bisections a block and read without looking at rows outside the window.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import NamedTuple

_ID_BITS = 44
_ID_MASK = (1 << _ID_BITS) - 1
_BLOCK = 1024
FOREVER = 1 << 52


class Row(NamedTuple):
    """A record as search knows it; hydration may show newer values. `version` orders writes to one record."""

    id: int
    version: int
    values: dict[str, str]
    created: int
    modified: int


class Span(NamedTuple):
    """Inclusive bounds of modified stamps (epoch ms) and ids."""

    since: int = 0
    until: int = FOREVER
    first: int = 0
    last: int = _ID_MASK


class SearchIndex:
    """Rows by id and by stamp. Reads see only what `settle` has made visible."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._gone: dict[int, int] = {}
        self._blocks: list[list[int]] = []
        self._floors: list[int] = []
        self._pending: list[tuple[int, int, int, Row | None]] = []

    def submit(self, id: int, version: int, row: Row | None, visible_at: int, now: int) -> None:
        """Take a write (None: the record went away), visible from `visible_at` on."""
        if visible_at <= now and not self._pending:
            self._apply(id, version, row)
        else:
            heapq.heappush(self._pending, (visible_at, version, id, row))

    def settle(self, now: int) -> None:
        """Make visible what is due. A write that arrives after a newer one of its record is dropped."""
        while self._pending and self._pending[0][0] <= now:
            _, version, id_, row = heapq.heappop(self._pending)
            self._apply(id_, version, row)

    def row(self, id: int) -> Row | None:
        return self._rows.get(id)

    def ids(self, span: Span) -> Iterator[int]:
        """Ids in the span, ascending."""
        for number in range(max(0, bisect_right(self._floors, span.first) - 1), len(self._blocks)):
            if self._floors[number] > span.last:
                return
            found = sorted(key & _ID_MASK for key in self._window(number, span))
            yield from found[bisect_left(found, span.first) : bisect_right(found, span.last)]

    def count(self, span: Span) -> int:
        """How many rows lie in the span."""
        total = 0
        for number, block in enumerate(self._blocks):
            floor = self._floors[number]
            ceiling = self._floors[number + 1] - 1 if number + 1 < len(self._floors) else _ID_MASK
            if ceiling < span.first or floor > span.last:
                continue
            if span.first <= floor and ceiling <= span.last:
                start, stop = _edges(block, span)
                total += stop - start
            else:
                total += sum(span.first <= key & _ID_MASK <= span.last for key in self._window(number, span))
        return total

    def _window(self, number: int, span: Span) -> list[int]:
        start, stop = _edges(self._blocks[number], span)
        return self._blocks[number][start:stop]

    def _apply(self, id: int, version: int, row: Row | None) -> None:
        before = self._rows.get(id)
        if version < (before.version if before is not None else self._gone.get(id, -1)):
            return
        if row is None:
            self._gone[id] = version
            self._rows.pop(id, None)
        else:
            self._rows[id] = row
        if before is not None and (row is None or row.modified != before.modified):
            self._discard(before)
        if row is not None and (before is None or row.modified != before.modified):
            self._insert(row)

    def _insert(self, row: Row) -> None:
        if not self._blocks:
            self._blocks.append([])
            self._floors.append(row.id)
        number = max(0, bisect_right(self._floors, row.id) - 1)
        block = self._blocks[number]
        insort(block, row.modified << _ID_BITS | row.id)
        self._floors[number] = min(self._floors[number], row.id)
        if len(block) >= 2 * _BLOCK:
            self._split(number)

    def _split(self, number: int) -> None:
        block = self._blocks[number]
        middle = sorted(key & _ID_MASK for key in block)[len(block) // 2]
        self._blocks[number] = [key for key in block if key & _ID_MASK < middle]
        self._blocks.insert(number + 1, [key for key in block if key & _ID_MASK >= middle])
        self._floors.insert(number + 1, middle)

    def _discard(self, row: Row) -> None:
        block = self._blocks[bisect_right(self._floors, row.id) - 1]
        del block[bisect_left(block, row.modified << _ID_BITS | row.id)]


def _edges(block: list[int], span: Span) -> tuple[int, int]:
    start = bisect_left(block, span.since << _ID_BITS)
    return start, bisect_left(block, (span.until + 1) << _ID_BITS, lo=start)
