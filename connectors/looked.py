"""How far the fast tier looked, and how far back its next look begins.

What a CRM shows late lies behind where the last look ended. So a look goes back some time, which finds rows once more
that are known: as far as they fit into pages that are read anyway, but never less than what a CRM takes as a rule, nor
than twice as late as rows were found of late. What it shows later than that comes with the complete tier.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

LEAST = timedelta(seconds=10)
"""How late a CRM shows what changed, as a rule."""
_NEARLY_ALL = 0.95
_FILL = 0.85
"""How full a page may be expected to be: what comes is not as even as what came."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The last look's end by the CRM's clock, how many rows a second it found, and how many seconds late nearly all of
    those showed that the look before could not have seen yet."""

    to: datetime
    rate: float
    late: float = 0.0

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> Self | None:
        """What `dump` gave; None where there is nothing."""
        return (
            None if kept is None else cls(datetime.fromisoformat(kept["to"]), float(kept["rate"]), float(kept["late"]))
        )

    @classmethod
    def between(cls, since: datetime, until: datetime, rows: int, late: float = 0.0) -> Self:
        """After a look at a stretch of time in which so many rows were found."""
        return cls(until, rows / max(1.0, (until - since).total_seconds()), late)

    def dump(self) -> Mapping[str, Any]:
        """As JSON."""
        return {"to": self.to.isoformat(), "rate": round(self.rate, 3), "late": round(self.late, 3)}

    def since(self, now: datetime, page: int, most: timedelta) -> datetime:
        """Where to begin the next look, in pages of so many rows and at `most` so far back."""
        coming = self.rate * max(0.0, (now - self.to).total_seconds())
        room = max(1, math.ceil(coming / (page * _FILL))) * page * _FILL - coming
        back = timedelta(seconds=min(room / self.rate, most.total_seconds())) if self.rate else most
        return self.to - min(most, max(LEAST, timedelta(seconds=2 * self.late), back))

    def lateness(self, new: Iterable[datetime]) -> float:
        """How many seconds late nearly all rows showed that a later look found new, by their stamps: those from before
        this look's end had not shown then."""
        behind = sorted(max(0.0, (self.to - at).total_seconds()) for at in new)
        return behind[int(_NEARLY_ALL * len(behind))] if behind else self.late
