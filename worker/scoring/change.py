"""Why a score changed: what the lead did, what time alone did, and what a new model, new rules or a new policy did.

Between the two scores lie two that nobody saw: the old facts under what scores now, and the same after the time that
passed. Each step changes one thing, so the steps' differences are exact, and add up to the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import polars as pl

from worker.features.facts import INSTANT, Facts
from worker.scoring.verdict import Verdict


class Cause(StrEnum):
    MODEL = "model"  # or the rules, or the policy
    TIME = "time"  # what is known grew older: decay, windows, ages
    LEAD = "lead"  # something happened, or became known


@dataclass(frozen=True, slots=True)
class Move:
    """A reason that now gives `points` more than before (unrounded), because of `cause`."""

    cause: Cause
    code: str
    group: str
    points: float
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """`moves` by cause, the largest first; with `rounding` they add up to `after` minus `before`. Where there is no
    score on one side (`was`, `now`: the statuses) nothing can be set off, and there are none."""

    before: int | None
    after: int | None
    was: str
    now: str
    moves: tuple[Move, ...] = ()
    rounding: float = 0.0

    def moved(self, cause: Cause) -> float:
        return sum(move.points for move in self.moves if move.cause is cause)


def aged(facts: Facts, then: datetime, now: datetime) -> Facts:
    """What was known at `then`, looked at at `now`, as if nothing had happened in between."""
    instant = pl.lit(then, INSTANT)
    known = (pl.col("occurred_at") <= instant) & (pl.col("known_at") <= instant)
    until = pl.when(pl.col("until") <= instant).then("until")

    def held(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(known).with_columns(until=until)

    return replace(
        facts,
        people=facts.people.with_columns(as_of=pl.lit(now, INSTANT)),
        attributes=held(facts.attributes),
        activities=held(facts.activities),
        colleagues=None if facts.colleagues is None else held(facts.colleagues),
    )


def change(then: Verdict, otherwise: Verdict, later: Verdict, now: Verdict) -> Change:
    """`then` and `now` are the two scores. `otherwise`: the facts of then, under what scores now; `later`: the same
    (`aged`) at the instant of now."""
    steps = ((Cause.MODEL, then, otherwise), (Cause.TIME, otherwise, later), (Cause.LEAD, later, now))
    whole = Change(then.score, now.score, then.status, now.status)
    if any(verdict.score is None for verdict in (then, otherwise, later, now)):
        return whole
    moves = [move for cause, one, other in steps for move in _moves(cause, one, other)]
    assert then.score is not None, "checked above"
    assert now.score is not None, "checked above"
    rounding = now.score - then.score - sum(move.points for move in moves)
    return replace(whole, moves=tuple(moves), rounding=rounding)


def _moves(cause: Cause, before: Verdict, after: Verdict) -> list[Move]:
    had, has = _points(before), _points(after)
    moves = []
    for code in dict.fromkeys([*had, *has]):
        moved = has.get(code, 0.0) - had.get(code, 0.0)
        if moved:
            group, text = _words(code, after if code in has else before)
            moves.append(Move(cause, code, group, moved, text))
    return sorted(moves, key=lambda move: -abs(move.points))


def _points(verdict: Verdict) -> Mapping[str, float]:
    if verdict.told is None:
        return {}
    speech, row = verdict.told
    return speech.points(row)


def _words(code: str, verdict: Verdict) -> tuple[str, str]:
    assert verdict.told is not None, "whoever has points was told of"
    speech, row = verdict.told
    return speech.words(code, row)
