"""The validation report of a challenger: how it does on people held out, beside everything that it must beat."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.lifecycle import policy as policies
from worker.lifecycle.policy import Policy
from worker.scoring.scale import PointScale, propose
from worker.store import labels, reports, revisions
from worker.training import report as pages
from worker.training.evaluation import BASE_RATE, NAIVE_BAYES, trials, words
from worker.training.fit import Fit
from worker.training.leakage import Verdict, kept
from worker.training.learning import curve
from worker.training.metrics import Undefined
from worker.training.points import points, published
from worker.training.rivals import naive_bayes
from worker.training.shop import Shop
from worker.training.split import sample
from worker.training.table import Table
from worker.training.validation import About, Held, Ladder, Report, validate
from worker.training.worth import Bucket, aftermath

RULES = "rules"
MOST_JUDGED = 50_000
"""Rows that the report is about, at most, whole people by chance: its intervals are narrow long before."""
ENOUGH_TODAY = 100


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training made and from what. `learned` and `judged` hold all features, `verdicts` say which the model was
    offered; `held_out` says in words how they were told apart. `champion`: what it is called, and its log-odds on
    `judged`. `today`: log-odds of the people of today."""

    segment: str
    fitted: Fit
    learned: Table
    judged: Table
    verdicts: Sequence[Verdict]
    held_out: str
    champion: Mapping[str, NDArray[np.float64]]
    today: NDArray[np.float64]


def reported(shop: Shop, made: Trained, seed: int) -> Report | None:
    """None where the held-out people are of one class."""
    model, whole = made.fitted.model, made.judged
    rows = sample(whole, MOST_JUDGED, seed)
    judged = whole.take(rows)
    features = kept(made.verdicts)
    learned = made.learned.only(features)
    said = model.log_odds(judged.frame)
    rate = float(np.average(learned.label, weights=learned.weight))
    rivals = {BASE_RATE: np.full(len(judged), np.log(rate) - np.log1p(-rate))}
    if (rules := published(shop)) is not None:
        rivals[RULES] = points(shop, rules, judged)
    rivals |= {name: others[rows] for name, others in made.champion.items()}
    rivals[NAIVE_BAYES] = naive_bayes(learned, judged.only(features))
    deals = labels.decided(shop.arrow, reach=shop.goal.deal_people)
    held = Held(
        judged, said, np.zeros(len(judged), np.int64), rivals, frozenset({RULES}),
        aftermath(judged, deals, shop.goal.horizon) if deals.height else None,
    )  # fmt: skip
    whom = f" of segment {made.segment}" if made.segment else ""
    some = f", {len(np.unique(judged.person)):,} of them judged here" if len(judged) < len(whole) else ""
    about = About(
        title=f"Goal {shop.name}{whom}: {shop.goal}",
        subject={
            "People": f"{len(np.unique(whole.person)):,} held out{some}; fitted on {len(np.unique(learned.person)):,}",
            "Held out": made.held_out,
            "Known until": f"{shop.until:%Y-%m-%d %H:%M} UTC",
        },
        verdicts=made.verdicts,
        choice=words(made.fitted.choice),
        candidates=trials(made.fitted.choice),
        learning=curve(learned, judged, made.fitted, horizon=shop.goal.horizon, seed=seed),
        people=True,
    )
    ladder = _ladder(shop, made.today if len(made.today) >= ENOUGH_TODAY else said)
    try:
        return validate(held, model, about, ladder, seed=seed)
    except Undefined:
        return None


def stored(report: Report) -> bytes:
    """The page as it is kept with the model. Its example leads are people by number, and are cut out again when their
    data are erased."""
    return reports.packed(pages.html(report))


def plain(report: Report) -> dict[str, Any]:
    """The report for a manifest, which is never changed again: without the ten example leads, which are people."""
    return pages.plain(replace(report, examples=()))


def _ladder(shop: Shop, log_odds: NDArray[np.float64]) -> Ladder:
    """The policy's buckets, and who would be an MQL; on the scale that would come with the first model where none has
    been set."""
    with shop.engine.connect() as connection:
        current = revisions.current(connection, "policy", shop.name)
    policy = policies.parse(current.body) if current else Policy()
    scale = PointScale(policy.scale.pdo, policy.scale.reference_odds)
    if policy.scale == policies.Scale():
        scale = propose(log_odds.tolist(), policy.buckets[0].at_least) or scale

    def least(points: int) -> float:
        return math.log(scale.reference_odds) + (points - 0.5 - 50) / scale.per_unit  # rounded half up

    ends = [101, *(bucket.at_least for bucket in policy.buckets)]
    buckets = tuple(
        Bucket(f"{bucket.name}, {bucket.at_least} to {end - 1}", least(bucket.at_least))
        for bucket, end in zip(policy.buckets, ends, strict=False)
    )
    called = 1 / (1 + math.exp(-least(policy.mql.enter)))
    return Ladder(buckets, called, f"every MQL ({policy.mql.enter} points)")
