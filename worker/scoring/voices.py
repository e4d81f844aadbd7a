"""Who speaks for a line: a fixed sentence, a rule's, or that of the feature that moved a model's topic most.

A voice gives each person a key, and makes a text of each key: what is said to many is put into words once.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.feature import Feature, FeatureType
from worker.features.features import JUDGED, MACHINES
from worker.scoring.rates import Rates
from worker.scoring.rules import Rule, blanks
from worker.scoring.score import Judged
from worker.scoring.topics import FEATURE, topic
from worker.scoring.wording import Saying, Wording

LONGEST_VALUE = 32
WORTH_SAYING = 1.3
"""Rates closer to everybody's than this factor tell a rep nothing."""

Rows = NDArray[np.int64]
Key = Hashable
Value = str | float | bool | date | None
_TIMES = ("minutes", "hours", "days", "months")
_HALF = 0.5
_DAY = timedelta(days=1) / timedelta(microseconds=1)


class Voice(Protocol):
    """`lines`: the places in the sheet of the lines that it speaks for."""

    code: str
    group: str
    lines: list[int]

    def keys(self, rows: Rows) -> list[Key]:
        """One a row; people with the same key are told the same."""

    def text(self, key: Key) -> str: ...


class Fixed:
    """One sentence for everybody."""

    def __init__(self, code: str, group: str, text: str) -> None:
        self.code, self.group, self.lines, self._text = code, group, [], text

    lines: list[int]

    def keys(self, rows: Rows) -> list[Key]:
        return [None] * len(rows)

    def text(self, key: Key) -> str:
        return self._text


class OfRule:
    """A rule's or a guardrail's sentence, its blanks filled; the rule's acts are told, and its cap if that bound."""

    lines: list[int]

    def __init__(
        self, code: str, group: str, say: str, people: pl.DataFrame, wording: Wording, rule: Rule | None = None,
        times: float | None = None,
    ) -> None:  # fmt: skip
        self.code, self.group, self.lines = code, group, []
        self._say, self._wording, self._names = say, wording, blanks(say)
        self._counted = rule is not None and rule.each is not None
        self._most = rule.each.at_most if rule is not None and rule.each is not None else 0
        self._limit = rule.max_points if rule is not None else None
        self._held: NDArray[np.bool_] | None = None
        self._often = ""
        if rule is not None and times and _worth(times, down=rule.points < 0):
            self._often = f" {often(times, wording)}"
        columns = {name: pl.col(name) for name in self._names if name not in ("count", "last")}
        if self._counted:
            columns["count"] = pl.col(f"found:{code}").cast(pl.Int32)
            columns["last"] = pl.from_epoch(pl.col(f"last:{code}"), "s").dt.date()
        self._people, self._columns = people, columns

    @cached_property
    def _told(self) -> pl.DataFrame:
        """What fills the blanks, made when the first of these people is told: of one person's rules few are."""
        return self._people.select(**self._columns) if self._columns else pl.DataFrame()

    def capped(self, line: int, held: NDArray[np.bool_]) -> None:
        """Speak for the rule's cap as well, which held these people down."""
        self.lines.append(line)
        self._held = held

    def keys(self, rows: Rows) -> list[Key]:
        if not self._told.width and self._held is None:
            return [None] * len(rows)
        held = np.zeros(len(rows), bool) if self._held is None else self._held[rows]
        told = self._told[rows].rows() if self._told.width else [()] * len(rows)
        return list(zip(held.tolist(), told, strict=True))

    def text(self, key: Key) -> str:
        held, told = key if isinstance(key, tuple) else (False, ())
        filled: dict[str, Value] = dict(zip(self._told.columns, told, strict=False))
        text = self._say
        if self._names:
            text = text.format_map({name: _in_words(filled.get(name), self._wording) for name in self._names})
        else:
            text = text.replace("{{", "{").replace("}}", "}")
        if self._counted and not {"count", "last"}.intersection(self._names):
            text += f" {self._acts(filled['count'], filled['last'])}"
        if held and self._limit is not None:
            text += f", {self._wording.text('rule_cap', most=f'{self._limit:g}')}"
        return text + self._often

    def _acts(self, count: Value, last: Value) -> str:
        assert isinstance(count, int)
        told = {"count": str(count), "last": str(last), "counted": str(self._most)}
        return self._wording.text("counted_some" if count > self._most else "counted", **told)


class OfTopic:
    """Of a topic's features the one that moved the score most its way speaks, with how often people alike convert."""

    lines: list[int]

    def __init__(self, code: str, group: str, judged: Judged, wording: Wording, rates: Rates) -> None:
        self.code, self.group, self.lines = code, group, []
        of = code.removeprefix(FEATURE)
        members = [place for place, feature in enumerate(judged.model.features) if topic(feature.name) == of]
        self._parts = judged.parts[:, members]
        self._wording, self._frame, self._rates = wording, judged.frame, rates
        self._features = [judged.model.features[place] for place in members]
        self._sayings = [_saying(feature, wording) for feature in self._features]

    def keys(self, rows: Rows) -> list[Key]:
        """(place of the feature that speaks, its value as it is said, how often people alike convert, how many acts of
        machines were left out)."""
        parts = self._parts[rows]
        down = parts.sum(axis=1) < 0
        speaker = np.where(down, parts.argmin(axis=1), parts.argmax(axis=1))
        keys: list[Key] = [None] * len(rows)
        for place, feature in enumerate(self._features):
            own = np.flatnonzero(speaker == place)
            if own.size:
                values = self._said(feature, self._sayings[place], rows[own])
                times = self._often(feature, rows[own], down[own])
                machines = self._machines(feature, rows[own])
                told = zip(own.tolist(), values, times.tolist(), machines, strict=True)
                for row, *its in told:
                    keys[row] = (place, *its)
        return keys

    def text(self, key: Key) -> str:
        assert isinstance(key, tuple)
        place, value, times, machines = key
        saying, feature = self._sayings[place], self._features[place]
        say = saying.missing if value is None else None
        if isinstance(value, float | bool):
            say = saying.none if value == 0 else None
            say = say or (saying.little if value < _HALF else None)
        say = say or saying.say
        word = _in_words(value, self._wording)
        if saying.say is self._wording.texts["feature"] and feature.unit in _TIMES and value is not None:
            word += "" if feature.unit in feature.label.lower() else f" {feature.unit}"
        label = feature.label.removesuffix(" (log10)")
        text = say.format_map({"value": word, "date": word, "label": label})
        if machines:
            text += f", {self._wording.text('machines', count=self._wording.number(machines))}"
        return f"{text} {often(times, self._wording)}" if times else text

    def _said(self, feature: Feature, saying: Saying, rows: Rows) -> list[Value]:
        """The feature's value as a person would say it: no logarithms, no digits that nobody reads, dates for ages."""
        column = self._frame.get_column(feature.name)[rows]
        value = pl.col(feature.name)
        if feature.type is not FeatureType.NUMBER:
            return column.to_list()
        if "{date}" in saying.say:
            ago = (value * _DAY).cast(pl.Int64).cast(pl.Duration("us"))
            said = (pl.col("as_of") - ago).dt.date()
        elif "{value}" not in saying.say:
            said = pl.when(value == 0).then(0.0).when(value < _HALF).then(_HALF / 2).when(value.is_not_null()).then(1.0)
        else:
            plain = (10.0**value).round_sig_figs(2) if feature.unit == "powers of ten" else value
            said = pl.when(plain.abs() >= 10).then(plain.round()).otherwise(plain.round(1))
        held = pl.DataFrame([column, self._frame.get_column("as_of")[rows]])
        return held.select(said.alias("said")).to_series().to_list()

    def _machines(self, feature: Feature, rows: Rows) -> list[float]:
        """How many acts were left out of a count as a machine's; 0 where there are none, or nobody knows."""
        if MACHINES not in self._frame.columns or feature.unit != "acts" or not JUDGED.intersection(feature.needs):
            return [0.0] * len(rows)
        return self._frame.get_column(MACHINES).fill_null(0.0)[rows].to_list()

    def _often(self, feature: Feature, rows: Rows, down: NDArray[np.bool_]) -> NDArray[np.float64]:
        """How many times as often as everybody people alike convert, to two digits; 0 where it is not worth saying,
        not known, or against what the line says."""
        times = self._rates.times(feature.name, self._frame.get_column(feature.name)[rows])
        worth = np.where(down, times <= 1 / WORTH_SAYING, times >= WORTH_SAYING)
        rounded: NDArray[np.float64] = np.where(worth, np.nan_to_num(times), 0.0).round(2)
        return rounded


def _worth(times: float, *, down: bool) -> bool:
    """Whether a rate is worth saying beside a line that goes up or down."""
    return times <= 1 / WORTH_SAYING if down else times >= WORTH_SAYING


def often(times: float, wording: Wording) -> str:
    """How many times as often people alike convert, to two digits."""
    name, times = ("often", times) if times > 1 else ("seldom", 1 / times)
    return wording.text(name, times=wording.number(float(f"{times:.2g}")))


def _saying(feature: Feature, wording: Wording) -> Saying:
    """The catalogue's, or the label and the value."""
    return wording.features.get(feature.name) or Saying(wording.texts["feature"])


def _in_words(value: object, wording: Wording) -> str:
    match value:
        case None:
            text = wording.text("unknown")
        case bool():
            text = wording.text("yes" if value else "no")
        case datetime() | date():
            text = f"{value:%Y-%m-%d}"
        case int() | float():
            text = wording.number(value)
        case _:
            text = wording.value(" ".join(str(value).split()))
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1].rstrip() + "\u2026"
