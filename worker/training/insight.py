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
ASKED = 500
"""Rows that partial dependence is averaged over, about."""
LEVELS, COMMON = 10, 5
"""Levels of a category that are shown, and the rows below which one is not: a rare one may tell of a person."""
COUNTED = ("minutes", "hours", "days", "months")
"""Units that are said with a value; others a feature's label tells."""
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
    """One held-out lead, without a name. `person`: by what number, None where rows have none. `rank`: the share of
    leads that score higher."""

    person: int | None
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
    """Of the strongest features."""
    strongest = [by_name[each.feature] for each in importance(model, frame)[:DEPENDENCES]]
    some = frame.gather_every(max(1, frame.height // ASKED))  # the order may be that of time: not the first ones
    return [_dependence(model, some, frame[feature.name], feature) for feature in strongest]


def _dependence(model: Model, frame: pl.DataFrame, column: pl.Series, feature: Feature) -> Dependence:
    """Partial dependence (Friedman 2001): the mean prediction with one feature held at a value for everybody."""
    known = column.drop_nulls()
    values: list[str | float | bool | None]
    if feature.type is FeatureType.NUMBER:
        marks = np.unique(np.quantile(known.to_numpy(), np.linspace(0.02, 0.98, 25), method="inverted_cdf"))
        values = [float(mark) for mark in marks]
        shares = [1 / len(values)] * len(values)
    else:
        counts = known.value_counts(name="rows").sort("rows", feature.name, descending=[True, False])
        common = counts.filter(pl.col("rows") >= COMMON)
        counts = (common if common.height else counts).head(LEVELS)
        values = counts[feature.name].to_list()
        shares = [count / len(column) for count in counts["rows"]]
    if column.null_count():
        values.append(None)
        shares.append(column.null_count() / len(column))
    held = [frame.with_columns(pl.lit(value, feature.type.dtype).alias(feature.name)) for value in values]
    likely = chance(model.log_odds(pl.concat(held))).reshape(len(values), -1).mean(axis=1)
    points = [
        Point(in_words(value) if isinstance(value, bool | str) else value, float(said), float(share))
        for value, said, share in zip(values, likely, shares, strict=True)
    ]
    return Dependence(feature.name, feature.label, feature.type is FeatureType.NUMBER, tuple(points))


def examples(model: Model, table: Table, *, numbered: bool) -> list[Example]:
    """Ten leads from the best to the worst, evenly spaced. `numbered`: whether the table's persons are numbers that
    mean something outside of it."""
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
                value = in_words(chosen.frame[feature.name][row], feature.unit)
                reasons.append(Reason(feature.label, value, float(moved[number])))
        likely = float(chance(log_odds[order[place : place + 1]])[0])
        person = int(chosen.person[row]) if numbered else None
        found.append(Example(person, float(place / len(order)), likely, bool(chosen.label[row]), tuple(reasons)))
    return found


def in_words(value: object, unit: str = "") -> str:
    """`unit`: what a number counts, as `Feature.unit` says."""
    match value:
        case None:
            return "missing"
        case bool():
            return "yes" if value else "no"
        case float():
            whole = value.is_integer() or abs(value) >= 1000
            said = f"{value:,.0f}" if whole else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
            return f"{said} {unit}" if unit in COUNTED else said
        case _:
            text = " ".join(str(value).split())
            return text if len(text) <= 32 else text[:31].rstrip() + "\u2026"
