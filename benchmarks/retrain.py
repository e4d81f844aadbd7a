"""How many people change their bucket because of a retraining alone: of 20,000 people whom the champion learnt from,
the oldest tenth is replaced by newer ones, and the challenger takes over. Once for the kind of model that the training
chooses, and for boosted trees, who do not add up in one table, twice in a row.

Everybody in the practice world is scored at one instant by both, beside the shipped rules as the policy hands over, on
the same scale, by the same facts: whoever moves does so because the model did. Ours is the share that leaves its bucket
as people would see it, through the hysteresis, in the worst of these retrainings; the baseline is the raw one of the
same, as if buckets had none.
"""

from __future__ import annotations

import os

import numpy as np
import polars as pl

from benchmarks import _world
from benchmarks.figure import Figure, peak_mib
from benchmarks.world import GOAL as AIM
from benchmarks.world import NOW, PER_PERSON
from sandbox.world.history import make_world
from sandbox.world.people import PEOPLE_PER_RECORD
from worker.features.catalogue import Catalogue
from worker.features.facts import INSTANT
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.lifecycle.policy import Policy
from worker.rescoring.basis import EVERYBODY, Basis, Trained, points
from worker.scoring.model import Model
from worker.scoring.rules import load, shipped
from worker.scoring.scale import propose
from worker.store.people import Scale
from worker.training.anchor import anchored
from worker.training.collection import table
from worker.training.fit import fit
from worker.training.leakage import judge, kept
from worker.training.population import population
from worker.training.snapshots import draw
from worker.training.table import Table

LEARNT = int(os.environ.get("LEADGAUGE_BENCH_PEOPLE", "20000"))
"""People in training; fewer for a quick look."""
RENEWED, MOST = 0.1, 0.02
CHUNK = 20_000
CHAINS: tuple[tuple[str | None, int], ...] = ((None, 1), ("boosted", 2))
"""Kind of model (None: the one that the training chooses), and how often it is retrained."""
GOAL = (
    f"at most {MOST:.0%} change bucket without a change of theirs when the oldest {RENEWED:.0%} of 20,000 training "
    "people are replaced"
)


def run() -> Figure:
    """One world, two trainings, everybody's buckets."""
    world = make_world(1, round(2.2 * LEARNT / PEOPLE_PER_RECORD), NOW)
    rows = _world.stored(world)
    library = _world.Library(rows)
    snapshots = _snapshots(rows, library)
    people = _oldest_first(rows, snapshots)
    found = [step for kind, times in CHAINS for step in _chain(rows, library, snapshots, people, kind, times)]
    moved, raw, _ = max(found)
    return Figure(
        name="retrain",
        ours=moved,
        baseline=raw,
        unit="share",
        goal=GOAL,
        met=moved <= MOST and LEARNT >= 20_000,
        peak_mib=peak_mib(),
        note=f"{LEARNT:,} people in training, {round(RENEWED * LEARNT):,} replaced each time; "
        + "; ".join(words for *_, words in found),
    )


def _chain(
    rows: _world.Stored, library: _world.Library, snapshots: Table, people: list[int], kind: str | None, times: int
) -> list[tuple[float, float, str]]:
    """Of each retraining in a row: the share whose bucket is another, the raw one, and what there is to say."""
    newer = round(RENEWED * LEARNT)
    assert len(people) >= LEARNT + times * newer, f"{len(people):,} people can be learnt from"
    champion = _trained(snapshots, people[:LEARNT], kind)
    found = []
    for first in range(newer, times * newer + 1, newer):
        learnt, unseen = people[first : first + LEARNT], people[first + LEARNT - newer : first + LEARNT]
        challenger = _trained(snapshots, learnt, kind, champion.model, unseen)
        score = _scores(rows, library, (champion, challenger))
        moved, raw = _moved(*score)
        apart = np.abs(score[0] - score[1]).mean()
        words = f"{challenger.model.kind} {moved:.2%}, raw {raw:.1%}, {apart:.1f} points apart on average"
        found.append((moved, raw, words))
        champion = challenger
    return found


def _snapshots(rows: _world.Stored, library: _world.Library) -> Table:
    """As a training draws them: by the product's own labels and instants."""
    history = _world.history(rows, NOW)
    drawn = draw(history, population(history, AIM), AIM, per_person=PER_PERSON, seed=0)
    features = Features.shipped().upstream()
    parts = []
    for part in drawn.partition_by("round"):
        for first in range(0, part.height, CHUNK):
            some = part.slice(first, CHUNK)
            parts.append(some.join(matrix(library.facts(some), features).drop("as_of"), on="person_id"))
    return table(pl.concat(parts).sort("person_id", "as_of"), features)


def _oldest_first(rows: _world.Stored, snapshots: Table) -> list[int]:
    people: list[int] = np.unique(snapshots.person).tolist()
    return sorted(people, key=lambda person: (rows.created[person], person))


def _trained(
    snapshots: Table,
    people: list[int],
    kind: str | None,
    champion: Model | None = None,
    unseen: list[int] | None = None,
) -> Trained:
    """As the trainer fits beside a champion that has not learnt from the `unseen`: a snapshot a person, without what
    the verdicts leave out, and held near the champion."""
    learned = snapshots.take(np.flatnonzero(np.isin(snapshots.person, people))).one_each()
    fitted = fit(
        learned.only(kept(judge(learned))), horizon=AIM.horizon, candidates=[kind] if kind else None,
        incumbent=champion.kind if champion else None,
    )  # fmt: skip
    model = fitted.model
    if champion is not None:
        rows = np.flatnonzero(np.isin(learned.person, unseen or ()) & np.isfinite(fitted.oof))
        model = anchored(model, champion, learned.take(rows).one_each(), fitted.oof[rows]).model
    return Trained(1, model, conversions=int(np.unique(learned.person[learned.label]).size))


def _scores(rows: _world.Stored, library: _world.Library, models: tuple[Trained, Trained]) -> list[np.ndarray]:
    """Of everybody who has not bought, by each model, on the scale that the first one brought."""
    ruleset = load(shipped(), "default_rules.yaml", Catalogue.shipped())
    bought = {person for person, _ in rows.won}
    ids = pl.Series("person_id", sorted(rows.created.keys() - bought), dtype=pl.Int64).to_frame()
    wanted = ids.with_columns(as_of=pl.lit(NOW, INSTANT))
    used = dict.fromkeys(feature.name for its in models for feature in its.model.features)
    features = Features.shipped().only(used)
    policy = Policy()
    facts = [library.facts(wanted.slice(first, CHUNK)) for first in range(0, wanted.height, CHUNK)]
    built = [matrix(some, features) for some in facts]
    said = np.concatenate([models[0].model.log_odds(some) for some in built])
    scale = propose(said.tolist(), policy.buckets[0].at_least)
    assert scale is not None, "the first model tells people apart"
    held = policy.scale.model_copy(update={"pdo": scale.pdo, "reference_odds": scale.reference_odds})
    policy = policy.model_copy(update={"scale": held})
    found = []
    for its in models:
        basis = Basis(Scale("default", 1, 1), ruleset, policy, AIM, {EVERYBODY: its}, features=features)
        scores = pl.concat([points(some, basis, columns) for some, columns in zip(facts, built, strict=True)])
        found.append(scores.sort("person_id").get_column("score"))
    scored = found[0].is_not_null() & found[1].is_not_null()
    return [scores.filter(scored).to_numpy().astype(np.int64) for scores in found]


def _moved(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """The share whose bucket is another: through the hysteresis, and without it."""
    policy = Policy()
    names = [policy.bucket(score).name for score in range(101)]
    held = [names[score] for score in before.tolist()]
    seen = [policy.bucket(score, bucket).name for score, bucket in zip(after.tolist(), held, strict=True)]
    raw = [names[score] for score in after.tolist()]
    return tuple(float(np.mean([was != now for was, now in zip(held, then, strict=True)])) for then in (seen, raw))  # type: ignore[return-value]
