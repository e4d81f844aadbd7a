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
_NO_TALLY: tuple[tuple[str, float | None, type[pl.DataType]], ...] = (
    ("found", None, pl.UInt32), ("last", None, pl.Int64), ("weight", 0.0, pl.Float64),
)  # fmt: skip
"""What a rule's columns hold where nobody did what it counts: as where one person did not."""


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
    """People with one column of points a line, and their sum so far as `raw`.

    Lines are told one by one and added together, as columns are cheap and calls are not: of one person's score most of
    the time goes into calls.
    """

    def __init__(self, people: pl.DataFrame) -> None:
        self.people = people
        self.lines: list[Line] = []
        self._told: list[pl.Expr] = []

    def tell(self, line: Line, points: pl.Expr) -> str:
        """A line and its column, which `add` makes. Adding 0.0 makes -0.0 plain 0."""
        column = f"points:{len(self.lines)}"
        self.lines.append(line)
        self._told.append((points + 0.0).alias(column))
        return column

    def add(self, raw: pl.Expr) -> None:
        """The columns of what was told since, and their sum on top of `raw`. Points may use all columns from before."""
        columns = [told.meta.output_name() for told in self._told]
        self.people = self.people.with_columns(self._told).with_columns(raw=pl.sum_horizontal(raw, *columns))
        self._told = []

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
    book.tell(Line(BASE, BASE), pl.lit(ruleset.base))
    for rule in ruleset.rules:
        given = _given(rule, asked)
        book.tell(Line(rule.id, rule.group, None if rule.each is None else rule.id), given)
        if rule.max_points is not None:
            limited = given.clip(-rule.max_points, rule.max_points)
            book.tell(Line(f"rule_cap:{rule.id}", rule.group), limited - given)
    book.add(pl.lit(0.0))
    for group in ruleset.groups.values():
        if columns := book.columns(group.name):
            held = pl.sum_horizontal(columns)
            book.tell(Line(f"group_cap:{group.name}", group.name), held.clip(group.least, group.most) - held)
    book.add(pl.col("raw"))
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
    book, raw = _Book(people), pl.col("raw")
    book.tell(Line(CLIP, CLIP), raw.clip(0, 100) - raw)
    book.add(raw)
    guards = [(guard, _expression(guard.when, asked).fill_null(False)) for guard in ruleset.guardrails]
    floors = [(guard.floor, guard, its) for guard, its in guards if guard.floor is not None]
    caps = [(guard.cap, guard, its) for guard, its in guards if guard.cap is not None]
    # Of several floors the highest that holds lifts, and leaves the others nothing; of several caps the tightest. Caps
    # come after the floors, so that where both hold the cap wins.
    higher = pl.lit(False)
    for floor, guard, its in sorted(floors, key=lambda each: -each[0]):
        lift = pl.when(its & ~higher).then((floor - raw).clip(lower_bound=0))
        book.tell(Line(guard.id, GUARDRAIL), lift.otherwise(0.0))
        higher = higher | its
    book.add(raw)
    tighter = pl.lit(False)
    for cap, guard, its in sorted(caps, key=lambda each: each[0]):
        drop = pl.when(its & ~tighter).then((cap - raw).clip(upper_bound=0))
        book.tell(Line(guard.id, GUARDRAIL), drop.otherwise(0.0))
        tighter = tighter | its
    book.add(raw)
    return book


def _with_tallies(frame: FeatureFrame, ruleset: Ruleset, asked: Mapping[Selector, str]) -> pl.DataFrame:
    """The people and their attributes with what they did: for each selector asked for `did:`, for each rule that counts
    `found:`, `last:` and `weight:`; 0 where there is none."""
    people, acts = frame.people, by_kind(frame.activities)
    nobodys: list[pl.Expr] = []
    for selector, name in asked.items():
        rows = found(acts, selector)
        if rows.is_empty():
            nobodys.append(pl.lit(0, pl.UInt32).alias(name))
            continue
        counts = rows.group_by("person_id").agg(pl.col("n").sum().alias(name))
        people = people.join(counts, on="person_id", how="left", maintain_order="left")
        people = people.with_columns(pl.col(name).fill_null(0))
    for rule in ruleset.rules:
        if rule.each is None:
            continue
        names = {name: f"{name}:{rule.id}" for name in ("found", "last", "weight")}
        rows = found(acts, rule.each.selector)
        if rows.is_empty():
            nobodys += [pl.lit(value, kind).alias(names[name]) for name, value, kind in _NO_TALLY]
            continue
        people = people.join(tally(rows, rule.each).rename(names), on="person_id", how="left", maintain_order="left")
        people = people.with_columns(pl.col(names["weight"]).fill_null(0.0))
    return people.with_columns(nobodys)


def _given(rule: Rule, asked: Mapping[Selector, str]) -> pl.Expr:
    points = pl.lit(rule.points) if rule.each is None else rule.points * pl.col(f"weight:{rule.id}")
    if rule.each is not None and rule.each.half_life is not None:
        points = (points * _STEPS).round() / _STEPS
    if rule.when is not None:
        points = pl.when(_expression(rule.when, asked)).then(points).otherwise(0.0)
    return points


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
