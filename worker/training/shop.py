"""What a training works with, and the people of today that it looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from worker.features.facts import INSTANT
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.store import facts
from worker.training.goal import Goal
from worker.training.population import History, population
from worker.training.snapshots import eligible, value_at

if TYPE_CHECKING:
    import adbc_driver_postgresql.dbapi as adbc
    from sqlalchemy import Engine

    from worker.rescoring.basis import Basis, Trained
    from worker.scoring.model import Model
    from worker.store.shadow import Said

MOST_LOOKED_AT = 20_000
"""People of today who are enough to see how the world is."""
_AT_ONCE = 5_000

Progress = Callable[[float, str], None]
"""Told how much is done, 0 to 1, and what is being done."""


@dataclass(frozen=True, slots=True)
class Shop:
    """`name` is the goal's, `features` all that there are. `model` loads a registered one by its number (it raises
    `ModelRefused`). `until`: all that happened by then was read from the CRMs. `key` seals what is made. `overrides`:
    feature -> why it is used against the verdict on it. `basis`: what scores the goal's people now, where it can."""

    engine: Engine
    arrow: adbc.Connection
    name: str
    goal: Goal
    features: Features
    model: Callable[[int], Model]
    now: Callable[[], datetime]
    until: datetime
    key: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    basis: Basis | None = None


def people_of_today(shop: Shop, history: History, names: Sequence[str]) -> pl.DataFrame:
    """person_id, as_of, segment (text or null) and these features of people who could be scored for the goal now: all
    of them, or `MOST_LOOKED_AT` by chance (the same ones whenever it is asked)."""
    at = history.until
    open_now = (pl.col("start") <= at) & (at < pl.col("end"))
    here = population(history, shop.goal).spells.filter(open_now).select("person_id").unique()
    here = eligible(here.with_columns(as_of=pl.lit(at, INSTANT)), history.values, shop.goal)
    here = here.sort(pl.col("person_id").hash(0)).head(MOST_LOOKED_AT).sort("person_id")
    segment = value_at(here, history.values, shop.goal.segment) if shop.goal.segment else pl.lit(None, pl.String)
    here = here.with_columns(segment=segment)
    wanted = shop.features.only(names)
    parts = []
    for first in range(0, here.height, _AT_ONCE):
        some = here.slice(first, _AT_ONCE)
        known = facts.read(
            shop.arrow, some.select("person_id", "as_of"), colleagues=wanted.need_colleagues, stable=wanted.stable
        )
        parts.append(some.join(matrix(known, wanted), on=["person_id", "as_of"], how="inner"))
    if parts:
        return pl.concat(parts)
    return here.with_columns(pl.lit(None, feature.type.dtype).alias(feature.name) for feature in wanted)


def shadowed(shop: Shop, today: pl.DataFrame, trained: Trained) -> dict[int, Said]:
    """What people of today (as `people_of_today` gives them) would have with a model in the champion's place."""
    from worker.rescoring.basis import in_the_shadow
    from worker.store.shadow import Said

    if shop.basis is None:
        said = trained.model.log_odds(today).tolist()
        return {person: Said(its, None) for person, its in zip(today["person_id"].to_list(), said, strict=True)}
    found: dict[int, Said] = {}
    for first in range(0, today.height, _AT_ONCE):
        some = today.slice(first, _AT_ONCE)
        known = facts.read(shop.arrow, some.select("person_id", "as_of"))
        found |= in_the_shadow(known, some.drop("segment"), trained, shop.basis)
    return found
