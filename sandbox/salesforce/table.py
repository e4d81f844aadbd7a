"""The rows of one object: the truth, what queries see of it, and ordered and hashed indexes over them.

Rows are dicts without nulls that are never changed in place: a new version replaces the old one, so a list of rows is
a snapshot. Ordered indexes hold ids only and take their keys from the visible rows, so a million rows stay affordable.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]
Key = tuple[str, str]

LAST = "\uffff"
"""Sorts after every id and every stamp."""


class Table:
    """`current` is the truth, `visible` what queries may see. Write through `put` and `reveal` only."""

    def __init__(self) -> None:
        self.current: dict[str, Row] = {}
        self.visible: dict[str, Row] = {}
        self._ordered: dict[str, list[str]] = {}
        self._unplaced: dict[str, dict[str, None]] = {}
        self._buckets: dict[str, dict[Any, dict[str, None]]] = {}

    def clear(self) -> None:
        """Forget every row and index."""
        for part in (self.current, self.visible, self._ordered, self._unplaced, self._buckets):
            part.clear()

    def put(self, id: str, row: Row | None) -> None:
        """Make `row` the truth about `id`; None removes it."""
        if row is None:
            self.current.pop(id, None)
            return
        self.current[id] = row
        for field, buckets in self._buckets.items():
            _file(buckets, row.get(field), id)

    def reveal(self, id: str, row: Row | None) -> None:
        """Let queries see `row`; None hides the record."""
        old = self.visible.get(id)
        for field, ids in self._ordered.items():
            unplaced = self._unplaced[field]
            if row is None:
                unplaced.pop(id, None)
            if old is not None and id not in unplaced:
                if row is not None and row.get(field) == old.get(field):
                    continue
                position = bisect_left(ids, _key(field, old), key=lambda other, f=field: _key(f, self.visible[other]))  # type: ignore[misc]
                if position < len(ids) and ids[position] == id:
                    del ids[position]
            if row is not None:
                unplaced[id] = None
        if row is None:
            self.visible.pop(id, None)
        else:
            self.visible[id] = row

    def between(self, field: str, low: Key | None, high: Key | None) -> list[str]:
        """Ids of visible rows with low <= (value of `field`, Id) < high, in that order; those without a value first."""
        ids = self._placed(field)

        def key(id: str) -> Key:
            return _key(field, self.visible[id])

        start = 0 if low is None else bisect_left(ids, low, key=key)
        stop = len(ids) if high is None else bisect_left(ids, high, key=key)
        return ids[start:stop]

    def having(self, field: str, values: Iterable[Any]) -> list[str]:
        """Ids of rows whose `field` has, or once had, one of `values` in any case: a superset to check again."""
        buckets = self._buckets.get(field)
        if buckets is None:
            buckets = self._buckets[field] = {}
            for rows in (self.visible, self.current):
                for id, row in rows.items():
                    _file(buckets, row.get(field), id)
        found: dict[str, None] = {}
        for value in values:
            found.update(buckets.get(_folded(value), {}))
        return list(found)

    def _placed(self, field: str) -> list[str]:
        def key(id: str) -> Key:
            return _key(field, self.visible[id])

        if field not in self._ordered:
            self._ordered[field] = sorted(self.visible, key=key)
            self._unplaced[field] = {}
        ids, unplaced = self._ordered[field], self._unplaced[field]
        # Few newcomers are placed one by one; for many, one sort of the nearly sorted list is cheaper.
        if len(unplaced) * 16 < len(ids):
            for id in unplaced:
                insort(ids, id, key=key)
        elif unplaced:
            ids.extend(unplaced)
            ids.sort(key=key)
        unplaced.clear()
        return ids


def _key(field: str, row: Row) -> Key:
    return (row.get(field, ""), row["Id"])


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _file(buckets: dict[Any, dict[str, None]], value: Any, id: str) -> None:
    if value is not None:
        buckets.setdefault(_folded(value), {})[id] = None
