"""Scores by model and rules with their reasons: a million people beside the read of their facts, attributions a second
by type of model, and reasons that add up for a hundred thousand people of the practice world.

Three figures in one run:

- *The whole*: from the Arrow tables of 20 activities a person to scores, whole points, grades and the sentences of the
  CRM, in chunks, two at a time, with the model that the default pipeline makes of 60 features. The baseline is the read
  of those facts with the product's own queries, which is not counted in ours: in the same chunks or all at once in a
  process of its own, whichever took less time.
- *Attributions*: base and contributions of each type of model, one core, rows a second.
- *Additivity*: for everybody in the practice world and every type of model, the contributions beside the prediction
  that is computed without them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import polars as pl
from rich.console import Console
from sqlalchemy import Engine, text

from benchmarks import additivity, snapshots
from benchmarks.figure import Figure
from benchmarks.rules import ACTIVITIES, fill
from worker import embedded
from worker.features.facts import Facts
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.scoring.model import Model
from worker.scoring.rates import Rates
from worker.scoring.reasons import Speech
from worker.scoring.rules import Ruleset, load, shipped
from worker.scoring.scale import PointScale
from worker.scoring.score import SCORED, score_model
from worker.scoring.verdict import Cuts, grades
from worker.scoring.wording import shipped as words
from worker.store import facts
from worker.store.arrow import frame, open_arrow
from worker.store.database import connect, libpq
from worker.training.collection import table
from worker.training.fit import fit
from worker.training.rates import measured

PEOPLE = int(os.environ.get("LEADGAUGE_BENCH_PEOPLE", "1000000"))
"""Fewer for a quick look; the goal is for a million."""
WORLD = min(100_000, PEOPLE)
LEARNT = 10_000
"""People whom the models are fitted to."""
CHUNK = 20_000
CORES = 2
"""So many chunks at a time, as so many compute processes have them."""
WEIGHT = 0.8
MOST, MIB = 2.5, 2048
ADDITIVE_A_SECOND, OTHERS_A_SECOND = 100_000, 2_000
GOAL = (
    f"scores with reasons in at most {MOST} times the read and {MIB} MiB; {ADDITIVE_A_SECOND:,} attributions/s of "
    f"tables, {OTHERS_A_SECOND:,} of trees; off by at most {additivity.TABLES:g} and {additivity.TREES:g}"
)


def run() -> Figure:
    """All three; the whole first, so that its peak of memory is its own."""
    home = Path(tempfile.mkdtemp(prefix="leadgauge-bench-"))
    try:
        engine = connect(embedded.start(home, durable=False).database_url)
        fill(engine, PEOPLE, ACTIVITIES)
        with engine.begin() as connection:  # a load does without it, a worker does not
            connection.execute(text("CREATE INDEX activity_subject ON activity (subject_id, occurred_at)"))
        read, scored, kind = _whole(engine)
        peak = snapshots.own_peak_mib()
        read = min(read, _at_once(engine))
    finally:
        embedded.remove(home)
        shutil.rmtree(home, ignore_errors=True)
    types = additivity.types(additivity.practice(WORLD), live=False)
    fast = all(
        its.rate >= (ADDITIVE_A_SECOND if its.tables else OTHERS_A_SECOND) and its.adds_up for its in types.values()
    )
    Console(width=None if sys.stdout.isatty() else 120).print(additivity.drawn(types, WORLD))
    return Figure(
        name="hybrid",
        ours=scored,
        baseline=read,
        unit="s",
        goal=GOAL,
        met=scored <= MOST * read and peak <= MIB and fast and PEOPLE >= 1_000_000,
        peak_mib=peak,
        note=f"{PEOPLE:,} people ({kind}), {PEOPLE / scored:,.0f} a second; attributions and additivity of "
        f"{len(types)} types of model over {WORLD:,} people of the practice world",
    )


def _whole(engine: Engine) -> tuple[float, float, str]:
    """Seconds of the read and of ours, and the kind of the model."""
    ruleset = load(shipped(), "default_rules.yaml", Features.shipped().catalogue)
    features, chosen = snapshots.sixty(), None
    read = scored = 0.0
    with open_arrow(libpq(engine)) as connection, ThreadPoolExecutor(CORES) as cores:
        for some in batched(_chunks(), CORES):
            began = perf_counter()
            parts = [list(facts.tables(connection, whom)) for whom in some]
            read += perf_counter() - began
            if chosen is None:
                chosen = _chosen(Facts(*map(frame, parts[0])), features)
            score = partial(_scored, features=features, ruleset=ruleset, model=chosen[0], rates=chosen[1])
            began = perf_counter()
            list(cores.map(score, parts))
            scored += perf_counter() - began
    assert chosen is not None, "there are people"
    return read, scored, chosen[0].kind


def _at_once(engine: Engine) -> float:
    """Seconds of one read of everybody, in a process of its own: it holds what ours never does."""
    command = [sys.executable, "-m", "benchmarks.hybrid", libpq(engine)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def batched(chunks: Iterator[pl.DataFrame], size: int) -> Iterator[list[pl.DataFrame]]:
    """The chunks, up to `size` at a time."""
    while some := list(islice(chunks, size)):
        yield some


def _chunks() -> Iterator[pl.DataFrame]:
    """Everybody, at instants of the month after the last fact."""
    everybody = snapshots.wanted()
    for first in range(0, PEOPLE, CHUNK):
        yield everybody.slice(first, CHUNK)


def _chosen(known: Facts, features: Features) -> tuple[Model, Rates]:
    """What the default pipeline makes of the first people, whose labels are drawn from known odds."""
    made = table(snapshots.labelled(matrix(known, features).head(LEARNT)), features)
    model = fit(made, horizon=snapshots.HORIZON).model
    return model, measured(made, model.axes)


def _scored(tables: list[Any], features: Features, ruleset: Ruleset, model: Model, rates: Rates) -> None:
    """As a worker scores a batch of people. `tables` are let go of as they are taken."""
    known = Facts(*(frame(tables.pop(0)) for _ in range(3)))
    scores = score_model(known, matrix(known, features), model, PointScale(20, 0.05), ruleset, WEIGHT)
    texts = Speech(ruleset, scores, words(), rates, 1_000).texts()
    graded = grades(scores, Cuts((10, -5), (10, -5)))
    assert len(texts) == len(graded) == scores.people.height
    assert scores.people.get_column("status").is_in([SCORED, "excluded_competitor"]).all()
    assert max(map(len, texts)) <= 255


if __name__ == "__main__":
    with open_arrow(sys.argv[1]) as reading:
        started = perf_counter()
        facts.tables(reading, snapshots.wanted())
        print(perf_counter() - started)
