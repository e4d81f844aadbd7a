"""Which stage a person is in, decided from the past stage, the score, the evidence and the policy alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from worker.lifecycle.evidence import Evidence, Standing
from worker.lifecycle.machine import QUALIFIED, Event, Stage, step
from worker.lifecycle.policy import Policy

__all__ = ["GAVE_BACK", "Obstacle", "Position", "Stage", "Standing", "ahead", "decide", "next_due", "obstacles"]


@dataclass(frozen=True, slots=True)
class Position:
    """A stage, since when and why; when the person last became marketing qualified; and what else is remembered.

    `reached_at`: since when the score has been at the line and not below the leaving line. `left_at`: when the person
    last ceased to be qualified. `spent_at`: what sales said until then counts no more. `entries`: when the person
    became marketing qualified by score, the newest last.
    """

    stage: Stage
    since: datetime
    mql_at: datetime | None = None
    cause: str = ""
    reached_at: datetime | None = None
    left_at: datetime | None = None
    spent_at: datetime | None = None
    entries: tuple[datetime, ...] = ()

    def memory(self) -> dict[str, Any]:
        """What a decision needs of this one beside stage, since and mql_at, as JSON."""
        told: dict[str, Any] = {"cause": self.cause, "entries": [at.isoformat() for at in self.entries]}
        for name in ("reached_at", "left_at", "spent_at"):
            at = getattr(self, name)
            told[name] = at.isoformat() if at is not None else None
        return {name: value for name, value in told.items() if value}

    @classmethod
    def remembered(cls, stage: str, since: datetime, mql_at: datetime | None, memory: Mapping[str, Any]) -> Position:
        """The inverse of `memory`."""
        at = {n: datetime.fromisoformat(memory[n]) for n in ("reached_at", "left_at", "spent_at") if memory.get(n)}
        entries = tuple(datetime.fromisoformat(entry) for entry in memory.get("entries", ()))
        return cls(Stage(stage), since, mql_at, memory.get("cause", ""), **at, entries=entries)


class Obstacle(NamedTuple):
    """Why a person with the score for it is not marketing qualified. `until`: time alone takes it away then."""

    code: str
    words: str
    until: datetime | None = None


def decide(previous: Position | None, score: int | None, evidence: Evidence, policy: Policy, now: datetime) -> Position:
    """The position at `now`. Pure; the same inputs give the same position, so a fold over the record reproduces it.

    A decision that is made again changes nothing, and with the same inputs nothing changes before `next_due`. What a
    person set in the CRM stands above everything, until they clear it or the policy releases it.
    """
    position = _with_score(previous, score, policy, now)
    if evidence.hold is not None and not _released(evidence, policy, now):
        return _moved(position, evidence.hold.stage, "set by a person in the CRM", now)
    taken = step(position.stage, set(_events(position, score, evidence, policy, now)))
    if taken is None:
        return position if previous is not None else replace(position, cause="no score")
    event, stage = taken
    moved = _moved(position, stage, _cause(event, score, evidence, policy), now, again=event is Event.REJECTED)
    if event is Event.QUALIFIED:
        kept = now - timedelta(days=policy.mql.window_days)
        return replace(moved, entries=(*(at for at in moved.entries if at > kept), now))
    return moved


def obstacles(position: Position, evidence: Evidence, policy: Policy, now: datetime) -> Iterator[Obstacle]:
    """What keeps a person whose score is at the line from being marketing qualified."""
    mql, reached = policy.mql, position.reached_at or now
    if (until := reached + timedelta(days=mql.dwell_days)) > now:
        yield Obstacle("dwell", f"the score must hold for {mql.dwell_days:g} days", until)
    if position.left_at and (until := position.left_at + timedelta(days=mql.cooldown_days)) > now:
        yield Obstacle("cooldown", f"{mql.cooldown_days:g} days must pass since it was last qualified", until)
    if until_free := _free_again(position, policy, now):
        yield Obstacle("entries", f"was qualified {mql.max_entries} times in {mql.window_days} days", until_free)
    if missing := sorted(set(mql.required) - evidence.filled):
        yield Obstacle("required", f"{', '.join(missing)} must be filled")
    if evidence.bant < mql.bant:
        yield Obstacle("bant", f"{evidence.bant} of 4 of BANT are known, {mql.bant} must be")
    if position.stage is Stage.RECYCLED and (evidence.active_at is None or evidence.active_at <= position.since):
        yield Obstacle("quiet", "did nothing since it was recycled")


def ahead(
    position: Position, score: int | None, evidence: Evidence, policy: Policy, now: datetime
) -> Iterator[Obstacle]:
    """What holds a person from the next stage, for a person to read; the first thing that must happen first."""
    if evidence.hold is not None and not _released(evidence, policy, now):
        until = evidence.hold.at + timedelta(days=policy.human.release_days) if policy.human.release_days else None
        yield Obstacle("held", f"set to {evidence.hold.stage.value} by a person, until they clear the field", until)
        return
    match position.stage:
        case Stage.NEW | Stage.NURTURING | Stage.RECYCLED:
            if score is None:
                yield Obstacle("score", "there is no score")
            elif score < policy.mql.enter:
                yield Obstacle("score", f"the score is {score}, and must reach {policy.mql.enter}")
            yield from obstacles(position, evidence, policy, now)
        case Stage.MQL | Stage.ACCEPTED:
            said = max(filter(None, (evidence.confirmed_at, evidence.meeting_at)), default=None)
            if said is None or (position.spent_at is not None and said <= position.spent_at):
                meeting = ", or hold a meeting" if policy.sales.meeting else ""
                yield Obstacle("confirmed", f"sales must confirm it by a status under sales.confirmed{meeting}")
            if evidence.bant < policy.sales.bant:
                yield Obstacle("bant", f"{evidence.bant} of 4 of BANT are known, {policy.sales.bant} must be")
        case Stage.SQL:
            yield Obstacle("deal", "a deal must be opened")
        case Stage.OPPORTUNITY:
            yield Obstacle("deal", "the deal must be won")
        case Stage.CUSTOMER | Stage.DISQUALIFIED:
            yield Obstacle("lasts", f"is kept as long as the CRM says {position.stage.value}")


def next_due(position: Position, evidence: Evidence, policy: Policy, now: datetime) -> datetime | None:
    """The first instant after `now` at which time alone may change the position."""
    instants: list[datetime] = []
    if position.reached_at is not None:
        instants += [until for *_, until in obstacles(position, evidence, policy, now) if until is not None]
    if policy.recycling.silence_days:
        silence = timedelta(days=policy.recycling.silence_days)
        said = (evidence.accepted_at, evidence.confirmed_at, evidence.rejected_at, evidence.meeting_at)
        happened = {position.since, evidence.happened_at, *said}
        instants += [at + silence for at in happened if at is not None]
    if evidence.hold is not None and policy.human.release_days:
        instants.append(evidence.hold.at + timedelta(days=policy.human.release_days))
    return min((at for at in instants if at > now), default=None)


def _with_score(previous: Position | None, score: int | None, policy: Policy, now: datetime) -> Position:
    """The past position, with since when the score has been at the line."""
    position = previous or Position(Stage.NEW, now)
    if score is None or score < policy.mql.leave:
        return replace(position, reached_at=None) if position.reached_at else position
    if score >= policy.mql.enter and position.reached_at is None:
        return replace(position, reached_at=now)
    return position


def _events(
    position: Position, score: int | None, evidence: Evidence, policy: Policy, now: datetime
) -> Iterator[Event]:
    if evidence.standing is Standing.CUSTOMER:
        yield Event.WON
    if evidence.standing is Standing.DISQUALIFIED:
        yield Event.DISQUALIFIED
    yield Event.OPPORTUNITY if evidence.deal_open else Event.LOST
    yield from _said(position, evidence, policy, now)
    if policy.recycling.silence_days:
        happened = max(filter(None, (position.since, evidence.happened_at)))
        if now - happened >= timedelta(days=policy.recycling.silence_days):
            yield Event.SILENT
    if score is None:
        yield Event.UNSCORED
        return
    yield Event.SCORED
    if score < policy.mql.leave:
        yield Event.FELL
    if score >= policy.mql.enter and next(obstacles(position, evidence, policy, now), None) is None:
        yield Event.QUALIFIED


def _said(position: Position, evidence: Evidence, policy: Policy, now: datetime) -> Iterator[Event]:
    """What sales said last, as far as it still counts: a no takes back what came before it, and the other way round."""
    if not (evidence.accepted_at or evidence.confirmed_at or evidence.rejected_at or evidence.meeting_at):
        return
    silence = timedelta(days=policy.recycling.silence_days)

    def fresh(at: datetime | None) -> bool:
        return (
            at is not None
            and (position.spent_at is None or at > position.spent_at)
            and (not silence or now - at < silence)
        )

    rejected = evidence.rejected_at if fresh(evidence.rejected_at) else None
    meeting = evidence.meeting_at if policy.sales.meeting else None
    confirmed = [at for at in (evidence.confirmed_at, meeting) if at is not None and fresh(at)]
    accepted = [evidence.accepted_at] if evidence.accepted_at is not None and fresh(evidence.accepted_at) else []
    if rejected is not None and all(at <= rejected for at in (*confirmed, *accepted)):
        yield Event.REJECTED
        return
    if evidence.bant >= policy.sales.bant and any(rejected is None or at > rejected for at in confirmed):
        yield Event.CONFIRMED
    if any(rejected is None or at > rejected for at in accepted):
        yield Event.ACCEPTED


def _moved(position: Position, stage: Stage, cause: str, now: datetime, *, again: bool = False) -> Position:
    if position.stage is stage and not again:
        return position
    left = position.stage in QUALIFIED and stage not in QUALIFIED
    back = stage is Stage.RECYCLED
    return replace(
        position,
        stage=stage,
        since=now,
        cause=cause,
        mql_at=now if stage is Stage.MQL else position.mql_at,
        left_at=now if left or back else position.left_at,
        spent_at=now if back else position.spent_at,
    )


def _released(evidence: Evidence, policy: Policy, now: datetime) -> bool:
    days = policy.human.release_days
    return evidence.hold is not None and days > 0 and now - evidence.hold.at >= timedelta(days=days)


def _free_again(position: Position, policy: Policy, now: datetime) -> datetime | None:
    """When one more entry is allowed; None where it is now."""
    window = timedelta(days=policy.mql.window_days)
    recent = [at for at in position.entries if at > now - window]
    return recent[-policy.mql.max_entries] + window if len(recent) >= policy.mql.max_entries else None


def _cause(event: Event, score: int | None, evidence: Evidence, policy: Policy) -> str:
    if event is Event.REJECTED and evidence.rejection:
        return f"{GAVE_BACK}: {evidence.rejection}"
    return _CAUSES[event].format(
        score=score, enter=policy.mql.enter, leave=policy.mql.leave, days=f"{policy.recycling.silence_days:g}"
    )


GAVE_BACK = "sales gave it back"
"""How the cause of a rejection begins."""
_CAUSES: Mapping[Event, str] = {
    Event.WON: "a deal was won",
    Event.DISQUALIFIED: "sales disqualified every record",
    Event.OPPORTUNITY: "a deal was opened",
    Event.LOST: "no deal is open any more",
    Event.REJECTED: GAVE_BACK,
    Event.CONFIRMED: "sales confirmed it",
    Event.ACCEPTED: "sales accepted it",
    Event.SILENT: "nothing happened for {days} days",
    Event.UNSCORED: "no score",
    Event.QUALIFIED: "score {score} reached {enter}",
    Event.FELL: "score {score} fell below {leave}",
    Event.SCORED: "score {score} is below {enter}",
}
