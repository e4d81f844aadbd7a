"""When: how long ago, how fast, more or less than before."""

from __future__ import annotations

import numpy as np
import polars as pl

from connectors.records import Cause
from worker.features.acts import DAY
from worker.features.engagement import PROSPECTS
from worker.features.feature import Family
from worker.features.known import Known
from worker.features.recipe import Shelf
from worker.features.visits import WEB

TIMING = Shelf(Family.TIMING)

_HOUR = 24.0


@TIMING.feature("Age of the lead", needs=(), unit="days", cause=Cause.SYSTEM, as_of="when the first record was made")
def lead_age_days(known: Known) -> pl.Series:
    return known.days_since(known.created_at)


@TIMING.feature(
    "Days since a field changed (but for what sales fills)", needs=(), unit="days", as_of="values known then"
)
def days_since_change(known: Known) -> pl.Series:
    return known.days_since(known.changed_at)


@TIMING.feature("Days since the last act", needs=PROSPECTS, unit="days")
def days_since_act(known: Known) -> pl.Series:
    return known.acts.newest(*PROSPECTS)


@TIMING.feature("Days since the last visit of the website", needs=WEB, unit="days")
def days_since_visit(known: Known) -> pl.Series:
    return known.acts.newest(*WEB)


@TIMING.feature("Trend of engagement: 30 days against the 30 before", needs=PROSPECTS, unit="log2 of the ratio")
def engagement_trend(known: Known) -> pl.Series:
    """0 where nothing changed, 1 where about twice as much happened. One act is added to both, so that few acts say
    little."""
    recent = known.acts.count(*PROSPECTS, within=30 * DAY)
    before = known.acts.count(*PROSPECTS, within=60 * DAY) - recent
    return ((recent + 1) / (before + 1)).log(2)


@TIMING.feature("Hours from the record's creation to the first act after it", needs=PROSPECTS, unit="hours")
def hours_to_first_act(known: Known) -> pl.Series:
    age = known.days_since(known.created_at)
    # Acts are known to the second: one in the second of the creation is not before it.
    first = known.acts.oldest(*PROSPECTS, not_before=np.ceil(age.to_numpy() * DAY.total_seconds()))
    return ((age - first) * _HOUR).clip(lower_bound=0)
