"""What chaos runs have found so far: a file that grows with every run, and the table in the documentation."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.faults import FAULTS
from tests.chaos.run import Outcome

DOCS = Path(__file__).parents[2] / "docs"
FILE, PAGE = DOCS / "reliability.json", DOCS / "reliability.md"
_BEGIN, _END = "<!-- faults -->", "<!-- /faults -->"


def add(outcome: Outcome) -> None:
    """Keep how a run ended. The newest run of a seed counts."""
    told = _read()
    told["runs"].append({"at": datetime.now(UTC).isoformat(timespec="seconds"), **asdict(outcome)})
    FILE.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    publish(told)


def publish(told: dict[str, Any] | None = None) -> None:
    """Write the table between the marks of the page, which is added to where it has none."""
    told = told or _read()
    page = PAGE.read_text("utf-8") if PAGE.exists() else "# Reliability\n"
    if _BEGIN not in page:
        page = f"{page.rstrip()}\n\n## Faults tried\n\n{_BEGIN}\n"
    if _END not in page:
        page = page.replace(_BEGIN, f"{_BEGIN}\n{_END}")
    part = f"{_BEGIN}\n{_table(told)}\n{_END}"
    PAGE.write_text(re.sub(f"{_BEGIN}.*?{_END}", lambda _: part, page, flags=re.DOTALL), "utf-8")


def _read() -> dict[str, Any]:
    if not FILE.exists():
        return {"runs": [], "found": []}
    told: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return told


def _table(told: dict[str, Any]) -> str:
    newest = {run["seed"]: run for run in told["runs"]}.values()
    tried: Counter[str] = Counter()
    survived: Counter[str] = Counter()
    for run in newest:
        tried.update(run["faults"])
        if run["violation"] is None:
            survived.update(run["faults"])
    spoilt = sum(run["spoilt"] for run in newest)
    fewest = min((sum(run["faults"].values()) for run in newest), default=0)
    longest = max((run["seconds"] for run in newest), default=0)
    bad = sum(run["violation"] is not None for run in newest)
    lines = [
        f"{len(newest)} seeds, {sum(tried.values())} faults (at least {fewest} a run), besides {spoilt:,} spoilt "
        f"answers of the CRMs, {bad} violations of the oracle. The longest run took {longest:.0f} s.",
        "",
        "| fault | what happens | tried | survived |",
        "|---|---|---|---|",
        *(f"| {name} | {fault.means} | {tried[name]} | {survived[name]} |" for name, fault in FAULTS.items()),
    ]
    if told["found"]:
        lines += ["", "Found on the way, and the test that keeps it from coming back:", ""]
        lines += [f"- {found['what']} (`{found['test']}`)" for found in told["found"]]
    return "\n".join(lines)
