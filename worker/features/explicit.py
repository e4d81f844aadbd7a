"""What they say they want: budget, authority, need and timeline, each with where it is from and how old it is."""

from __future__ import annotations

import polars as pl

from connectors.records import ActivityKind
from worker.features.acts import DAY
from worker.features.bant import ASKED, Item, months, told
from worker.features.feature import Family, FeatureType
from worker.features.known import Known
from worker.features.recipe import Shelf

EXPLICIT = Shelf(Family.EXPLICIT)

_DEMO = ActivityKind.DEMO_REQUEST


@EXPLICIT.feature("Budget (log10)", needs=("budget",), unit="powers of ten")
def budget_log(known: Known) -> pl.Series:
    budget = pl.col("budget")
    return known.attribute("budget").to_frame("budget").select(pl.when(budget > 0).then(budget.log10())).to_series()


@EXPLICIT.feature("Budget stated", FeatureType.FLAG, needs=("budget",))
def budget_stated(known: Known) -> pl.Series:
    return _met(known, Item.BUDGET)


@EXPLICIT.feature("Days since the budget was stated", needs=("budget",), unit="days")
def budget_age_days(known: Known) -> pl.Series:
    return told(known, Item.BUDGET)["age_days"]


@EXPLICIT.feature("Time to the purchase", needs=("timeline",), unit="months")
def timeline_months(known: Known) -> pl.Series:
    return months(known.attribute("timeline"))


@EXPLICIT.feature("Days since the timeline was stated", needs=("timeline",), unit="days")
def timeline_age_days(known: Known) -> pl.Series:
    return told(known, Item.TIMELINE)["age_days"]


@EXPLICIT.feature("Where the need is known from", FeatureType.CATEGORY, needs=("need", *ASKED))
def need_source(known: Known) -> pl.Series:
    """The field, or where it says nothing the newest act that asked for something."""
    return told(known, Item.NEED)["source"]


@EXPLICIT.feature("Days since the need was stated", needs=("need", *ASKED), unit="days")
def need_age_days(known: Known) -> pl.Series:
    return told(known, Item.NEED)["age_days"]


@EXPLICIT.feature("Authority", FeatureType.CATEGORY, needs=("authority", "title"))
def authority(known: Known) -> pl.Series:
    """`decides`, `influences`, `user` or `unknown` as stated; else inferred from the title."""
    return told(known, Item.AUTHORITY)["value"]


@EXPLICIT.feature("Where the authority is known from", FeatureType.CATEGORY, needs=("authority", "title"))
def authority_source(known: Known) -> pl.Series:
    return told(known, Item.AUTHORITY)["source"]


@EXPLICIT.feature("Days since the authority is known", needs=("authority", "title"), unit="days")
def authority_age_days(known: Known) -> pl.Series:
    return told(known, Item.AUTHORITY)["age_days"]


@EXPLICIT.feature(
    "Of budget, authority, need and timeline known",
    needs=("budget", "authority", "title", "need", "timeline", *ASKED),
    unit="of 4",
)
def bant_known(known: Known) -> pl.Series:
    items = pl.DataFrame({item.value: _met(known, item) for item in Item})
    return items.select(pl.sum_horizontal(pl.all().cast(pl.Float64))).to_series()


@EXPLICIT.feature("Demo requests, 90 days", needs=(_DEMO,), unit="requests", monotone=1)
def demo_requests_90d(known: Known) -> pl.Series:
    return known.acts.count(_DEMO, within=90 * DAY)


@EXPLICIT.feature("Days since the last demo request", needs=(_DEMO,), unit="days")
def days_since_demo_request(known: Known) -> pl.Series:
    return known.acts.newest(_DEMO)


def _met(known: Known, item: Item) -> pl.Series:
    return told(known, item)["met"].fill_null(False)
