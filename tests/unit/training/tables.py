"""Tables that models are tried on, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.feature import Feature, FeatureType
from worker.training.table import Table

Floats = NDArray[np.float64]


def feature(name: str, kind: FeatureType = FeatureType.NUMBER, monotone: int = 0) -> Feature:
    return Feature(name, name, kind, monotone=monotone)


def table(
    columns: dict[str, pl.Series], label: NDArray[np.bool_], *, rows_a_person: int = 1, days: int = 0, monotone: int = 0
) -> Table:
    """`days`: instants evenly over so many days, in the order of the rows."""
    kinds = {kind.dtype: kind for kind in FeatureType}
    features = tuple(
        feature(name, kinds[column.dtype], monotone if column.dtype == pl.Float64 else 0)
        for name, column in columns.items()
    )
    rows = label.size
    at = None
    if days:
        seconds = np.arange(rows) * days * 86_400 // rows
        at = np.datetime64("2024-01-01", "us") + seconds.astype("timedelta64[s]")
    person = np.arange(rows, dtype=np.int64) // rows_a_person
    return Table(features, pl.DataFrame(columns), label, person, np.full(rows, 1 / rows_a_person), at)


def leads(
    rows: int,
    seed: int = 0,
    *,
    odds: Callable[[Floats, Floats], Floats] = lambda visits, size: 0.9 * visits - 0.6 * size**2,
    offset: float = -1.0,
    rows_a_person: int = 1,
    days: int = 0,
    monotone: int = 0,
) -> Table:
    """Two numbers that matter as `odds` says, a source of which one is better, a flag that does not matter, gaps."""
    rng = np.random.default_rng(seed)
    visits, size = rng.normal(size=(2, rows))
    source = rng.choice(["web", "event", "référence"], rows)
    label = rng.random(rows) < 1 / (1 + np.exp(-(offset + odds(visits, size) + (source == "event"))))
    known = pl.Series(rng.random(rows) < 0.9)
    columns = {
        "visits": pl.Series(visits).zip_with(known, pl.Series([None] * rows, dtype=pl.Float64)),
        "size": pl.Series(size),
        "source": pl.Series(source).cast(pl.String),
        "weekend": pl.Series(rng.random(rows) < 0.3),
    }
    return table(columns, label, rows_a_person=rows_a_person, days=days, monotone=monotone)


def noise(rows: int, seed: int, *, rows_a_person: int = 1, days: int = 0) -> Table:
    """As `leads`, and nothing matters."""
    drawn = leads(rows, seed, rows_a_person=rows_a_person, days=days)
    label = np.random.default_rng(seed + 1).random(rows) < 0.25
    return Table(drawn.features, drawn.frame, label, drawn.person, drawn.weight, drawn.at)
