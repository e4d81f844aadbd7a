"""Rows that are refused only because they come with too many others: sent again in halves, down to each alone.

A trigger or a flow that is not made for many rows runs into a limit of Apex, which nothing can catch: all rows of the
call fail with it, and most of them would not have, in a smaller one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any

from connectors.records import RecordRef
from connectors.salesforce.faults import Fault, fault_of, overrun

MOST_MORE = 32
"""Calls that a push may make beyond those that it needs where nothing fails."""
SMALLER_FOR = timedelta(minutes=10)
"""So long no call carries more rows than went well."""
HOPELESS_FOR = timedelta(minutes=15)
"""So long nothing is halved where not even one row alone went well: the trigger fails whatever is sent."""

Update = Callable[[Sequence[Mapping[str, Any]]], Sequence[Mapping[str, Any]]]
"""Sends rows in one call; one answer a row, in their order."""


class Halves:
    """Sends rows of one org, `most` a call. Remembers for a while how many go well."""

    def __init__(self, update: Update, most: int) -> None:
        self._update, self._most = update, most
        self._small, self._small_until, self._halve_from = most, 0.0, 0.0

    @property
    def size(self) -> int:
        """Rows that a call may carry now."""
        return self._small if monotonic() < self._small_until else self._most

    def send(
        self, rows: Mapping[RecordRef, Mapping[str, Any]]
    ) -> tuple[dict[RecordRef, Fault | None], dict[RecordRef, tuple[Fault, timedelta]]]:
        """What became of each row (None: it is written), and those that are for later, since there are no calls left to
        try them with fewer others: how they failed, and how long to wait."""
        told: dict[RecordRef, Fault | None] = {}
        crowded: dict[RecordRef, Fault] = {}
        waiting, more, largest, alone = deque(_parts(list(rows), self.size)), MOST_MORE, 0, False
        while waiting:
            refs = waiting.popleft()
            faults = dict(zip(refs, map(_fault, self._update([rows[ref] for ref in refs])), strict=True))
            over = {ref: fault for ref, fault in faults.items() if fault is not None and overrun(fault)}
            told |= {ref: fault for ref, fault in faults.items() if ref not in over}
            if not over:
                largest = max(largest, len(refs))
            elif len(refs) == 1:
                told |= over
                alone = True
            elif (parts := _parts(list(over), -(-len(refs) // 2))) and len(parts) <= more and self._may_halve():
                more -= len(parts)
                waiting.extendleft(reversed(parts))
            else:
                crowded |= over
        if alone and not largest:
            self._halve_from = monotonic() + HOPELESS_FOR.total_seconds()
        if more < MOST_MORE and largest:
            self._small, self._small_until = largest, monotonic() + SMALLER_FOR.total_seconds()
        wait = timedelta(seconds=1) if self._may_halve() else HOPELESS_FOR
        return told, {ref: (fault, wait) for ref, fault in crowded.items()}

    def _may_halve(self) -> bool:
        return monotonic() >= self._halve_from


def _parts(refs: list[RecordRef], size: int) -> list[list[RecordRef]]:
    return [refs[start : start + size] for start in range(0, len(refs), size)]


def _fault(answer: Mapping[str, Any]) -> Fault | None:
    """Why a row of Collections was not saved; None when it was."""
    return None if answer.get("success") else fault_of((answer.get("errors") or [{}])[0])
