"""`python -m tests.chaos SEEDS`: chaos runs of these seeds (`7`, `1-50`, `3,9-12`), one after the other.

Each is added to docs/reliability.json, and the table in docs/reliability.md is written anew. `--dry` keeps nothing.
Exit status: 0 if the oracle found nothing, 1 if it did, 2 for what are no seeds.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos import results
from tests.chaos.machine import Machine
from tests.chaos.run import execute


def seeds(given: str) -> list[int]:
    """Raises `ValueError` for what are none."""
    found: list[int] = []
    for part in given.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def main(arguments: list[str]) -> int:
    dry = "--dry" in arguments
    try:
        (given,) = (argument for argument in arguments if argument != "--dry")
        wanted = seeds(given)
    except ValueError:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    os.environ["OMP_NUM_THREADS"] = "1"
    place = Path(tempfile.mkdtemp(prefix="leadgauge-chaos-"))
    machine, bad = Machine(place / "home"), []
    try:
        for seed in wanted:
            outcome = execute(seed, machine, place / "run")
            if not dry:
                results.add(outcome)
            if outcome.violation:
                bad.append(seed)
                kept = Path(tempfile.mkdtemp(prefix=f"leadgauge-chaos-seed-{seed}-"))
                for log in (place / "run").glob("*.log"):
                    shutil.copy(log, kept)
            said = f"VIOLATION: {outcome.violation}; logs in {kept}" if outcome.violation else "survived"
            count = sum(outcome.faults.values())
            sys.stdout.write(
                f"seed {seed}: {count} faults, {outcome.spoilt} spoilt answers, {outcome.seconds} s: {said}\n"
            )
            sys.stdout.flush()
    finally:
        machine.remove()
        shutil.rmtree(place, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
