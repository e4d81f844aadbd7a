"""Whole points that add up to a whole score."""

from __future__ import annotations

import polars as pl


def whole_points(lines: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """`lines` (person_id, code, points, by person_id and code) with `shown` i32: whole points by largest remainder.

    `scores` has person_id and score, for each person within half a point of the sum of the person's points. Then shown
    adds up to the score, and every line is shown as its points rounded down or up. Among equal remainders the line that
    comes first is rounded up.
    """
    floor = pl.col("points").floor()
    lines = lines.with_columns(shown=floor.cast(pl.Int64), remainder=pl.col("points") - floor).with_row_index("row")
    given = lines.group_by("person_id").agg(pl.col("shown").sum())
    missing = scores.join(given, on="person_id").select("person_id", up=pl.col("score") - pl.col("shown"))
    broken = lines.filter(pl.col("remainder") > 0).sort(
        "person_id", "remainder", "row", descending=[False, True, False]
    )
    raised = (
        broken.join(missing, on="person_id", how="left", maintain_order="left")
        .filter(pl.int_range(pl.len()).over("person_id") < pl.col("up"))
        .select("row", up=pl.lit(1, pl.Int64))
    )
    return (
        lines.join(raised, on="row", how="left", maintain_order="left")
        .with_columns(shown=(pl.col("shown") + pl.col("up").fill_null(0)).cast(pl.Int32))
        .drop("row", "remainder", "up")
    )
