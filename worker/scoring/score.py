"""Scores of many people at an instant, each proved to be the sum of its reasons."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from worker.features.facts import Facts
from worker.features.frame import build
from worker.scoring.evaluate import evaluate
from worker.scoring.rounding import whole_points
from worker.scoring.rules import EXCLUDED, Ruleset

SCORED = "scored"
MISMATCH = "mismatch"
UNKNOWN = "not_known_yet"

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Scores:
    """`people`: person_id, score i16 (0-100; null where there is none), status, raw f64 (the score before rounding).

    Status is `scored`; `excluded_<why>`; `not_known_yet`, for who has no record at the instant; or `mismatch`: the
    reasons do not add up, which is a fault of ours, and the person must be parked. One row a person asked for.

    `contributions`: person_id, code, group (Enum), points f64, shown i32, count i32, last_at; by person_id and then in
    the order of application. What moved the score: the base, rules, their caps (`rule_cap:<id>`), caps of groups
    (`group_cap:<name>`), the ends of the scale (`clip`) and guardrails. For every scored person `shown` adds up to
    score and `points` to raw within 1e-9, and no line is shown a whole point off.

    `attributes`: person_id and the attributes that the rules' sentences name, for `reasons`.
    """

    people: pl.DataFrame
    contributions: pl.DataFrame
    attributes: pl.DataFrame


def score_rules(facts: Facts, ruleset: Ruleset) -> Scores:
    """Scores by points alone, each person's at their own instant.

    Deterministic to the byte: the order of facts, facts after the instant, and acts that a second source repeats change
    nothing. Raises `ValueError` for a person who is asked for twice.
    """
    frame = build(facts, ruleset.catalogue, ruleset.attributes)
    evaluation = evaluate(frame, ruleset)
    attributes = frame.people.select("person_id", *sorted(ruleset.spoken))
    del frame  # its activities are the largest thing in memory, and nothing needs them any more
    scored = evaluation.people.filter(pl.col("excluded").is_null())
    scored = scored.select("person_id", "raw", score=(pl.col("raw") + 0.5).floor().cast(pl.Int16))
    contributions = whole_points(evaluation.lines, scored)
    why = {guard.id: f"{EXCLUDED}_{guard.exclude}" for guard in ruleset.guardrails if guard.exclude}
    excluded = evaluation.people.filter(pl.col("excluded").is_not_null()).select(
        "person_id", excluded=pl.col("excluded").replace_strict(why, return_dtype=pl.String)
    )
    people = (
        facts.people.select("person_id")
        .sort("person_id")
        .join(verified(scored, contributions), on="person_id", how="left", maintain_order="left")
        .join(excluded, on="person_id", how="left", maintain_order="left")
        .select("person_id", "score", status=pl.coalesce("status", "excluded", pl.lit(UNKNOWN)), raw="raw")
    )
    return Scores(people, contributions, attributes)


def verified(scored: pl.DataFrame, contributions: pl.DataFrame) -> pl.DataFrame:
    """`scored` (person_id, raw, score) with `status`: `scored`, or `mismatch` and no score where the lines do not add
    up. One person's mismatch leaves the others alone."""
    sums = contributions.group_by("person_id").agg(
        pl.col("shown").cast(pl.Int64).sum(),
        pl.col("points").sum(),
        off=(pl.col("shown") - pl.col("points")).abs().max(),
    )
    adds_up = (
        (pl.col("shown").fill_null(0) == pl.col("score"))
        & ((pl.col("points").fill_null(0.0) - pl.col("raw")).abs() <= _TOLERANCE)
        & (pl.col("off").fill_null(0.0) < 1)
        & pl.col("score").is_between(0, 100)
    ).fill_null(False)
    return (
        scored.join(sums, on="person_id", how="left", maintain_order="left")
        .with_columns(status=pl.when(adds_up).then(pl.lit(SCORED)).otherwise(pl.lit(MISMATCH)))
        .select("person_id", score=pl.when(pl.col("status") == SCORED).then("score"), status="status", raw="raw")
    )
