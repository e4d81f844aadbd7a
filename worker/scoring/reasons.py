"""A score in words: what moved it, by how many points, in sentences that a rep reads in ten seconds.

The words change only when a fact or a whole point does: dates stand in them, never ages.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from worker.scoring.rates import Rates
from worker.scoring.rules import BASE, CLIP, EXCLUDED, HANDOVER, Group, Ruleset
from worker.scoring.score import Scores
from worker.scoring.sheet import Wholes
from worker.scoring.voices import Fixed, Key, OfRule, OfTopic, Rows, Voice
from worker.scoring.wording import Wording, shipped

_STRONGEST = 9
"""So many reasons fill 255 characters nearly always; where they do not, all of them are put into words."""
_HEAVIEST = 1_000_000
"""More points than any line has."""


@dataclass(frozen=True, slots=True)
class Reason:
    """`code` is stable and fit for filters. The points of a person's reasons add up to the score."""

    code: str
    group: str
    points: int
    text: str


def crm_text(reasons: Sequence[Reason], limit: int = 255, wording: Wording | None = None) -> str:
    """As many whole reasons as fit into `limit` characters, strongest first, then how many more there are if that fits.

    A reason that is shown as 0 points is left out, unless it says why there is no score.
    """
    told = [_told(reason.points, reason.text, reason.group) for reason in reasons]
    return _joined([text for text in told if text], len(told) - told.count(""), limit, wording or shipped())


def explain_all(
    ruleset: Ruleset, scores: Scores, people: Collection[int] | None = None, wording: Wording | None = None
) -> dict[int, list[Reason]]:
    """The reasons of `people` (of all who have any, when None), strongest first, the lines of the scale itself last."""
    speech = Speech(ruleset, scores, wording or shipped())
    wanted = None if people is None else set(people)
    return {
        person: reasons
        for row, person in enumerate(scores.sheet.ids)
        if (wanted is None or person in wanted) and (reasons := speech.reasons(row))
    }


class Speech:
    """Puts the scores of many people into words. Rows are those of `scores.sheet`.

    `conversions`: how many the model's weight is from. `rates`: how often people alike converted.
    """

    def __init__(
        self,
        ruleset: Ruleset,
        scores: Scores,
        wording: Wording,
        rates: Rates | None = None,
        conversions: int = 0,
    ) -> None:
        self._sheet, self._wording = scores.sheet, wording
        self._voices = _voices(ruleset, scores, wording, rates or Rates(), conversions)
        self._out = {
            guard.id: f"{wording.text('excluded', why=wording.value((guard.exclude or '').replace('_', ' ')))}: "
            for guard in ruleset.guardrails
        }
        self._guards = {
            guard.id: OfRule(guard.id, EXCLUDED, wording.of_rule(guard.id, guard.say), scores.sheet.people, wording)
            for guard in ruleset.guardrails
        }

    def reasons(self, row: int) -> list[Reason]:
        """All that moved the score of one person by a whole point, and the hand-over."""
        if (guard := self._sheet.excluded[row]) is not None:
            return [Reason(guard, EXCLUDED, 0, self._why_not(guard, row))]
        found = []
        for place, voice in enumerate(self._voices):
            points = int(self._points[row, place])
            if points or (voice.code == HANDOVER and self._sheet.sound[row]):
                found.append(Reason(voice.code, voice.group, points, _said(voice, row)))
        return sorted(found, key=lambda reason: (_of_the_scale(reason.code), -abs(reason.points)))

    def points(self, row: int) -> dict[str, float]:
        """By code, the unrounded points of each of one person's reasons, those that move nothing left out."""
        own = self._sheet.points[row]
        found = {voice.code: float(own[voice.lines].sum()) for voice in self._voices}
        return {code: points for code, points in found.items() if points}

    def words(self, code: str, row: int) -> tuple[str, str]:
        """The group and the text of a reason, whatever its points. Raises `KeyError` for a code that is none."""
        voice = self._by_code[code]
        return voice.group, _said(voice, row)

    def texts(self, limit: int = 255) -> list[str]:
        """`crm_text(self.reasons(row), limit)` of everybody, made for many at once."""
        total = np.count_nonzero(self._points, axis=1)
        texts = self._joined(np.arange(total.size), total, min(_STRONGEST, len(self._voices)), limit)
        for code, guard in self._guards.items():
            rows = np.flatnonzero((self._sheet.excluded == code).fill_null(False).to_numpy())
            for row, key in zip(rows.tolist(), guard.keys(rows) if rows.size else (), strict=True):
                texts[row] = crm_text([Reason(code, EXCLUDED, 0, self._out[code] + guard.text(key))], limit)
        return texts

    def linked(self, text: str, person: int) -> str:
        """A text of `texts` with the address of the person's page, where there is room."""
        return self._wording.linked(text, person)

    def _joined(self, rows: Rows, total: Rows, slots: int, limit: int) -> list[str]:
        """The texts of these people from their strongest `slots` reasons, or of all where those leave room for more."""
        heard = self._heard(rows, slots)
        texts, short = [], []
        for place, (own, count) in enumerate(zip(heard, total.tolist(), strict=True)):
            told = [text for text in own if text]
            if len(told) < count and sum(map(len, told)) + 2 * (len(told) - 1) <= limit:
                short.append(place)
            texts.append(_joined(told, count, limit, self._wording))
        if short:
            again = self._joined(rows[short], total[short], len(self._voices), limit)
            for place, text in zip(short, again, strict=True):
                texts[place] = text
        return texts

    def _heard(self, rows: Rows, slots: int) -> list[list[str]]:
        """The words of the strongest `slots` reasons of these people, strongest first, empty where there are fewer."""
        points = self._points[rows]
        chosen = _strongest(points, self._last, slots)
        said = np.full(chosen.shape, "", dtype=object)
        for place, voice in enumerate(self._voices):
            found, at = np.nonzero(chosen == place)
            if not found.size:
                continue
            made: dict[tuple[int, Key], str] = {}
            own: list[tuple[int, Key]] = list(zip(points[found, place].tolist(), voice.keys(rows[found]), strict=True))
            for each in own:
                if each not in made:
                    made[each] = _told(each[0], voice.text(each[1]), voice.group)
            said[found, at] = [made[each] for each in own]
        told: list[list[str]] = said.tolist()
        return told

    @cached_property
    def _by_code(self) -> dict[str, Voice]:
        return {voice.code: voice for voice in self._voices}

    @cached_property
    def _points(self) -> Wholes:
        """i32 (people, voices); 0 for whom nothing adds up."""
        shown = self._sheet.shown * self._sheet.sound[:, None]
        return np.stack([shown[:, voice.lines].sum(axis=1) for voice in self._voices], axis=1, dtype=np.int32)

    @cached_property
    def _last(self) -> NDArray[np.bool_]:
        """By voice, whether it is heard after the others."""
        return np.array([_of_the_scale(voice.code) for voice in self._voices])

    def _why_not(self, guard: str, row: int) -> str:
        return self._out[guard] + _said(self._guards[guard], row)


def _strongest(points: Wholes, last: NDArray[np.bool_], slots: int) -> Rows:
    """(people, slots): the places of the most points of each row, up or down, strongest first; those that come `last`
    after the others, equal ones in their order; -1 where there are no more."""
    count = points.shape[1]
    strength = np.abs(points).astype(np.int64)
    weakness = (_HEAVIEST * last - strength) * count + np.arange(count)
    weakness[strength == 0] = np.iinfo(np.int64).max
    best = np.argpartition(weakness, min(slots, count) - 1, axis=1)[:, :slots]
    best = np.take_along_axis(best, np.argsort(np.take_along_axis(weakness, best, axis=1), axis=1), axis=1)
    strongest: Rows = np.where(np.take_along_axis(strength, best, axis=1) == 0, -1, best)
    return strongest


def _voices(ruleset: Ruleset, scores: Scores, wording: Wording, rates: Rates, conversions: int) -> list[Voice]:
    """Who speaks for each line of the sheet, in the order of the lines."""
    sheet, judged = scores.sheet, scores.judged
    rules = {rule.id: rule for rule in ruleset.rules}
    guards = {guard.id: guard for guard in ruleset.guardrails}
    groups = {f"group_cap:{group.name}": group for group in ruleset.groups.values()}
    places = {line.code: place for place, line in enumerate(sheet.lines)}
    voices: list[Voice] = []
    for place, line in enumerate(sheet.lines):
        voice: Voice
        if line.code in (BASE, CLIP):
            voice = Fixed(line.code, line.group, wording.text(line.code))
        elif line.code == HANDOVER:
            assert judged is not None, "only a model takes over"
            share = round(100 * judged.weight)
            filled = {"model": str(share), "rules": str(100 - share), "conversions": wording.number(conversions)}
            voice = Fixed(line.code, line.group, wording.text(HANDOVER, **filled))
        elif line.code in groups:
            voice = Fixed(line.code, line.group, _of_group(groups[line.code].label, groups[line.code], wording))
        elif line.code in rules:
            rule = rules[line.code]
            say, times = wording.of_rule(rule.id, rule.say), rates.rules.get(rule.asks)
            voice = OfRule(rule.id, line.group, say, sheet.people, wording, rule, times)
            cap = places.get(f"rule_cap:{rule.id}")
            if cap is not None:
                voice.capped(cap, sheet.points[:, cap] != 0)
        elif line.code.startswith("rule_cap:"):
            continue
        elif line.code in guards:
            say = wording.of_rule(line.code, guards[line.code].say)
            voice = OfRule(line.code, line.group, say, sheet.people, wording)
        else:
            assert judged is not None, "every other line is a topic of a model"
            voice = OfTopic(line.code, line.group, judged, wording, rates)
        voice.lines.insert(0, place)
        voices.append(voice)
    return voices


def _said(voice: Voice, row: int) -> str:
    (key,) = voice.keys(np.array([row]))
    return voice.text(key)


def _of_group(label: str, group: Group, wording: Wording) -> str:
    label = wording.values.get(label, label)
    least = "" if group.least is None else f"{abs(group.least):g}"
    most = "" if group.most is None else f"{group.most:g}"
    if group.least is not None and group.most is not None:
        return wording.text("group_between", group=label, least=f"{group.least:g}", most=most)
    return wording.text("group_least" if group.least is not None else "group_most", group=label, least=least, most=most)


def _of_the_scale(code: str) -> bool:
    """Whether a line only makes the sum right (start, hand-over, limits of groups, ends): what the person is or did is
    told before it."""
    return code in (BASE, HANDOVER, CLIP) or code.startswith("group_cap:")


def _told(points: int, text: str, group: str) -> str:
    """As the CRM shows it: empty for a line of no points."""
    if group == EXCLUDED:
        return text
    return f"{points:+d} {text}" if points else ""


def _joined(texts: Sequence[str], total: int, limit: int, wording: Wording) -> str:
    """The first of `texts` that fit, and how many of `total` did not, if that fits."""
    length, fitting = -2, 0
    for text in texts:
        length += 2 + len(text)
        if length > limit:
            break
        fitting += 1
    shown = "; ".join(texts[:fitting])
    if not 0 < fitting < total:
        return shown
    more = f"; {wording.text('more', count=str(total - fitting))}"
    return shown + more if len(shown) + len(more) <= limit else shown
