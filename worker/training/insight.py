"""What moves a model's predictions, and ten leads to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from worker.features.feature import Feature, FeatureType
from worker.scoring.model import Model
from worker.training.metrics import Floats
from worker.training.table import Table

DEPENDENCES, EXAMPLES, REASONS = 6, 10, 5
LEAST = 0.005
"""Log-odds below which a reason is none."""


@dataclass(frozen=True, slots=True)
class Importance:
    """`weight`: how far a feature moves a lead from the average one, in log-odds, on average."""

    feature: str
    label: str
    weight: float


@dataclass(frozen=True, slots=True)
class Point:
    """`value`: where the feature is held for everybody; `probability`: what the model then says on average; `share`: of
    rows that have about it."""

    value: str | float | None
    probability: float
    share: float


@dataclass(frozen=True, slots=True)
class Dependence:
    feature: str
    label: str
    numeric: bool
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    label: str
    value: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class Example:
    """One held-out lead, without a name. `rank`: the share of leads that score higher."""

    rank: float
    probability: float
    converted: bool
    reasons: tuple[Reason, ...]


def chance(log_odds: Floats) -> Floats:
    """The probability that log-odds stand for."""
    return 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))


def importance(model: Model, frame: pl.DataFrame) -> list[Importance]:
    """Mean distance of a feature's contributions from their mean, largest first; features that move nobody left out."""
    _, added = model.contributions(frame)
    weights = np.abs(added - added.mean(axis=0)).mean(axis=0)
    found = [
        Importance(feature.name, feature.label, float(weight))
        for feature, weight in zip(model.features, weights, strict=True)
        if weight > 1e-9
    ]
    return sorted(found, key=lambda each: (-each.weight, each.feature))


def dependences(model: Model, frame: pl.DataFrame) -> list[Dependence]:
    by_name = {feature.name: feature for feature in model.features}
    strongest = [by_name[each.feature] for each in importance(model, frame)[:DEPENDENCES]]
    return [_dependence(model, frame.head(500), frame[feature.name], feature) for feature in strongest]


def _dependence(model: Model, frame: pl.DataFrame, column: pl.Series, feature: Feature) -> Dependence:
    """Partial dependence (Friedman 2001): the mean prediction with one feature held at a value for everybody."""
    known = column.drop_nulls()
    values: list[str | float | bool | None]
    if feature.type is FeatureType.NUMBER:
        marks = np.unique(np.quantile(known.to_numpy(), np.linspace(0.02, 0.98, 25), method="inverted_cdf"))
        values = [float(mark) for mark in marks]
        shares = [1 / len(values)] * len(values)
    else:
        counts = column.value_counts(sort=True).filter(pl.col(feature.name).is_not_null()).head(10)
        values = counts[feature.name].to_list()
        shares = [count / len(column) for count in counts["count"]]
    if column.null_count():
        values.append(None)
        shares.append(column.null_count() / len(column))
    points = []
    for value, share in zip(values, shares, strict=True):
        asked = frame.with_columns(pl.lit(value, feature.type.dtype).alias(feature.name))
        shown = in_words(value) if isinstance(value, bool | str) else value
        points.append(Point(shown, float(chance(model.log_odds(asked)).mean()), float(share)))
    return Dependence(feature.name, feature.label, feature.type is FeatureType.NUMBER, tuple(points))


def examples(model: Model, table: Table) -> list[Example]:
    """Ten leads from the best to the worst, evenly spaced."""
    log_odds = model.log_odds(table.frame)
    order = np.argsort(-log_odds, kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, EXAMPLES).astype(np.int64))
    chosen = table.take(order[places])
    _, added = model.contributions(chosen.frame)
    average = model.contributions(table.frame)[1].mean(axis=0)
    found = []
    for row, place in enumerate(places):
        moved = added[row] - average
        reasons = []
        for number in np.argsort(-np.abs(moved), kind="stable")[:REASONS]:
            feature = model.features[number]
            if abs(moved[number]) > LEAST:
                value = in_words(chosen.frame[feature.name][row])
                reasons.append(Reason(feature.label, value, float(moved[number])))
        likely = float(chance(log_odds[order[place : place + 1]])[0])
        found.append(Example(float(place / len(order)), likely, bool(chosen.label[row]), tuple(reasons)))
    return found


def in_words(value: object) -> str:
    match value:
        case None:
            return "missing"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}"
        case _:
            text = " ".join(str(value).split())
            return text if len(text) <= 32 else text[:31].rstrip() + "\u2026"
