"""Acts that no person did: mail scanners follow every link of a mail as it arrives, crawlers every link of a page.

HubSpot says of some opens and clicks that a bot made them, and those never get here. The rest is told by evidence that
a person cannot give, in whole seconds. Nothing is deleted: `Features` says whether marked acts count.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from connectors.records import ActivityKind
from worker.features.acts import Acts, moments

BURST_LINKS, BURST_SECONDS = 3, 2
"""So many different links within so many seconds are a machine's."""

AT_DELIVERY: Mapping[ActivityKind, int] = {ActivityKind.EMAIL_OPEN: 3, ActivityKind.EMAIL_CLICK: 10}
"""What happens at most so many seconds after the mail came is a machine's: nobody reads that fast."""

DELIVERIES = (ActivityKind.EMAIL_DELIVERY, ActivityKind.CAMPAIGN_SEND)
PAGES = (ActivityKind.PAGE_VIEW, ActivityKind.PRICING_PAGE_VIEW, ActivityKind.CAREERS_PAGE_VIEW)
JUDGED = (*AT_DELIVERY, *PAGES)
"""The kinds that machines act in."""

_COARSE = (0, 59)
"""Seconds of a minute at which everything lies that is known to the minute or the day only: no evidence of haste."""


def automatic(acts: Acts) -> dict[ActivityKind, NDArray[np.bool_]]:
    """For each kind that machines act in, which of its rows are theirs."""
    clicks = _bursts({ActivityKind.EMAIL_CLICK: acts.rows(ActivityKind.EMAIL_CLICK)})
    marks = clicks | _bursts({kind: acts.rows(kind) for kind in PAGES})
    deliveries = np.sort(moments(acts.rows(*DELIVERIES)))
    for kind, seconds in AT_DELIVERY.items():
        hasty = _at_delivery(acts.rows(kind), deliveries, seconds)
        marks[kind] = marks[kind] | hasty if kind in marks else hasty
    return {kind: mark for kind, mark in marks.items() if len(mark)}


def _at_delivery(rows: pl.DataFrame, deliveries: NDArray[np.int64], seconds: int) -> NDArray[np.bool_]:
    at = moments(rows)
    if not len(deliveries) or not len(at):
        return np.zeros(len(at), dtype=np.bool_)
    before = np.searchsorted(deliveries, at, side="right") - 1
    since = at - deliveries[before.clip(min=0)]
    coarse = (since == 0) & np.isin(rows.get_column("second").to_numpy() % 60, _COARSE)
    hasty: NDArray[np.bool_] = (before >= 0) & (since <= seconds) & ~coarse
    return hasty


def _bursts(parts: Mapping[ActivityKind, pl.DataFrame]) -> dict[ActivityKind, NDArray[np.bool_]]:
    at = {kind: moments(rows) for kind, rows in parts.items()}
    ordered = np.sort(np.concatenate([*at.values()]))
    dense = np.flatnonzero(ordered[BURST_LINKS - 1 :] - ordered[: len(ordered) - BURST_LINKS + 1] <= BURST_SECONDS)
    if not len(dense):  # as nearly always: then no link needs to be looked at
        return {kind: np.zeros(len(moment), dtype=np.bool_) for kind, moment in at.items()}
    crowded = pl.Series(np.unique(ordered[(dense[:, None] + np.arange(BURST_LINKS)).ravel()])).implode()
    links = pl.concat(
        [
            rows.select("detail", "second", at=pl.Series(at[kind])).filter(pl.col("at").is_in(crowded))
            for kind, rows in parts.items()
        ]
    )
    begins = pl.concat([links.with_columns(begin=pl.col("at") - offset) for offset in range(BURST_SECONDS + 1)])
    machine = (
        begins.group_by("begin")
        .agg(links=pl.col("detail").drop_nulls().n_unique(), first=pl.col("second").min(), last=pl.col("second").max())
        .filter(pl.col("links") >= BURST_LINKS)
        .filter((pl.col("first") < pl.col("last")) | ~(pl.col("first") % 60).is_in(_COARSE))
        .get_column("begin")
        .to_numpy()
    )
    theirs = np.unique((machine[:, None] + np.arange(BURST_SECONDS + 1)).ravel())
    return {kind: np.isin(moment, theirs) for kind, moment in at.items()}
