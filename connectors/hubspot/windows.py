"""Where a polled stream stands, and what to read next: arithmetic alone, no calls.

HubSpot indexes late: a row can turn up in the middle of a range that was read already, seconds later as a rule and
minutes at times. So the complete read stops `settle` behind now, begins `overlap` before the last one's end, and every
stretch of time is read once more when it is `sweep` old. Where that overlap does not fit into one page the stream is
busy: then the complete read stops as far behind now as the overlap would have reached back, and needs none. Either way
no stretch is done with before it was read at an age of `settle` and `overlap`. The fast read begins where the complete
one ended, or behind where the last fast one did: a row that the index shows later waits for the complete read. Times
are epoch milliseconds of HubSpot's own clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from connectors.hubspot.settings import Timings
from connectors.hubspot.values import MILLISECOND, instant, millis
from connectors.looked import Looked
from connectors.port import Cursor, Tier
from connectors.quota import Lane

SEEN_KEPT = 2_000
"""Rows remembered for not reading them again; it bounds the cursor, and forgetting only costs calls."""


class Reason(StrEnum):
    """Why a window is read."""

    FORWARD = "forward"
    SWEEP = "sweep"
    FAST = "fast"
    HISTORY = "history"


LANES: Mapping[Reason, Lane] = {
    Reason.FORWARD: Lane.INBOUND,
    Reason.FAST: Lane.INBOUND,
    Reason.SWEEP: Lane.REFRESH,
    Reason.HISTORY: Lane.BACKFILL,
}


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, its beginning included. `position` is how far into it the reading is, in the reader's terms.

    `until` is frozen by the first answer, which tells HubSpot's time; None before. What is modified later than that
    belongs to the next window, also when it was found in this one.
    """

    reason: Reason
    since: int
    until: int | None = None
    position: str | None = None

    @property
    def lane(self) -> Lane:
        return LANES[self.reason]


@dataclass(frozen=True, slots=True)
class Place:
    """What was modified before `read_to` was read once, before `swept_to` twice; before `settled_to` when it was as old
    as `settle` and `overlap` together (None: by the overlap, see `due`).

    `seen` maps rows of the time since to the modification they were read with; a negative one says that something
    was missing then. `window` is under way. `busy`: the last complete read took more than a page.
    """

    read_to: int
    swept_to: int
    seen: Mapping[str, int] = field(default_factory=dict)
    window: Window | None = None
    settled_to: int | None = None
    busy: bool = False

    def dump(self) -> Cursor:
        held: dict[str, Any] = {"read_to": self.read_to, "swept_to": self.swept_to, "seen": dict(self.seen)}
        if self.settled_to is not None:
            held |= {"settled_to": self.settled_to, "busy": self.busy}
        if self.window is not None:
            window = self.window
            held["window"] = [window.reason.value, window.since, window.until, window.position]
        return held

    @classmethod
    def load(cls, cursor: Cursor) -> Place:
        window = cursor.get("window")
        under_way = Window(Reason(window[0]), *window[1:]) if window else None
        settled_to, busy = cursor.get("settled_to"), cursor.get("busy", False)
        return cls(cursor["read_to"], cursor["swept_to"], cursor["seen"], under_way, settled_to, busy)


def begin(at: int, *, history: int | None = None) -> Place:
    """A place that starts at `at`; with `history`, everything since then is read first."""
    return Place(at, at, {}, Window(Reason.HISTORY, history) if history is not None else None)


def between(since: int, until: int) -> Place:
    """A place at which [since, until) is read once more, and nothing after it."""
    return Place(until, since, {}, Window(Reason.SWEEP, since, until - 1))


def due(place: Place, timings: Timings, tier: Tier, ahead: datetime | None = None) -> Window:
    """The window to read now. One that is under way goes on as it was frozen. `ahead`: where the fast tier may begin
    instead, having looked further than the complete read."""
    reason = Reason.FAST if tier is Tier.FAST else Reason.FORWARD
    window = place.window
    if window is not None and (window.reason is Reason.FAST) is (tier is Tier.FAST):
        return window
    if tier is Tier.FAST:
        return Window(reason, place.read_to if ahead is None else max(place.read_to, millis(ahead)))
    overlapping = place.read_to - timings.overlap // MILLISECOND
    return Window(reason, overlapping if place.settled_to is None else place.settled_to)


def end(place: Place, window: Window, now: int, timings: Timings) -> int:
    """Where the window ends: as it was frozen, or by `now`, HubSpot's time as its first answer tells it."""
    if window.until is not None:
        return window.until
    if window.reason is Reason.FAST:
        return max(now, place.read_to)
    settled = now - timings.settle // MILLISECOND
    return max(settled - timings.overlap // MILLISECOND, window.since) if place.busy else max(settled, place.read_to)


def look(window: Window, until: int, rows: int, late: float = 0.0) -> Looked:
    """How far a fast window looked that ended at `until`, with so many rows in it."""
    return Looked.between(instant(window.since), instant(until), rows, late)


def advance(
    place: Place,
    window: Window,
    until: int,
    position: str | None,
    rows: Iterable[tuple[str, int]],
    now: int,
    timings: Timings,
) -> tuple[Place, bool]:
    """The place after a page of `window`, which ends at `until`, and whether all that was due is read.

    `position` is where the next page starts, None when this was the last; `rows` are (id, modified) that need not be
    read again. A fast window moves nothing.
    """
    under_way = None if position is None else replace(window, until=until, position=position)
    if window.reason is Reason.FAST:
        return replace(place, window=under_way), under_way is None
    seen = {**place.seen, **dict(rows)}
    if under_way is not None:
        return replace(place, seen=newest(seen), window=under_way), False
    overlap, sweep = timings.overlap // MILLISECOND, timings.sweep // MILLISECOND
    read_to, swept_to, busy = place.read_to, place.swept_to, place.busy
    settled_to = read_to - overlap if place.settled_to is None else place.settled_to
    if window.reason is Reason.SWEEP:
        swept_to = until
    else:
        settled_to = max(settled_to, until if busy else until - overlap)
        read_to, busy = max(read_to, until), window.position is not None
    if window.reason is Reason.HISTORY:
        swept_to, busy = until, False
    floor = min(settled_to, swept_to)
    kept = newest({id: modified for id, modified in seen.items() if abs(modified) >= floor})
    sweeping = None
    if window.reason is Reason.FORWARD and now - swept_to >= 2 * sweep:
        sweeping = Window(Reason.SWEEP, swept_to, min(now - sweep, read_to))
    return Place(read_to, swept_to, kept, sweeping, settled_to, busy), sweeping is None


def newest(seen: Mapping[str, int], most: int = SEEN_KEPT) -> dict[str, int]:
    """The `most` rows of `seen` that were modified last."""
    if len(seen) <= most:
        return dict(seen)
    return dict(sorted(seen.items(), key=lambda row: abs(row[1]))[-most:])
