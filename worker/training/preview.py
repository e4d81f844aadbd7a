"""What a goal's labels look like before anything is trained: counts over time, and whether they suffice. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from worker.training.goal import Goal
from worker.training.labels import labelled
from worker.training.population import EARLY, History, population
from worker.training.snapshots import draw, eligible

NEEDED = 40
"""People who converted, and as many who did not, below which no model is fitted: with fewer, a ranking cannot be told
from luck (the standard error of an AUC of .70 is .06 at 40 + 40; Hanley and McNeil 1982)."""


@dataclass(frozen=True, slots=True)
class Month:
    """People by the month in which they first could be scored. `early` converted before that; of the others whose
    horizon from then on is over, `converted` did so within it. `immature`: their horizon is not over."""

    month: date
    people: int
    early: int
    immature: int
    converted: int

    @property
    def rate(self) -> float | None:
        """Conversions by matured people; None where nobody has matured."""
        matured = self.people - self.immature
        return self.converted / matured if matured else None


@dataclass(frozen=True, slots=True)
class Segment:
    """People with matured instants by a segment's value (None: unknown), and whether they get a model of their own."""

    value: str | None
    people: int
    converted: int
    rate: float
    own_model: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """`eligible` people could be scored at some time, `trainable` at an instant whose horizon is over; of these,
    `converted` did within a horizon of one. `immature`: no such instant yet, censored. `outside`: why others never
    could be scored. `base_rate`: of the labels, a person's weighing one in all; None without labels."""

    goal: Goal
    until: datetime
    eligible: int
    trainable: int
    converted: int
    immature: int
    base_rate: float | None
    outside: Mapping[str, int]
    months: Sequence[Month]
    segments: Sequence[Segment]

    @property
    def early(self) -> int:
        return self.outside.get(EARLY, 0)

    @property
    def others(self) -> int:
        return self.trainable - self.converted

    @property
    def ready(self) -> bool:
        """Whether a model may be trained at all."""
        return min(self.converted, self.others) >= NEEDED

    @property
    def verdict(self) -> str:
        """What may be trained, and if nothing, why."""
        if self.ready:
            return "a model can be trained"
        lacking = [
            f"{needed - n} more {what}" for n, needed, what in (
                (self.converted, NEEDED, "conversions"), (self.others, NEEDED, "people who did not convert")
            ) if n < needed
        ]  # fmt: skip
        return f"rules only: {' and '.join(lacking)} must mature"


def preview(history: History, goal: Goal, *, per_person: int = 4, seed: int = 0) -> Preview:
    """Count what training would see. Raises nothing: an empty history gives zeros."""
    found = population(history, goal)
    drawn = draw(history, found, goal, per_person=per_person, seed=seed)
    people = drawn.group_by("person_id").agg(pl.col("label").any())
    filtered = bool(goal.population.where or goal.population.unless)
    matured = found.spells.filter(pl.col("start") + goal.horizon <= history.until).get_column("person_id").n_unique()
    outside = {**found.outside}
    if filtered and (missed := matured - people.height):
        outside["the filters on attributes never held"] = missed
    return Preview(
        goal=goal,
        until=history.until,
        eligible=found.people.height,
        trainable=people.height,
        converted=int(people.get_column("label").sum()),
        immature=found.people.height - matured,
        base_rate=_rate(drawn),
        outside=outside,
        months=_months(history, goal, found.people),
        segments=_segments(drawn, goal),
    )


def _rate(drawn: pl.DataFrame) -> float | None:
    if drawn.is_empty():
        return None
    rate: float = drawn.select((pl.col("weight") * pl.col("label")).sum() / pl.col("weight").sum()).item()
    return rate


def _months(history: History, goal: Goal, people: pl.DataFrame) -> Sequence[Month]:
    entered = people.rename({"entered": "as_of"})
    entries = labelled(eligible(entered, history.values, goal), history.events, goal.horizon, history.until)
    born = history.standing.filter(pl.col("open")).group_by("person_id").agg(as_of=pl.col("at").min())
    first = history.events.group_by("person_id").agg(pl.col("at").min())
    early = born.join(first, on="person_id").filter(pl.col("at") <= pl.col("as_of"), pl.lit(not goal.repeats))
    month = pl.col("as_of").dt.truncate("1mo").dt.date().alias("month")
    counted = (
        entries.group_by(month)
        .agg(
            people=pl.len(), immature=pl.col("label").is_null().sum(), converted=pl.col("label").fill_null(False).sum()
        )
        .join(early.group_by(month).agg(early=pl.len()), on="month", how="full", coalesce=True)
        .with_columns(pl.col("people", "immature", "converted", "early").fill_null(0))
        .sort("month")
    )
    columns = ("month", "people", "early", "immature", "converted")
    return [Month(*row) for row in counted.select(columns).iter_rows()]


def _segments(drawn: pl.DataFrame, goal: Goal) -> Sequence[Segment]:
    """By the segment that a person was in at most of the instants, the largest first."""
    if goal.segment is None:
        return ()
    people = drawn.group_by("person_id").agg(
        pl.col("segment").mode().sort().first(), pl.col("label").any(), rate=pl.col("label").cast(pl.Float64).mean()
    )
    counted = (
        people.group_by("segment")
        .agg(people=pl.len(), converted=pl.col("label").sum(), rate=pl.col("rate").mean())
        .sort("people", "segment", descending=[True, False])
    )
    return [
        Segment(value, n, converted, rate, value is not None and min(converted, n - converted) >= goal.segment_minimum)
        for value, n, converted, rate in counted.iter_rows()
    ]
