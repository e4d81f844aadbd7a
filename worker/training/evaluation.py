"""A table judged from end to end: leaks out, folds, a fit in each, and the report on what it had not seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.training.fit import Choice, Fit, fit
from worker.training.leakage import Verdict, judge, kept
from worker.training.learning import curve
from worker.training.metrics import Floats, Undefined
from worker.training.rivals import naive_bayes
from worker.training.split import Fold, split
from worker.training.table import Table
from worker.training.validation import About, Held, Report, validate

Progress = Callable[[float, str], None]

FOLDS = 5
ONE_FOLD_FROM = 100_000
"""Rows from which one held-out fifth says enough."""
NEWEST = 0.2
FEWEST = 10
BASE_RATE, NAIVE_BAYES = "base rate", "naive Bayes"


class CannotJudge(Exception):
    """Too little to hold out and to learn from: what there is, and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`folds` of row positions, their `names`, how they were made `words`, and whether the newest are held out."""

    folds: tuple[Fold, ...]
    names: tuple[str, ...]
    words: str
    by_time: bool


def evaluate(
    table: Table,
    *,
    title: str,
    subject: Mapping[str, str],
    horizon: timedelta = timedelta(0),
    folds: int | None = None,
    overrides: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    revenue: Floats | None = None,
    seed: int = 0,
    progress: Progress = lambda share, what: None,
) -> Report:
    """The report of the default pipeline on a table.

    With instants the newest fifth is held out and everything, the verdicts too, is learnt from labels that were known
    before it began; else in grouped shuffled folds (`folds` of them; None: five, one fifth of a large table), where the
    verdicts are on all rows: they only take columns away. `revenue`: what each row that converted brought, NaN where
    nobody knows; then the report says what leads were worth. Raises `CannotJudge`.
    """
    plan = planned(table, horizon, folds, seed)
    progress(0.0, "looking for leaks")
    verdicts = judge(table.take(plan.folds[0].train) if plan.by_time else table, overrides=overrides, seed=seed)
    clean = _clean(table, verdicts)
    fits, held = _fitted(clean, plan, horizon, seed, _part(progress, 0.1, 0.85))
    if revenue is not None:
        held = replace(held, outcomes=_outcomes(table, revenue, plan))
    last = fits[-1]
    learned, judged = (clean.take(rows).one_each() for rows in (plan.folds[-1].train, plan.folds[-1].test))
    known = horizon if plan.by_time else None
    learning = curve(learned, judged, last, horizon=known, seed=seed, progress=_part(progress, 0.85, 0.95))
    progress(0.95, "drawing up the report")
    about = About(
        title=title,
        subject={**subject, "Held out": plan.words},
        verdicts=verdicts,
        choice=words(last.choice),
        candidates=trials(last.choice),
        learning=learning,
        fold_names=plan.names,
        notes=[*notes, *_warnings(clean, fits)],
    )
    try:
        return validate(held, last.model, about, seed=seed)
    except Undefined as problem:
        raise CannotJudge(f"the held-out rows cannot be judged: {problem}") from None


def planned(table: Table, horizon: timedelta, folds: int | None, seed: int) -> Plan:
    """What is held out. Raises `CannotJudge`."""
    if table.at is not None:
        return _newest(table, table.at, horizon)
    count = folds or (FOLDS if len(table) < ONE_FOLD_FROM else 1)
    try:
        found = split(replace(table, at=None), seed=seed, shuffled=max(count, 2) if count > 1 else FOLDS).folds
    except ValueError as problem:
        raise CannotJudge(str(problem)) from None
    if count == 1:
        return Plan(found[:1], ("held out",), "a fifth of the people, by chance", False)
    names = tuple(f"fold {number}" for number in range(1, len(found) + 1))
    return Plan(found, names, f"{len(found)} shuffled folds, each person in one", False)


def _newest(table: Table, at: NDArray[np.datetime64], horizon: timedelta) -> Plan:
    begins = np.sort(at)[int((1 - NEWEST) * len(table))]
    test = np.flatnonzero(at >= begins)
    before = (at < begins) & (at + np.timedelta64(horizon) <= begins)
    train = np.flatnonzero(before & ~np.isin(table.person, table.person[test]))
    for rows, name in ((train, "before"), (test, "among the newest fifth")):
        won = int(table.label[rows].sum())
        if min(won, len(rows) - won) < FEWEST:
            raise CannotJudge(
                f"{name}, {won:,} rows converted and {len(rows) - won:,} did not: {FEWEST} of each are needed; bring "
                "more history, shorten --horizon, or leave --time out to judge on shuffled rows"
            )
    day = str(begins.astype("datetime64[D]"))
    purged = f", purged by {horizon.days} days" if horizon else ""
    words = f"the newest fifth, from {day}; learnt from {len(train):,} rows before{purged}"
    return Plan((Fold(train, test),), (f"from {day}",), words, True)


def _clean(table: Table, verdicts: Sequence[Verdict]) -> Table:
    names = kept(verdicts)
    if not names:
        raise CannotJudge("every column is suspicious, so none is left to learn from; --keep COLUMN=REASON keeps one")
    return table.only(names)


def _fitted(table: Table, plan: Plan, horizon: timedelta, seed: int, progress: Progress) -> tuple[list[Fit], Held]:
    fits: list[Fit] = []
    said: list[Floats] = []
    base: list[Floats] = []
    bayes: list[Floats] = []
    for number, fold in enumerate(plan.folds):
        train, test = table.take(fold.train).one_each(), table.take(fold.test)
        begin, name = number / len(plan.folds), plan.names[number]

        def told(share: float, what: str, begin: float = begin, name: str = name) -> None:
            progress(begin + share / len(plan.folds), f"{name}: {what}")

        fits.append(fit(train, seed=seed, progress=told, horizon=horizon if plan.by_time else None))
        said.append(fits[-1].model.log_odds(test.frame))
        rate = float(np.average(train.label, weights=train.weight))
        base.append(np.full(len(test), np.log(rate / (1 - rate))))
        bayes.append(naive_bayes(train, test))
    rows = np.concatenate([fold.test for fold in plan.folds])
    which = np.repeat(np.arange(len(plan.folds)), [len(fold.test) for fold in plan.folds])
    rivals = {BASE_RATE: np.concatenate(base), NAIVE_BAYES: np.concatenate(bayes)}
    return fits, Held(table.take(rows).one_each(), np.concatenate(said), which, rivals)


def _outcomes(table: Table, revenue: Floats, plan: Plan) -> pl.DataFrame:
    """What became of the rows held out, as `worth.aftermath` tells it: all are decided, nobody knows when."""
    rows = np.concatenate([fold.test for fold in plan.folds])
    won = pl.col("won")
    told = pl.DataFrame({"won": table.label[rows], "revenue": pl.Series(revenue[rows], nan_to_null=True)})
    return told.select(won, decided=pl.lit(True), days=pl.lit(None, pl.Float64), revenue=pl.when(won).then("revenue"))


def trials(choice: Choice) -> list[Mapping[str, object]]:
    """The candidates that were compared, from simple to complex, as the report shows them."""
    return [
        {
            "kind": trial.kind,
            "auc": trial.mean,
            "behind": trial.behind,
            "error": trial.error,
            "folds": list(trial.folds),
            "chosen": trial.kind == choice.kind,
        }
        for trial in choice.trials
    ]


def words(choice: Choice) -> str:
    """Why a candidate won."""
    reason = choice.reason if choice.reason.startswith(choice.kind) else f"{choice.kind}: {choice.reason}"
    return f"{reason}. Judged inside the training part, on {choice.split}."


def _warnings(table: Table, fits: Collection[Fit]) -> list[str]:
    found = []
    rarer = int(min(table.label.sum(), (~table.label).sum()))
    if rarer < 40:
        found.append(f"only {rarer} rows of the rarer class: every figure here is uncertain; 40 are the least to trust")
    without = sum(not each.model.signal for each in fits)
    if without:
        where = "" if without == len(fits) else f" in {without} of {len(fits)} folds"
        found.append(f"no signal{where}: nothing ranks people better than chance, so everybody gets the base rate")
    return found


def _part(progress: Progress, first: float, last: float) -> Progress:
    return lambda share, what: progress(first + (last - first) * min(1.0, share), what)
