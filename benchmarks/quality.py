"""The default pipeline beside the libraries that people reach for: the same rows, the same folds, one run. Then the
same sets with columns that know the future left in, and noise as the target.

Needs the rivals (`requirements-bench.lock`) and the data. Seconds are of the processor, with as many threads for each
as OMP_NUM_THREADS says, so that a busy machine counts against nobody. CatBoost's are those of both its runs, as the
better of the two stands for it.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time

import numpy as np
from scipy.special import expit

from benchmarks._quality_honesty import SEEDS, Named, named, silent, told
from benchmarks._quality_rivals import RIVALS, Floats, missing
from benchmarks._quality_sets import Column, columns, home, leaky
from benchmarks.figure import Figure, peak_mib
from worker.training.fit import fit
from worker.training.metrics import auc, ece, log_loss
from worker.training.table import Table

OURS = "Leadgauge"
DETAILS = Path(__file__).parent / "results" / "quality-columns.json"
GOAL = (
    "AUC at least the best library's - 0.005 on shuffled columns, on temporal ones - 0.010 on average, - 0.025 each; "
    "never 0.010 below the better logistic; average not below the best single library's; ECE on shuffled <= 0.015; "
    "time <= CatBoost's; every leak named, at most one clean column accused a set; no signal in 19 of 20 draws of noise"
)


@dataclass(frozen=True, slots=True)
class Result:
    """One model on one column: means over its folds. `kinds`: what our pipeline chose in each."""

    column: str
    temporal: bool
    model: str
    auc: float
    log_loss: float
    ece: float
    seconds: float
    kinds: tuple[str, ...] = ()


def run() -> Figure:
    """Measure every model on every column. Stops with what to do where libraries or data are absent."""
    if lacking := missing():
        sys.exit(f"quality: {', '.join(lacking)} not installed; pip install --requirement requirements-bench.lock")
    if not (home() / "README.md").exists():
        sys.exit(f"quality: no data in {home()}; name their folder in LEADGAUGE_BENCH_DATA")
    results: list[Result] = []
    for column in columns(home()):
        measured = [_measure(column, name) for name in (*RIVALS, OURS)]
        results += _better_catboost(measured)
        print(_line(results[-1], results), flush=True)
    DETAILS.parent.mkdir(exist_ok=True)
    DETAILS.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    print(table(results))
    found = [named(one) for one in leaky(home())]
    quiet = silent(next(leaky(home())).train)
    print(told(found, quiet))
    return _figure(results, found, quiet)


def _measure(column: Column, name: str) -> Result:
    figures, kinds, seconds = [], [], 0.0
    for train, test in column.folds:
        began = process_time()
        if name == OURS:
            fitted = fit(train, horizon=column.horizon)
            probability = expit(fitted.model.log_odds(test.frame))
            kinds.append(fitted.model.kind)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the rivals' own making
                probability = RIVALS[name](train, test)
        seconds += process_time() - began
        figures.append(_judge(test, probability))
    area, loss, error = np.mean(figures, axis=0).tolist()
    return Result(column.name, column.temporal, name, area, loss, error, seconds, tuple(kinds))


def _judge(test: Table, probability: Floats) -> tuple[float, float, float]:
    kept = np.clip(probability, 1e-6, 1 - 1e-6)
    of = (test.label, kept, test.weight)
    return auc(*of), log_loss(*of), ece(*of)


def _better_catboost(measured: Sequence[Result]) -> list[Result]:
    """CatBoost's runs as one: the better AUC, the time of all."""
    runs = [result for result in measured if result.model.startswith("CatBoost")]
    better = max(runs, key=lambda result: result.auc)
    seconds = sum(result.seconds for result in runs)
    one = Result(better.column, better.temporal, "CatBoost", better.auc, better.log_loss, better.ece, seconds)
    return [*(result for result in measured if result not in runs and result.model != OURS), one, measured[-1]]


def _line(ours: Result, results: Sequence[Result]) -> str:
    best = _best(results, ours.column)
    return f"{ours.column}: {ours.auc:.4f} ({', '.join(ours.kinds)}), best library {best.auc:.4f} ({best.model})"


def _best(results: Sequence[Result], column: str, among: Sequence[str] = ()) -> Result:
    found = [one for one in results if one.column == column and one.model != OURS and (not among or one.model in among)]
    return max(found, key=lambda result: result.auc)


def table(results: Sequence[Result]) -> str:
    """AUC of every model on every column, in Markdown, ours with its log-loss and ECE."""
    names = list(dict.fromkeys(result.column for result in results))
    models = list(dict.fromkeys(result.model for result in results))
    held = {(result.model, result.column): result for result in results}
    lines = ["| model | " + " | ".join(names) + " | mean | seconds |", "|---|" + "---|" * (len(names) + 2)]
    for model in models:
        row = [held[model, name] for name in names]
        cells = [f"{one.auc:.4f}" for one in row]
        mean, seconds = np.mean([one.auc for one in row]), sum(one.seconds for one in row)
        lines.append(f"| {model} | " + " | ".join(cells) + f" | {mean:.4f} | {seconds:.0f} |")
    ours = [held[OURS, name] for name in names]
    lines.append("| its log-loss, ECE | " + " | ".join(f"{one.log_loss:.3f}, {one.ece:.3f}" for one in ours) + " | | |")
    lines.append("| its choice | " + " | ".join(_counted(one.kinds) for one in ours) + " | | |")
    return "\n".join(lines)


def _counted(kinds: Sequence[str]) -> str:
    return ", ".join(kind if len(kinds) == 1 else f"{kind} x {kinds.count(kind)}" for kind in dict.fromkeys(kinds))


def _figure(results: Sequence[Result], found: Sequence[Named], quiet: int) -> Figure:
    ours = {result.column: result for result in results if result.model == OURS}
    behind = {name: _best(results, name).auc - one.auc for name, one in ours.items()}
    temporal = [behind[name] for name, one in ours.items() if one.temporal]
    shuffled = [name for name, one in ours.items() if not one.temporal]
    logistics = ("logistic", "logistic on bins")
    averages = _averages(results)
    baseline = max(average for model, average in averages.items() if model != OURS)
    seconds = {
        model: sum(result.seconds for result in results if result.model == model) for model in (OURS, "CatBoost")
    }
    held = {
        "shuffled": max(behind[name] for name in shuffled) <= 0.005,
        "temporal": float(np.mean(temporal)) <= 0.010 and max(temporal) <= 0.025,
        "logistic": all(_best(results, name, logistics).auc - one.auc <= 0.010 for name, one in ours.items()),
        "average": averages[OURS] >= baseline,
        "calibration": max(ours[name].ece for name in shuffled) <= 0.015,
        "time": seconds[OURS] <= seconds["CatBoost"],
        "leaks": all(one.held for one in found),
        "noise": quiet >= SEEDS - 1,
    }
    failed = [name for name, met in held.items() if not met]
    note = (
        f"{seconds[OURS]:.0f} s, CatBoost {seconds['CatBoost']:.0f} s; behind the best of each column by "
        f"{np.mean(temporal):.4f} on temporal, at most {max(temporal):.4f}"
    )
    return Figure(
        "quality", averages[OURS], baseline, "AUC", GOAL, not failed, peak_mib(),
        note + (f"; not met: {', '.join(failed)}" if failed else ""),
    )  # fmt: skip


def _averages(results: Sequence[Result]) -> Mapping[str, float]:
    models = dict.fromkeys(result.model for result in results)
    return {model: float(np.mean([one.auc for one in results if one.model == model])) for model in models}
