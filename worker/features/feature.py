"""What a feature is: a column that scoring and training share, and what everybody needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from connectors.records import Cause


class FeatureType(StrEnum):
    """How a column is typed. Null is *missing*, which is a value of its own to every model."""

    NUMBER = "number"  # f64, finite
    FLAG = "flag"  # bool
    CATEGORY = "category"  # text

    @property
    def dtype(self) -> pl.DataType:
        return _DTYPES[self]


_DTYPES: Mapping[FeatureType, pl.DataType] = {
    FeatureType.NUMBER: pl.Float64(),
    FeatureType.FLAG: pl.Boolean(),
    FeatureType.CATEGORY: pl.String(),
}


class Family(StrEnum):
    """The subtotal that a feature's contribution goes to."""

    FIT = "fit"  # who they are
    ENGAGEMENT = "engagement"  # what they do
    EXPLICIT = "explicit"  # what they say they want: budget, authority, need, timeline
    TIMING = "timing"  # when: recency, trend, age of the lead


@dataclass(frozen=True, slots=True)
class Feature:
    """`name` is the column's; `label` is what people read; `unit` what a number counts (empty where it counts nothing).

    `needs`: the attributes and activity kinds that it is computed from. `as_of`: one sentence, how its value at a past
    instant is known. `monotone`: 1 where more can never mean less likely to convert, -1 the reverse, 0 unconstrained;
    only numbers and flags may carry one. `cause`: who makes the fact behind it happen (what sales causes is downstream
    of the score); None where nobody has said. `stable`: today's value is taken for a past instant, as an assumption
    that the leakage report tests.
    """

    name: str
    label: str
    type: FeatureType
    family: Family = Family.FIT
    cause: Cause | None = None
    unit: str = ""
    needs: tuple[str, ...] = ()
    as_of: str = ""
    monotone: int = 0
    stable: bool = False
