"""Reasons that add up, for a hundred thousand people of the practice world and every type of model.

Ours is the largest difference, in log-odds, between base plus contributions and the prediction that is computed without
them, over all types; the baseline is what is allowed of trees. Beside it, how fast contributions are, and whether the
whole way of a live score (the rules' share, the ends of the scale, guardrails, whole points) parks anybody for a
mismatch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import process_time

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table as Drawn

from benchmarks import _world
from benchmarks.figure import Figure, peak_mib
from benchmarks.world import NOW
from sandbox.world.history import make_world
from sandbox.world.people import PEOPLE_PER_RECORD
from worker.features.catalogue import Catalogue
from worker.features.facts import INSTANT, Facts
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.scoring.model import Model
from worker.scoring.model_parts import Tables
from worker.scoring.rules import load, shipped
from worker.scoring.scale import PointScale
from worker.scoring.score import MISMATCH, score_model
from worker.training.candidates import CANDIDATES
from worker.training.fit import fit
from worker.training.table import Table

PEOPLE = min(100_000, int(os.environ.get("LEADGAUGE_BENCH_PEOPLE", "100000")))
LEARNT = 10_000
"""People whom the models are fitted to."""
CHUNK = 20_000
WEIGHT = 0.8
TABLES, TREES = 1e-9, 1e-6
GOAL = (
    f"every type of model over 100,000 people: off by at most {TABLES:g} (tables) and {TREES:g} (trees); no score is a "
    "mismatch"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one type of model: `rate` (attributions a second of one core), `off` (the largest miss), and how many people's
    live scores did not add up."""

    rate: float
    off: float
    tables: bool
    mismatched: int

    @property
    def adds_up(self) -> bool:
        return self.off <= (TABLES if self.tables else TREES) and not self.mismatched


@dataclass(frozen=True, slots=True)
class Practice:
    """A practice world as of its end: everybody as a table labelled by whether they have bought, and their facts."""

    library: _world.Library
    people: Table

    def facts(self, some: pl.Series, at: datetime = NOW) -> Facts:
        return self.library.facts(some.to_frame().with_columns(as_of=pl.lit(at, INSTANT)))

    def chunks(self) -> Iterator[tuple[pl.Series, slice]]:
        ids = pl.Series("person_id", self.people.person)
        for first in range(0, len(ids), CHUNK):
            yield ids.slice(first, CHUNK), slice(first, first + CHUNK)


def run() -> Figure:
    found = types(practice(PEOPLE), live=True)
    tables, trees = (
        max((its.off for its in found.values() if its.tables is kind), default=0) for kind in (True, False)
    )
    Console(width=None if sys.stdout.isatty() else 120).print(drawn(found, PEOPLE))
    return Figure(
        name="additivity",
        ours=max(its.off for its in found.values()),
        baseline=TREES,
        unit="log-odds",
        goal=GOAL,
        met=all(its.adds_up for its in found.values()) and PEOPLE >= 100_000,
        peak_mib=peak_mib(),
        note=f"{PEOPLE:,} people, {len(found)} types; tables {tables:.1e}, trees {trees:.1e}; "
        f"{sum(its.mismatched for its in found.values())} mismatches",
    )


def practice(people: int, seed: int = 1) -> Practice:
    rows = _world.stored(make_world(seed, round(people / PEOPLE_PER_RECORD), NOW))
    library, features = _world.Library(rows), Features.shipped().upstream()
    ids = pl.Series("person_id", sorted(rows.created), dtype=pl.Int64).to_frame()
    wanted = ids.with_columns(as_of=pl.lit(NOW, INSTANT))
    parts = [matrix(library.facts(wanted.slice(first, CHUNK)), features) for first in range(0, wanted.height, CHUNK)]
    made = pl.concat(parts)
    person = made.get_column("person_id").to_numpy()
    bought = np.isin(person, [who for who, _ in rows.won])
    frame = made.select([feature.name for feature in features])
    return Practice(library, Table(tuple(features), frame, bought, person, np.ones(person.size)))


def types(world: Practice, kinds: Sequence[str] = tuple(CANDIDATES), *, live: bool) -> Mapping[str, Measured]:
    """By kind of model. `live`: score everybody the whole way, too."""
    people = world.people
    learnt = people.take(np.arange(min(LEARNT, len(people))))
    found = {}
    for kind in kinds:
        model = fit(learnt, candidates=[kind]).model
        said = model.log_odds(people.frame)
        began = process_time()
        base, parts = model.contributions(people.frame)
        rate = len(people) / (process_time() - began)
        off = float(np.abs(said - base - parts.sum(axis=1)).max())
        of_tables = all(isinstance(part, Tables) for part in model.parts)
        found[model.kind] = Measured(rate, off, of_tables, _mismatched(world, model) if live else 0)
    return found


def _mismatched(world: Practice, model: Model) -> int:
    """People whose live score by this model, beside the shipped rules, does not add up."""
    ruleset = load(shipped(), "default_rules.yaml", Catalogue.shipped())
    count = 0
    for ids, rows in world.chunks():
        built = world.people.frame[rows].with_columns(person_id=ids)
        scores = score_model(world.facts(ids), built, model, PointScale(20, 0.05), ruleset, WEIGHT)
        count += int((scores.people.get_column("status") == MISMATCH).sum())
    return count


def drawn(found: Mapping[str, Measured], people: int) -> Drawn:
    table = Drawn(title=f"Attributions of {people:,} people of the practice world, one core")
    for heading in ("model", "rows a second", "largest miss", "mismatches"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for kind, its in found.items():
        table.add_row(kind, f"{its.rate:,.0f}", f"{its.off:.1e}", str(its.mismatched))
    return table
