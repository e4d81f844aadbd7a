"""The one function that says what was known about people, each at an instant of their own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from worker.features.activities import distinct
from worker.features.attributes import attribute_columns
from worker.features.catalogue import Catalogue
from worker.features.facts import Facts
from worker.features.instant import visible


@dataclass(frozen=True, slots=True)
class FeatureFrame:
    """People as they were known, each at the instant `as_of`.

    `people`: one row a person who existed then, by person_id: person_id i64, as_of and one typed column an attribute.
    `activities`: person_id i64, kind, detail, second (of the epoch, i64), age (at the person's instant, seconds, f64),
    n u32; each act once, rows in any order.
    """

    people: pl.DataFrame
    activities: pl.DataFrame


def build(facts: Facts, catalogue: Catalogue, attributes: Collection[str]) -> FeatureFrame:
    """Only facts that are visible at the person's instant are seen; the order of rows changes nothing.

    `attributes` are the names of `catalogue` that get a column. Raises `ValueError` for a name that is not in the
    catalogue, and for a person who is asked for twice.
    """
    if unknown := set(attributes) - catalogue.attributes.keys():
        raise ValueError(f"attributes not in the catalogue: {', '.join(sorted(unknown))}")
    people = existing(facts)
    known = visible(facts.attributes.lazy(), people)
    return FeatureFrame(
        attribute_columns(known, people.select("person_id", "as_of"), catalogue, attributes),
        distinct(visible(facts.activities.lazy(), people)),
    )


def existing(facts: Facts) -> pl.DataFrame:
    """The rows of `facts.people` who have a record by their instant, by person_id. Raises `ValueError` for a person who
    is asked for twice: several instants of one person are several frames."""
    people = facts.people.filter(pl.col("created_at") <= pl.col("as_of")).sort("person_id")
    if (people.get_column("person_id").diff() == 0).any():
        raise ValueError("facts.people: a person is asked for twice; several instants of one person are several frames")
    return people
