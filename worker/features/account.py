"""What others at their account do."""

from __future__ import annotations

import polars as pl

from worker.features.engagement import PROSPECTS
from worker.features.feature import Family
from worker.features.known import Known
from worker.features.recipe import Shelf

ACCOUNT = Shelf(Family.ENGAGEMENT)

_AS_OF = "acts of who belonged to the account, known by then"


@ACCOUNT.feature("Colleagues who did something, 30 days", needs=PROSPECTS, unit="people", as_of=_AS_OF)
def engaged_colleagues_30d(known: Known) -> pl.Series:
    return known.colleagues.engaged if known.colleagues else _unknown(known)


@ACCOUNT.feature("Days on which colleagues did something, 30 days", needs=PROSPECTS, unit="days", as_of=_AS_OF)
def colleagues_active_days_30d(known: Known) -> pl.Series:
    """Each colleague's days, added up."""
    return known.colleagues.active_days if known.colleagues else _unknown(known)


def _unknown(known: Known) -> pl.Series:
    return pl.Series([None], dtype=pl.Float64).new_from_index(0, len(known.people))
