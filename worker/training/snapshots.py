"""The instants at which people are looked at for training: drawn as live scoring would meet them. Pure.

A person is scored whenever something happens and at least daily, so a score may be read at any time of the life of a
lead: instants are drawn uniformly over the time in which a person was eligible, or at what the person did. A draw
depends on the seed, the person and the round alone, so that new people move nobody else's.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.facts import INSTANT
from worker.training.goal import Goal, Words
from worker.training.labels import labelled
from worker.training.population import History, Population

DRAWS = 8
"""Instants that are tried for each one wanted where the goal filters on attributes."""
_MICROSECOND = timedelta(microseconds=1)


class Moments(StrEnum):
    """Which instants."""

    TIME = "time"  # any, as a rep may look at any time
    ACTS = "acts"  # right after the person did something; any for those who did nothing


def draw(
    history: History, population: Population, goal: Goal, *, per_person: int, seed: int, moments: Moments = Moments.TIME
) -> pl.DataFrame:
    """person_id, as_of, round i64, label bool, weight f64, segment (text or null), by round, person and instant.

    At most `per_person` instants a person, all different, one in each round; a person's weights sum to 1. Only instants
    whose horizon is over by `history.until`.
    """
    filters = goal.population.where or goal.population.unless
    spells = _matured(population.spells, goal.horizon, history)
    tried = per_person * DRAWS if filters else per_person
    drawn = _over_time(spells, tried, seed)
    if moments is Moments.ACTS:
        at_acts = _at_acts(spells, history.acts, tried, seed)
        drawn = pl.concat([at_acts, drawn.join(at_acts, on="person_id", how="anti")])
    drawn = eligible(drawn, history.values, goal).unique(["person_id", "as_of"], keep="first", maintain_order=True)
    number = pl.int_range(pl.len(), dtype=pl.Int64).over("person_id", order_by="luck")
    kept = drawn.with_columns(round=number).filter(pl.col("round") < per_person).drop("luck")
    segment = value_at(kept, history.values, goal.segment) if goal.segment else pl.lit(None, pl.String)
    return (
        labelled(kept.with_columns(segment=segment), history.events, goal.horizon, history.until)
        .with_columns(weight=1.0 / pl.len().over("person_id"))
        .select("person_id", "as_of", "round", "label", "weight", "segment")
        .sort("round", "person_id", "as_of")
    )


def eligible(drawn: pl.DataFrame, values: pl.DataFrame, goal: Goal) -> pl.DataFrame:
    """Those of the instants (person_id, as_of, ..) at which the goal's filters on attributes hold."""
    for filters, wanted in ((goal.population.where, True), (goal.population.unless, False)):
        for name, words in filters.items():
            drawn = drawn.filter(_holds(value_at(drawn, values, name), words) == wanted)
    return drawn


def value_at(instants: pl.DataFrame, values: pl.DataFrame, name: str) -> pl.Series:
    """The text that an attribute held at each of `instants` (person_id, as_of), in their order; null where unknown.

    The latest of the person's records that has one, else of their accounts.
    """
    known = (
        instants.select("person_id", "as_of")
        .with_row_index("row")
        .join(values.filter(pl.col("name") == name), on="person_id")
        .filter((pl.col("occurred_at") <= pl.col("as_of")) & (pl.col("known_at") <= pl.col("as_of")))
    )
    newest = ["occurred_at", "known_at", "value"]
    latest = known.sort(newest, descending=True, nulls_last=True).unique(
        ["row", "rank", "record"], keep="first", maintain_order=True
    )
    held = latest.filter(pl.col("value").is_not_null()).sort(
        "row", "rank", *newest, descending=[False, False, True, True, True]
    )
    one = held.unique("row", keep="first", maintain_order=True).select("row", "value")
    rows = pl.DataFrame({"row": pl.int_range(instants.height, dtype=pl.UInt32, eager=True)})
    return rows.join(one, on="row", how="left", maintain_order="left").get_column("value")


def _matured(spells: pl.DataFrame, horizon: timedelta, history: History) -> pl.DataFrame:
    latest = pl.lit(history.until - horizon + _MICROSECOND, INSTANT)
    return spells.with_columns(end=pl.min_horizontal("end", latest)).filter(pl.col("start") < pl.col("end"))


def _over_time(spells: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """`count` instants a person, one in each `count`-th of the person's eligible time; person_id, as_of, luck."""
    if spells.is_empty():
        return _nothing()
    spells = spells.sort("person_id", "start")
    starts, ends = (spells.get_column(name).cast(pl.Int64).to_numpy() for name in ("start", "end"))
    who, first, spells_of = np.unique(spells.get_column("person_id").to_numpy(), return_index=True, return_counts=True)
    # Microseconds of a person's eligible time up to the end of each spell. Over everybody they would not fit in i64.
    reached = ends - starts
    for number in range(1, spells_of.max()):
        later = first[spells_of > number] + number
        reached[later] += reached[later - 1]
    total = np.repeat(reached[first + spells_of - 1], count)
    person, part = np.repeat(who, count), np.tile(np.arange(count), len(who))
    share = (part + _chance(person, part, seed)) / count
    position = np.minimum((share * total).astype(np.int64), total - 1)
    spell, last = np.repeat(first, count), np.repeat(first + spells_of - 1, count)
    for _ in range(1, spells_of.max()):
        spell = np.where((spell < last) & (reached[spell] <= position), spell + 1, spell)
    return _drawn(person, ends[spell] - (reached[spell] - position), _chance(person, -1 - part, seed))


def _at_acts(spells: pl.DataFrame, acts: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """Up to `count` of each person's acts within the eligible time; person_id, as_of, luck."""
    within = (
        spells.join(acts.select("person_id", "at").unique(), on="person_id")
        .filter((pl.col("start") <= pl.col("at")) & (pl.col("at") < pl.col("end")))
        .sort("person_id", "at")
    )
    person, at = within.get_column("person_id").to_numpy(), within.get_column("at").cast(pl.Int64).to_numpy()
    drawn = _drawn(person, at, _chance(person, at, seed))
    rank = pl.int_range(pl.len()).over("person_id", order_by="luck")
    return drawn.filter(rank < count)


def _holds(value: pl.Series, words: Words) -> pl.Series:
    """Whether each value is one of the words; a value that is not known is none."""
    return value.str.strip_chars().str.to_lowercase().is_in([word.lower() for word in words]).fill_null(False)


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema={"person_id": pl.Int64, "as_of": INSTANT, "luck": pl.Float64})


def _drawn(person: NDArray[np.int64], at: NDArray[np.int64], luck: NDArray[np.float64]) -> pl.DataFrame:
    return pl.DataFrame({"person_id": person, "as_of": pl.Series(at).cast(INSTANT), "luck": luck})


def _chance(person: NDArray[np.int64], which: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each pair, the same on every machine and in every version: SplitMix64 (Steele, Lea and
    Flood, "Fast splittable pseudorandom number generators", 2014)."""
    state = np.full(person.shape, np.uint64(seed % 2**64))
    for part in (person, which):
        state = _mixed(state ^ part.astype(np.int64).view(np.uint64))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        state = state + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
