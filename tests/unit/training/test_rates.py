"""What reasons quote is counted: a person once, only where enough people are, and never from a handful."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from worker.features.feature import Feature, FeatureType
from worker.scoring.model_parts import Axis
from worker.scoring.rates import Rates
from worker.training.rates import measured, of_rules
from worker.training.table import Table

VIEWS = Feature("views", "Views", FeatureType.NUMBER)
SOURCE = Feature("source", "Source", FeatureType.CATEGORY)
AXES = (Axis(np.array([0.0, 1.0, 5.0])), Axis(np.empty(0), ("web", "event"), True))


def table(copies: int = 1) -> Table:
    """800 people without a view, of whom 5 % convert, 200 with three, of whom 30 % do, 40 of an unknown count; of the
    sources the event has only 12 people. Each person has `copies` rows."""
    views = np.repeat([0.0, 3.0, np.nan], [800, 200, 40])
    label = np.concatenate([np.arange(800) < 40, np.arange(200) < 60, np.arange(40) < 4])
    source = np.where(np.arange(1040) < 12, "event", "web")
    frame = pl.DataFrame({"views": pl.Series(views, nan_to_null=True), "source": pl.Series(source)})
    rows = np.repeat(np.arange(1040), copies)
    return Table((VIEWS, SOURCE), frame[rows], label[rows], rows, np.full(rows.size, 1 / copies))


@pytest.mark.parametrize("copies", [1, 4])
def test_a_rate_is_that_of_the_people_with_the_value_over_everybodys(copies: int) -> None:
    rates = Rates.read(json.loads(json.dumps(measured(table(copies), AXES).plain())))
    base = 104 / 1040
    told = rates.times("views", pl.Series([0.0, 3.0, 5.0, None]))
    assert told[:3] == pytest.approx([0.05 / base, 0.3 / base, 0.3 / base], abs=1e-3)
    assert np.isnan(told[3]), "40 people are too few"
    told = rates.times("source", pl.Series(["web", "event", "fax"]))
    assert told[0] == pytest.approx((104 - 12) / 1028 / base, abs=1e-3)
    assert np.isnan(told[1:]).all(), "12 people, and nobody"


@pytest.mark.parametrize("copies", [1, 4])
def test_a_rules_rate_is_that_of_the_people_it_holds_for_over_everybodys(copies: int) -> None:
    made = table(copies)
    viewed = made.frame.get_column("views").fill_null(0.0) > 0
    event = made.frame.get_column("source") == "event"
    fired = pl.DataFrame({"viewed": viewed, "event": event, "nobody": pl.Series([False] * len(made))})
    assert of_rules(fired, made) == {"viewed": 3.0}, "12 people are too few, and nobody is"


def test_nothing_is_quoted_of_what_the_manifest_does_not_know() -> None:
    assert np.isnan(Rates.read(None).times("views", pl.Series([1.0]))).all()
    few = table().take(np.arange(30))
    assert measured(few, AXES).of == {}
