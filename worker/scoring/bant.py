"""BANT for a rep: how many of the four answers are known, and which question comes next."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from worker.features.bant import Item
from worker.scoring.wording import Wording

LONGEST = 80
"""Characters: what the CRM's field holds."""


def known(evidence: pl.DataFrame) -> dict[int, frozenset[Item]]:
    """By person, the items that `evidence` (as `worker.features.bant.evidence` gives it) says are met; who has none is
    left out."""
    met = evidence.filter(pl.col("met")).select("person_id", pl.col("item").cast(pl.String))
    found = met.group_by("person_id").agg("item")
    return {person: frozenset(map(Item, items)) for person, items in found.iter_rows()}


def missing(items: Collection[Item]) -> Item | None:
    """What to ask next: the first that is not known, in the order of the four."""
    return next((item for item in Item if item not in items), None)


def text(items: Collection[Item], wording: Wording) -> str:
    """As the CRM holds it: n of 4, and the question to ask."""
    count, item = str(len(items)), missing(items)
    if item is None:
        return wording.text("bant", known=count)[:LONGEST]
    return wording.text("bant_ask", known=count, question=wording.text(f"ask_{item.value}"))[:LONGEST]
