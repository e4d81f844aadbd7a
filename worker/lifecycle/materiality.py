"""When a new score is worth a write. A CRM fires its own automation on every write, so most are not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.records import ScoreField
from worker.lifecycle.fields import VOLATILE, Plain, differing
from worker.lifecycle.policy import Policy

BATCHES: Mapping[str, int] = {"salesforce": 200, "hubspot": 100, "marketo": 300, "amplitude": 100, "mixpanel": 1000}
"""Records a call, by kind of source: sObject Collections, batch update of contacts, sync of leads, identify events of a
batch, updates of profiles."""
DECISIVE = (ScoreField.STAGE, ScoreField.BUCKET, ScoreField.STATUS)


def cause(wanted: Plain, held: Plain, written_at: datetime | None, policy: Policy, now: datetime) -> str | None:
    """Why `wanted` should replace `held`, or None when it should not. `written_at` is when `held` was last written."""
    changed = set(differing(wanted, held)) - VOLATILE
    if not changed:
        return None
    if ScoreField.SCORED_AT not in held:
        return "first"
    for field in DECISIVE:
        if field in changed:
            return field.value
    if policy.materiality.points == 0:
        return "exact"
    before, after = held.get(ScoreField.SCORE), wanted.get(ScoreField.SCORE)
    if ScoreField.SCORE in changed and (
        before is None or after is None or abs(after - before) >= policy.materiality.points
    ):
        return "score"
    if written_at is not None and now - written_at >= timedelta(days=policy.materiality.max_age_days):
        return "age"
    return None


@dataclass(frozen=True, slots=True)
class Writes:
    """Of one CRM account over some time: how often the score of a record moved, and how many writes that was worth."""

    moved: int
    made: int

    @property
    def saved(self) -> int:
        """Writes not made."""
        return max(0, self.moved - self.made)

    def calls_saved(self, batch: int) -> int:
        """API calls at the least, each with `batch` records: had all of them come in full batches."""
        return math.ceil(self.saved / batch)
