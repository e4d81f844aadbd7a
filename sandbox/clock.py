"""The one clock of the practice CRMs: real time, shifted, advanced by hand or held still."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Self


def wall_time() -> datetime:
    """The machine's own time, aware and in UTC."""
    return datetime.now(UTC)


class Clock:
    """Runs at the speed of `wall`, from `start` on (default: the wall's own time).

    Time never jumps back by itself: a held clock that is released goes on from the instant it was held at.
    """

    def __init__(self, start: datetime | None = None, *, wall: Callable[[], datetime] = wall_time) -> None:
        self._wall = wall
        self._held: datetime | None = None
        self.offset = timedelta(0) if start is None else aware(start) - wall()

    def now(self) -> datetime:
        """The present instant of the practice world, aware and in UTC."""
        return self._held if self._held is not None else self._wall() + self.offset

    @property
    def held(self) -> bool:
        """Whether time stands still."""
        return self._held is not None

    def hold(self, at: datetime | None = None) -> None:
        """Stop at `at` (default: now) until `release`."""
        self._held = self.now() if at is None else aware(at)

    def release(self) -> None:
        """Go on from the held instant; without effect on a running clock."""
        if self._held is not None:
            self.offset = self._held - self._wall()
            self._held = None

    def advance(self, by: timedelta) -> None:
        """Jump forward, held or not. Raises `ValueError` for a negative step: stamps must never run backward."""
        if by < timedelta(0):
            raise ValueError(f"the clock cannot be advanced by {by.total_seconds():g} seconds; it only goes forward")
        if self._held is not None:
            self._held += by
        else:
            self.offset += by

    def dump(self) -> dict[str, Any]:
        """State for `load`; a running clock keeps running while the process is down."""
        held = self._held.isoformat() if self._held is not None else None
        return {"offset": self.offset.total_seconds(), "held": held}

    @classmethod
    def load(cls, state: dict[str, Any], *, wall: Callable[[], datetime] = wall_time) -> Self:
        """The clock that `dump` described."""
        clock = cls(wall=wall)
        clock.offset = timedelta(seconds=state["offset"])
        if state["held"] is not None:
            clock.hold(datetime.fromisoformat(state["held"]))
        return clock


def aware(at: datetime) -> datetime:
    """`at` in UTC. Raises `ValueError` for a naive datetime, whose instant nobody can know."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone; write it with an offset, like {at.isoformat()}Z")
    return at.astimezone(UTC)
