"""Which columns know what they cannot know when a score is needed, and why we think so.

What a sales team or the conversion itself fills in predicts the label better than anything honest, and is empty or
stale when a lead is new. Declared causes and fill times settle it where they are known. On a flat file nothing is
declared, so columns are judged by principle: one that settles the label by itself; one that, added to the columns
nobody suspects, tells about as much as all of them together; one with levels in which a class is simply absent; one
that runs ahead of its twin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from connectors.records import Cause
from worker.features.feature import Feature
from worker.training.evidence import WIDTH, Joint, Sample
from worker.training.table import Table

CERTAIN = 0.97
"""An AUC alone that nothing known beforehand has."""
STRONG = 0.90
"""An AUC alone above which a column is looked at apart from the others."""
GAIN = 0.02
"""What adds less to the AUC is not asked about."""
TOO_MUCH = ((0.80, 0.5), (0.75, 1.0))
"""(AUC reached with it, information added in parts of what all others tell together): from these on a column is asked
about. Honest columns of sales data share what they tell, and seldom reach so far together."""
FROM_NOTHING = 0.60
CROWD = 10
"""The others' AUC, and their number, below which there is little to compare with, and only the first of these pairs
counts: in a narrow table an honest column may well tell more than the rest."""
COMPANY_SHARE = 0.25
"""The part that is too much in a crowd where another column was found out: they come from the same export."""
REFITS = 3
HARD_SHARE = 0.08
LEAST_CLASS = 40
"""Rows of the rarer class below which only declared causes, fill times and certainty count."""
LATE_LEAK, LATE_SUSPICIOUS = 0.5, 0.2
"""Shares of converted people whose field was filled at the conversion or after it."""
MISSING_APART = 0.20
TELLING_GAPS = 0.60


class BadOverride(ValueError):
    """A column is to be kept that is not there, or nobody says why."""


class Level(StrEnum):
    """`assumed`: taken as if it had always been so. `downstream`: sales causes it."""

    OK = "ok"
    ASSUMED = "assumed"
    SUSPICIOUS = "suspicious"
    DOWNSTREAM = "downstream"
    LEAK = "leak"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`kept`: whether the model may use it. `sentence`: why, for a person. `figures`: what it rests on: missing,
    alone, by_gaps and hard as in `Single`; with_it, without_it (AUC with the unsuspected columns, and theirs); late and
    missing_live where known. `override`: the reason a person gave for keeping it all the same."""

    feature: str
    level: Level
    kept: bool
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)
    override: str | None = None


def judge(
    table: Table,
    *,
    live: Mapping[str, float] | None = None,
    fills: Mapping[str, NDArray[np.float64]] | None = None,
    overrides: Mapping[str, str] | None = None,
    seed: int = 0,
) -> list[Verdict]:
    """A verdict on every feature of the table, in its order. Give the training part only.

    `live`: the missing rate of each feature among people scored today. `fills`: per feature, days from the conversion
    to the filling, one value a converted person (negative: filled before). `overrides`: feature -> why it is kept all
    the same. Raises `BadOverride` for an unknown feature or without a reason.
    """
    reasons = _checked(overrides or {}, [feature.name for feature in table.features])
    sample = Sample(table, seed=seed)
    court = _Court(sample)
    verdicts = []
    for feature in table.features:
        verdict = _verdict(feature, court, (live or {}).get(feature.name), (fills or {}).get(feature.name))
        if feature.name in reasons and not verdict.kept:
            verdict = replace(verdict, kept=True, override=reasons[feature.name])
        verdicts.append(verdict)
    return verdicts


def kept(verdicts: Sequence[Verdict]) -> list[str]:
    """The features that a model may use."""
    return [verdict.feature for verdict in verdicts if verdict.kept]


def by_need(verdicts: Sequence[Verdict], features: Sequence[Feature]) -> dict[str, Verdict]:
    """For each field and activity kind the gravest verdict on what is computed from it."""
    gravity = list(Level)
    needs = {feature.name: feature.needs for feature in features}
    found: dict[str, Verdict] = {}
    for verdict in verdicts:
        for need in needs.get(verdict.feature, ()):
            if need not in found or gravity.index(verdict.level) > gravity.index(found[need].level):
                found[need] = verdict
    return dict(sorted(found.items()))


def _checked(overrides: Mapping[str, str], names: Sequence[str]) -> Mapping[str, str]:
    for name, reason in overrides.items():
        if name not in names:
            close = get_close_matches(name, names, 1)
            raise BadOverride(f"no column is called {name!r}" + (f" (did you mean {close[0]!r}?)" if close else ""))
        if not reason.strip():
            raise BadOverride(f"{name}: keeping it against a verdict needs a reason")
    return overrides


@dataclass(frozen=True, slots=True)
class _Charge:
    """Why a column is suspected, in words and in AUC with and without it."""

    level: Level
    sentence: str
    with_it: Joint | None = None
    without_it: Joint | None = None


class _Court:
    """Judges columns by the data alone. `charges`: those found suspicious, and why. What sales causes is out without a
    hearing, and would be a bad witness: it makes honest columns look weak, or like its accomplices."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.charges: dict[str, _Charge] = {}
        label = sample.table.label
        self.enough = bool(min(label.sum(), (~label).sum()) >= LEAST_CLASS)
        by_strength = sorted(sample.single, key=lambda name: (-sample.single[name].alone, name))
        self._certain(by_strength)
        heard = {feature.name for feature in sample.table.features if feature.cause is not Cause.SALES} - {
            *self.charges
        }
        self._looked_at = [name for name in by_strength if name in heard][:WIDTH]
        if self.enough:
            self._hear()

    def _certain(self, names: Sequence[str]) -> None:
        for name in names:
            found = self.sample.single[name]
            if found.alone >= CERTAIN:
                gaps = ", by whether it is filled at all" if found.by_gaps >= CERTAIN else ""
                self.charges[name] = _Charge(
                    Level.LEAK, f"settles the outcome by itself (AUC {found.alone:.3f} alone{gaps})"
                )

    def _hear(self) -> None:
        single = self.sample.single
        ahead = self.sample.ahead_of(self._looked_at)
        unasked = [name for name in self._looked_at if name not in ahead]
        core = self.sample.together(unasked) if ahead else None
        for more, less in ahead.items():
            with_it = self.sample.together([*unasked, more])
            if core and _too_much(with_it, core, crowd=True, company=True):
                self.charges[more] = _Charge(
                    Level.SUSPICIOUS,
                    f"is never less than {less!r}, and what it is more tells the outcome: it runs ahead",
                    with_it,
                    core,
                )
        trusted: list[str] = []
        doubted: list[str] = []
        for name in self._open():
            (doubted if single[name].alone >= STRONG or single[name].hard else trusted).append(name)
        trusted = self._sift(trusted)
        core = self.sample.together(trusted)
        for name in doubted:
            with_it = self.sample.together([*trusted, name])
            if _too_much(with_it, core, crowd=len(trusted) >= CROWD):
                self._charge(name, with_it, core)
            elif single[name].hard and _share(with_it, core) >= HARD_SHARE:
                part = f"{single[name].hard:.0%}" if single[name].hard >= 0.01 else "some"
                self.charges[name] = _Charge(
                    Level.SUSPICIOUS, f"settles the outcome of {part} of the rows without exception", with_it, core
                )
        if self.charges:
            self._sift(self._open(), company=True)

    def _open(self) -> list[str]:
        return [name for name in self._looked_at if name not in self.charges]

    def _sift(self, names: list[str], *, company: bool = False) -> list[str]:
        """Takes out, again and again, the column (or columns that say the same) that adds most to the rest, as long as
        that is too much. Gives back who stays."""
        while len(names) > 1:
            whole = self.sample.together(names)
            if whole.auc < TOO_MUCH[-1][0] and not company:
                break
            groups = self.sample.alike(names)
            leaned_on = self.sample.leaned_on(groups)
            found: list[tuple[float, list[str], Joint]] = []
            for number in sorted(range(len(groups)), key=lambda each: -leaned_on[each])[:REFITS]:
                others = [name for name in names if name not in groups[number]]
                rest = self.sample.together(others)
                if _too_much(whole, rest, crowd=len(others) >= CROWD, company=company):
                    found.append((whole.explained - rest.explained, groups[number], rest))
            if not found:
                break
            _, group, rest = max(found, key=lambda each: each[0])
            for name in group:
                self._charge(name, whole, rest)
            names = [name for name in names if name not in group]
        return names

    def _charge(self, name: str, with_it: Joint, without_it: Joint) -> None:
        self.charges[name] = _Charge(
            Level.SUSPICIOUS,
            f"tells too much: AUC {self.sample.single[name].alone:.3f} alone, and with it all others rise from "
            f"{without_it.auc:.3f} to {with_it.auc:.3f}",
            with_it,
            without_it,
        )


def _too_much(with_it: Joint, without_it: Joint, *, crowd: bool, company: bool = False) -> bool:
    """`crowd`: at least `CROWD` others are compared with. `company`: another column was found out before."""
    if with_it.auc - without_it.auc < GAIN:
        return False
    share = _share(with_it, without_it)
    if company and crowd:
        return share >= COMPANY_SHARE
    pairs = TOO_MUCH if crowd and without_it.auc >= FROM_NOTHING else TOO_MUCH[:1]
    return any(with_it.auc >= reached and share >= part for reached, part in pairs)


def _share(with_it: Joint, without_it: Joint) -> float:
    """What is added, measured in what was there: below a hundredth of the entropy nothing was."""
    return (with_it.explained - without_it.explained) / max(without_it.explained, 0.01)


def _verdict(feature: Feature, court: _Court, live: float | None, fills: NDArray[np.float64] | None) -> Verdict:
    single = court.sample.single[feature.name]
    charge = court.charges.get(feature.name)
    figures = {"missing": single.missing, "alone": single.alone, "by_gaps": single.by_gaps, "hard": single.hard}
    if charge and charge.with_it and charge.without_it:
        figures |= {"with_it": charge.with_it.auc, "without_it": charge.without_it.auc}
    late = float((fills >= 0).mean()) if fills is not None and len(fills) else None
    if late is not None:
        figures["late"] = late
    if live is not None:
        figures["missing_live"] = live

    def verdict(level: Level, sentence: str, *, kept: bool) -> Verdict:
        return Verdict(feature.name, level, kept, sentence, figures)

    if feature.cause is Cause.SALES:
        return verdict(Level.DOWNSTREAM, "is done by sales, which works the leads that look good already", kept=False)
    if late is not None and late >= LATE_LEAK:
        return verdict(
            Level.LEAK, f"is filled at the conversion or after it for {late:.0%} of the converted", kept=False
        )
    if charge and charge.level is Level.LEAK:
        return verdict(Level.LEAK, charge.sentence, kept=False)
    if live is not None and abs(live - single.missing) > MISSING_APART:
        sentence = f"is missing for {single.missing:.0%} in training and for {live:.0%} today: not the same thing"
        return verdict(Level.SUSPICIOUS, sentence, kept=False)
    if feature.stable and single.by_gaps >= TELLING_GAPS:
        sentence = f"is assumed never to change, but whether it is filled tells the outcome (AUC {single.by_gaps:.3f})"
        return verdict(Level.LEAK, sentence, kept=False)
    if late is not None and late >= LATE_SUSPICIOUS:
        sentence = f"is filled at the conversion or after it for {late:.0%} of the converted"
        return verdict(Level.SUSPICIOUS, sentence, kept=not feature.stable)
    if charge:
        # A column with a known cause and a rule for past instants cannot look ahead; it is listed for a second look.
        vouched = feature.cause is Cause.PROSPECT and bool(feature.as_of) and not feature.stable
        return verdict(charge.level, charge.sentence, kept=vouched)
    if feature.stable:
        return verdict(Level.ASSUMED, "today's value is taken for the past", kept=True)
    few = "" if court.enough else "; too few conversions to judge by the data"
    return verdict(Level.OK, f"AUC {single.alone:.3f} alone{few}", kept=True)
