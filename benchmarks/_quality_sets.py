"""The sets that `quality` measures on, as tables: real ones, small samples of what users have. Where they come from and
what never to use of them (what is only known afterwards) is in the README beside the data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from worker.features.feature import Feature, FeatureType
from worker.training.table import Table

SEED = 42
_DTYPES = {dtype: kind for kind in FeatureType for dtype in (kind.dtype,)}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the result: a set and how it is split. `folds`: (training part, test part).

    `horizon`: how long after an instant its label is decided, where rows of one person follow each other."""

    name: str
    temporal: bool
    folds: Sequence[tuple[Table, Table]]
    horizon: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Leaky:
    """A set as it is exported afterwards: beside its columns, `leaks` that know what happened after the instant."""

    name: str
    leaks: tuple[str, ...]
    train: Table
    test: Table
    horizon: timedelta | None = None


def home() -> Path:
    """Where the data are: `LEADGAUGE_BENCH_DATA`, or `shared/data` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("LEADGAUGE_BENCH_DATA", beside))


def columns(folder: Path) -> Iterator[Column]:
    """Every column, each built when asked for. Raises `FileNotFoundError` where a file is missing."""
    bank = _bank(folder)
    yield Column("bank 5-fold", False, _shuffled(bank))
    newest = int(len(bank) * 0.8)
    yield Column("bank temporal", True, [_cut(bank, np.arange(len(bank)) < newest)])
    shoppers = _shoppers(folder)
    yield Column("shoppers 5-fold", False, _shuffled(shoppers))
    months = shoppers.frame["Month"].is_in(["Nov", "Dec"]).to_numpy()
    yield Column("shoppers temporal", True, [_cut(shoppers, ~months)])
    for name, hours in (("+0.1 h", 0.1), ("+24 h", 24.0), ("+7 d", 168.0)):
        yield Column(f"bpi12 {name}", True, [_loans(folder, timedelta(hours=hours))], timedelta(days=42))
    yield Column("cdnow 90 d", True, [_repurchases(folder)], timedelta(days=90))


def leaky(folder: Path) -> Iterator[Leaky]:
    """The sets with their leak columns left in: those that came with them, and totals up to the day of the export."""
    bank, shoppers = (_shuffled(read(folder, leaks=True))[0] for read in (_bank, _shoppers))
    yield Leaky("bank", ("duration",), *bank)
    yield Leaky("shoppers", ("PageValues",), *shoppers)
    yield Leaky("bpi12 +24 h", _LOANS_LATER, *_loans(folder, timedelta(hours=24), leaks=True), timedelta(days=42))
    yield Leaky("cdnow 90 d", _BOUGHT_LATER, *_repurchases(folder, leaks=True), timedelta(days=90))


_LOANS_LATER = ("events in all", "actors in all", "days open")
_BOUGHT_LATER = ("purchases in all", "amount in all", "day of the last purchase")


def _table(
    frame: pl.DataFrame,
    label: NDArray[np.bool_],
    at: NDArray[np.datetime64] | None,
    person: NDArray[np.int64] | None = None,
) -> Table:
    """`frame` as features: integers count, text and codes are categories."""
    frame = frame.with_columns(pl.col(pl.Int64, pl.Int32, pl.UInt32, pl.Int8).cast(pl.Float64))
    features = tuple(Feature(name, name, _DTYPES[dtype]) for name, dtype in frame.schema.items())
    people = np.arange(frame.height, dtype=np.int64) if person is None else person
    _, group, snapshots = np.unique(people, return_inverse=True, return_counts=True)
    return Table(features, frame, label, people, 1.0 / snapshots[group], at)


def _shuffled(table: Table) -> list[tuple[Table, Table]]:
    """Five stratified folds, without time: their rows are drawn from the same months as those they are tested on."""
    timeless = Table(table.features, table.frame, table.label, table.person, table.weight)
    folds = StratifiedKFold(5, shuffle=True, random_state=SEED).split(timeless.label, timeless.label)
    return [(timeless.take(train), timeless.take(test)) for train, test in folds]


def _cut(table: Table, train: NDArray[np.bool_]) -> tuple[Table, Table]:
    return table.take(train), table.take(~train)


def _bank(folder: Path, *, leaks: bool = False) -> Table:
    frame = pl.read_csv(folder / "bank-additional-full.csv", separator=";", infer_schema_length=None)
    label = (frame["y"] == "yes").to_numpy()
    # In date order, and without a date: the rank in the file stands for it.
    at = np.datetime64("2008-05-01", "us") + np.arange(frame.height) * np.timedelta64(30, "m").astype("timedelta64[us]")
    never = pl.when(pl.col("pdays") != 999).then("pdays").alias("pdays")
    return _table(frame.drop("y", *(() if leaks else ("duration",))).with_columns(never), label, at)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _shoppers(folder: Path, *, leaks: bool = False) -> Table:
    frame = pl.read_csv(folder / "online_shoppers_intention.csv", separator=";", infer_schema_length=None)
    label = (frame["Revenue"].cast(pl.String).str.to_lowercase() == "true").to_numpy()
    firsts = [f"2017-{_MONTHS.index(name) + 1:02}-01" for name in frame["Month"]]
    at = np.array(firsts, "datetime64[us]")
    codes = pl.col("OperatingSystems", "Browser", "Region", "TrafficType").cast(pl.String)
    weekend = pl.col("Weekend").cast(pl.String).str.to_lowercase() == "true"
    frame = frame.drop("Revenue", *(() if leaks else ("PageValues",)))
    return _table(frame.with_columns(codes, weekend), label, at)


def _loans(folder: Path, after: timedelta, *, leaks: bool = False) -> tuple[Table, Table]:
    """Loan applications `after` they were made and still open then: are they won within 42 days of their making?"""
    leads = pl.read_parquet(folder / "bpi12/leads.parquet").with_columns(instant=pl.col("created_at") + after)
    outcomes = pl.read_parquet(folder / "bpi12/outcomes.parquet").select("lead_id", "outcome", closed="occurred_at")
    leads = leads.join(outcomes, left_on="id", right_on="lead_id", how="left", maintain_order="left")
    leads = leads.filter(pl.col("closed").is_null() | (pl.col("closed") > pl.col("instant")))
    events = pl.read_parquet(folder / "bpi12/activities.parquet").rename({"lead_id": "id"})
    if leaks:
        leads = leads.join(_in_all(events, leads), on="id", how="left", maintain_order="left")
    events = events.join(leads.select("id", "instant"), on="id").filter(pl.col("occurred_at") <= pl.col("instant"))
    age = (pl.col("instant") - pl.col("occurred_at")).dt.total_seconds() / 3600
    totals = events.group_by("id").agg(
        events=pl.len(), kinds=pl.col("type").n_unique(), actors=pl.col("actor").n_unique(), quiet=age.min(),
        lately=(age <= 24).sum(),
    )  # fmt: skip
    held = leads.join(totals, on="id", how="left", maintain_order="left")
    for kind in sorted(events["type"].unique()):
        of = events.filter(pl.col("type") == kind).group_by("id").agg(n=pl.len(), last=age.min())
        of = of.rename({"n": f"{kind} count", "last": f"{kind} hours ago"})
        held = held.join(of, on="id", how="left", maintain_order="left")
    local = pl.col("created_at").dt.convert_time_zone("Europe/Amsterdam")
    held = held.with_columns(
        pl.selectors.ends_with(" count").fill_null(0), hour=local.dt.hour(), weekday=local.dt.weekday()
    )
    won = held["outcome"].eq_missing("won") & (held["closed"] <= held["created_at"] + timedelta(days=42)).fill_null(
        False
    )
    frame = held.drop("id", "created_at", "instant", "outcome", "closed")
    at = held["instant"].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    table = _table(frame.with_columns(pl.col("hour", "weekday").cast(pl.Int64)), won.to_numpy(), at)
    made = held["created_at"]
    train = (made < datetime(2011, 11, 20, tzinfo=UTC)).to_numpy()
    test = made.is_between(datetime(2012, 1, 1, tzinfo=UTC), datetime(2012, 2, 1, tzinfo=UTC), closed="left").to_numpy()
    return table.take(train), table.take(test)


def _in_all(events: pl.DataFrame, leads: pl.DataFrame) -> pl.DataFrame:
    """What the whole log says of each application."""
    made = events.join(leads.select("id", "created_at"), on="id")
    open_for = (pl.col("occurred_at").max() - pl.col("created_at").first()).dt.total_seconds() / 86_400
    return made.group_by("id").agg(pl.len(), pl.col("actor").n_unique(), open_for).rename(
        dict(zip(("len", "actor", "occurred_at"), _LOANS_LATER, strict=True))
    )  # fmt: skip


def _repurchases(folder: Path, *, leaks: bool = False) -> tuple[Table, Table]:
    """Customers at the first of a month: do they buy again within 90 days?"""
    bought = pl.read_parquet(folder / "cdnow/activities.parquet").with_columns(pl.col("lead_id").cast(pl.Int64))
    bought = bought.filter(pl.col("lead_id") % 3 == 0)
    months = {
        True: [date(1997, month, 1) for month in range(5, 11)],
        False: [date(1998, month, 1) for month in range(1, 5)],
    }
    totals = bought.group_by("lead_id").agg(
        pl.len(), pl.col("amount").sum(), (pl.col("occurred_at").max() - date(1997, 1, 1)).dt.total_days()
    )
    totals = totals.rename(dict(zip(("len", "amount", "occurred_at"), _BOUGHT_LATER, strict=True)))

    def joined(training: bool) -> Table:
        parts = [_at_month(bought, instant) for instant in months[training]]
        if leaks:
            parts = [(part.join(totals, on="lead_id", maintain_order="left"), instant) for part, instant in parts]
        return _joined(parts)

    return joined(True), joined(False)


def _at_month(bought: pl.DataFrame, instant: date) -> tuple[pl.DataFrame, date]:
    before = bought.filter(pl.col("occurred_at") < instant)
    after = bought.filter(pl.col("occurred_at").is_between(instant, instant + timedelta(days=89)))
    age = (pl.lit(instant) - pl.col("occurred_at")).dt.total_days()
    frame = before.sort("lead_id", "occurred_at").group_by("lead_id", maintain_order=True).agg(
        purchases=pl.len(), days_since_last=age.min(), days_since_first=age.max(), amount=pl.col("amount").sum(),
        mean_amount=pl.col("amount").mean(), last_amount=pl.col("amount").last(), items=pl.col("qty").sum(),
        purchases_30=(age <= 30).sum(), purchases_90=(age <= 90).sum(), purchases_180=(age <= 180).sum(),
    )  # fmt: skip
    gap = (pl.col("days_since_first") - pl.col("days_since_last")) / (pl.col("purchases") - 1)
    gap = pl.when(pl.col("purchases") > 1).then(gap)
    frame = frame.with_columns(mean_gap=gap, overdue=pl.col("days_since_last") / (gap + 1))
    return frame.with_columns(again=pl.col("lead_id").is_in(after["lead_id"].unique().implode())), instant


def _joined(parts: Sequence[tuple[pl.DataFrame, date]]) -> Table:
    frame = pl.concat([part for part, _ in parts])
    at = np.concatenate([np.full(part.height, np.datetime64(instant, "us")) for part, instant in parts])
    person = frame["lead_id"].to_numpy()
    return _table(frame.drop("lead_id", "again"), frame["again"].to_numpy(), at, person)
