"""A model's scores: log-odds on the policy's scale, each proved to be the sum of what the features gave.

Contributions come from the model alone. They are put on the scale, the ends of the scale and the guardrails of the
rules are applied, and the whole points are shown by largest remainder, as those of rules are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.facts import INSTANT, Facts
from worker.features.feature import Feature, FeatureType
from worker.features.frame import build
from worker.scoring.evaluate import Evaluation, evaluate
from worker.scoring.rounding import whole_points
from worker.scoring.rules import BASE, EXCLUDED, Ruleset
from worker.scoring.scale import PointScale
from worker.scoring.score import MISMATCH, SCORED, UNKNOWN, Scores, verified

if TYPE_CHECKING:
    from worker.scoring.model import Model

_STEPS = 2.0**30
_TOLERANCE = 1e-6
"""In log-odds: how far base and contributions may be from the prediction that was computed without them."""

FEATURE = "feature:"
_BLANK = "feature_"
_TIMES = ("minutes", "hours", "days", "months")


@dataclass(frozen=True, slots=True)
class ModelScores:
    """`scores` as of rules: the base, one line a feature that moved the score (`feature:<name>`, in its family),
    the ends of the scale, guardrails. `log_odds`: person_id and what the model says before that."""

    scores: Scores
    log_odds: pl.DataFrame


def score_model(facts: Facts, matrix: pl.DataFrame, model: Model, scale: PointScale, ruleset: Ruleset) -> ModelScores:
    """Scores by a model, within the guardrails of the rules.

    `matrix` has person_id and the model's features of everybody in `facts` who existed at their instant. A person whose
    contributions do not add up to the prediction is a `mismatch`, and has no score.
    """
    guards = replace(ruleset, rules=(), groups={})
    frame = build(facts, ruleset.catalogue, guards.attributes)
    matrix = frame.people.select("person_id").join(matrix, on="person_id", how="left", maintain_order="left")
    log_odds = model.log_odds(matrix)
    base, parts = model.contributions(matrix)
    raw = _exact(scale.points(0.0) + scale.per_unit * log_odds)
    points = _exact(scale.per_unit * parts)
    first = raw - points.sum(axis=1)  # sums of such points are exact: what is left is the base, to the last bit
    adds_up = np.abs(first - scale.points(base)) <= scale.per_unit * _TOLERANCE + points.shape[1] / _STEPS
    ids = matrix.get_column("person_id")
    # A score that is no number has no place in the sums; its person is a mismatch below.
    start = pl.DataFrame({"person_id": ids, "start": np.where(np.isfinite(raw), raw, 0.0)})
    evaluation = evaluate(frame, guards, start)
    scored = evaluation.people.filter(pl.col("excluded").is_null()).select(
        "person_id", "raw", score=(pl.col("raw") + 0.5).floor().cast(pl.Int16)
    )
    lines = whole_points(_lines(evaluation, model, ids, first, points), scored)
    sums = verified(scored, lines).join(pl.DataFrame({"person_id": ids, "adds_up": adds_up}), on="person_id")
    right = (pl.col("status") == SCORED) & pl.col("adds_up")
    why = {guard.id: f"{EXCLUDED}_{guard.exclude}" for guard in ruleset.guardrails if guard.exclude}
    excluded = evaluation.people.filter(pl.col("excluded").is_not_null()).select(
        "person_id", excluded=pl.col("excluded").replace_strict(why, return_dtype=pl.String)
    )
    people = (
        facts.people.select("person_id")
        .sort("person_id")
        .join(
            sums.select(
                "person_id", "raw", score=pl.when(right).then("score"),
                status=pl.when(right).then(pl.lit(SCORED)).otherwise(pl.lit(MISMATCH)),
            ),
            on="person_id", how="left", maintain_order="left",
        )
        .join(excluded, on="person_id", how="left", maintain_order="left")
        .select("person_id", "score", status=pl.coalesce("status", "excluded", pl.lit(UNKNOWN)), raw="raw")
    )  # fmt: skip
    spoken = frame.people.select("person_id", *sorted(guards.spoken))
    values = matrix.select("person_id", *(_said(f).alias(f"{_BLANK}{f.name}") for f in model.features))
    return ModelScores(
        Scores(people, lines, spoken.join(values, on="person_id")),
        pl.DataFrame({"person_id": ids, "log_odds": log_odds}),
    )


def sentences(model: Model) -> dict[str, str]:
    """What to say of each feature's line, for `reasons.explain_all`: its label and the value that it had."""
    return {f"{FEATURE}{f.name}": f"{_literal(f.label)}: {{{_BLANK}{f.name}}}" for f in model.features}


def _literal(label: str) -> str:
    """Without the scale that only a model needs; braces are text."""
    return label.removesuffix(" (log10)").replace("{", "{{").replace("}", "}}")


def _said(feature: Feature) -> pl.Expr:
    """A feature's value as a person would say it: no logarithms, no digits that nobody reads, lengths of time in whole
    units unless the label names them."""
    value = pl.col(feature.name)
    if feature.type is not FeatureType.NUMBER:
        return value
    if feature.unit == "powers of ten":
        return (10.0**value).round_sig_figs(2)
    if feature.unit in _TIMES and feature.unit not in feature.label.lower():
        return pl.when(value.is_not_null()).then(pl.format(f"{{}} {feature.unit}", value.round().cast(pl.Int64)))
    return pl.when(value.abs() >= 10).then(value.round()).otherwise(value.round(1))


def _exact(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest multiples of 2**-30, as the points of rules are."""
    return np.round(points * _STEPS) / _STEPS


def _lines(
    evaluation: Evaluation,
    model: Model,
    ids: pl.Series,
    first: NDArray[np.float64],
    points: NDArray[np.float64],
) -> pl.DataFrame:
    """One row a person and line that moved the score, where the evaluation has one line for all that the model gave."""
    own, families = evaluation.lines, dict.fromkeys(f.family.value for f in model.features)
    codes = pl.Enum([BASE, *(f"{FEATURE}{f.name}" for f in model.features), *_others(own, "code")])
    groups = pl.Enum([BASE, *families, *(name for name in _others(own, "group") if name not in families)])
    nothing = {"count": pl.lit(None, pl.Int32), "last_at": pl.lit(None, INSTANT)}
    whom = evaluation.people.filter(pl.col("excluded").is_null()).get_column("person_id").implode()
    parts = [
        (BASE, BASE, first),
        *((f"{FEATURE}{f.name}", f.family.value, points[:, i]) for i, f in enumerate(model.features)),
    ]
    made = [
        pl.DataFrame({"person_id": ids, "points": its})
        .filter((pl.col("points") != 0) & pl.col("points").is_finite() & pl.col("person_id").is_in(whom))
        .select(
            "person_id", pl.lit(code, codes).alias("code"), pl.lit(group, groups).alias("group"), "points", **nothing
        )
        for code, group, its in parts
    ]
    rest = own.filter(pl.col("code").cast(pl.String) != BASE).with_columns(
        pl.col("code").cast(pl.String).cast(codes), pl.col("group").cast(pl.String).cast(groups)
    )
    return pl.concat([*made, rest.select(made[0].columns)]).sort("person_id", maintain_order=True)


def _others(lines: pl.DataFrame, column: str) -> list[str]:
    dtype = lines.schema[column]
    assert isinstance(dtype, pl.Enum)
    return [name for name in dtype.categories.to_list() if name != BASE]
