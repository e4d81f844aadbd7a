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

from worker.scoring.model import Model
from worker.training import metrics, parts, worth
from worker.training.insight import Dependence, Example, Importance, chance, dependences, examples, importance
from worker.training.leakage import Verdict
from worker.training.metrics import Bin, Confusion, Floats, Interval, Slice, Undefined
from worker.training.parts import Part
from worker.training.table import Table
from worker.training.worth import Bucket, BucketOutcome

T = TypeVar("T")
OURS = "this model"
BEST = (0.05, 0.10, 0.20)
EXPLAINED = 2_000
"""Held-out rows that importance, dependence and examples are taken from."""


@dataclass(frozen=True, slots=True)
class Held:
    """Held-out rows and what a model that had not seen them said. `fold` (rows,): which model. `rivals`: log-odds of
    others on the same rows; of those named in `ranking_only`, whose scale is none of probability, only the order.
    `outcomes`: a row each, as `worth.aftermath` gives them."""

    table: Table
    log_odds: Floats
    fold: NDArray[np.int64]
    rivals: Mapping[str, Floats]
    ranking_only: frozenset[str] = frozenset()
    outcomes: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Ladder:
    """How scores are called. `buckets` from the highest, none: shares of the leads. `called`: from this probability on
    a lead is called, in the confusion matrix; None: the best fifth. `words` for that, as in "an MQL (70 points)"."""

    buckets: tuple[Bucket, ...] = ()
    called: float | None = None
    words: str = "the best fifth"


@dataclass(frozen=True, slots=True)
class Figures:
    """One model on some rows. None: not defined there. Log-loss in nats; `best`: share -> precision; `lift`: that of
    the best tenth."""

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
class About:
    """What the figures do not say. `subject`: what was judged, label -> text. `choice`: why this candidate, in words;
    `candidates`: the table behind that, as the fit gives it. `learning`: (rows, AUC) when fitted on so many. `people`:
    whether rows are people of ours, whom a number leads to."""

    title: str
    subject: Mapping[str, str]
    verdicts: Sequence[Verdict] = ()
    choice: str = ""
    candidates: Sequence[Mapping[str, object]] = ()
    learning: Sequence[tuple[int, float]] = ()
    fold_names: Sequence[str] = ()
    notes: Sequence[str] = ()
    people: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `folds`: fold -> model -> figures. `called`: whom the confusion matrix calls, in words."""

    about: About
    signal: bool
    kind: str
    figures: Figures
    rivals: Mapping[str, Figures]
    folds: Mapping[str, Mapping[str, Figures]]
    deciles: Sequence[Slice]
    calibration: Sequence[Bin]
    confusion: Confusion
    called: str
    over_time: Sequence[Part]
    segments: Mapping[str, Sequence[Part]]
    importance: Sequence[Importance]
    dependence: Sequence[Dependence]
    examples: Sequence[Example]
    business: Sequence[BucketOutcome]


DEFAULT_LADDER = Ladder()


def validate(held: Held, model: Model, about: About, ladder: Ladder = DEFAULT_LADDER, *, seed: int = 0) -> Report:
    """Every figure of the report.

    `model`: the one that is explained: that of the last fold, whose rows of `held` it has not seen. Raises `Undefined`
    where `held` has one class.
    """
    table, likely = held.table, chance(held.log_odds)
    if table.label.all() or not table.label.any():
        raise Undefined("every held-out row is of one class")
    called = ladder.called
    if called is None:
        called = float(np.quantile(likely, 0.8, method="inverted_cdf"))
    last = np.flatnonzero(held.fold == held.fold.max())
    explained = table.take(_sampled(last, EXPLAINED, seed))
    features = {feature.name for feature in model.features}
    everybody = _everybody(held, np.arange(len(table)), seed)
    return Report(
        about=about,
        signal=model.signal,
        kind=model.kind,
        figures=everybody[OURS],
        rivals={name: its for name, its in everybody.items() if name != OURS},
        folds=_folds(held, about.fold_names, everybody, seed),
        deciles=_deciles(held),
        calibration=metrics.calibration(table.label, likely, table.weight),
        confusion=metrics.confusion(table.label, likely, called, table.weight),
        called=ladder.words,
        over_time=parts.over_time(table, held.log_odds, held.fold),
        segments=parts.segments(table, held.log_odds, held.fold, features),
        importance=importance(model, explained.frame),
        dependence=dependences(model, explained.frame),
        examples=examples(model, explained, numbered=about.people),
        business=()
        if held.outcomes is None
        else worth.by_bucket(table, held.log_odds, held.outcomes, ladder.buckets, seed=seed),
    )


def figures(table: Table, log_odds: Floats, fold: NDArray[np.int64], *, ranked: bool = False, seed: int = 0) -> Figures:
    """The figures of one set of predictions. `ranked`: their scale is none of probability."""
    label, weight, likely = table.label, table.weight, chance(log_odds)

    def interval() -> Interval:
        found = metrics.bootstrap({"auc": metrics.auc}, label, log_odds, table.person, weight, fold=fold, seed=seed)
        return found["auc"]

    def lift(rows: NDArray[np.int64]) -> float:
        return metrics.gains(label[rows], log_odds[rows], weight[rows], [0.1])[0].lift

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
        lift=_maybe(lambda: _by_fold(fold, lift)),
    )


def _everybody(held: Held, rows: NDArray[np.int64], seed: int) -> dict[str, Figures]:
    """Ours and the rivals' on these rows."""
    table, fold = held.table.take(rows), held.fold[rows]
    return {
        name: figures(table, said[rows], fold, ranked=name in held.ranking_only, seed=seed)
        for name, said in {OURS: held.log_odds, **held.rivals}.items()
    }


def _folds(
    held: Held, names: Sequence[str], everybody: Mapping[str, Figures], seed: int
) -> dict[str, Mapping[str, Figures]]:
    numbers = np.unique(held.fold)
    given = list(names) or [f"fold {number}" for number in range(1, len(numbers) + 1)]
    if len(numbers) == 1:
        return {given[0]: everybody}
    return {
        name: _everybody(held, np.flatnonzero(held.fold == number), seed)
        for name, number in zip(given, numbers, strict=True)
    }


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


def _sampled(rows: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
