"""How often people like this one converted in the training data, beside everybody: the statistic in a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from worker.scoring.model_parts import Axis, Floats


@dataclass(frozen=True)
class Rates:
    """`of`: feature -> its bins, and by bin the rate of conversion over the base rate; NaN where too few people were in
    the bin to say. `rules`: the same of whom a point rule gave or took points, by what it `asks`; none where too few
    people were."""

    of: Mapping[str, tuple[Axis, Floats]] = field(default_factory=dict)
    rules: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, told: Mapping[str, Any] | None, rules: Mapping[str, float] | None = None) -> Rates:
        """From a model's manifest, features as `plain` wrote them; nothing is known of a model whose manifest has
        none."""
        return cls(
            {
                name: (
                    Axis(np.array(its.get("edges", ()), np.float64), tuple(its.get("levels", ())), "levels" in its),
                    np.array([np.nan if times is None else times for times in its["times"]], np.float64),
                )
                for name, its in (told or {}).items()
            },
            rules or {},
        )

    def plain(self) -> dict[str, Any]:
        """The features, for a manifest."""
        return {
            name: ({"levels": list(axis.levels)} if axis.is_category else {"edges": axis.edges.tolist()})
            | {"times": [None if np.isnan(each) else round(float(each), 3) for each in times]}
            for name, (axis, times) in self.of.items()
        }

    def times(self, feature: str, column: pl.Series) -> Floats:
        """By row, how many times as often as everybody those with such a value converted; NaN where nobody can say."""
        if feature not in self.of:
            return np.full(len(column), np.nan)
        axis, times = self.of[feature]
        found: Floats = times[axis.cells(column)]
        return found
