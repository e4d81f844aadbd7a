"""How far a published change has come: everybody is scored anew by and by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Rollout:
    """Of a goal's `people` who have a score, `left` have one that an older policy, rule file or model made. `began`:
    when the newest of these was published. `lately` people were scored under it in the last `span`."""

    people: int
    left: int
    began: datetime | None
    lately: int
    span: timedelta

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return 1 - self.left / self.people if self.people else 1.0

    def done_at(self, now: datetime) -> datetime | None:
        """When the last of them will be scored, at the pace of the last minutes; None where nobody was lately."""
        if not self.left:
            return now
        return now + self.span * (self.left / self.lately) if self.lately else None
