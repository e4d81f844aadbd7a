"""Who could be scored for a goal, and when: the time in which instants may be drawn. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from worker.features.facts import INSTANT
from worker.training.goal import Customers, Goal

TIMES: Mapping[str, pl.DataType] = {"person_id": pl.Int64(), "at": INSTANT}
"""Columns of a frame of who and when."""
VALUES: Mapping[str, pl.DataType] = {
    "person_id": pl.Int64(),
    "name": pl.String(),
    "value": pl.String(),
    "occurred_at": INSTANT,
    "known_at": INSTANT,
    "rank": pl.Int16(),
    "record": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class History:
    """What a goal's labels are made of; rows in any order.

    `standing`: person_id, record, at, open: from when on each record could be scored or could not, a person's first row
    being when it came to be known. `events` (person_id, at): what the goal counts. `customers` (person_id, at): since
    when each customer is one. `acts` (person_id, at): what prospects did. `values`: the history of the attributes that
    the goal reads (person_id, name, value, occurred_at, known_at, rank i16, record). All that happened until `until` is
    known.
    """

    standing: pl.DataFrame
    events: pl.DataFrame
    until: datetime
    customers: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TIMES))
    acts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TIMES))
    values: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=VALUES))


@dataclass(frozen=True, slots=True)
class Population:
    """`people`: person_id, entered: when each first could be scored. `spells`: person_id, start, end: the times, ends
    excluded, in which each could. `outside`: why how many people never could, in the order in which it is asked."""

    people: pl.DataFrame
    spells: pl.DataFrame
    outside: Mapping[str, int]


NEVER_OPEN = "no record was ever open"
EARLY = "converted before they could be scored"
CUSTOMERS = "customers from the start"
NO_CUSTOMERS = "no customers yet"
OLD = "before the first day or older than the population allows"


def population(history: History, goal: Goal) -> Population:
    """Who was eligible when, up to `history.until`. Filters on attributes are asked at each instant, not here."""
    open_ = _open(history.standing, history.until)
    born = open_.group_by("person_id").agg(born=pl.col("start").min())
    first = _first(history.events, history.until, "converted_at")
    bought = _first(history.customers, history.until, "bought_at")
    people = born.join(first, on="person_id", how="left").join(bought, on="person_id", how="left").sort("person_id")
    outside = {NEVER_OPEN: history.standing.get_column("person_id").n_unique() - people.height}
    if not goal.repeats:
        people = _without(people, pl.col("converted_at") <= pl.col("born"), EARLY, outside)
    match goal.population.customers:
        case Customers.EXCLUDE:
            people = _without(people, pl.col("bought_at") <= pl.col("born"), CUSTOMERS, outside)
        case Customers.ONLY:
            people = _without(people, pl.col("bought_at").is_null(), NO_CUSTOMERS, outside)
    begins, ends = _bounds(goal, history.until)
    spells = (
        open_.join(people.with_columns(begins=begins, ends=ends), on="person_id")
        .select("person_id", start=pl.max_horizontal("start", "begins"), end=pl.min_horizontal("end", "ends"))
        .filter(pl.col("start") < pl.col("end"))
        .sort("person_id", "start")
    )
    eligible = spells.group_by("person_id").agg(entered=pl.col("start").min()).sort("person_id")
    outside[OLD] = people.height - eligible.height
    return Population(eligible, spells, {why: n for why, n in outside.items() if n})


def _bounds(goal: Goal, until: datetime) -> tuple[pl.Expr, pl.Expr]:
    """From when and until when a person's open time counts."""
    limits = goal.population
    begins: list[pl.Expr] = [pl.col("born")]
    ends: list[pl.Expr] = [pl.lit(until + timedelta(microseconds=1), INSTANT)]  # an instant may be `until` itself
    if limits.begins_at is not None:
        begins.append(pl.lit(limits.begins_at, INSTANT))
    if limits.lifetime is not None:
        ends.append(pl.col("born") + limits.lifetime)
    if not goal.repeats:
        ends.append(pl.col("converted_at"))
    if limits.customers is Customers.EXCLUDE:
        ends.append(pl.col("bought_at"))
    elif limits.customers is Customers.ONLY:
        begins.append(pl.col("bought_at"))
    return pl.max_horizontal(begins), pl.min_horizontal(ends)


def _without(people: pl.DataFrame, out: pl.Expr, why: str, outside: dict[str, int]) -> pl.DataFrame:
    kept = people.filter(~out.fill_null(False))
    outside[why] = people.height - kept.height
    return kept


def _first(times: pl.DataFrame, until: datetime, name: str) -> pl.DataFrame:
    return times.filter(pl.col("at") <= until).group_by("person_id").agg(pl.col("at").min().alias(name))


def _open(standing: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """person_id, start, end of the times in which at least one record of a person was open."""
    last = pl.lit(until + timedelta(microseconds=1), INSTANT)
    turns = (
        standing.filter(pl.col("at") <= until)
        # Of two words on a record at one instant the closing one holds, in whatever order they came.
        .group_by("person_id", "record", "at")
        .agg(pl.col("open").min())
        .sort("person_id", "record", "at")
        .with_columns(pl.col("open").cast(pl.Int32))
        .with_columns(change=pl.col("open") - _before("open", "person_id", "record"))
        .group_by("person_id", "at")
        .agg(pl.col("change").sum())
        .sort("person_id", "at")
        .with_columns(open=pl.col("change").cum_sum().over("person_id") > 0)
        .filter(pl.col("open").cast(pl.Int32) != _before("open", "person_id"))
    )
    same = pl.col("person_id").shift(-1) == pl.col("person_id")
    return (
        turns.with_columns(end=pl.when(same).then(pl.col("at").shift(-1)).otherwise(last))
        .filter("open")
        .select("person_id", pl.col("at").alias("start"), "end")
    )


def _before(column: str, *group: str) -> pl.Expr:
    """The value of the row above where it is of the same group, else 0; rows are sorted by the group. Cheaper than a
    window."""
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in group)
    return pl.when(same).then(pl.col(column).shift(1)).otherwise(0).cast(pl.Int32)
