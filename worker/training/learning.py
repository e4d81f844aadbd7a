"""The learning curve: how a model of the same kind does when it learns from fewer people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np

from worker.training.fit import Fit, fit
from worker.training.metrics import auc
from worker.training.table import Table

Progress = Callable[[float, str], None]

SHARES = (0.25, 0.5)
MOST = 50_000
"""Rows above which a point is left out: by then the curve is flat, and fits take long."""
FEWEST = 10


def curve(
    learned: Table,
    judged: Table,
    whole: Fit,
    *,
    horizon: timedelta | None = None,
    seed: int = 0,
    progress: Progress = lambda share, what: None,
) -> list[tuple[int, float]]:
    """(rows, AUC on `judged`) when fitted on a part of the people of `learned`, and on all of them: would more history
    help? Nothing without signal."""
    if not whole.model.signal:
        return []
    order = np.random.default_rng(seed).permutation(np.unique(learned.person))
    points = []
    for number, share in enumerate(SHARES):
        progress(number / len(SHARES), f"learning curve, {share:.0%} of the people")
        rows = np.flatnonzero(np.isin(learned.person, order[: int(share * len(order))]))
        won = int(learned.label[rows].sum())
        if len(rows) > MOST or min(won, len(rows) - won) < FEWEST:
            continue
        try:
            part = fit(learned.take(rows), seed=seed, candidates=[whole.choice.kind], horizon=horizon)
            points.append((len(rows), auc(judged.label, part.model.log_odds(judged.frame), judged.weight)))
        except ValueError:  # too few people of a class among them
            continue
    points.append((len(learned), auc(judged.label, whole.model.log_odds(judged.frame), judged.weight)))
    return points
