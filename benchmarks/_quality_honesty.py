"""What `quality` asks beside rank: are columns that know the future named, and does noise stay noise?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks._quality_sets import Leaky
from worker.training.fit import fit
from worker.training.leakage import judge, kept
from worker.training.metrics import auc
from worker.training.table import Table

SEEDS = 20
NOISE_ROWS = 1_500
CLOSE = 0.005
"""How far the figure with verdicts may lie from that of the clean columns."""


@dataclass(frozen=True, slots=True)
class Named:
    """One set with its leaks left in. `missed`: leaks that no verdict takes out. `accused`: clean columns that one
    does. AUCs: of the clean columns, of what the verdicts leave, and of everything, had nobody looked."""

    name: str
    leaks: tuple[str, ...]
    missed: tuple[str, ...]
    accused: tuple[str, ...]
    clean: float
    ours: float
    unguarded: float

    @property
    def held(self) -> bool:
        return not self.missed and len(self.accused) <= 1 and abs(self.ours - self.clean) <= CLOSE


def named(of: Leaky) -> Named:
    """Verdicts from the training part alone; the default pipeline on what they leave."""
    left = kept(judge(of.train))
    clean = [feature.name for feature in of.train.features if feature.name not in of.leaks]
    figure = _figure(of, clean)
    return Named(
        name=of.name,
        leaks=of.leaks,
        missed=tuple(name for name in of.leaks if name in left),
        accused=tuple(name for name in clean if name not in left),
        clean=figure,
        ours=figure if left == clean else _figure(of, left),
        unguarded=_figure(of, [feature.name for feature in of.train.features]),
    )


def _figure(of: Leaky, names: Sequence[str]) -> float:
    test = of.test.only(names)
    model = fit(of.train.only(names), horizon=of.horizon).model
    return auc(test.label, model.log_odds(test.frame), test.weight)


def silent(table: Table) -> int:
    """In how many of `SEEDS` draws, each with the labels dealt anew, the model says *no signal* and predicts the share
    that converted for everybody."""
    count = 0
    for seed in range(SEEDS):
        draw = np.random.default_rng(seed)
        part = table.take(np.sort(draw.choice(len(table), NOISE_ROWS, replace=False)))
        part = replace(part, label=draw.permutation(part.label))
        model = fit(part, seed=seed).model
        odds = np.log(part.label.mean() / (1 - part.label.mean()))
        count += not model.signal and bool(np.allclose(model.log_odds(part.frame), odds))
    return count


def told(found: Sequence[Named], quiet: int) -> str:
    """Both in Markdown."""
    lines = ["| set | leaks left in | missed | clean ones accused | clean | ours | unguarded |", "|---" * 7 + "|"]
    for one in found:
        words = (", ".join(names) or "-" for names in (one.leaks, one.missed, one.accused))
        figures = (f"{value:.4f}" for value in (one.clean, one.ours, one.unguarded))
        lines.append(f"| {one.name} | {' | '.join(words)} | {' | '.join(figures)} |")
    return "\n".join([*lines, "", f"Noise as the target: no signal in {quiet} of {SEEDS} draws."])
