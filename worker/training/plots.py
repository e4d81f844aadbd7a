"""The report's pictures: SVG to be put into a page, in the page's own colours and font, light or dark.

Every function gives one `<svg>` element. Its text stays text, its colours are the page's variables `--ink`, `--muted`,
`--line`, `--accent` and `--second`, its ids start with its name, so that several live in one page, and the same figures
give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy.special import ndtri

from worker.training.insight import Dependence
from worker.training.metrics import Bin, Interval, Slice
from worker.training.parts import Part

# Stand-ins that no other shape of a plot has, replaced by the page's variables.
_INK, _MUTED, _LINE, _ACCENT, _SECOND = "#010203", "#010204", "#010205", "#010206", "#010207"
_VARIABLES: Mapping[str, str] = {
    _INK: "var(--ink)", _MUTED: "var(--muted)", _LINE: "var(--line)", _ACCENT: "var(--accent)",
    _SECOND: "var(--second)",
}  # fmt: skip
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10,
    "text.color": _INK, "axes.labelcolor": _MUTED, "axes.edgecolor": _LINE, "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "axes.grid": True, "grid.color": _LINE, "grid.linewidth": 0.6,
    "xtick.color": _LINE, "ytick.color": _LINE, "xtick.labelcolor": _MUTED, "ytick.labelcolor": _MUTED,
    "figure.facecolor": "none", "axes.facecolor": "none", "lines.linewidth": 2, "legend.frameon": False,
    "text.parse_math": False,
}  # fmt: skip
_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.3g} %")
_COUNT = FuncFormatter(lambda value, _: f"{value:,.10g}")


def rivals(figures: Mapping[str, Interval]) -> str:
    """AUC of each with its interval, in the given order, the first one ours."""

    def draw(axes: Axes) -> None:
        for row, (value, low, high) in enumerate(figures.values()):
            color = _SECOND if row else _ACCENT
            axes.plot([low, high], [row, row], color=color, linewidth=3, solid_capstyle="round", alpha=0.45)
            axes.plot([value], [row], "o", color=color, markersize=7)
            axes.annotate(f"{value:.3f}", (high, row), (8, 0), textcoords="offset points", va="center", color=_INK)
        axes.set_yticks(range(len(figures)), [_short(name, 28) for name in figures])
        axes.tick_params(axis="y", length=0, labelcolor=_INK)
        axes.set_ylim(len(figures) - 0.4, -0.6)
        ends = [end for interval in figures.values() for end in interval]
        axes.set_xlim(min(*ends, 0.5) - 0.02, max(ends) + 0.06)
        axes.axvline(0.5, color=_MUTED, linewidth=1, linestyle=(0, (2, 2)))
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("AUC, with its 95 % interval (0.5 is chance)")

    return _svg("rivals", "AUC of the model and its rivals", draw, height=0.9 + 0.42 * len(figures))


def deciles(slices: Sequence[Slice], base_rate: float) -> str:
    """Conversion rate by tenth of the ranking, best first, beside the base rate."""

    def draw(axes: Axes) -> None:
        rates = [part.rate for part in slices]
        places = range(1, len(rates) + 1)
        axes.bar(places, rates, 0.72, color=_ACCENT)
        top = max([*rates, base_rate])
        for place, part in zip(places, slices, strict=True):
            # Not through the line of the base rate.
            above = 0 if not 0 <= base_rate - part.rate < 0.08 * top else base_rate - part.rate
            axes.annotate(
                f"{part.lift:.1f}x", (place, part.rate + above), (0, 4), textcoords="offset points", ha="center",
                color=_MUTED, fontsize=8.5,
            )  # fmt: skip
        axes.axhline(base_rate, color=_SECOND, linewidth=1.4)
        axes.annotate(
            f"everybody: {100 * base_rate:.1f} %", (len(rates) + 0.45, base_rate), (0, 5), textcoords="offset points",
            ha="right", color=_INK, fontsize=9,
        )  # fmt: skip
        axes.set_xticks(list(places))
        axes.tick_params(axis="x", length=0)
        axes.yaxis.set_major_formatter(_PERCENT)
        axes.grid(axis="x", visible=False)
        axes.set_xlabel("tenth of the leads, best first")
        axes.set_ylabel("converted")

    return _svg("deciles", "conversion rate by tenth of the leads", draw)


def gains(slices: Sequence[Slice]) -> str:
    """The share of all conversions found in the best share of the leads."""

    def draw(axes: Axes) -> None:
        found = [0.0, *(part.gain for part in slices)]
        until = [0.0, *(part.until for part in slices)]
        axes.fill_between(until, until, found, color=_ACCENT, alpha=0.12, linewidth=0)
        axes.plot(until, found, color=_ACCENT)
        axes.plot([0, 1], [0, 1], color=_MUTED, linewidth=1, linestyle=(0, (2, 2)))
        for part in slices:
            if round(part.until, 6) in (0.1, 0.2):
                axes.plot([part.until], [part.gain], "o", color=_ACCENT, markersize=6)
                axes.annotate(
                    f"{100 * part.gain:.0f} %", (part.until, part.gain), (9, -9), textcoords="offset points", color=_INK
                )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_formatter(_PERCENT)
        axes.yaxis.set_major_formatter(_PERCENT)
        axes.set_xlabel("leads called, best first")
        axes.set_ylabel("conversions found")

    return _svg("gains", "share of conversions found by share of leads called", draw)


def calibration(bins: Sequence[Bin]) -> str:
    """What came beside what was predicted, with its 95 % interval."""

    def draw(axes: Axes) -> None:
        top = 1.08 * max([*(part.predicted for part in bins), *(part.observed for part in bins), 0.01])
        axes.plot([0, top], [0, top], color=_MUTED, linewidth=1, linestyle=(0, (2, 2)))
        for part in bins:
            ends = [min(end, top) for end in _wilson(part)]
            axes.plot([part.predicted] * 2, ends, color=_ACCENT, linewidth=2.5, alpha=0.4, solid_capstyle="round")
        axes.plot([part.predicted for part in bins], [part.observed for part in bins], "o", color=_ACCENT, markersize=6)
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.xaxis.set_major_formatter(_PERCENT)
        axes.yaxis.set_major_formatter(_PERCENT)
        axes.set_xlabel("predicted")
        axes.set_ylabel("converted")

    return _svg("calibration", "conversion rate by predicted probability", draw)


def over_time(parts: Sequence[Part]) -> str:
    """Conversion rate and mean prediction by stretch of time."""

    def draw(axes: Axes) -> None:
        places = range(len(parts))
        axes.plot(places, [part.rate for part in parts], "o-", color=_ACCENT, label="converted")
        axes.plot(places, [part.predicted for part in parts], "o--", color=_SECOND, label="predicted")
        axes.set_xticks(list(places), [part.name.split(" to ")[0] for part in parts], rotation=25, ha="right")
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(_PERCENT)
        axes.legend(loc="best", labelcolor=_INK)

    return _svg("time", "conversion rate, predicted and real, over time", draw)


def learning(points: Sequence[tuple[int, float]]) -> str:
    """AUC by rows fitted on."""

    def draw(axes: Axes) -> None:
        rows = [count for count, _ in points]
        axes.plot(rows, [auc for _, auc in points], "o-", color=_ACCENT)
        axes.set_xscale("log")
        axes.set_xticks(rows, [f"{count:,}" for count in rows])
        axes.minorticks_off()
        axes.margins(0.08, 0.2)
        low, high = axes.get_ylim()
        wider = max(0.0, 0.04 - (high - low)) / 2
        axes.set_ylim(low - wider, high + wider)
        axes.set_xlabel("rows learnt from")
        axes.set_ylabel("AUC")

    return _svg("learning", "AUC by rows learnt from", draw)


def dependence(found: Dependence, number: int) -> str:
    """What the model says on average when everybody had this value."""

    def draw(axes: Axes) -> None:
        known = [point for point in found.points if point.value is not None]
        missing = [point.probability for point in found.points if point.value is None]
        if found.numeric:
            values = [float(point.value) for point in known if point.value is not None]
            axes.plot(values, [point.probability for point in known], color=_ACCENT)
            axes.xaxis.set_major_formatter(_COUNT)
            for probability in missing:
                axes.axhline(probability, color=_SECOND, linewidth=1.2, linestyle=(0, (4, 2)))
                axes.annotate(
                    "missing", (1, probability), (0, 3), xycoords=("axes fraction", "data"),
                    textcoords="offset points", ha="right", color=_SECOND, fontsize=9,
                )  # fmt: skip
        else:
            bars = [(_short(str(point.value), 16), point.probability, _ACCENT) for point in known]
            bars += [("missing", probability, _SECOND) for probability in missing]
            places = range(len(bars))
            axes.barh(places, [bar[1] for bar in bars], 0.62, color=[bar[2] for bar in bars])
            axes.set_yticks(list(places), [bar[0] for bar in bars])
            axes.invert_yaxis()
            axes.tick_params(axis="y", length=0, labelcolor=_INK)
            axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        scale = axes.yaxis if found.numeric else axes.xaxis
        scale.set_major_formatter(_PERCENT)
        if found.numeric:
            axes.set_ylim(0, 1.15 * max(point.probability for point in found.points))

    return _svg(f"dependence{number}", f"prediction by {found.label}", draw, width=3.9, height=2.5)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "\u2026"


def _wilson(part: Bin) -> tuple[float, float]:
    """The 95 % interval of an observed share (Wilson 1927)."""
    z2, n, p = float(ndtri(0.975)) ** 2, part.weight, part.observed
    middle, half = p + z2 / (2 * n), (z2 * (p * (1 - p) + z2 / (4 * n)) / n) ** 0.5
    return (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)


def _svg(name: str, title: str, draw: Callable[[Axes], None], width: float = 5.4, height: float = 3.3) -> str:
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = drawn.getvalue()
    text = text[text.index("<svg") :].strip()
    # Scaled by the page, in its font; a style element would hold for the page as a whole.
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    opened = f'role="img" aria-label="{escape(title, quote=True)}" stroke-linejoin="round"'
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', lambda svg: f"<svg {svg[1]} {opened}>", text, count=1)
    text = re.sub(r"font-family: [^;\"]+", "font-family: inherit", text)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = text.replace("url(#", f"url(#{name}-").replace('xlink:href="#', f'href="#{name}-')
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    return text
