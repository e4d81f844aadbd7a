"""The runner: its exit status is the verdict, its table and JSON the evidence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import figure

BENCHMARK = """
from benchmarks.figure import Figure, peak_mib
def run():
    return Figure("{name}", ours=3.0, baseline=1.5, unit="s", goal="at most 2x", met={met}, peak_mib=peak_mib())
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the runner with benchmarks of its own."""
    copy = tmp_path / "benchmarks"
    copy.mkdir()
    for name in ("__init__.py", "__main__.py", "figure.py"):
        shutil.copy(Path(figure.__file__).with_name(name), copy)
    (copy / "fast.py").write_text(BENCHMARK.format(name="fast", met=True))
    return copy


def run(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=package.parent, capture_output=True, text=True, check=False, timeout=60)


def test_all_goals_met_is_success_with_figures_on_screen_and_on_disk(package: Path) -> None:
    done = run(package)
    assert done.returncode == 0, done.stderr
    for shown in ("fast", "2.00", "at most 2x", "yes"):
        assert shown in done.stdout
    stored = json.loads((package / "results" / "fast.json").read_text())
    assert (stored["ours"], stored["baseline"], stored["ratio"], stored["met"]) == (3.0, 1.5, 2.0, True)
    assert stored["peak_mib"] > 1


def test_one_goal_missed_is_failure_and_all_are_still_run(package: Path) -> None:
    (package / "early.py").write_text(BENCHMARK.format(name="early", met=False))
    done = run(package)
    assert done.returncode == 1
    assert "no" in done.stdout
    assert (package / "results" / "fast.json").exists()


def test_a_crash_is_failure_and_leaves_no_old_figure(package: Path) -> None:
    (package / "results").mkdir()
    (package / "results" / "broken.json").write_text("{}")
    (package / "broken.py").write_text("def run():\n    raise SystemExit(3)\n")
    done = run(package, "broken")
    assert done.returncode == 1
    assert "failed" in done.stdout
    assert not (package / "results" / "broken.json").exists()


def test_only_the_named_benchmark_runs(package: Path) -> None:
    (package / "broken.py").write_text("raise SystemExit(3)\n")
    assert run(package, "fast").returncode == 0


def test_unknown_name_says_which_there_are(package: Path) -> None:
    done = run(package, "nope")
    assert done.returncode == 2
    assert "fast" in done.stderr
