"""The validation report as one HTML file that needs nothing else, and the same figures as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from worker.training import plots
from worker.training.findings import compared, figure, headline, percent, sentences
from worker.training.leakage import Level
from worker.training.validation import Report


def plain(report: Report) -> dict[str, Any]:
    """Every figure, of every fold, as JSON holds it: None where a figure is not defined."""
    told = asdict(report)
    about = told.pop("about")
    return {"headline": headline(report), "findings": dict(sentences(report)), **_finite({**about, **told})}


def html(report: Report) -> str:
    """The page: no script, no address of anything outside; whatever comes from the data is escaped."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    pages.filters.update(percent=percent, figure=figure, money=_money, signed=_signed, count=_count, whole=_whole)
    order = list(reversed(Level))
    verdicts = report.about.verdicts
    harmless = (Level.OK, Level.ASSUMED)
    blamed = [verdict for verdict in verdicts if verdict.level not in harmless or verdict.override or not verdict.kept]
    return pages.get_template("report.html").render(
        report=report,
        about=report.about,
        figures=report.figures,
        headline=headline(report),
        findings=sentences(report),
        everybody=compared(report),
        blamed=sorted(blamed, key=lambda verdict: order.index(verdict.level)),
        assumed=[verdict.feature for verdict in verdicts if verdict.level is Level.ASSUMED],
        fine=[verdict for verdict in verdicts if verdict not in blamed],
        plots=_plots(report),
    )


def _plots(report: Report) -> dict[str, Any]:
    intervals = {name: figures.auc for name, figures in compared(report).items() if figures.auc is not None}
    learning = report.about.learning
    return {
        "rivals": plots.rivals(intervals) if intervals else "",
        "deciles": plots.deciles(report.deciles, report.figures.base_rate),
        "gains": plots.gains(report.deciles),
        "calibration": plots.calibration(report.calibration),
        "time": plots.over_time(report.over_time) if len(report.over_time) > 1 else "",
        "learning": plots.learning(learning) if len(learning) > 1 else "",
        "dependence": [plots.dependence(found, number) for number, found in enumerate(report.dependence)],
    }


def _money(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:,.0f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _whole(text: str) -> str:
    """No number on one line and its percent sign on the next."""
    return text.replace(" %", "\u00a0%")


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\u2212")


def _finite(value: Any) -> Any:
    """Without what JSON has no word for. Interval, slices and bins become objects, not lists."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _finite(each) for name, each in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
