"""Snapshots from the store: drawn, their features built as live scoring builds them, in memory or as Parquet."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from worker.features.facts import INSTANT, Facts
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.scoring.rules import Ruleset
from worker.scoring.score import score_rules
from worker.store import facts
from worker.store.arrow import fetch, frame
from worker.store.completeness import GAPS
from worker.training.goal import Goal
from worker.training.history import read
from worker.training.population import population
from worker.training.snapshots import Moments, draw
from worker.training.table import Table

log = logging.getLogger(__name__)

PEOPLE_AT_ONCE = 20_000
"""People whose facts are held in memory at a time."""
KEYS: Mapping[str, pl.DataType] = {
    "person_id": pl.Int64(),
    "as_of": INSTANT,
    "label": pl.Boolean(),
    "weight": pl.Float64(),
    "segment": pl.String(),
}
"""Columns of a snapshot beside its features."""

Progress = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Draw:
    """How snapshots are drawn."""

    per_person: int = 4
    seed: int = 0
    moments: Moments = Moments.TIME


DEFAULT_DRAW = Draw()


@dataclass(frozen=True, slots=True)
class Snapshots:
    """`table`: what a model is trained on. `segment`: the text of the goal's segment attribute, a row each. `fired`:
    one column a point rule, named by what it `asks`: whether it gave or took points."""

    table: Table
    segment: pl.Series
    fired: pl.DataFrame


def snapshots(
    connection: adbc.Connection,
    goal: Goal,
    features: Features,
    until: datetime,
    how: Draw = DEFAULT_DRAW,
    progress: Progress | None = None,
    rules: Ruleset | None = None,
) -> Snapshots:
    """Everybody's snapshots in memory. All that happened until `until` must have been read from the CRMs.

    Raises `ValueError` where there is none: `preview` says why.
    """
    frames = [some for some in _rows(connection, goal, features, until, how, progress, rules) if some.height]
    if not frames:
        raise ValueError(
            "there is no snapshot whose horizon is over and whose day was read whole: `leadgauge label` says why, and "
            "`leadgauge status` which days failed"
        )
    whole = pl.concat(frames)
    return Snapshots(table(whole, features), whole.get_column("segment"), whole.select(_asked(rules)))


def export(
    connection: adbc.Connection,
    goal: Goal,
    features: Features,
    until: datetime,
    file: Path,
    how: Draw = DEFAULT_DRAW,
    progress: Progress | None = None,
) -> int:
    """Stream everybody's snapshots to a Parquet file; returns how many there are. The file appears when it is whole.

    Its metadata hold the goal, the seed and `until` (key `leadgauge`). Memory does not grow with the people.
    """
    schema = (
        pl.DataFrame(schema={**KEYS, **{feature.name: feature.type.dtype for feature in features}}).to_arrow().schema
    )
    told = {"goal": goal.model_dump(mode="json"), "seed": how.seed, "until": until.isoformat()}
    part, rows = file.with_name(f"{file.name}.part"), 0
    try:
        with pq.ParquetWriter(part, schema.with_metadata({"leadgauge": json.dumps(told)}), compression="zstd") as out:
            for rows_of_some in _rows(connection, goal, features, until, how, progress):
                out.write_table(rows_of_some.to_arrow().cast(schema))
                rows += rows_of_some.height
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return rows


def _rows(
    connection: adbc.Connection,
    goal: Goal,
    features: Features,
    until: datetime,
    how: Draw,
    progress: Progress | None,
    rules: Ruleset | None = None,
) -> Iterator[pl.DataFrame]:
    history = read(connection, goal, until, acts=how.moments is Moments.ACTS)
    drawn = draw(
        history, population(history, goal), goal, per_person=how.per_person, seed=how.seed, moments=how.moments
    )
    del history
    yield from collect(connection, drawn, features, progress, rules)


def collect(
    connection: adbc.Connection,
    drawn: pl.DataFrame,
    features: Features,
    progress: Progress | None = None,
    rules: Ruleset | None = None,
) -> Iterator[pl.DataFrame]:
    """The columns `KEYS`, one a feature and one a rule, some people at a time, by person and instant.

    Several instants of a person are several reads, each as if it were now. Who was not known yet then, as far as the
    database can tell, is left out; the weights of the instants left sum to 1 again. So is every instant at which facts
    were missing that a nightly look found later.
    """
    drawn = _whole(connection, drawn)
    people = drawn.get_column("person_id").unique().sort()
    for first in range(0, len(people), PEOPLE_AT_ONCE):
        some = drawn.filter(pl.col("person_id").is_in(people[first : first + PEOPLE_AT_ONCE].implode()))
        rounds = [_featured(connection, part, features, rules) for part in some.partition_by("round")]
        yield (
            pl.concat(rounds)
            .sort("person_id", "as_of")
            .with_columns(weight=1.0 / pl.len().over("person_id"))
            .select(*KEYS, *(feature.name for feature in features), *_asked(rules))
        )
        if progress is not None:
            progress(min(1.0, (first + PEOPLE_AT_ONCE) / len(people)))


def _whole(connection: adbc.Connection, drawn: pl.DataFrame) -> pl.DataFrame:
    """Without the instants between a day that failed its completeness check and the look that mended it."""
    gaps = frame(fetch(connection, GAPS))
    missed = [pl.col("as_of").is_between(since, until, closed="left") for since, until in gaps.iter_rows()]
    kept = drawn.filter(~pl.any_horizontal(missed)) if missed else drawn
    if kept.height < drawn.height:
        log.warning("snapshots of days that were not read whole are left out", extra={
            "action": "incomplete_days", "left_out": drawn.height - kept.height, "kept": kept.height})  # fmt: skip
    return kept


def _featured(
    connection: adbc.Connection, drawn: pl.DataFrame, features: Features, rules: Ruleset | None
) -> pl.DataFrame:
    wanted = drawn.select("person_id", "as_of").sort("person_id")
    held = facts.read(connection, wanted, colleagues=features.need_colleagues, stable=features.stable)
    known = matrix(held, features)
    if rules is not None and rules.rules:
        known = known.join(_fired(held, rules), on="person_id", how="left", maintain_order="left")
    return drawn.join(known, on=["person_id", "as_of"], how="inner")


def _asked(rules: Ruleset | None) -> list[str]:
    """The columns of `_fired`: rules that ask the same share one."""
    return list(dict.fromkeys(rule.asks for rule in rules.rules)) if rules is not None else []


def _fired(held: Facts, rules: Ruleset) -> pl.DataFrame:
    """person_id, and for each rule whether it gave or took points."""
    sheet = score_rules(held, rules).sheet
    places = {line.code: place for place, line in enumerate(sheet.lines)}
    columns = {rule.asks: sheet.points[:, places[rule.id]] != 0 for rule in rules.rules}
    return pl.DataFrame({"person_id": sheet.ids, **columns})


def table(rows: pl.DataFrame, features: Features) -> Table:
    """Rows of `collect`, or of a file that `export` wrote, as what a model is trained on."""
    return Table(
        tuple(features),
        rows.select(feature.name for feature in features),
        label=rows.get_column("label").to_numpy().astype(np.bool_),
        person=rows.get_column("person_id").to_numpy(),
        weight=rows.get_column("weight").to_numpy(),
        at=rows.get_column("as_of").cast(pl.Int64).to_numpy().astype("datetime64[us]"),
    )
