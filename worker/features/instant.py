"""What each person's instant lets one see of their facts."""

from __future__ import annotations

import polars as pl


def visible(rows: pl.LazyFrame, people: pl.DataFrame) -> pl.LazyFrame:
    """The `rows` (person_id, occurred_at, known_at, until, ..) seen at the instants of `people` (person_id, as_of),
    which become their column `as_of`; rows of nobody in `people` may be left out.

    A fact is seen from when it has both occurred and become known, until it is retracted.
    """
    instants = people.get_column("as_of").unique()
    if len(instants) == 1:
        dated = rows.with_columns(as_of=pl.lit(instants.item(), instants.dtype))
    else:
        dated = rows.join(people.lazy().select("person_id", "as_of"), on="person_id")
    as_of = pl.col("as_of")
    return dated.filter(
        (pl.col("occurred_at") <= as_of)
        & (pl.col("known_at") <= as_of)
        & (pl.col("until").is_null() | (pl.col("until") > as_of))
    )
