"""The 80 % interval of marketing qualified leads a week, against the four weeks that followed, in ten practice worlds.

People are scored by the shipped rules, each Monday of seventeen weeks, from what was known then. By the first thirteen
the threshold is chosen that so many leads a week reach, and an interval said; the last four weeks are then counted. The
baseline is what a spreadsheet would say: the mean of those thirteen weeks, and chance alone around it (Poisson).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import NormalDist

import numpy as np
import polars as pl

from benchmarks import _world
from benchmarks.figure import Figure, peak_mib
from sandbox.world.history import make_world
from worker.features.catalogue import Catalogue
from worker.lifecycle.capacity import NEVER, Leads, entries, plan
from worker.lifecycle.paths import NONE, Ints, Paths, micros, mondays, weekly
from worker.lifecycle.thresholds import Mql
from worker.scoring.rules import load, shipped
from worker.scoring.score import score_rules

PEOPLE = int(os.environ.get("LEADGAUGE_BENCH_PEOPLE", "5000"))
SEEDS = range(1, 1 + int(os.environ.get("LEADGAUGE_BENCH_SEEDS", "10")))
NOW = datetime(2026, 11, 23, tzinfo=UTC)  # a Monday
WEEKS, MONTH = 13, 4
LEADS_A_WEEK = PEOPLE / 60
LOW, HIGH, WIDE = 0.65, 0.95, 0.30
GOAL = f"the interval holds {LOW:.0%} to {HIGH:.0%} of the weeks; half its width at most {WIDE:.0%} of the mean"


@dataclass(frozen=True, slots=True)
class Held:
    """Of one world: its weeks inside our interval and inside the baseline's, and half our width over the mean."""

    ours: int
    baseline: int
    width: float


def run() -> Figure:
    """Every seed's world."""
    found = [held(seed) for seed in SEEDS]
    weeks = MONTH * len(found)
    ours, baseline = (sum(getattr(its, name) for its in found) / weeks for name in ("ours", "baseline"))
    width = max(its.width for its in found)
    return Figure(
        name="capacity",
        ours=ours,
        baseline=baseline,
        unit="of weeks",
        goal=GOAL,
        met=LOW <= ours <= HIGH and width <= WIDE,
        peak_mib=peak_mib(),
        note=f"{len(found)} worlds of {PEOPLE:,} people; widest half-width {width:.0%}",
    )


def held(seed: int) -> Held:
    paths, since = journeys(seed), NOW - timedelta(weeks=WEEKS + MONTH)
    mql, until = Mql(), NOW - timedelta(weeks=MONTH)
    people = np.unique(paths.person)
    never = np.full(len(people), NEVER)
    known = Leads(paths.only(paths.at < micros(until)), since, until, people, never, np.zeros(len(people), np.int64))
    chosen = plan(known, mql, LEADS_A_WEEK, "UTC", timedelta(days=60)).chosen
    assert chosen is not None
    assert chosen.weekly is not None
    whole = Leads(paths, since, NOW, people, never, known.segment)
    counts = weekly(entries(whole, mql, chosen.threshold)[1], mondays(since, NOW, "UTC"))
    mean = float(counts[:WEEKS].mean())
    spread = NormalDist().inv_cdf(0.9) * mean**0.5
    after = counts[WEEKS:]
    return Held(
        int(((after >= chosen.weekly.low) & (after <= chosen.weekly.high)).sum()),
        int((np.abs(after - mean) <= spread).sum()),
        chosen.weekly.half_width,
    )


def journeys(seed: int) -> Paths:
    """Everybody's scores, each Monday since they were known; from a week before on, so that who was there then does not
    count as new."""
    rows = _world.stored(make_world(seed, PEOPLE, NOW))
    library, ruleset = _world.Library(rows), load(shipped(), "default_rules.yaml", Catalogue.shipped())
    columns: list[tuple[Ints, Ints, Ints]] = []
    for week in range(WEEKS + MONTH + 1):
        # Just before the Monday that ends it, so that the week's leads count in their week.
        as_of = NOW - timedelta(weeks=WEEKS + MONTH - week, microseconds=1)
        there = [person for person, created in rows.created.items() if created <= as_of]
        wanted = pl.DataFrame({"person_id": there}, {"person_id": pl.Int64}).with_columns(as_of=pl.lit(as_of))
        people = score_rules(library.facts(wanted), ruleset).people
        columns.append(
            (
                people.get_column("person_id").to_numpy(),
                np.full(people.height, micros(as_of)),
                people.get_column("score").cast(pl.Int64).fill_null(NONE).to_numpy(),
            )
        )
    person, at, score = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.lexsort((at, person))
    return Paths(person[order], at[order], score[order])
