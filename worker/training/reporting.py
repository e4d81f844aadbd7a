"""The validation report of a challenger: how it does on people held out, beside everything that it must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.training.evaluation import trials
from worker.training.fit import Fit
from worker.training.leakage import Verdict
from worker.training.metrics import Undefined
from worker.training.rivals import naive_bayes
from worker.training.shop import Shop
from worker.training.table import Table
from worker.training.validation import Held, Report, validate

BASE_RATE, NAIVE_BAYES, RULES = "base rate", "naive Bayes", "rules"


def reported(
    shop: Shop,
    segment: str,
    fitted: Fit,
    learned: Table,
    judged: Table,
    verdicts: Sequence[Verdict],
    others: Mapping[str, NDArray[np.float64]],
    held_out: str,
    seed: int,
) -> Report | None:
    """`learned` and `judged` have the columns that the model was offered. `others`: log-odds of the champion, points of
    the rules, on `judged`. None where the held-out people are of one class."""
    rate = float(np.average(learned.label, weights=learned.weight))
    rivals = {
        BASE_RATE: np.full(len(judged), np.log(rate) - np.log1p(-rate)),
        NAIVE_BAYES: naive_bayes(learned, judged),
        **others,
    }
    held = Held(
        judged, fitted.model.log_odds(judged.frame), np.zeros(len(judged), np.int64), rivals, frozenset({RULES})
    )
    whom = f" of segment {segment}" if segment else ""
    choice = fitted.choice
    try:
        return validate(
            held, fitted.model,
            title=f"{shop.name}{whom}: {shop.goal}",
            subject={
                "Goal": f"{shop.goal}{whom}",
                "People": f"{len(np.unique(judged.person)):,} held out, fitted on {len(np.unique(learned.person)):,}",
                "Held out": held_out,
                "Known until": f"{shop.until:%Y-%m-%d %H:%M} UTC",
            },
            verdicts=verdicts,
            choice=f"{choice.kind}: {choice.reason}. Judged inside the training part, on {choice.split}.",
            candidates=trials(choice),
            seed=seed,
        )  # fmt: skip
    except Undefined:
        return None


def plain(report: Report) -> dict[str, Any]:
    """The report for a manifest: without the ten example leads, which are people."""
    told = asdict(report)
    del told["examples"]
    return told
