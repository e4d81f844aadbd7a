"""The treatment-bias guard: a small random share of people keep their scores from sales' view.

Sales works scored leads more because they are scored, and a model that is judged on them is judged on that, too.
Whoever is drawn is scored and decided like everybody; only the CRM does not show it. So their outcomes tell what the
score knows without what it does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from connectors.records import ScoreField
from worker.lifecycle.machine import Stage
from worker.lifecycle.thresholds import UNSCORED, Guard

WITHHELD = "withheld"
"""The status of a person whose score is kept from view."""

_HIDDEN = (ScoreField.SCORE, ScoreField.PROBABILITY, ScoreField.ACTION, ScoreField.GRADE, ScoreField.REASONS)


def withheld(person: int, guard: Guard) -> bool:
    """Whether a person is drawn. Nobody's draw depends on anybody else, and a larger share draws these and more."""
    if not guard.share:
        return False
    drawn = int.from_bytes(sha256(f"{guard.seed}:{person}".encode()).digest()[:8])
    return drawn < guard.share * 2**64


def hidden(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the records of a person who is drawn show: no score, nor a stage that follows from one alone."""
    shown = dict(values) | {field.value: None for field in _HIDDEN if field.value in values}
    shown |= {ScoreField.BUCKET.value: UNSCORED, ScoreField.STATUS.value: WITHHELD}
    if values.get(ScoreField.STAGE) == Stage.MQL:
        shown |= {ScoreField.STAGE.value: Stage.NURTURING.value, ScoreField.MQL_DATE.value: None}
    return shown


@dataclass(frozen=True, slots=True)
class Share:
    """People of one bucket in one of the two groups, with how many of them converted."""

    people: int
    conversions: int

    @property
    def rate(self) -> float | None:
        return self.conversions / self.people if self.people else None


@dataclass(frozen=True, slots=True)
class Lift:
    """How many times as often the top bucket converts as everybody of its group.

    `interval`: 95 %, None where nobody of the top bucket, or nobody at all, converted yet.
    """

    top: Share
    all: Share
    ratio: float | None
    interval: tuple[float, float] | None


def lift(people: Iterable[tuple[bool, bool]]) -> Lift:
    """Of (in the top bucket, converted) for everybody of a group whose horizon is over.

    The interval is Katz's for a ratio of risks, of the top bucket against the others, carried over to everybody.
    """
    counts = [[0, 0], [0, 0]]
    for in_top, converted in people:
        counts[in_top][0] += 1
        counts[in_top][1] += converted
    (others, theirs), (n, won) = counts
    top, everybody = Share(n, won), Share(n + others, won + theirs)
    if top.rate is None or not everybody.rate:
        return Lift(top, everybody, None, None)
    ratio = top.rate / everybody.rate
    if not won or not theirs:
        return Lift(top, everybody, ratio, None)
    spread = 1.96 * math.sqrt(max(0.0, 1 / won - 1 / n + 1 / theirs - 1 / others))
    against_others = top.rate / (theirs / others)
    low, high = (_of_all(against_others * math.exp(sign * spread), n, others) for sign in (-1, 1))
    return Lift(top, everybody, ratio, (low, high))


def _of_all(against_others: float, top: int, others: int) -> float:
    """A ratio against the others as one against everybody, the top among them."""
    return against_others * (top + others) / (against_others * top + others)
