"""What a head of sales and an analyst want to know before they trust a model: every figure of the report, pure.

Figures are on rows that the model was not fitted on. People weigh one each, intervals are over people, and a ranking is
judged within the fold that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.feature import Feature, FeatureType
from worker.scoring.model import Model
from worker.training import metrics
from worker.training.insight import (
    Dependence,
    Example,
    Importance,
    chance,
    dependences,
    examples,
    importance,
)
from worker.training.leakage import Verdict
from worker.training.metrics import Bin, Confusion, Floats, Interval, Slice, Undefined
from worker.training.table import Table

T = TypeVar("T")
BEST = (0.05, 0.10, 0.20)
FEWEST = 10
"""Rows of each class below which a part has no AUC of its own."""
SEGMENT_LEVELS, SEGMENTS = 8, 4
EXPLAINED = 2_000
_SEGMENT_WORDS = ("source", "country", "industry", "region", "segment", "channel", "visitor")
BUCKETS = (("top 5 %", 0.05), ("next 15 %", 0.20), ("next 30 %", 0.50), ("the rest", 1.0))


@dataclass(frozen=True, slots=True)
class Held:
    """Held-out rows and what a model that had not seen them said. `fold` (rows,): which model. `rivals`: log-odds of
    others on the same rows; of those named in `ranking_only`, whose scale is none of probability, only the order."""

    table: Table
    log_odds: Floats
    fold: NDArray[np.int64]
    rivals: Mapping[str, Floats]
    ranking_only: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Figures:
    """One model on some rows. None: not defined there. Log-loss in nats; `best`: share -> precision."""

    rows: int
    people: int
    conversions: int
    base_rate: float
    auc: Interval | None
    gini: Interval | None
    ks: float | None
    log_loss: float | None
    brier: float | None
    ece: float | None
    best: Mapping[str, float]
    lift: float | None


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of time or a segment. `predicted`: mean probability, to hold beside `rate`."""

    name: str
    rows: int
    conversions: int
    rate: float
    predicted: float
    auc: float | None


@dataclass(frozen=True, slots=True)
class BucketOutcome:
    """What became of the leads of a score bucket. None where the outcomes do not say."""

    bucket: str
    leads: int
    close_rate: float
    decided: int
    win_rate: float | None
    days_to_close: float | None
    revenue_per_lead: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `subject`: what was judged, in words, label -> text. `choice`: why this candidate, in words;
    `candidates`: the table behind that, as the fit gives it. `learning`: (rows, AUC) when fitted on so many."""

    title: str
    subject: Mapping[str, str]
    signal: bool
    kind: str
    choice: str
    candidates: Sequence[Mapping[str, object]]
    figures: Figures
    rivals: Mapping[str, Figures]
    folds: Mapping[str, Figures]
    deciles: Sequence[Slice]
    calibration: Sequence[Bin]
    confusion: Confusion
    over_time: Sequence[Part]
    segments: Mapping[str, Sequence[Part]]
    learning: Sequence[tuple[int, float]]
    verdicts: Sequence[Verdict]
    importance: Sequence[Importance]
    dependence: Sequence[Dependence]
    examples: Sequence[Example]
    business: Sequence[BucketOutcome]
    notes: Sequence[str]


def validate(
    held: Held,
    model: Model,
    *,
    title: str,
    subject: Mapping[str, str],
    verdicts: Sequence[Verdict] = (),
    choice: str = "",
    candidates: Sequence[Mapping[str, object]] = (),
    learning: Sequence[tuple[int, float]] = (),
    fold_names: Sequence[str] = (),
    threshold: float | None = None,
    outcomes: pl.DataFrame | None = None,
    notes: Sequence[str] = (),
    seed: int = 0,
) -> Report:
    """Every figure of the report.

    `model`: the one that is explained: that of the last fold, whose rows of `held` it has not seen. `threshold`: on the
    probability, for the confusion matrix; None: where the best fifth begins. `outcomes`: one row a row of `held`:
    decided bool, won bool, days f64, revenue f64, null where unknown. Raises `Undefined` where `held` has one class.
    """
    table, likely = held.table, chance(held.log_odds)
    if threshold is None:
        threshold = float(np.quantile(likely, 0.8, method="inverted_cdf"))
    folds = np.unique(held.fold)
    names = list(fold_names) or [f"fold {number + 1}" for number in range(len(folds))]
    last = np.flatnonzero(held.fold == folds[-1])
    some = _sampled(last, EXPLAINED, seed)
    explained = table.take(some)
    return Report(
        title=title,
        subject=subject,
        signal=model.signal,
        kind=model.kind,
        choice=choice,
        candidates=candidates,
        figures=figures(table, held.log_odds, held.fold, seed=seed),
        rivals={
            name: figures(table, score, held.fold, ranked=name in held.ranking_only, seed=seed)
            for name, score in held.rivals.items()
        },
        folds={
            name: figures(table.take(rows), held.log_odds[rows], held.fold[rows], seed=seed)
            for name, rows in zip(names, (np.flatnonzero(held.fold == each) for each in folds), strict=True)
        },
        deciles=_deciles(held),
        calibration=metrics.calibration(table.label, likely, table.weight),
        confusion=metrics.confusion(table.label, likely, threshold, table.weight),
        over_time=_over_time(held),
        segments=_segments(held),
        learning=learning,
        verdicts=verdicts,
        importance=importance(model, explained.frame),
        dependence=dependences(model, explained.frame),
        examples=examples(model, explained),
        business=() if outcomes is None else business(held, outcomes),
        notes=notes,
    )


def figures(table: Table, log_odds: Floats, fold: NDArray[np.int64], *, ranked: bool = False, seed: int = 0) -> Figures:
    """The figures of one set of predictions. `ranked`: their scale is none of probability."""
    label, weight, likely = table.label, table.weight, chance(log_odds)

    def interval() -> Interval:
        found = metrics.bootstrap({"auc": metrics.auc}, label, log_odds, table.person, weight, fold=fold, seed=seed)
        return found["auc"]

    auc = _maybe(interval)
    return Figures(
        rows=len(table),
        people=len(np.unique(table.person)),
        conversions=int(label.sum()),
        base_rate=float(np.average(label, weights=weight)),
        auc=auc,
        gini=None if auc is None else Interval(*(2 * end - 1 for end in auc)),
        ks=_maybe(lambda: _by_fold(fold, lambda rows: metrics.ks(label[rows], log_odds[rows], weight[rows]))),
        log_loss=None if ranked else metrics.log_loss(label, likely, weight),
        brier=None if ranked else metrics.brier(label, likely, weight),
        ece=None if ranked else metrics.ece(label, likely, weight),
        best={f"{share:g}": _precision(table, log_odds, fold, share) for share in BEST},
        lift=_maybe(
            lambda: _by_fold(fold, lambda rows: metrics.gains(label[rows], log_odds[rows], weight[rows], [0.1])[0].lift)
        ),
    )


def business(held: Held, outcomes: pl.DataFrame) -> list[BucketOutcome]:
    """Close rate, win rate, median days to close and mean revenue per lead by score bucket, best first."""
    order = np.argsort(-held.log_odds, kind="stable")
    ends = [round(until * len(order)) for _, until in BUCKETS]
    found = []
    for (name, _), start, end in zip(BUCKETS, [0, *ends], ends, strict=False):
        rows = outcomes[order[start:end]]
        if not rows.height:
            continue
        decided = rows.filter(pl.col("decided").fill_null(False))
        won = decided.filter(pl.col("won").fill_null(False))
        days = won["days"].median()
        paid = rows["revenue"].drop_nulls()
        found.append(
            BucketOutcome(
                bucket=name,
                leads=rows.height,
                close_rate=won.height / rows.height,
                decided=decided.height,
                win_rate=won.height / decided.height if decided.height else None,
                days_to_close=float(days) if isinstance(days, int | float) else None,
                revenue_per_lead=float(paid.sum()) / rows.height if len(paid) else None,
            )
        )
    return found


def _maybe(figure: Callable[[], T]) -> T | None:
    try:
        return figure()
    except Undefined:
        return None


def _by_fold(fold: NDArray[np.int64], figure: Callable[[NDArray[np.int64]], float]) -> float:
    return float(np.mean([figure(np.flatnonzero(fold == each)) for each in np.unique(fold)]))


def _precision(table: Table, log_odds: Floats, fold: NDArray[np.int64], share: float) -> float:
    def of(rows: NDArray[np.int64]) -> float:
        with suppress(Undefined):
            return metrics.precision_at(share, table.label[rows], log_odds[rows], table.weight[rows])
        return 0.0

    return _by_fold(fold, of)


def _deciles(held: Held) -> list[Slice]:
    """The mean of the folds' deciles."""
    table = held.table
    found = []
    for each in np.unique(held.fold):
        rows = held.fold == each
        with suppress(Undefined):
            found.append(metrics.gains(table.label[rows], held.log_odds[rows], table.weight[rows]))
    return [Slice(*map(float, row)) for row in np.mean(np.array(found), axis=0)]


def _part(name: str, held: Held, rows: NDArray[np.int64]) -> Part:
    table = held.table.take(rows)
    log_odds, fold = held.log_odds[rows], held.fold[rows]

    def auc(within: NDArray[np.int64]) -> float:
        return metrics.auc(table.label[within], log_odds[within], table.weight[within])

    enough = min(int(table.label.sum()), int((~table.label).sum())) >= FEWEST
    return Part(
        name=name,
        rows=len(table),
        conversions=int(table.label.sum()),
        rate=float(np.average(table.label, weights=table.weight)),
        predicted=float(np.average(chance(log_odds), weights=table.weight)),
        auc=_maybe(lambda: _by_fold(fold, auc)) if enough else None,
    )


def _over_time(held: Held) -> list[Part]:
    """Six slices of equal size, oldest first; nothing without instants."""
    at = held.table.at
    if at is None:
        return []
    order, days = np.argsort(at, kind="stable"), at.astype("datetime64[D]")
    return [_part(f"{days[rows[0]]} to {days[rows[-1]]}", held, rows) for rows in np.array_split(order, 6) if len(rows)]


def _segments(held: Held) -> dict[str, list[Part]]:
    """The categories that say where a lead comes from, else those with few levels; their largest levels."""

    def wanted(feature: Feature) -> bool:
        return feature.type is FeatureType.CATEGORY and 2 <= held.table.frame[feature.name].n_unique() <= 200

    features = [feature for feature in held.table.features if wanted(feature)]
    features.sort(key=lambda feature: not any(word in feature.name.lower() for word in _SEGMENT_WORDS))
    found = {}
    for feature in features[:SEGMENTS]:
        column = held.table.frame[feature.name].fill_null("(missing)").to_numpy()
        levels, counts = np.unique(column, return_counts=True)
        largest = levels[np.argsort(-counts, kind="stable")][:SEGMENT_LEVELS]
        found[feature.label] = [_part(str(level)[:40], held, np.flatnonzero(column == level)) for level in largest]
    return found


def _sampled(rows: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
