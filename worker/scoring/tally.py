"""Counting acts: per person how many there are, when the last was, and what they weigh after decay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from worker.scoring.conditions import Selector, holds
from worker.scoring.rules import Count

_UNIT = 2.0**40
"""Weights are summed as whole numbers of 2**-40, so that the order of rows cannot change a sum."""
_NOTHING = pl.DataFrame(schema={"person_id": pl.Int64, "second": pl.Int64, "age": pl.Float64, "n": pl.UInt32})


ByKind = Mapping[str, pl.DataFrame]
"""Acts (person_id, kind, detail, second, age, n) by their kind; those without any are not in it."""


def by_kind(activities: pl.DataFrame) -> ByKind:
    """`FeatureFrame.activities`, parted once for all that is asked of them."""
    return {str(kind): rows for (kind,), rows in activities.partition_by("kind", as_dict=True).items()}


def found(acts: ByKind, selector: Selector) -> pl.DataFrame:
    """The rows that `selector` selects: person_id, second, age, n."""
    parts = [acts[kind] for kind in selector.kinds if kind in acts]
    if not parts:
        return _NOTHING
    rows = pl.concat(parts)
    tests = [holds(test) for test in selector.detail]
    if selector.within is not None:
        tests.append(pl.col("age") < selector.within.total_seconds())
    rows = (rows.filter(*tests) if tests else rows).select("person_id", "second", "age", "n")
    if selector.once_per is None:
        return rows
    span = pl.col("second") // int(selector.once_per.total_seconds())
    newest = rows.group_by("person_id", span.alias("span")).agg(pl.col("second").max(), pl.col("age").min())
    return newest.select("person_id", "second", "age", n=pl.lit(1, pl.UInt32))


def tally(rows: pl.DataFrame, count: Count) -> pl.DataFrame:
    """One row a person with any: person_id, found u32, last (second of the epoch), weight f64.

    An act weighs 1, or with a half-life 2 ** (-age / half-life); of more than `at_most` acts the newest weigh.
    """
    person = rows.group_by("person_id")
    counts = person.agg(found=pl.col("n").sum(), last=pl.col("second").max())
    if count.half_life is None:
        return counts.with_columns(weight=pl.col("found").clip(upper_bound=count.at_most).cast(pl.Float64))
    if (counts.get_column("found").max() or 0) > count.at_most:  # type: ignore[operator]
        rows = _newest(rows, count.at_most)
    weighed = rows.group_by("person_id").agg(
        weight=(_decay(count.half_life) * pl.col("n")).sum().cast(pl.Float64) / _UNIT
    )
    return counts.join(weighed, on="person_id", how="left")


def _decay(half_life: timedelta) -> pl.Expr:
    return ((pl.col("age") * (-math.log(2) / half_life.total_seconds())).exp() * _UNIT).round().cast(pl.Int64)


def _newest(rows: pl.DataFrame, at_most: int) -> pl.DataFrame:
    """The newest `at_most` acts of each person; a second with several acts may count in part."""
    newest_first = rows.sort("person_id", "second", descending=[False, True])
    before = pl.col("n").cum_sum().over("person_id") - pl.col("n")
    counted = (pl.lit(at_most, pl.Int64) - before.cast(pl.Int64)).clip(0, pl.col("n"))
    return newest_first.with_columns(n=counted).filter(pl.col("n") > 0)
