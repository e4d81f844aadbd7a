"""`python -m benchmarks [NAME]`: every benchmark in a process of its own, one table, JSON beside it.

Exit status: 0 if every goal holds, 1 if one does not or a benchmark failed, 2 if there is no benchmark of that name.
"""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.figure import Figure

RESULTS = Path(__file__).parent / "results"
_NOT_BENCHMARKS = {"__main__", "figure"}


def names() -> list[str]:
    """Every module of this package that is a benchmark."""
    found = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in found if name not in _NOT_BENCHMARKS and not name.startswith("_"))


def measure(name: str) -> Figure | None:
    """Run one benchmark in a fresh process, so that its peak memory is its own. None if it failed."""
    path = RESULTS / f"{name}.json"
    path.unlink(missing_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--in-process", name], env=environment, check=False)
    if done.returncode != 0 or not path.exists():
        return None
    stored = json.loads(path.read_text())
    del stored["ratio"]
    return Figure(**stored)


def record(name: str) -> None:
    """Run one benchmark here and store what it found."""
    figure: Figure = import_module(f"benchmarks.{name}").run()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({**asdict(figure), "ratio": figure.ratio}, indent=2) + "\n")


def table(figures: dict[str, Figure | None]) -> Table:
    """One line a benchmark."""
    drawn = Table(title="Benchmarks")
    for heading in ("name", "ours", "baseline", "unit", "ratio", "goal", "met", "peak MiB", "note"):
        drawn.add_column(heading, justify="right" if heading in {"ours", "baseline", "ratio", "peak MiB"} else "left")
    for name, figure in figures.items():
        if figure is None:
            drawn.add_row(name, "", "", "", "", "", "[red]failed", "", "see above")
            continue
        met = "[green]yes" if figure.met else "[red]no"
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        ours, baseline, peak = _shown(figure.ours), _shown(figure.baseline), f"{figure.peak_mib:,.0f}"
        drawn.add_row(figure.name, ours, baseline, figure.unit, ratio, figure.goal, met, peak, figure.note)
    return drawn


def _shown(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--in-process"]:
        record(arguments[1])
        return 0
    chosen, known = arguments or names(), names()
    if unknown := sorted(set(chosen) - set(known)):
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known) or 'none'}", file=sys.stderr)
        return 2
    RESULTS.mkdir(exist_ok=True)
    figures = {name: measure(name) for name in chosen}
    Console(width=None if sys.stdout.isatty() else 180).print(table(figures))
    return 0 if all(figure is not None and figure.met for figure in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
