"""The validation report as one HTML file that needs nothing else, and the same figures as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from worker.training import plots
from worker.training.leakage import Level
from worker.training.validation import Figures, Report

OURS = "this model"


def plain(report: Report) -> dict[str, Any]:
    """Every figure, of every fold, as JSON holds it: None where a figure is not defined."""
    return {"headline": headline(report), **_finite(asdict(report))}


def html(report: Report) -> str:
    """The page: no script, no address of anything outside; whatever comes from the data is escaped."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    pages.filters.update(percent=_percent, figure=_figure, money=_money, signed=lambda value: f"{value:+.2f}")
    order = list(reversed(Level))
    return pages.get_template("report.html").render(
        report=report,
        figures=report.figures,
        headline=headline(report),
        everybody={OURS: report.figures, **report.rivals},
        blamed=sorted(
            (verdict for verdict in report.verdicts if verdict.level is not Level.OK or verdict.override),
            key=lambda verdict: order.index(verdict.level),
        ),
        fine=[verdict for verdict in report.verdicts if verdict.level is Level.OK and not verdict.override],
        plots=_plots(report),
    )


def headline(report: Report) -> str:
    """What it comes to, in one or two sentences for somebody who sells."""
    figures = report.figures
    if not report.signal or figures.auc is None:
        return (
            "No signal: nothing in these columns tells who will convert better than chance. Everybody gets the base "
            f"rate, {_percent(figures.base_rate)}; use rules until there is more to learn from."
        )
    best = next((part for part in report.deciles if math.isclose(part.until, 0.2)), None)
    if best is None or best.gain <= 0.2:
        return f"Weak: the ranking is hardly better than chance (AUC {figures.auc.value:.3f})."
    times = f"{best.gain / 0.2:.1f} times its share"
    text = f"The best fifth of the leads holds {_percent(best.gain)} of all conversions, {times}."
    if figures.auc.low <= 0.5:
        text += " That may be chance: the interval of the AUC reaches 0.5."
    return text


def _plots(report: Report) -> dict[str, Any]:
    compared = {OURS: report.figures, **report.rivals}
    intervals = {name: figures.auc for name, figures in compared.items() if figures.auc is not None}
    return {
        "rivals": plots.rivals(intervals) if intervals else "",
        "deciles": plots.deciles(report.deciles, report.figures.base_rate),
        "gains": plots.gains(report.deciles),
        "calibration": plots.calibration(report.calibration),
        "time": plots.over_time(report.over_time) if len(report.over_time) > 1 else "",
        "learning": plots.learning(report.learning) if len(report.learning) > 1 else "",
        "importance": plots.importance(report.importance[:12]) if report.importance else "",
        "dependence": [plots.dependence(found, number) for number, found in enumerate(report.dependence)],
    }


def _percent(share: float | None) -> str:
    if share is None:
        return "\u2013"
    return f"{100 * share:.0f} %" if share in (0, 1) or 0.1 <= share < 0.995 else f"{100 * share:.1f} %"


def _figure(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.3f}"


def _money(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:,.0f}"


def _finite(value: Any) -> Any:
    """Without what JSON has no word for. Interval, slices and bins become objects, not lists."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _finite(each) for name, each in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
        ("KS", _figure(figures.ks), "greatest distance of the two distributions"),
        ("log-loss", _figure(figures.log_loss), "in nats; less is better"),
        ("Brier", _figure(figures.brier), "mean squared error; less is better"),
        ("ECE", _figure(figures.ece), "how far predictions are off, on average"),
        *(
            (f"precision@{float(share):.0%}", _percent(rate), f"converted among the best {float(share):.0%}")
            for share, rate in figures.best.items()
        ),
        ("lift@10%", "\u2013" if figures.lift is None else f"{figures.lift:.1f}x", "over calling at random"),
    ]
