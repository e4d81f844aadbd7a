"""What people did up to an instant, each act once."""

from __future__ import annotations

import polars as pl

from connectors.records import ActivityKind

KIND = pl.Enum([kind.value for kind in ActivityKind])

_ACT = ("person_id", "kind", "second", "detail")


def distinct(known: pl.LazyFrame) -> pl.DataFrame:
    """person_id i64, kind, detail, second (of the epoch, i64), age (seconds from that second to the person's instant,
    f64), duration (the longest, seconds, or null), n (how often in that second, u32), rows in any order.

    `known` are the visible activity rows, with each person's `as_of`. The same act seen in several sources - one
    person, kind, second and detail - counts as often as in the source that has most of it; two of one source are two.
    Kinds that are not in `ActivityKind` are left out.
    """
    rows = (
        known.select(
            "person_id",
            pl.col("kind").cast(KIND, strict=False),
            "detail",
            "duration",
            pl.col("source").cast(pl.Categorical),
            # Floors before 1970 too. CRMs differ in precision; the second is what all of them have.
            second=pl.col("occurred_at").cast(pl.Int64) // 1_000_000,
            # Whole numbers are subtracted: a quotient of one instant for all is rounded other than one of a column.
            age=(pl.col("as_of").cast(pl.Int64) - pl.col("occurred_at").cast(pl.Int64) // 1_000_000 * 1_000_000)
            / 1_000_000,
            n=pl.lit(1, pl.UInt32),
        )
        .filter(pl.col("kind").is_not_null())
        .collect()
    )
    if rows.get_column("source").n_unique() < 2:
        return rows.drop("source")
    alike = _alike(rows)
    merged = (
        rows.filter(alike)
        .group_by(*_ACT, "source")
        .agg(pl.col("n").sum(), pl.col("age").first(), pl.col("duration").max())
        .group_by(_ACT)
        .agg(pl.col("n", "duration").max(), pl.col("age").first())
        .select("person_id", "kind", "detail", "duration", "second", "age", "n")
    )
    return pl.concat([rows.drop("source").filter(~alike), merged])


def _alike(rows: pl.DataFrame) -> pl.Series:
    """True for every row that shares person, kind and second with another, and perhaps for a few that do not.

    Sorting hashes costs a tenth of grouping by the columns themselves, and few rows have a like.
    """
    key = rows.select(
        pl.col("person_id").hash(0) ^ pl.col("second").hash(1) ^ pl.col("kind").to_physical().hash(2)
    ).to_series()
    ordered = key.sort()
    return key.is_in(ordered.filter(ordered == ordered.shift(1)).unique().implode())
