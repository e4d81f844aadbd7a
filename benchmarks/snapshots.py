"""Training data beside the read of what it is made of: a million people, each at an instant of their own, 60 features.

The baseline is what `adbc-driver-postgresql` takes to bring the rows of the product's own queries into Arrow: 20
activities a person, and the attributes of their records and accounts. Ours begins with those Arrow tables and ends with
the columns that a model is fitted to; the read is not counted in it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import polars as pl
from sqlalchemy import Engine

from benchmarks.figure import Figure, peak_mib
from benchmarks.rules import ACTIVITIES, AS_OF, fill
from worker import embedded
from worker.features.facts import INSTANT, Facts
from worker.features.feature import FeatureType
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.store import facts
from worker.store.arrow import frame, open_arrow
from worker.store.database import connect, libpq

PEOPLE = int(os.environ.get("LEADGAUGE_BENCH_PEOPLE", "1000000"))
"""Fewer for a quick look; the goal is for a million."""
FEATURES = 60
MOST = 3.0
GOAL = "60 features of a million people in at most three times the read"

_LEFT_OUT = ("engaged_colleagues_30d", "colleagues_active_days_30d")
"""They need acts of others, which are more facts than the 20 of each person."""


def sixty() -> Features:
    """The features of acts first: they are what takes time. Then as many of the others as make 60."""
    upstream = [feature for feature in Features.shipped().upstream() if feature.name not in _LEFT_OUT]
    names = [feature.name for feature in upstream if feature.family != "engagement"]
    acts = [feature.name for feature in upstream if feature.name not in names]
    return Features.shipped().only((names + acts)[:FEATURES])


def run() -> Figure:
    """Load a database of its own, read it, build the columns."""
    home = Path(tempfile.mkdtemp(prefix="leadgauge-bench-"))
    try:
        engine = connect(embedded.start(home, durable=False).database_url)
        fill(engine, PEOPLE, ACTIVITIES)
        return _measure(engine)
    finally:
        embedded.remove(home)
        shutil.rmtree(home, ignore_errors=True)


def _wanted() -> pl.DataFrame:
    """Everybody, at instants of the month after the last fact, so that none of the 20 is cut off."""
    person = pl.int_range(1, PEOPLE + 1, dtype=pl.Int64, eager=True).alias("person_id")
    seconds = (person.hash(7) % (30 * 86_400)).cast(pl.Int64)
    return pl.DataFrame({"person_id": person, "as_of": (seconds * timedelta(seconds=1)) + AS_OF}).cast(
        {"as_of": INSTANT}
    )


def _measure(engine: Engine) -> Figure:
    with open_arrow(libpq(engine)) as connection:
        began = perf_counter()
        tables = list(facts.tables(connection, _wanted()))
        read = perf_counter() - began
    rows = sum(map(len, tables))
    features = sixty()
    began = perf_counter()
    table = matrix(Facts(*(frame(tables.pop(0)) for _ in range(3))), features)
    built = perf_counter() - began
    _check(table, features)
    return Figure(
        name="snapshots",
        ours=built,
        baseline=read,
        unit="s",
        goal=GOAL,
        met=built <= MOST * read and PEOPLE >= 1_000_000,
        peak_mib=peak_mib(),
        note=f"{PEOPLE:,} people, {len(features)} features; read {rows:,} rows at {rows / read:,.0f} rows/s",
    )


def _check(table: pl.DataFrame, features: Features) -> None:
    assert table.height == PEOPLE
    assert len(features) == FEATURES
    for feature in features:
        column = table.get_column(feature.name)
        assert column.null_count() < PEOPLE or feature.name in _NEVER, feature.name
        assert feature.type is not FeatureType.NUMBER or column.drop_nulls().is_finite().all()


_NEVER = frozenset({"revenue_log", "bounced", "company_match"})
"""Features of attributes that the made-up people have not."""
