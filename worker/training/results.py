"""What became of people by the bucket that they were in before: what the score was worth, live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from worker.features.facts import INSTANT
from worker.lifecycle.capacity import Rate
from worker.lifecycle.guard import Lift
from worker.lifecycle.policy import Policy
from worker.store import journeys, labels
from worker.training import whatif
from worker.training.goal import Goal
from worker.training.history import events


@dataclass(frozen=True, slots=True)
class Outcome:
    """The people who were in a bucket at an instant and had not converted by then; what follows is what they did since.

    `closed`: who converted, of all. `won`: of deals that ended, those won. `days`: median from the instant to the first
    conversion. `revenue`: of deals won, a person, in the CRM's unit. `accepted`: of those who became marketing
    qualified since, whom sales accepted or qualified. None where there is nothing to divide.
    """

    bucket: str
    closed: Rate
    won: Rate
    days: float | None
    revenue: float | None
    accepted: Rate


@dataclass(frozen=True, slots=True)
class Results:
    """`before`: people who had converted at the instant already, and count nowhere. `lifts`: how much more often the
    top bucket converts among those whose scores sales sees, and among those whose scores the guard keeps from view;
    None without a guard."""

    at: datetime
    until: datetime
    outcomes: Sequence[Outcome]
    before: int
    lifts: tuple[Lift, Lift] | None = None

    @property
    def everybody(self) -> int:
        return sum(its.closed.of for its in self.outcomes)


def results(arrow: adbc.Connection, name: str, goal: Goal, policy: Policy, at: datetime, until: datetime) -> Results:
    """Of everybody who had a score at `at`, by the bucket that they were in then."""
    order = [bucket.name for bucket in policy.buckets]
    held = journeys.held(arrow, name, at)
    converted = events(arrow, goal).with_columns(pl.col("at").cast(INSTANT))
    early = converted.filter(pl.col("at") <= at).get_column("person_id").unique()
    cohort = held.filter(~pl.col("person_id").is_in(early.implode()))
    first = converted.filter(pl.col("at") > at, pl.col("at") <= until).group_by("person_id").agg(pl.col("at").min())
    days = (pl.col("at") - pl.lit(at, INSTANT)).dt.total_seconds() / 86_400
    deals = (
        labels.decided(arrow, reach=goal.deal_people)
        .with_columns(pl.col("at").cast(INSTANT))
        .filter(pl.col("at") > at, pl.col("at") <= until)
        .group_by("person_id")
        .agg(
            ended=pl.len(),
            won=pl.col("won").sum(),
            revenue=pl.col("amount").filter(pl.col("won")).sum(),
        )
    )
    moved = journeys.qualified(arrow, name, at, until)
    people = (
        cohort.join(first.with_columns(days=days), on="person_id", how="left")
        .join(deals, on="person_id", how="left")
        .join(moved, on="person_id", how="left")
    )
    counted = people.group_by("bucket").agg(
        people=pl.len(),
        closed=pl.col("days").is_not_null().sum(),
        days=pl.col("days").median(),
        ended=pl.col("ended").fill_null(0).sum(),
        won=pl.col("won").fill_null(0).sum(),
        revenue=pl.col("revenue").fill_null(0).sum(),
        qualified=pl.col("accepted").is_not_null().sum(),
        accepted=pl.col("accepted").fill_null(False).sum(),
    )
    rows = {row["bucket"]: row for row in counted.iter_rows(named=True)}
    outcomes = [
        Outcome(
            bucket,
            Rate(row["closed"], row["people"]),
            Rate(row["won"], row["ended"]),
            row["days"],
            row["revenue"] / row["people"] if row["won"] else None,
            Rate(row["accepted"], row["qualified"]),
        )
        for bucket in [*order, *sorted(rows.keys() - set(order))]
        if (row := rows.get(bucket)) is not None
    ]
    lifts = whatif.lifts(arrow, name, goal, policy, until) if policy.guard.share else None
    return Results(at, until, outcomes, held.height - cohort.height, lifts)
