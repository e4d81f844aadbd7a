"""What others at a person's account did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from worker.features.acts import DAY

WITHIN = timedelta(days=30)
"""How far back colleagues' acts are looked at."""


@dataclass(frozen=True, slots=True)
class Colleagues:
    """One entry a person: how many colleagues did something, and on how many days each of them did, together."""

    engaged: pl.Series
    active_days: pl.Series

    @classmethod
    def of(cls, acts: pl.DataFrame, people: pl.DataFrame) -> Colleagues:
        """`acts` as in `Facts.colleagues`; `people` with person_id, as_of and account (and `who`, as in `Facts`),
        ascending. Null for people without an account. An account's acts are ordered once, and each person looks at a
        stretch of them."""
        own = "who" if "who" in people.columns else "person_id"
        members = people.with_row_index("row").filter(pl.col("account").is_not_null()).with_columns(who=own)
        age = pl.col("as_of") - pl.col("occurred_at")
        theirs = (
            _stretches(acts, members)
            .lazy()
            .filter(pl.col("colleague") != pl.col("who"))
            .filter((pl.col("seen") <= pl.col("as_of")) & (age < WITHIN))
            .filter(pl.col("until").is_null() | (pl.col("until") > pl.col("as_of")))
            .select("row", "colleague", day=age.dt.total_microseconds() // (DAY // timedelta(microseconds=1)))
            .unique()
            .group_by("row")
            .agg(engaged=pl.col("colleague").n_unique(), days=pl.len())
            .collect()
        )
        counts = members.select("row").join(theirs, on="row", how="left").fill_null(0)
        everybody = people.with_row_index("row").select("row").join(counts, on="row", how="left", maintain_order="left")
        return cls(*(everybody.get_column(name).cast(pl.Float64) for name in ("engaged", "days")))


def _stretches(acts: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Each member beside the acts of their account that came to be seen in the time before their instant, to the
    second."""
    codes = members.select(pl.col("account").unique().sort()).with_columns(code=pl.int_range(pl.len(), dtype=pl.Int64))
    moment = pl.col("code") * 2**33 + pl.col("at").dt.epoch("s").clip(lower_bound=0)
    seen = pl.max_horizontal("occurred_at", "known_at")
    ordered = acts.join(codes, on="account").with_columns(seen=seen, at=seen).with_columns(moment=moment).sort("moment")
    placed = members.join(codes, on="account", maintain_order="left").with_columns(at="as_of")
    end = placed.select(moment).to_series().to_numpy()
    moments = ordered.get_column("moment").to_numpy()
    first = np.searchsorted(moments, end - int(WITHIN.total_seconds()), side="left")
    last = np.searchsorted(moments, end, side="right")
    length = last - first
    member = np.repeat(np.arange(len(placed)), length)
    act = np.arange(length.sum()) - np.repeat(length.cumsum() - length, length) + np.repeat(first, length)
    beside = ordered.select("colleague", "occurred_at", "seen", "until")
    beside_each: pl.DataFrame = pl.concat([placed.select("row", "who", "as_of")[member], beside[act]], how="horizontal")
    return beside_each
