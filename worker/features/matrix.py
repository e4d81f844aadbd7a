"""The one function that turns facts into what models learn from and score: live and for training alike."""

from __future__ import annotations

import polars as pl

from worker.features.facts import Facts
from worker.features.feature import Feature, FeatureType
from worker.features.features import Features
from worker.features.known import Known


def matrix(facts: Facts, features: Features) -> pl.DataFrame:
    """person_id, as_of and one column a feature, typed as declared (numbers are finite); by person_id, of who had a
    record by their instant.

    Deterministic to the byte: the order of facts, facts that occurred or became known after a person's instant, and the
    company of other people change nothing. Raises `ValueError` for a person who is asked for twice.
    """
    known = Known(facts, features.catalogue, features.attributes, bots_count=features.bots_count)
    columns = [_column(recipe.compute(known), recipe.feature, len(known.people)) for recipe in features.recipes]
    numbers = [pl.col(feature.name) for feature in features if feature.type is FeatureType.NUMBER]
    # All at once, because a step of its own for each would cost more than the work. Adding 0.0 makes -0.0 plain 0.
    finite = [pl.when(number.is_finite()).then(number + 0.0) for number in numbers]
    return known.people.select("person_id", "as_of").with_columns(columns).with_columns(finite)


def _column(values: pl.Series, feature: Feature, people: int) -> pl.Series:
    if len(values) != people:
        raise ValueError(f"feature {feature.name}: {len(values)} values for {people} people")
    return values.cast(feature.type.dtype).alias(feature.name)
