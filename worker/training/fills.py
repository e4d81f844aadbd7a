"""When fields were filled, relative to the conversion: what is filled with it or after it knows the outcome."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.store import facts
from worker.store.facts import At
from worker.training.population import History
from worker.training.shop import Shop
from worker.training.table import Table

MOST_CONVERTED = 5_000


def days_to_filling(shop: Shop, history: History, table: Table) -> Mapping[str, NDArray[np.float64]]:
    """By feature that reads attributes: days from the conversion to the first filling of one of these, a converted
    person each (negative: filled before). People without a value tell nothing and are left out."""
    converted = np.unique(table.person[table.label])[:MOST_CONVERTED]
    if not len(converted):
        return {}
    known = facts.read(shop.arrow, At(shop.until, converted.tolist()))
    when = history.events.group_by("person_id").agg(pl.col("at").min())
    return fills(
        known.attributes, when, {f.name: [n for n in f.needs if n in shop.features.attributes] for f in table.features}
    )


def fills(
    attributes: pl.DataFrame, conversions: pl.DataFrame, needs: Mapping[str, list[str]]
) -> Mapping[str, NDArray[np.float64]]:
    """`attributes` as of `Facts`, `conversions` (person_id, at), `needs`: feature -> attributes."""
    first = (
        attributes.filter(pl.col("value").is_not_null())
        .group_by("person_id", pl.col("name").cast(pl.String))
        .agg(pl.col("occurred_at").min())
        .join(conversions, on="person_id")
        .with_columns(days=(pl.col("occurred_at") - pl.col("at")).dt.total_seconds() / 86_400)
    )
    found = {}
    for feature, names in needs.items():
        days = first.filter(pl.col("name").is_in(names)).group_by("person_id").agg(pl.col("days").min())
        if days.height:
            found[feature] = np.sort(days.get_column("days").to_numpy())
    return found
