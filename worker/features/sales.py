"""What sales does and fills in: it follows from how good a lead looks, so models of who buys leave it out."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from connectors.records import ActivityKind, Cause
from worker.features.acts import DAY
from worker.features.feature import Family, FeatureType
from worker.features.known import Known
from worker.features.recipe import Compute, Shelf

SALES = Shelf(Family.ENGAGEMENT)

_TOUCHES = tuple(kind for kind in ActivityKind if kind.cause is Cause.SALES)
_LABELS: Mapping[ActivityKind, str] = {
    ActivityKind.SALES_EMAIL: "E-mails by sales",
    ActivityKind.SALES_CALL: "Calls by sales",
    ActivityKind.MEETING: "Meetings",
    ActivityKind.NOTE: "Notes by sales",
    ActivityKind.TASK: "Tasks of sales",
}


def _counted(kind: ActivityKind) -> Compute:
    return lambda known: known.acts.count(kind, within=90 * DAY)


for _kind, _label in _LABELS.items():
    SALES.feature(f"{_label}, 90 days", needs=(_kind,), unit="acts", name=f"{_kind.value}s_90d")(_counted(_kind))


@SALES.feature("Days since sales last did something", needs=_TOUCHES, unit="days")
def days_since_sales(known: Known) -> pl.Series:
    return known.acts.newest(*_TOUCHES)


@SALES.feature("Status", FeatureType.CATEGORY, needs=("status",))
def status(known: Known) -> pl.Series:
    return known.attribute("status").str.to_lowercase()


@SALES.feature("Lifecycle stage", FeatureType.CATEGORY, needs=("lifecycle_stage",))
def lifecycle_stage(known: Known) -> pl.Series:
    return known.attribute("lifecycle_stage").str.to_lowercase()


@SALES.feature("Owner", FeatureType.CATEGORY, needs=("owner",))
def owner(known: Known) -> pl.Series:
    return known.attribute("owner")
