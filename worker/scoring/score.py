"""Scores of many people at an instant, by rules, by a model or by both, each proved to be the sum of its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.facts import Facts
from worker.features.frame import build
from worker.scoring.evaluate import Opinion, evaluate
from worker.scoring.model_parts import Floats, Tables
from worker.scoring.rules import EXCLUDED, Ruleset
from worker.scoring.scale import Scale
from worker.scoring.sheet import Line, Sheet
from worker.scoring.topics import FEATURE, grouped

if TYPE_CHECKING:
    from worker.scoring.model import Model

SCORED = "scored"
MISMATCH = "mismatch"
UNKNOWN = "not_known_yet"

_TABLES, _TREES = 1e-9, 1e-6
"""In log-odds: how far base and contributions may be from the prediction that was computed without them."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model said of the people of a sheet, in their order: `frame` has its features, `parts` is what each adds
    to the log-odds, f64 (people, features). `weight`: how much the model counts against the rules."""

    model: Model
    frame: pl.DataFrame
    log_odds: Floats
    base: float
    parts: Floats
    weight: float

    @property
    def sound(self) -> NDArray[np.bool_]:
        """By person, whether base and parts add up to the prediction, which is made without them."""
        of_tables = all(isinstance(part, Tables) for part in self.model.parts)
        off = np.abs(self.log_odds - self.base - self.parts.sum(axis=1))
        sound: NDArray[np.bool_] = off <= (_TABLES if of_tables else _TREES)
        return sound


@dataclass(frozen=True)
class Scores:
    """`people`: person_id, score i16 (0-100; null where there is none), status, raw f64 (the score before rounding).

    Status is `scored`; `excluded_<why>`; `not_known_yet`, for who has no record at the instant; or `mismatch`: the
    reasons do not add up, which is a fault of ours, and the person must be parked. One row a person asked for.

    `sheet` has what moved the scores, of those who had a record; `judged` what a model said of them, if one did.
    """

    people: pl.DataFrame
    sheet: Sheet
    judged: Judged | None = None

    @cached_property
    def contributions(self) -> pl.DataFrame:
        """person_id, code, group (Enum), points f64, shown i32, count i32, last_at; by person_id and then in the order
        of application.

        What moved the score: the base, rules, their caps (`rule_cap:<id>`), caps of groups (`group_cap:<name>`), the
        hand-over, topics of a model's features (`feature:<topic>`, in their family), the ends of the scale (`clip`) and
        guardrails. For every scored person `shown` adds up to score and `points` to raw within 1e-9, and no line is
        shown a whole point off.
        """
        return self.sheet.long()


def score_rules(facts: Facts, ruleset: Ruleset) -> Scores:
    """Scores by points alone, each person's at their own instant.

    Deterministic to the byte: the order of facts, facts after the instant, and acts that a second source repeats change
    nothing. Raises `ValueError` for a person who is asked for twice.
    """
    frame = build(facts, ruleset.catalogue, ruleset.attributes)
    sheet = evaluate(frame, ruleset)
    del frame  # its activities are the largest thing in memory, and nothing needs them any more
    return _scores(facts, sheet, ruleset)


def score_model(
    facts: Facts, matrix: pl.DataFrame, model: Model, scale: Scale, ruleset: Ruleset, weight: float = 1.0
) -> Scores:
    """Scores by a model on the policy's scale; the point rules have the rest of the say where `weight` is below 1, and
    the guardrails always hold.

    `matrix` has person_id and the model's features of everybody in `facts` who existed at their instant. A person whose
    contributions do not add up to the prediction, which is made without them, is a `mismatch`. Raises `ValueError` for
    a weight that is not over 0 and at most 1.
    """
    if not 0 < weight <= 1:
        raise ValueError(f"weight is {weight}; a model counts more than 0 and at most 1")
    frame = build(facts, ruleset.catalogue, (ruleset if weight < 1 else ruleset.guards).attributes)
    matrix = frame.people.select("person_id", "as_of").join(
        matrix.drop("as_of", strict=False), on="person_id", how="left", maintain_order="left"
    )
    judged = Judged(model, matrix, model.log_odds(matrix), *model.contributions(matrix), weight)
    slope = scale.slope(judged.base, judged.log_odds)
    topics = grouped(feature.name for feature in model.features)
    opinion = Opinion(
        lines=tuple(Line(f"{FEATURE}{name}", model.features[its[0]].family.value) for name, its in topics.items()),
        points=np.stack([slope * judged.parts[:, its].sum(axis=1) for its in topics.values()], axis=1),
        raw=scale.points(judged.log_odds),
        weight=weight,
    )
    sheet = evaluate(frame, ruleset, opinion)
    del frame, opinion
    return _scores(facts, sheet, ruleset, judged)


def _scores(facts: Facts, sheet: Sheet, ruleset: Ruleset, judged: Judged | None = None) -> Scores:
    why = {guard.id: f"{EXCLUDED}_{guard.exclude}" for guard in ruleset.guardrails if guard.exclude}
    sound = sheet.sound if judged is None else sheet.sound & judged.sound
    known = pl.DataFrame(
        {"person_id": sheet.ids, "score": sheet.score, "raw": sheet.raw, "sound": sound, "excluded": sheet.excluded}
    )
    scored = pl.col("excluded").is_null() & pl.col("sound")
    status = (
        pl.when(pl.col("excluded").is_not_null())
        .then(pl.col("excluded").replace_strict(why, default=None, return_dtype=pl.String))
        .when("sound")
        .then(pl.lit(SCORED))
        .otherwise(pl.lit(MISMATCH))
    )
    known = known.select(
        "person_id",
        score=pl.when(scored).then("score").cast(pl.Int16),
        status=status,
        raw=pl.when(pl.col("excluded").is_null()).then("raw"),
    )
    people = (
        facts.people.select("person_id")
        .sort("person_id")
        .join(known, on="person_id", how="left", maintain_order="left")
        .with_columns(pl.col("status").fill_null(UNKNOWN))
    )
    return Scores(people, sheet, judged)
