"""What became of leads by their score: what a head of sales asks first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.facts import INSTANT
from worker.training.metrics import Floats
from worker.training.table import Table

SHARES = (("best 5 %", 0.05), ("next 15 %", 0.20), ("next 30 %", 0.50), ("the rest", 1.0))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Leads from these log-odds on, up to the next bucket."""

    name: str
    least: float


@dataclass(frozen=True, slots=True)
class BucketOutcome:
    """What became of the leads of a score bucket. `close_rate`: won by leads; `win_rate`: won by those decided, won or
    lost. `days_to_close`: median from the score to the first deal won. `revenue_per_lead`: in the unit of the CRM.
    None where the outcomes do not say."""

    bucket: str
    leads: int
    decided: int
    won: int
    close_rate: float
    win_rate: float | None
    days_to_close: float | None
    revenue_per_lead: float | None


def aftermath(table: Table, deals: pl.DataFrame, horizon: timedelta) -> pl.DataFrame:
    """What became of each row within the horizon after its instant: decided bool, won bool, days f64 to the first deal
    won, revenue f64, the last two null without one.

    `deals`: person_id, at, won bool, amount f64; one row a deal that ended and person. Raises `ValueError` for a table
    without instants.
    """
    if table.at is None:
        raise ValueError("rows without an instant have nothing after it")
    rows = pl.DataFrame({"person_id": table.person, "as_of": table.at}).with_columns(pl.col("as_of").cast(INSTANT))
    after = (
        rows.with_row_index("row")
        .join(deals.with_columns(pl.col("at").cast(INSTANT)), on="person_id")
        .filter(pl.col("at") > pl.col("as_of"), pl.col("at") <= pl.col("as_of") + horizon)
        .with_columns(days=(pl.col("at") - pl.col("as_of")).dt.total_seconds() / 86_400)
    )
    won = pl.col("won")
    found = after.group_by("row").agg(
        won=won.any(),
        days=pl.col("days").filter(won).min(),
        revenue=pl.col("amount").filter(won & pl.col("amount").is_not_null()).sum(),
        known=(won & pl.col("amount").is_not_null()).any(),
    )
    return (
        pl.DataFrame({"row": pl.int_range(len(table), dtype=pl.UInt32, eager=True)})
        .join(found, on="row", how="left", maintain_order="left")
        .select(
            decided=won.is_not_null(),
            won=won.fill_null(False),
            days=pl.col("days").cast(pl.Float64),
            revenue=pl.when("known").then("revenue").cast(pl.Float64),
        )
    )


def by_bucket(
    table: Table, log_odds: Floats, outcomes: pl.DataFrame, buckets: Sequence[Bucket] = (), *, seed: int = 0
) -> list[BucketOutcome]:
    """Best bucket first. Each person counts once, at one of their rows by chance, so that counts are people.

    `outcomes`: as `aftermath` gives them, a row each. `buckets` from the highest; without any, shares of the leads.
    """
    rows = _once_each(table.person, seed)
    rows = rows[np.argsort(-log_odds[rows], kind="stable")]
    if buckets:
        names = [bucket.name for bucket in buckets]
        ends = np.searchsorted(-log_odds[rows], [-bucket.least for bucket in buckets], side="right").tolist()
        ends[-1] = len(rows)
    else:
        names = [name for name, _ in SHARES]
        ends = [round(until * len(rows)) for _, until in SHARES]
    priced = outcomes["revenue"].is_not_null().any()
    parts = zip(names, [0, *ends], ends, strict=False)
    return [_outcome(name, outcomes[rows[start:end]], priced) for name, start, end in parts]


def _outcome(name: str, rows: pl.DataFrame, priced: bool) -> BucketOutcome:
    leads, decided = rows.height, int(rows["decided"].sum())
    won = rows.filter("won")
    days = won["days"].median()
    return BucketOutcome(
        bucket=name,
        leads=leads,
        decided=decided,
        won=won.height,
        close_rate=won.height / leads if leads else 0.0,
        win_rate=won.height / decided if decided else None,
        days_to_close=float(days) if isinstance(days, int | float) else None,
        revenue_per_lead=float(won["revenue"].sum()) / leads if priced and leads else None,
    )


def _once_each(person: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    order = np.random.default_rng(seed).permutation(len(person))
    _, first = np.unique(person[order], return_index=True)
    return order[first]
