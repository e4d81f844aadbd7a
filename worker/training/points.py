"""What the published rules said of people at past instants: the rival that a model most often has to beat."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.facts import INSTANT
from worker.scoring.rules import RulesError, Ruleset, load
from worker.scoring.score import score_rules
from worker.store import facts, revisions
from worker.training.shop import Shop
from worker.training.table import Table

PEOPLE_AT_ONCE = 20_000
UNSCORED = -1.0
"""Points of who has none: whom a guardrail excludes, nobody would call."""


def published(shop: Shop) -> Ruleset | None:
    """The goal's rules in force; None where there are none that can be read."""
    with shop.engine.connect() as connection:
        current = revisions.current(connection, "rules", shop.name)
    if current is None:
        return None
    try:
        return load(current.body, f"rules revision {current.revision}", shop.features.catalogue)
    except RulesError:
        return None


def points(shop: Shop, ruleset: Ruleset, table: Table) -> NDArray[np.float64]:
    """Points before rounding, a row each, from what was known of the person at the row's instant."""
    rows = pl.DataFrame({"person_id": table.person, "as_of": table.at}).with_columns(pl.col("as_of").cast(INSTANT))
    nth = pl.int_range(pl.len()).over("person_id")
    said = []
    # A person may be read once at a time: several instants of one are several reads, each as if it were now.
    for turn in rows.with_columns(turn=nth).partition_by("turn"):
        wanted = turn.select("person_id", "as_of").sort("person_id")
        for first in range(0, wanted.height, PEOPLE_AT_ONCE):
            some = wanted.slice(first, PEOPLE_AT_ONCE)
            known = facts.read(shop.arrow, some, stable=shop.features.stable)  # what the model had to go by, too
            scored = score_rules(known, ruleset).people.select("person_id", "raw")
            said.append(some.join(scored, on="person_id", how="left"))
    joined = rows.join(pl.concat(said), on=["person_id", "as_of"], how="left", maintain_order="left")
    return joined.get_column("raw").fill_null(UNSCORED).to_numpy()
