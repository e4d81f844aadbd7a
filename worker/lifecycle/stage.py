"""Which stage a person is in, decided from the past stage, the score and the policy alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from worker.lifecycle.policy import Policy


class Stage(StrEnum):
    NEW = "new"
    NURTURING = "nurturing"
    MQL = "mql"
    CUSTOMER = "customer"
    DISQUALIFIED = "disqualified"


class Standing(StrEnum):
    """What the CRMs say of the person, over all records: the strongest claim wins, in this order."""

    CUSTOMER = "customer"
    OPEN = "open"
    DISQUALIFIED = "disqualified"


@dataclass(frozen=True, slots=True)
class Position:
    """A stage, since when, and when the person first became marketing qualified in this run of it."""

    stage: Stage
    since: datetime
    mql_at: datetime | None = None
    cause: str = ""


def decide(previous: Position | None, score: int | None, standing: Standing, policy: Policy, now: datetime) -> Position:
    """The position at `now`. Pure; the same inputs give the same position, so a fold over the record reproduces it."""
    stage, cause = _stage(previous, score, standing, policy)
    if previous is not None and previous.stage == stage:
        return previous
    mql_at = now if stage == Stage.MQL else previous.mql_at if previous else None
    return Position(stage, now, mql_at, cause)


def _stage(previous: Position | None, score: int | None, standing: Standing, policy: Policy) -> tuple[Stage, str]:
    if standing == Standing.CUSTOMER:
        return Stage.CUSTOMER, "a deal was won"
    if standing == Standing.DISQUALIFIED:
        return Stage.DISQUALIFIED, "sales disqualified every record"
    if score is None:
        return Stage.NEW, "no score"
    was_mql = previous is not None and previous.stage == Stage.MQL
    if was_mql and score >= policy.mql.leave:
        return Stage.MQL, ""
    if score >= policy.mql.enter:
        return Stage.MQL, f"score {score} reached {policy.mql.enter}"
    if was_mql:
        return Stage.NURTURING, f"score {score} fell below {policy.mql.leave}"
    return Stage.NURTURING, f"score {score} is below {policy.mql.enter}"
