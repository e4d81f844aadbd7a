"""What sales does with people, and what comes of it: everything here happens because sales already works the lead."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sandbox.world.journeys import DAY, Journey
from sandbox.world.moments import Kind, Moment, Progress, Stage, at_work, instant
from sandbox.world.people import HISTORY, Person, Role
from sandbox.world.truth import Touch
from sandbox.world.vocabulary import AUTHORITIES, LOSS_REASONS, NEEDS, TIMELINES

REQUESTS = frozenset({Touch.DEMO_REQUEST, Touch.CONTACT})
WORK_COVERS = 40 * DAY
"""A request within this time of the last contact belongs to the work already begun."""


class Outcome(StrEnum):
    """How a lead's work ends."""

    UNQUALIFIED = "unqualified"
    RECYCLED = "recycled"
    STALLED = "stalled"
    LOST = "lost"
    WON = "won"


_OUTCOMES = (Outcome.UNQUALIFIED, Outcome.RECYCLED, Outcome.STALLED, Outcome.LOST)
_WEIGHTS = (0.40, 0.28, 0.12, 0.20)


@dataclass(frozen=True, slots=True)
class Work:
    """One engagement of sales with a person, from the first contact on. `closes_at` is known of won deals only."""

    begins_at: float
    outcome: Outcome
    closes_at: float | None = None


def plan_work(person: Person, journey: Journey, now: datetime, dice: random.Random) -> list[Work]:
    """The engagements with `person`, in order; the last may still go on at `now`.

    Sales answers most requests within two days, approaches a few people cold, and always finds those who decided.
    """
    if person.role in (Role.COMPETITOR, Role.EMPLOYEE) or person.duplicate_of is not None:
        return []
    works: list[Work] = []
    triggers = [step.at + DAY * dice.uniform(0.05, 2.0) for step in journey.steps if step.touch in REQUESTS]
    triggers = [at for at in triggers if dice.random() < 0.85]
    start = max(person.created_at, now - HISTORY).timestamp()
    if dice.random() < 0.04:
        triggers.append(dice.uniform(start, now.timestamp()))
    decided = journey.decided_at
    for at in sorted(triggers):
        if works and at - works[-1].begins_at < WORK_COVERS:
            continue
        if decided is not None and at > decided - WORK_COVERS / 2:
            break
        works.append(Work(at, dice.choices(_OUTCOMES, _WEIGHTS)[0]))
    if decided is not None:
        near = [at for at in triggers if abs(at - decided) <= WORK_COVERS / 2]
        begins = min(near, default=decided + DAY * dice.uniform(0.2, 3.0))
        closes = max(decided, begins + 6 * DAY) + DAY * min(60.0, dice.lognormvariate(2.6, 0.5))
        works.append(Work(begins, Outcome.WON, closes))
    return works


def sales_moments(person: Person, work: Work, dice: random.Random) -> Iterator[Moment]:
    """What sales does in one engagement, in order of time; may run past the present."""
    diary = _Diary(person.number, work.begins_at, dice)
    yield diary.note(0, Kind.TASK, subject=f"Call {person.company.name}", done=True)
    yield diary.note(0.01, Kind.STATUS, status=Progress.WORKING)
    reached = work.outcome not in (Outcome.UNQUALIFIED, Outcome.RECYCLED) or dice.random() < 0.5
    for _ in range(dice.randrange(0, 3)):
        yield diary.note(dice.uniform(0.02, 1.2), Kind.CALL, connected=False, minutes=0)
    yield diary.note(dice.uniform(0.02, 1.0), Kind.SALES_MAIL, incoming=False, subject="Your interest in Gaugewright")
    if reached:
        yield diary.note(dice.uniform(0.1, 1.5), Kind.CALL, connected=True, minutes=dice.randrange(3, 25))
        yield diary.note(0.01, Kind.STATUS, status=Progress.CONNECTED)
        if dice.random() < 0.6:
            subject = "Re: Your interest in Gaugewright"
            yield diary.note(dice.uniform(0.1, 1.5), Kind.SALES_MAIL, incoming=True, subject=subject)
    if work.outcome is Outcome.UNQUALIFIED:
        if reached:
            yield diary.note(0.02, Kind.FIELDS, **_discovered(dice, keen=False), **_leak("not_a_fit", demo=False))
        yield diary.note(dice.uniform(0.2, 5), Kind.STATUS, status=Progress.UNQUALIFIED)
    elif work.outcome is Outcome.RECYCLED:
        yield diary.note(dice.uniform(5, 14), Kind.STATUS, status=Progress.RECYCLED)
    else:
        yield from _selling(diary, person, work, dice)


def past_purchase(person: Person, dice: random.Random) -> Iterator[Moment]:
    """The deal of someone who was a customer already when the history began."""
    diary = _Diary(person.number, person.created_at.timestamp() + 3600, dice)
    yield diary.note(0, Kind.DEAL, name=f"{person.company.name} - Platform", amount=_amount(person, dice))
    yield diary.note(1, Kind.STAGE, stage=Stage.WON, reason="")


def _selling(diary: _Diary, person: Person, work: Work, dice: random.Random) -> Iterator[Moment]:
    won = work.outcome is Outcome.WON
    yield diary.note(dice.uniform(1, 4), Kind.MEETING, subject="Discovery call", minutes=30)
    outcome = "qualified" if work.outcome is not Outcome.STALLED else "follow_up_later"
    yield diary.note(0.03, Kind.FIELDS, **_discovered(dice, keen=won), **_leak(outcome, demo=False))
    if work.outcome is Outcome.STALLED:
        yield diary.note(dice.uniform(3, 10), Kind.NOTE, text="Wants to talk again next half-year.")
        return
    yield diary.note(
        dice.uniform(0.05, 1), Kind.DEAL, name=f"{person.company.name} - Platform", amount=_amount(person, dice)
    )
    if dice.random() < (0.9 if won else 0.6):
        yield diary.note(dice.uniform(1, 3), Kind.MEETING, subject="Product demo", minutes=45)
        yield diary.note(0.03, Kind.FIELDS, **_leak("demo_done", demo=True))
    yield diary.note(dice.uniform(0.5, 2), Kind.STAGE, stage=Stage.PROPOSAL, reason="")
    yield diary.note(0.05, Kind.SALES_MAIL, incoming=False, subject="Our proposal")
    if won or dice.random() < 0.4:
        yield diary.note(dice.uniform(0.5, 2), Kind.STAGE, stage=Stage.NEGOTIATION, reason="")
    if not won:
        reason = dice.choice(LOSS_REASONS)
        yield diary.note(dice.uniform(4, 25), Kind.STAGE, stage=Stage.LOST, reason=reason)
        yield diary.note(0.01, Kind.FIELDS, loss_reason=reason)
        return
    assert work.closes_at is not None
    yield diary.note_at(work.closes_at, Kind.STAGE, stage=Stage.WON, reason="")
    yield diary.note(0.01, Kind.FIELDS, contract_signed=True)


class _Diary:
    """Writes moments with steps of days between them, in working hours and never backward."""

    def __init__(self, person: int, begins_at: float, dice: random.Random) -> None:
        self._person = person
        self._at = instant(begins_at)
        self._dice = dice

    def note(self, days: float, kind: Kind, **detail: Any) -> Moment:
        self._at = at_work(self._at + timedelta(days=days, seconds=1 + self._dice.random()))
        return Moment(self._at, self._person, kind, detail)

    def note_at(self, seconds: float, kind: Kind, **detail: Any) -> Moment:
        self._at = max(self._at, instant(seconds))
        return self.note(0, kind, **detail)


def _discovered(dice: random.Random, *, keen: bool) -> dict[str, str]:
    """The BANT fields as sales fills them after a talk."""
    found = {}
    if dice.random() < (0.8 if keen else 0.5):
        found["budget"] = str(1000 * dice.choice((5, 10, 15, 25, 40, 60, 100)))
    if dice.random() < 0.8:
        found["timeline"] = dice.choices(TIMELINES, (3, 4, 2, 1) if keen else (1, 2, 3, 4))[0]
    if dice.random() < 0.7:
        found["need"] = dice.choice(NEEDS)
    if dice.random() < 0.7:
        found["authority"] = dice.choice(AUTHORITIES[:3])
    return found


def _leak(outcome: str, *, demo: bool) -> dict[str, Any]:
    notes = {
        "qualified": "Pain confirmed, wants to see the product.",
        "follow_up_later": "Interested, but not this half-year.",
        "not_a_fit": "No project, no budget.",
        "demo_done": "Saw the product, asked for terms.",
    }[outcome]
    return {"discovery_outcome": outcome, "discovery_notes": notes, **({"demo_completed": True} if demo else {})}


def _amount(person: Person, dice: random.Random) -> int:
    return 500 * max(4, round(float(person.company.employees**0.6) * dice.lognormvariate(5.6, 0.5) / 500))
