"""The label of a person at an instant: whether the goal's event comes within its horizon. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl


def labelled(instants: pl.DataFrame, events: pl.DataFrame, horizon: timedelta, until: datetime) -> pl.DataFrame:
    """`instants` (person_id, as_of, ..) with `label`: true iff an event lies in (as_of, as_of + horizon].

    Null where as_of + horizon is after `until`: the horizon is not over, so the label is censored. An event that came
    already changes nothing of that, as conversions would be known earlier than their absence. `events` (person_id, at)
    in any order; rows keep their order.
    """
    upcoming = events.filter(pl.col("at") <= until).select("person_id", "at").sort("at")
    matched = (
        instants.with_row_index("position")
        .sort("as_of")
        .join_asof(
            upcoming,
            left_on="as_of",
            right_on="at",
            by="person_id",
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,  # both are sorted above; polars cannot check it within groups
        )
        .sort("position")
    )
    converts = (pl.col("at") <= pl.col("as_of") + horizon).fill_null(False)
    matured = pl.col("as_of") + horizon <= until
    return matched.with_columns(label=pl.when(matured).then(converts)).drop("position", "at")
