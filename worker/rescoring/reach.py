"""What a decision reaches in the CRMs beside the score fields: fields of their own, and tasks for owners."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from connectors.alerts import AlertSettings
from connectors.records import Follower, ScoreField
from worker.lifecycle.following import conflicts, entering
from worker.lifecycle.policy import Policy
from worker.store.alerts import Entry
from worker.store.records import OpenRecord

NEW = timedelta(days=1)
"""A lead that is so young is news when it is scored for the first time; an older one is an old acquaintance."""


class Disagreement(NamedTuple):
    """An option of a source that cannot be meant so."""

    source: str
    option: str
    what: str

    def __str__(self) -> str:
        return f"{self.source}: {self.option}: {self.what}"


@dataclass(frozen=True, slots=True)
class Reach:
    """By source: the native fields that follow the stage, and the tasks that are wanted."""

    followers: Mapping[str, Sequence[Follower]] = field(default_factory=dict)
    alerts: Mapping[str, AlertSettings] = field(default_factory=dict)

    def disagreements(self, policy: Policy) -> Iterator[Disagreement]:
        """Options of sources that a policy gives another meaning, or none: which one, what is wrong, what to do."""
        for source, followers in self.followers.items():
            for conflict in conflicts(followers, policy):
                yield Disagreement(source, conflict.option, conflict.what)
        for source, alert in self.alerts.items():
            if (wrong := entering(alert.entering, policy)) is not None:
                yield Disagreement(source, "alert.entering", wrong)


NOWHERE = Reach()


@dataclass(frozen=True, slots=True)
class Entered:
    """The stage and bucket that a person has just entered, if any. `first`: they had no score before. `values`: what
    their records are to show."""

    names: Collection[str]
    first: bool
    values: Mapping[str, Any]


def entries(
    targets: Sequence[OpenRecord], entered: Mapping[int, Entered], alerts: Mapping[str, AlertSettings], as_of: datetime
) -> Iterator[Entry]:
    """The alerts that follow: for each source one of a person's records, the oldest."""
    told: set[tuple[str, int]] = set()
    for record in targets:
        source, person = record.ref.source, record.person_id
        settings, its = alerts.get(source), entered.get(person)
        if settings is None or its is None or settings.entering not in its.names or (source, person) in told:
            continue
        told.add((source, person))
        if its.first and (record.created_at is None or as_of - record.created_at > NEW):
            continue
        yield Entry(source, record.subject_id, person, settings.entering, as_of, _body(its.values))


def _body(values: Mapping[str, Any]) -> str:
    """What the owner reads: the score, what to do, and why."""
    score, bucket = values.get(ScoreField.SCORE), values.get(ScoreField.BUCKET)
    head = f"Score {score} of 100 ({bucket})." if score is not None else f"In bucket {bucket}."
    lines = (head, values.get(ScoreField.ACTION), values.get(ScoreField.REASONS), values.get(ScoreField.BANT))
    return "\n".join(str(line) for line in lines if line)
