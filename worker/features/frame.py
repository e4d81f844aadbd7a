"""The one function that says what was known about people at an instant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from worker.features.activities import distinct
from worker.features.attributes import attribute_columns
from worker.features.catalogue import Catalogue
from worker.features.facts import Facts


@dataclass(frozen=True, slots=True)
class FeatureFrame:
    """People as they were known at `as_of`.

    `people`: one row a person who existed then, by person_id: person_id i64 and one typed column an attribute.
    `activities`: person_id i64, kind, detail, second (of the epoch, i64), n u32; each act once, rows in any order.
    """

    as_of: datetime
    people: pl.DataFrame
    activities: pl.DataFrame


def build(facts: Facts, as_of: datetime, catalogue: Catalogue, attributes: Collection[str]) -> FeatureFrame:
    """Only facts with `occurred_at` and `known_at` at or before `as_of` are seen; the order of rows changes nothing.

    `attributes` are the names of `catalogue` that get a column. Raises `ValueError` for a naive `as_of` and for a name
    that is not in the catalogue.
    """
    if as_of.tzinfo is None:
        raise ValueError("as_of: a time zone is missing; give an aware instant")
    if unknown := set(attributes) - catalogue.attributes.keys():
        raise ValueError(f"attributes not in the catalogue: {', '.join(sorted(unknown))}")
    visible = (pl.col("occurred_at") <= as_of) & (pl.col("known_at") <= as_of)
    people = facts.people.filter(pl.col("created_at") <= as_of).select("person_id").sort("person_id")
    return FeatureFrame(
        as_of,
        attribute_columns(facts.attributes.lazy().filter(visible), people, catalogue, attributes),
        distinct(facts.activities.lazy().filter(visible)),
    )
