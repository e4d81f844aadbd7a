"""A score in words: what moved it, by how many points, in sentences that a rep reads in ten seconds.

The words change only when a fact or a whole point does: dates stand in them, never ages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from worker.scoring.rules import BASE, CLIP, EXCLUDED, Group, Ruleset, blanks
from worker.scoring.score import Scores

LONGEST_VALUE = 32

Value = str | float | bool | date | None


Line = tuple[str, str, int, int | None, date | None]
"""One row of one person's contributions: code, group, shown, count, the day of last_at."""


@dataclass(frozen=True, slots=True)
class Reason:
    """`code` is stable and fit for filters. The points of a person's reasons add up to the score."""

    code: str
    group: str
    points: int
    text: str


def explain_all(
    ruleset: Ruleset,
    scores: Scores,
    people: Collection[int] | None = None,
    sentences: Mapping[str, str] = MappingProxyType({}),
) -> dict[int, list[Reason]]:
    """The reasons of `people` (of all who have lines, when None), as `explain` gives them.

    `sentences`: what to say of codes that are not the ruleset's, with blanks that `scores.attributes` fill.
    """
    lines, attributes = scores.contributions, scores.attributes
    if people is not None:
        chosen = pl.Series("person_id", list(people), dtype=pl.Int64).implode()
        lines = lines.filter(pl.col("person_id").is_in(chosen))
        attributes = attributes.filter(pl.col("person_id").is_in(chosen))
    values = {row["person_id"]: row for row in attributes.iter_rows(named=True)}
    speaker = _Speaker(ruleset, sentences)
    return {person: speaker.explain(of_one, values[person]) for person, of_one in _by_person(lines)}


def explain(ruleset: Ruleset, lines: Sequence[Line], attributes: Mapping[str, Value]) -> list[Reason]:
    """The reasons of one person, strongest first, the lines of the scale itself last; equal ones in their order.

    `lines` are in the order of the contributions, `attributes` hold what `Scores.attributes` does. What a rule's own
    cap takes off is part of that rule's reason.
    """
    return _Speaker(ruleset).explain(lines, attributes)


def crm_text(reasons: Sequence[Reason], limit: int = 255) -> str:
    """As many whole reasons as fit into `limit` characters, strongest first, then how many more there are if that fits.

    A reason that is shown as 0 points is left out, unless it says why there is no score.
    """
    texts = [
        reason.text if reason.group == EXCLUDED else f"{reason.points:+d} {reason.text}"
        for reason in reasons
        if reason.points or reason.group == EXCLUDED
    ]
    length, fitting = -2, 0
    for text in texts:
        length += 2 + len(text)
        if length > limit:
            break
        fitting += 1
    shown = "; ".join(texts[:fitting])
    more = f"; +{len(texts) - fitting} more"
    return shown + more if fitting and fitting < len(texts) and len(shown) + len(more) <= limit else shown


class _Saying(NamedTuple):
    """How a code is put into words. The cap of a rule has none of its own: it adds its sentence to `cap_of`."""

    sentence: str
    has_blanks: bool = False
    counts: bool = False
    at_most: int = 0
    cap_of: str | None = None


def _sayings(ruleset: Ruleset) -> dict[str, _Saying]:
    sayings = {BASE: _Saying("Starting score"), CLIP: _Saying("The scale runs from 0 to 100")}
    for group in ruleset.groups.values():
        sayings[f"group_cap:{group.name}"] = _Saying(_of_group(group))
    for guard in ruleset.guardrails:
        before = f"Not scored ({guard.exclude.replace('_', ' ')}): " if guard.exclude else ""
        sayings[guard.id] = _Saying(before + guard.say, bool(blanks(guard.say)))
    for rule in ruleset.rules:
        names = blanks(rule.say)
        counts = rule.each is not None and not {"count", "last"}.intersection(names)
        sayings[rule.id] = _Saying(rule.say, bool(names), counts, rule.each.at_most if rule.each else 0)
        if rule.max_points is not None:
            sayings[f"rule_cap:{rule.id}"] = _Saying(f", at most {rule.max_points:g} points", cap_of=rule.id)
    return sayings


def _of_group(group: Group) -> str:
    if group.least is None:
        return f"{group.label} gives at most {group.most:g} points" if group.most is not None else group.label
    if group.most is None:
        return f"{group.label} takes at most {-group.least:g} points"
    return f"{group.label} stays between {group.least:g} and {group.most:g} points"


class _Speaker:
    """Puts lines into words. A reason without a blank is made once for all people who share it."""

    def __init__(self, ruleset: Ruleset, sentences: Mapping[str, str] = MappingProxyType({})) -> None:
        self._sayings = _sayings(ruleset) | {code: _Saying(says, True) for code, says in sentences.items()}
        self._made: dict[tuple[str, int], Reason] = {}

    def explain(self, lines: Iterable[Line], attributes: Mapping[str, Value]) -> list[Reason]:
        reasons: list[Reason] = []
        for code, group, points, count, last in lines:
            if (made := self._made.get((code, points))) is not None:
                reasons.append(made)
                continue
            text, has_blanks, counts, at_most, cap_of = self._sayings[code]
            if cap_of is not None:  # comes right after its rule
                rule = reasons[-1]
                reasons[-1] = Reason(cap_of, group, rule.points + points, rule.text + text)
                continue
            if has_blanks:
                text = text.format_map(_Blanks(count, last, attributes))
            if counts and count is not None and last is not None:
                some = f", {at_most} counted" if count > at_most else ""
                text = f"{text} ({count}x{some}, last {last.isoformat()})"
            reason = Reason(code, group, points, text)
            if not has_blanks and not counts:
                self._made[code, points] = reason
            reasons.append(reason)
        reasons.sort(key=_strength)
        return reasons


def _strength(reason: Reason) -> tuple[bool, int]:
    """What the person is or did comes first; the scale's own lines (start, group caps, ends) only make it add up."""
    of_the_scale = reason.code in (BASE, CLIP) or reason.code.startswith("group_cap:")
    return of_the_scale, -abs(reason.points)


class _Blanks(dict[str, str]):
    """What fills the blanks of a sentence: looked up when asked for."""

    def __init__(self, count: int | None, last: date | None, attributes: Mapping[str, Value]) -> None:
        super().__init__()
        self._acts: Mapping[str, Value] = {"count": str(count), "last": last}
        self._attributes = attributes

    def __missing__(self, name: str) -> str:
        return _in_words(self._acts[name] if name in self._acts else self._attributes[name])


def _in_words(value: Value) -> str:
    match value:
        case None:
            text = "unknown"
        case bool():
            text = "yes" if value else "no"
        case date():
            text = f"{value:%Y-%m-%d}"
        case float():
            text = f"{value:,.0f}" if value.is_integer() else f"{value:,.2f}"
        case _:
            text = " ".join(value.split())
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1].rstrip() + "\u2026"


def _by_person(contributions: pl.DataFrame) -> Iterator[tuple[int, Iterator[Line]]]:
    """Each person's lines, in the order of the contributions (which are by person)."""
    columns = contributions.select(
        "person_id", pl.col("code", "group").cast(pl.String), "shown", "count", pl.col("last_at").dt.date()
    )
    ids, *fields = (column.to_list() for column in columns.iter_columns())
    for person, rows in groupby(zip(ids, zip(*fields, strict=True), strict=True), key=itemgetter(0)):
        yield person, map(itemgetter(1), rows)
