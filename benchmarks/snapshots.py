"""Training data beside the read of what it is made of: a million people, each at an instant of their own, 60 features;
and a model trained on them.

The baseline is what `adbc-driver-postgresql` takes to bring the rows of the product's own queries into Arrow: 20
activities a person, and the attributes of their records and accounts. Ours begins with those Arrow tables and ends with
the columns that a model is fitted to; the read is not counted in it.

The training is the default pipeline in a process of its own, as the trainer runs it: from a file of those snapshots to
the calibrated model. Its labels are drawn from odds that are known, so that it can be said how much of them it found.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from sqlalchemy import Engine

from benchmarks.figure import Figure, peak_mib
from benchmarks.rules import ACTIVITIES, AS_OF, fill
from worker import embedded
from worker.features.facts import INSTANT, Facts
from worker.features.feature import Family, FeatureType
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.store import facts
from worker.store.arrow import frame, open_arrow
from worker.store.database import connect, libpq
from worker.training.collection import KEYS, table
from worker.training.fit import fit
from worker.training.metrics import auc

PEOPLE = int(os.environ.get("LEADGAUGE_BENCH_PEOPLE", "1000000"))
"""Fewer for a quick look; the goal is for a million."""
FEATURES = 60
MOST = 3.0
MINUTES, GIB = 10, 4
CORES = 2
NEAR = 0.01
GOAL = (
    f"{FEATURES} features of a million people in at most three times the read; trained in under {MINUTES} minutes on "
    f"two cores and {GIB} GiB, within {NEAR} of the truth's own AUC"
)
HORIZON = timedelta(days=5)
"""Of the label. The instants are of one month, so that it must be short for slices of time to be judged."""

_LEFT_OUT = ("engaged_colleagues_30d", "colleagues_active_days_30d")
"""They need acts of others, which are more facts than the 20 of each person."""
_TRUTH = {"pricing_views_90d": 0.4, "demo_requests_90d": 0.7, "downloads_90d": 0.25, "days_since_act": -0.02}
_ODDS_OF_SENIORS = 0.8
_BASE = -3.2


@dataclass(frozen=True, slots=True)
class Trained:
    """`peak_mib` is of the training's own process; `kind` the candidate that won; AUCs on rows that the models behind
    them had not seen."""

    seconds: float
    peak_mib: float
    kind: str
    ours: float
    truth: float

    @property
    def met(self) -> bool:
        near = self.ours >= self.truth - NEAR
        return self.seconds < MINUTES * 60 and self.peak_mib <= GIB * 1024 and near


def sixty() -> Features:
    """All that are not of engagement, and as many of that family as make 60."""
    upstream = [feature for feature in Features.shipped().upstream() if feature.name not in _LEFT_OUT]
    names = [feature.name for feature in upstream if feature.family is not Family.ENGAGEMENT]
    engagement = [feature.name for feature in upstream if feature.name not in names]
    return Features.shipped().only((names + engagement)[:FEATURES])


def run() -> Figure:
    """Load a database of its own, read it, build the columns, train."""
    home = Path(tempfile.mkdtemp(prefix="leadgauge-bench-"))
    try:
        engine = connect(embedded.start(home, durable=False).database_url)
        fill(engine, PEOPLE, ACTIVITIES)
        return _measure(engine, home / "snapshots.parquet")
    finally:
        embedded.remove(home)
        shutil.rmtree(home, ignore_errors=True)


def wanted() -> pl.DataFrame:
    """Everybody, at instants of the month after the last fact, so that none of the 20 is cut off."""
    person = pl.int_range(1, PEOPLE + 1, dtype=pl.Int64, eager=True).alias("person_id")
    seconds = (person.hash(7) % (30 * 86_400)).cast(pl.Int64)
    return pl.DataFrame({"person_id": person, "as_of": (seconds * timedelta(seconds=1)) + AS_OF}).cast(
        {"as_of": INSTANT}
    )


def _measure(engine: Engine, file: Path) -> Figure:
    with open_arrow(libpq(engine)) as connection:
        began = perf_counter()
        tables = list(facts.tables(connection, wanted()))
        read = perf_counter() - began
    rows = sum(map(len, tables))
    features = sixty()
    began = perf_counter()
    made = matrix(Facts(*(frame(tables.pop(0)) for _ in range(3))), features)
    built = perf_counter() - began
    _check(made, features)
    peak = peak_mib()
    labelled(made).write_parquet(file)
    del made
    trained = _apart(file)
    return Figure(
        name="snapshots",
        ours=built,
        baseline=read,
        unit="s",
        goal=GOAL,
        met=built <= MOST * read and PEOPLE >= 1_000_000 and trained.met,
        peak_mib=peak,
        note=f"{PEOPLE:,} people, {len(features)} features; read {rows:,} rows at {rows / read:,.0f} rows/s; trained "
        f"({trained.kind}) in {trained.seconds:,.0f} s with {trained.peak_mib:,.0f} MiB, AUC {trained.ours:.4f}, "
        f"the truth's {trained.truth:.4f}",
    )


def _check(made: pl.DataFrame, features: Features) -> None:
    assert made.height == PEOPLE
    assert len(features) == FEATURES
    for feature in features:
        column = made.get_column(feature.name)
        assert column.null_count() < PEOPLE or feature.name in _NEVER, feature.name
        assert feature.type is not FeatureType.NUMBER or column.drop_nulls().is_finite().all()


_NEVER = frozenset({"revenue_log", "bounced", "company_match"})
"""Features of attributes that the made-up people have not."""


def labelled(made: pl.DataFrame) -> pl.DataFrame:
    """The snapshots as `worker.training.collection` writes them, and the odds that their labels are drawn from."""
    told = pl.sum_horizontal(pl.col(name).fill_null(0).clip(upper_bound=60) * odds for name, odds in _TRUTH.items())
    senior = pl.col("seniority").is_in(["c_level", "vp"]).fill_null(False) * _ODDS_OF_SENIORS
    odds = made.select(_BASE + told + senior).to_series().to_numpy()
    label = np.random.default_rng(5).random(made.height) < 1 / (1 + np.exp(-odds))
    rows = made.with_columns(
        label=pl.Series(label), weight=pl.lit(1.0), segment=pl.lit(None, pl.String), truth=pl.Series(odds)
    )
    return rows.select(*KEYS, "truth", *(feature.name for feature in sixty()))


def _apart(file: Path) -> Trained:
    """`train` in a process of its own, on both cores; waiting threads do not spin at the cost of others."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(CORES), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "benchmarks.snapshots", str(file)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return Trained(**json.loads(done.stdout))


def train(file: Path) -> Trained:
    """From the file to the model."""
    began = perf_counter()
    rows = pl.read_parquet(file)
    truth = rows.get_column("truth").to_numpy()
    snapshots = table(rows, sixty())
    del rows
    fitted = fit(snapshots, horizon=HORIZON)
    seconds = perf_counter() - began
    seen = np.isfinite(fitted.oof)
    label = snapshots.label[seen]
    return Trained(seconds, own_peak_mib(), fitted.model.kind, auc(label, fitted.oof[seen]), auc(label, truth[seen]))


def own_peak_mib() -> float:
    """Without what the process that started this one held at the time, which Linux counts in until the program runs."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return peak_mib()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(asdict(train(Path(sys.argv[1])))))
