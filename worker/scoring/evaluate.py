"""The rules engine: a feature frame and a rule set in, each person's lines and unrounded score out.

It works on columns: no step takes a person at a time. Points are multiples of 2**-30, so every sum here is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import polars as pl

from worker.features.facts import INSTANT
from worker.features.frame import FeatureFrame
from worker.scoring.conditions import All, AnyOf, Condition, Did, Not, Selector, Test, holds
from worker.scoring.rules import BASE, CLIP, EXCLUDED, GUARDRAIL, Rule, Ruleset
from worker.scoring.tally import found, tally

_STEPS = 2.0**30


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`people`: person_id, raw f64 (the score before rounding, 0 to 100), excluded (the guardrail's id, or null).

    `lines`: person_id, code, group (both Enum, in the order of application), points f64, count i32, last_at; by
    person_id and code. The points of a person who is not excluded add up to `raw` exactly. An excluded person has one
    line, of 0 points, in the group `excluded`.
    """

    people: pl.DataFrame
    lines: pl.DataFrame


class _Book:
    """People with one column of points a line, and their sum so far as `raw`."""

    def __init__(self, people: pl.DataFrame) -> None:
        self.people = people.with_columns(raw=pl.lit(0.0))
        self.lines: list[tuple[str, str, str | None]] = []  # code, group, the tally behind it

    def add(self, code: str, group: str, points: pl.Expr, counted: str | None = None) -> str:
        """Add a line and return its column. `points` may use every column there is; adding 0.0 makes -0.0 plain 0."""
        column = f"points:{len(self.lines)}"
        self.lines.append((code, group, counted))
        self.people = self.people.with_columns((points + 0.0).alias(column))
        self.people = self.people.with_columns(raw=pl.col("raw") + pl.col(column))
        return column

    def columns(self, group: str) -> list[str]:
        return [f"points:{i}" for i, (_, of, _) in enumerate(self.lines) if of == group]


def evaluate(frame: FeatureFrame, ruleset: Ruleset, start: pl.DataFrame | None = None) -> Evaluation:
    """Deterministic to the byte: the order of rows in `frame` changes nothing.

    `start` (person_id, start f64) is where each person starts from in place of the ruleset's base: what a model gave.
    """
    asked = {selector: f"did:{i}" for i, selector in enumerate(ruleset.asked)}
    people = _with_tallies(frame, ruleset, asked)
    if start is not None:
        start = start.select("person_id", pl.col("start").alias("points:start"))
        people = people.join(start, on="person_id", how="left", maintain_order="left")
    book = _Book(people)
    book.add(BASE, BASE, pl.lit(ruleset.base) if start is None else pl.col("points:start"))
    for rule in ruleset.rules:
        _add_rule(book, rule, asked)
    for group in ruleset.groups.values():
        if columns := book.columns(group.name):
            held = pl.sum_horizontal(columns)
            book.add(f"group_cap:{group.name}", group.name, held.clip(group.least, group.most) - held)
    raw = pl.col("raw")
    book.add(CLIP, CLIP, raw.clip(0, 100) - raw)
    for guard in sorted(ruleset.guardrails, key=lambda guard: -(guard.floor or 0)):
        if guard.floor is not None:
            lift = pl.when(_expression(guard.when, asked)).then((guard.floor - raw).clip(lower_bound=0))
            book.add(guard.id, GUARDRAIL, lift.otherwise(0.0))
    # After the floors, so that where both hold the cap wins; the tightest comes first and leaves the others nothing.
    for guard in sorted(ruleset.guardrails, key=lambda guard: guard.cap or 0):
        if guard.cap is not None:
            drop = pl.when(_expression(guard.when, asked)).then((guard.cap - raw).clip(upper_bound=0))
            book.add(guard.id, GUARDRAIL, drop.otherwise(0.0))
    excluding = [guard for guard in ruleset.guardrails if guard.exclude is not None]
    reasons = [pl.when(_expression(guard.when, asked)).then(pl.lit(guard.id)) for guard in excluding]
    people = book.people.with_columns(excluded=pl.coalesce([*reasons, pl.lit(None, pl.String)]))
    return Evaluation(people.select("person_id", "raw", "excluded"), _long(people, book, [g.id for g in excluding]))


def _with_tallies(frame: FeatureFrame, ruleset: Ruleset, asked: Mapping[Selector, str]) -> pl.DataFrame:
    """The people and their attributes with what they did: for each selector asked for `did:`, for each rule that counts
    `found:`, `last:` and `weight:`; 0 where there is none."""
    people = frame.people
    for selector, name in asked.items():
        rows = found(frame.activities, selector)
        counts = rows.group_by("person_id").agg(pl.col("n").sum().alias(name))
        people = people.join(counts, on="person_id", how="left", maintain_order="left")
        people = people.with_columns(pl.col(name).fill_null(0))
    for rule in ruleset.rules:
        if rule.each is not None:
            counts = tally(found(frame.activities, rule.each.selector), rule.each)
            counts = counts.rename({name: f"{name}:{rule.id}" for name in ("found", "last", "weight")})
            people = people.join(counts, on="person_id", how="left", maintain_order="left")
            people = people.with_columns(pl.col(f"weight:{rule.id}").fill_null(0.0))
    return people


def _add_rule(book: _Book, rule: Rule, asked: Mapping[Selector, str]) -> None:
    counted = None if rule.each is None else rule.id
    points = pl.lit(rule.points) if rule.each is None else rule.points * pl.col(f"weight:{rule.id}")
    if rule.each is not None and rule.each.half_life is not None:
        points = (points * _STEPS).round() / _STEPS
    if rule.when is not None:
        points = pl.when(_expression(rule.when, asked)).then(points).otherwise(0.0)
    given = pl.col(book.add(rule.id, rule.group, points, counted))
    if rule.max_points is not None:
        limited = given.clip(-rule.max_points, rule.max_points)
        book.add(f"rule_cap:{rule.id}", rule.group, limited - given)


def _expression(condition: Condition, asked: Mapping[Selector, str]) -> pl.Expr:
    match condition:
        case Test():
            return holds(condition)
        case Did(selector, at_least):
            return pl.col(asked[selector]) >= at_least
        case Not(part):
            return ~_expression(part, asked)
        case All(parts):
            return reduce(pl.Expr.and_, [_expression(part, asked) for part in parts])
        case AnyOf(parts):
            return reduce(pl.Expr.or_, [_expression(part, asked) for part in parts])


def _long(people: pl.DataFrame, book: _Book, excluding: list[str]) -> pl.DataFrame:
    """One row a person and line that moved the score."""
    codes = pl.Enum([*(code for code, _, _ in book.lines), *excluding])
    groups = pl.Enum(list(dict.fromkeys([*(group for _, group, _ in book.lines), EXCLUDED])))
    nothing = pl.lit(None, pl.Int64)
    parts = []
    for i, (code, group, counted) in enumerate(book.lines):
        line = people.select(
            "person_id",
            code=pl.lit(code, codes),
            group=pl.lit(group, groups),
            points=pl.when(pl.col("excluded").is_null()).then(f"points:{i}").otherwise(0.0),
            count=(pl.col(f"found:{counted}") if counted else nothing).cast(pl.Int32),
            last_at=((pl.col(f"last:{counted}") if counted else nothing) * 1_000_000).cast(INSTANT),
        )
        parts.append(line.filter(pl.col("points") != 0))
    parts.append(
        people.filter(pl.col("excluded").is_not_null()).select(
            "person_id",
            code=pl.col("excluded").cast(codes),
            group=pl.lit(EXCLUDED, groups),
            points=pl.lit(0.0),
            count=nothing.cast(pl.Int32),
            last_at=nothing.cast(INSTANT),
        )
    )
    # The parts come in the order of application, and a stable sort keeps it.
    return pl.concat(parts).sort("person_id", maintain_order=True)
