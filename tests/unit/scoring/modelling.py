"""A model by hand: three features, every table known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from worker.features.feature import Family, Feature, FeatureType
from worker.scoring.model import Model
from worker.scoring.model_parts import Axis, Shape, Tables

VISITS = Feature(
    "visits", "Pricing-page views", FeatureType.NUMBER, Family.ENGAGEMENT, unit="views", needs=("page_view",)
)
COUNTRY = Feature("country", "Country", FeatureType.CATEGORY, needs=("country",))
ASKED = Feature("asked", "Asked for a demo", FeatureType.FLAG, Family.EXPLICIT)

BASE = -3.0
VISITS_ADD = (-0.5, 0.7, 1.9, -0.1)
COUNTRY_ADD = (0.4, -0.3, 0.0, 0.05)
ASKED_ADD = (-0.2, 1.1, 0.0)

MODEL = Model(
    features=(VISITS, COUNTRY, ASKED),
    kind="additive",
    base_rate=0.06,
    signal=True,
    axes=(
        Axis(np.array([0.0, 5.0])),
        Axis(np.empty(0), levels=("DE", "US"), is_category=True),
        Axis(np.array([0.0])),
    ),
    parts=(
        Tables(
            BASE,
            (
                Shape(0, np.array(VISITS_ADD)),
                Shape(1, np.array(COUNTRY_ADD)),
                Shape(2, np.array(ASKED_ADD)),
            ),
        ),
    ),
)
"""Visits: none, up to 5, more, unknown. Country: DE, US, any other, unknown. Asked: no, yes, unknown."""


def shifted(by: float) -> Model:
    """The same model with another base."""
    (part,) = MODEL.parts
    assert isinstance(part, Tables)
    return replace(MODEL, parts=(replace(part, base=part.base + by),))


def matrix(rows: Sequence[tuple[int, float | None, str | None, bool | None]]) -> pl.DataFrame:
    """person_id and the features of each."""
    return pl.DataFrame(
        rows,
        {"person_id": pl.Int64, "visits": pl.Float64, "country": pl.String, "asked": pl.Boolean},
        orient="row",
    )
