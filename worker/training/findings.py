"""The report in sentences, for somebody who sells. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from worker.training.leakage import Level
from worker.training.validation import OURS, Figures, Report

FEW = 100
"""Held-out conversions below which every figure is rough, and said to be."""
CLOSE = 0.015
"""An ECE that nobody has to think about."""
NAMED = 6


def headline(report: Report) -> str:
    """What it comes to."""
    figures = report.figures
    if not report.signal or figures.auc is None:
        return (
            "No signal: nothing in these columns tells who will convert better than chance. Everybody gets the base "
            f"rate, {percent(figures.base_rate)}; use rules until there is more to learn from."
        )
    best = next((part for part in report.deciles if math.isclose(part.until, 0.2)), None)
    if best is None or best.gain <= 0.2:
        return f"Weak: the ranking is hardly better than chance (AUC {figures.auc.value:.3f})."
    text = (
        f"The best fifth of the leads holds {percent(best.gain)} of all conversions, {best.gain / 0.2:.1f} times its "
        "share."
    )
    if figures.auc.low <= 0.5:
        text += " That may be chance: the interval of the AUC reaches 0.5."
    return text


def sentences(report: Report) -> list[tuple[str, str]]:
    """(question, answer), the most important first; only what there is something to say to."""
    said = [
        ("Whom to call?", _calls(report)),
        ("What was it worth?", _worth(report)),
        ("Better than what you have?", _rivals(report)),
        ("Can the percentages be believed?", _calibration(report)),
        ("Does it hold?", _time(report)),
        ("What was left out?", _left_out(report)),
        ("How sure is this?", _sure(report)),
    ]
    return [(question, answer) for question, answer in said if answer]


def percent(share: float | None) -> str:
    if share is None:
        return "\u2013"
    shown = 100 * share
    whole = shown == 0 or 9.95 <= shown < 99.5 or shown >= 99.95
    return f"{shown:.{0 if whole else 1}f} %"


def _calls(report: Report) -> str:
    figures = report.figures
    if not report.signal or figures.lift is None:
        return ""
    return (
        f"Of 100 leads from the best tenth {_count(100 * figures.best['0.1'])} converted; of 100 taken at random, "
        f"{_count(100 * figures.base_rate)}."
    )


def _worth(report: Report) -> str:
    found = [bucket for bucket in report.business if bucket.leads]
    if len(found) < 2 or not any(bucket.won for bucket in found):
        return ""
    best, last = found[0], found[-1]
    text = (
        f"Of the {best.leads:,} leads in \u201c{best.bucket}\u201d {percent(best.close_rate)} closed as won, of the "
        f"{last.leads:,} in \u201c{last.bucket}\u201d {percent(last.close_rate)}"
    )
    if best.revenue_per_lead is not None and last.revenue_per_lead is not None:
        text += f"; a lead brought {best.revenue_per_lead:,.0f} against {last.revenue_per_lead:,.0f} in revenue"
    return text + "."


def _rivals(report: Report) -> str:
    ours = report.figures.auc
    if ours is None or not report.signal:
        return ""
    better: list[str] = []
    alike: list[str] = []
    worse: list[str] = []
    for name, figures in report.rivals.items():
        if figures.auc is None or figures.auc.low == figures.auc.high:  # one score for everybody
            continue
        place = better if ours.value > figures.auc.high else worse if ours.value < figures.auc.low else alike
        place.append(f"{name} ({figures.auc.value:.2f})")
    parts = [
        f"{words} {_listed(names)}"
        for words, names in (("better than", better), ("about as well as", alike), ("worse than", worse))
        if names
    ]
    said = ", ".join(parts[:-1]) + ", and " + parts[-1] if len(parts) > 1 else "".join(parts)
    return f"It ranks {said}; its own AUC is {ours.value:.2f}." if parts else ""


def _calibration(report: Report) -> str:
    figures = report.figures
    if figures.ece is None or not report.signal:
        return ""
    weight = sum(part.weight for part in report.calibration)
    expected = sum(part.weight * part.predicted for part in report.calibration) / weight
    off = f"they are off by {100 * figures.ece:.1f} points on average"
    if figures.ece <= CLOSE:
        return f"Yes: {off}."
    if abs(expected - figures.base_rate) > 0.7 * figures.ece:
        return (
            f"Not as they stand: {percent(expected)} were expected to convert and {percent(figures.base_rate)} did. "
            "Trust the order more than the percentage."
        )
    return f"Roughly: {off}."


def _time(report: Report) -> str:
    told = [part for part in report.over_time if part.auc is not None]
    if len(told) < 2 or not report.signal:
        return ""
    worst = min(told, key=lambda part: part.auc or 0.0)
    values = [part.auc for part in told if part.auc is not None]
    text = f"Over {len(told)} stretches of time its AUC is between {min(values):.2f} and {max(values):.2f}"
    if min(values) < 0.55:
        return f"{text}: from {worst.name} it ranked hardly better than chance."
    return text + "."


def _left_out(report: Report) -> str:
    if not report.about.verdicts:
        return ""
    out = [verdict for verdict in report.about.verdicts if not verdict.kept]
    if not out:
        return f"Nothing: none of the {len(report.about.verdicts)} columns knows what it cannot know beforehand."
    why = {
        Level.LEAK: "know the outcome", Level.DOWNSTREAM: "are caused by sales",
        Level.SUSPICIOUS: "tell more than they should",
    }  # fmt: skip
    parts = []
    for level, words in why.items():
        names = [f"\u201c{verdict.feature}\u201d" for verdict in out if verdict.level is level]
        if names:
            shown = [*names[:NAMED], *([f"{len(names) - NAMED} more"] if len(names) > NAMED else [])]
            parts.append(f"{_listed(shown)} {words if len(names) > 1 else _single(words)}")
    return f"{'; '.join(parts)}."


def _sure(report: Report) -> str:
    figures = report.figures
    if figures.auc is None or figures.conversions >= FEW:
        return ""
    return (
        f"Only {figures.conversions:,} conversions were held out, so every figure is rough: the AUC lies between "
        f"{figures.auc.low:.2f} and {figures.auc.high:.2f}."
    )


def _single(words: str) -> str:
    for many, one in (("know ", "knows "), ("are ", "is "), ("tell more than they", "tells more than it")):
        words = words.replace(many, one)
    return words


def _count(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def compared(report: Report) -> dict[str, Figures]:
    """Ours first, then what it must beat."""
    return {OURS: report.figures, **report.rivals}


def summary(figures: Figures) -> list[tuple[str, str, str]]:
    """The figures by name, each with what it means, for a screen."""
    interval = figures.auc

    def between(low: float, high: float) -> str:
        return f"  ({low:.3f} to {high:.3f})"

    ranked = [] if interval is None else [
        ("AUC", f"{interval.value:.3f}{between(interval.low, interval.high)}", "0.5 is chance, 1 is perfect"),
        ("Gini", f"{2 * interval.value - 1:.3f}{between(2 * interval.low - 1, 2 * interval.high - 1)}", "2 AUC - 1"),
    ]  # fmt: skip
    return [
        *ranked,
        ("KS", figure(figures.ks), "greatest distance of the two distributions"),
        ("log-loss", figure(figures.log_loss), "in nats; less is better"),
        ("Brier", figure(figures.brier), "mean squared error; less is better"),
        ("ECE", figure(figures.ece), "how far predictions are off, on average"),
        *(
            (f"precision@{float(share):.0%}", percent(rate), f"converted among the best {float(share):.0%}")
            for share, rate in figures.best.items()
        ),
        ("lift@10%", "\u2013" if figures.lift is None else f"{figures.lift:.1f}x", "over calling at random"),
    ]


def figure(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.3f}"
