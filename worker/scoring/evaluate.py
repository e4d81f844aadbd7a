"""The rules engine: a feature frame and a rule set in, each person's lines and unrounded score out.

It works on columns: no step takes a person at a time. Points are multiples of 2**-30, so every sum here is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import polars as pl

from worker.features.frame import FeatureFrame
from worker.scoring.conditions import All, AnyOf, Condition, Did, Not, Selector, Test, holds
from worker.scoring.rules import BASE, CLIP, GUARDRAIL, HANDOVER, Rule, Ruleset
from worker.scoring.sheet import Floats, Line, Sheet, exact
from worker.scoring.tally import by_kind, found, tally

_STEPS = 2.0**30


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a model says of the people of a frame, in their order: `raw` on the scale before its ends, f64 (people,);
    `lines`, and what each adds to it, f64 (people, lines); what they do not add up to is where the model starts from.
    `weight`: how much the model counts against the rules, over 0 and at most 1."""

    lines: tuple[Line, ...]
    points: Floats
    raw: Floats
    weight: float = 1.0


class _Book:
    """People with one column of points a line, and their sum so far as `raw`."""

    def __init__(self, people: pl.DataFrame) -> None:
        self.people = people.with_columns(raw=pl.lit(0.0))
        self.lines: list[Line] = []

    def add(self, line: Line, points: pl.Expr) -> str:
        """Add a line and return its column. `points` may use every column there is; adding 0.0 makes -0.0 plain 0."""
        column = f"points:{len(self.lines)}"
        self.lines.append(line)
        self.people = self.people.with_columns((points + 0.0).alias(column))
        self.people = self.people.with_columns(raw=pl.col("raw") + pl.col(column))
        return column

    def columns(self, group: str) -> list[str]:
        return [f"points:{place}" for place, line in enumerate(self.lines) if line.group == group]

    @property
    def points(self) -> Floats:
        """f64 (people, lines)."""
        columns = self.people.select(f"points:{place}" for place in range(len(self.lines)))
        return columns.to_numpy() if self.lines else np.zeros((self.people.height, 0))


def evaluate(frame: FeatureFrame, ruleset: Ruleset, opinion: Opinion | None = None) -> Sheet:
    """Deterministic to the byte: the order of rows in `frame` changes nothing.

    With an opinion of weight w, each point rule gives 1 - w of its points and each line of the model w of its own. The
    base stays that of the rules, and the line `handover` is what the start moves by. A model that counts fully has no
    rules beside it, and the base is its own. Guardrails always hold, over rules and models.
    """
    alone = opinion is not None and opinion.weight >= 1
    ruleset = ruleset.guards if alone else ruleset
    asked = {selector: f"did:{i}" for i, selector in enumerate(ruleset.asked)}
    people = _with_tallies(frame, ruleset, asked)
    if opinion is not None and alone:
        lines, points, raw = _by_model(opinion)
    else:
        before = _by_rules(people, ruleset, asked)
        lines, points, raw = tuple(before.lines), before.points, before.people.get_column("raw").to_numpy()
        if opinion is not None:
            lines, points, raw = _mixed(lines, points, opinion)
    # A score that is no number has no place in what follows; its person's lines will not add up.
    after = _held(people.with_columns(raw=pl.Series(np.nan_to_num(raw))), ruleset, asked)
    excluding = [guard for guard in ruleset.guardrails if guard.exclude is not None]
    reasons = [pl.when(_expression(guard.when, asked)).then(pl.lit(guard.id)) for guard in excluding]
    told = after.people.with_columns(excluded=pl.coalesce([*reasons, pl.lit(None, pl.String)]))
    excluded = told.get_column("excluded")
    points = np.concatenate([points, after.points], axis=1)
    points[excluded.is_not_null().to_numpy()] = 0.0
    raw = np.where(np.isfinite(raw), after.people.get_column("raw").to_numpy(), np.nan)
    raw[excluded.is_not_null().to_numpy()] = 0.0
    return Sheet((*lines, *after.lines), points, raw, excluded, tuple(guard.id for guard in excluding), people)


def _by_rules(people: pl.DataFrame, ruleset: Ruleset, asked: Mapping[Selector, str]) -> _Book:
    book = _Book(people)
    book.add(Line(BASE, BASE), pl.lit(ruleset.base))
    for rule in ruleset.rules:
        _add_rule(book, rule, asked)
    for group in ruleset.groups.values():
        if columns := book.columns(group.name):
            held = pl.sum_horizontal(columns)
            book.add(Line(f"group_cap:{group.name}", group.name), held.clip(group.least, group.most) - held)
    return book


def _by_model(opinion: Opinion) -> tuple[tuple[Line, ...], Floats, Floats]:
    points, raw = exact(opinion.points), exact(opinion.raw)
    start = raw - points.sum(axis=1)
    return (Line(BASE, BASE), *opinion.lines), np.column_stack([start, points]), raw


def _mixed(lines: tuple[Line, ...], given: Floats, opinion: Opinion) -> tuple[tuple[Line, ...], Floats, Floats]:
    """The first of `lines` is the base of the rules."""
    share = opinion.weight
    rules, points = exact((1 - share) * given), exact(share * opinion.points)
    total = exact(share * opinion.raw)
    start = total - points.sum(axis=1)
    moved = rules[:, 0] + start - given[:, 0]
    raw = rules.sum(axis=1) + total
    kept = np.column_stack([given[:, 0], rules[:, 1:], moved, points])
    return (*lines, Line(HANDOVER, HANDOVER), *opinion.lines), kept, raw


def _held(people: pl.DataFrame, ruleset: Ruleset, asked: Mapping[Selector, str]) -> _Book:
    """The ends of the scale and the guardrails, over what stands in `raw`."""
    book = _Book(people)
    book.people = people
    raw = pl.col("raw")
    book.add(Line(CLIP, CLIP), raw.clip(0, 100) - raw)
    for guard in sorted(ruleset.guardrails, key=lambda guard: -(guard.floor or 0)):
        if guard.floor is not None:
            lift = pl.when(_expression(guard.when, asked)).then((guard.floor - raw).clip(lower_bound=0))
            book.add(Line(guard.id, GUARDRAIL), lift.otherwise(0.0))
    # After the floors, so that where both hold the cap wins; the tightest comes first and leaves the others nothing.
    for guard in sorted(ruleset.guardrails, key=lambda guard: guard.cap or 0):
        if guard.cap is not None:
            drop = pl.when(_expression(guard.when, asked)).then((guard.cap - raw).clip(upper_bound=0))
            book.add(Line(guard.id, GUARDRAIL), drop.otherwise(0.0))
    return book


def _with_tallies(frame: FeatureFrame, ruleset: Ruleset, asked: Mapping[Selector, str]) -> pl.DataFrame:
    """The people and their attributes with what they did: for each selector asked for `did:`, for each rule that counts
    `found:`, `last:` and `weight:`; 0 where there is none."""
    people, acts = frame.people, by_kind(frame.activities)
    for selector, name in asked.items():
        rows = found(acts, selector)
        counts = rows.group_by("person_id").agg(pl.col("n").sum().alias(name))
        people = people.join(counts, on="person_id", how="left", maintain_order="left")
        people = people.with_columns(pl.col(name).fill_null(0))
    for rule in ruleset.rules:
        if rule.each is not None:
            counts = tally(found(acts, rule.each.selector), rule.each)
            counts = counts.rename({name: f"{name}:{rule.id}" for name in ("found", "last", "weight")})
            people = people.join(counts, on="person_id", how="left", maintain_order="left")
            people = people.with_columns(pl.col(f"weight:{rule.id}").fill_null(0.0))
    return people


def _add_rule(book: _Book, rule: Rule, asked: Mapping[Selector, str]) -> None:
    points = pl.lit(rule.points) if rule.each is None else rule.points * pl.col(f"weight:{rule.id}")
    if rule.each is not None and rule.each.half_life is not None:
        points = (points * _STEPS).round() / _STEPS
    if rule.when is not None:
        points = pl.when(_expression(rule.when, asked)).then(points).otherwise(0.0)
    given = pl.col(book.add(Line(rule.id, rule.group, None if rule.each is None else rule.id), points))
    if rule.max_points is not None:
        limited = given.clip(-rule.max_points, rule.max_points)
        book.add(Line(f"rule_cap:{rule.id}", rule.group), limited - given)


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
