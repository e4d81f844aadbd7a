"""A trained model as it is applied: log-odds, and what each feature adds to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from connectors.records import Cause
from worker.features.feature import Family, Feature, FeatureType
from worker.scoring.model_parts import Axis, Cells, Shape, Surface, Tables, Trees

TRUSTED: tuple[str, ...] = (
    *(f"{kind.__module__}.{kind.__qualname__}" for kind in (Axis, Shape, Surface, Tables, Trees)),
    f"{Feature.__module__}.{Feature.__qualname__}",
    f"{__name__}.Model",
)
"""All the types that an artefact may hold beside numbers, text, tuples and numpy arrays."""


@dataclass(frozen=True)
class Model:
    """Calibrated log-odds of converting within the horizon: the sum of `parts`, or those of `base_rate`.

    `kind`: the candidate that it was fitted as. `axes`: one a feature. `base_rate`: the share that converted in
    training, a person counting once. `signal` False: nothing in the features ranked people better than chance, so that
    everybody gets the base rate.
    """

    features: tuple[Feature, ...]
    kind: str
    base_rate: float
    signal: bool
    axes: tuple[Axis, ...]
    parts: tuple[Tables | Trees, ...]

    @property
    def additive(self) -> bool:
        """Whether each feature adds what a table says, whatever the others are."""
        return all(isinstance(part, Tables) and not part.surfaces for part in self.parts)

    def log_odds(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Calibrated log-odds, one a row. `frame` holds the features' columns, null where missing; further columns are
        ignored, unseen categories count as rare ones. Raises `ValueError` for a column that lacks."""
        if not self.signal:
            return np.full(frame.height, _logit(self.base_rate))
        cells = self._cells(frame)
        total = np.zeros(frame.height)
        for part in self.parts:
            total += part.margin(cells)
        return total

    def contributions(self, frame: pl.DataFrame) -> tuple[float, NDArray[np.float64]]:
        """The base, and what each feature adds to it, (rows, features).

        Base and a row's contributions add up to its `log_odds`: to 1e-9 where the model is made of tables, to 1e-6
        where it is made of trees. A table's contribution is its value; a table of two features belongs to both in
        halves, and holds only what they do beyond each alone; for trees see `Trees`.
        """
        base, total = 0.0, np.zeros((frame.height, len(self.features)))
        if not self.signal:
            return _logit(self.base_rate), total
        cells = self._cells(frame)
        for part in self.parts:
            start, added = part.attributions(cells)
            base += start
            total += added
        return base, total

    def _cells(self, frame: pl.DataFrame) -> Cells:
        if lacking := [feature.name for feature in self.features if feature.name not in frame.columns]:
            raise ValueError(f"the model needs the columns {', '.join(lacking)}, and the frame has none of that name")
        cells = np.empty((frame.height, len(self.features)), np.int16, order="F")
        for place, (feature, axis) in enumerate(zip(self.features, self.axes, strict=True)):
            cells[:, place] = axis.cells(frame[feature.name])
        return cells

    def __setstate__(self, state: Mapping[str, object]) -> None:
        """From an artefact, which holds enumerations as their text."""
        self.__dict__.update(state)
        revived = tuple(
            replace(
                feature,
                type=FeatureType(feature.type),
                family=Family(feature.family),
                cause=None if feature.cause is None else Cause(feature.cause),
                needs=tuple(feature.needs),
            )
            for feature in self.features
        )
        self.__dict__["features"] = revived


def _logit(share: float) -> float:
    return float(np.log(share) - np.log1p(-share))
