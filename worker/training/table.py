"""What a model is trained and judged on: rows of features with their label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.feature import Feature


@dataclass(frozen=True, slots=True)
class Table:
    """One row a snapshot, in an order that means nothing.

    `frame`: one column a feature, typed as `Feature.type` says, null where missing. `label`: bool (rows,), converted
    within the horizon. `person`: i64 (rows,), the group that no split may cut. `at`: datetime64[us] (rows,) in UTC, the
    instant of the snapshot; None where the data has no time, and then splits are shuffled. `weight`: f64 (rows,) > 0;
    a person's weights sum to 1. Raises `ValueError` for columns or lengths that do not agree.
    """

    features: tuple[Feature, ...]
    frame: pl.DataFrame
    label: NDArray[np.bool_]
    person: NDArray[np.int64]
    weight: NDArray[np.float64]
    at: NDArray[np.datetime64] | None = None

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        if self.frame.columns != names:
            raise ValueError(f"columns {self.frame.columns} are not the features {names}")
        for feature in self.features:
            if self.frame.schema[feature.name] != feature.type.dtype:
                raise ValueError(f"{feature.name}: found {self.frame.schema[feature.name]}, need {feature.type.dtype}")
        for name, held in (("label", self.label), ("person", self.person), ("weight", self.weight), ("at", self.at)):
            if held is not None and held.shape != (self.frame.height,):
                raise ValueError(f"{name}: shape {held.shape} beside {self.frame.height} rows")

    def __len__(self) -> int:
        return self.frame.height

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Table:
        """These rows (positions, or a mask)."""
        positions = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return replace(
            self,
            frame=self.frame[positions],
            label=self.label[positions],
            person=self.person[positions],
            weight=self.weight[positions],
            at=None if self.at is None else self.at[positions],
        )

    def one_each(self) -> Table:
        """The same rows, with weights that sum to 1 a person again: after some of a person's were left out."""
        _, of_row = np.unique(self.person, return_inverse=True)
        return replace(self, weight=self.weight / np.bincount(of_row, self.weight)[of_row])

    def only(self, names: Sequence[str]) -> Table:
        """These features, in this table's order."""
        kept = tuple(feature for feature in self.features if feature.name in set(names))
        return replace(self, features=kept, frame=self.frame.select([feature.name for feature in kept]))
