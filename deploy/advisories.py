"""`python deploy/advisories.py [LOCK]`: what is known to be wrong with the packages of a lock, as osv.dev tells.

Exit status: 0 nothing is known, 1 something is, 3 the service does not answer (which is said, and is no all-clear).
OSV_URL names another server of the same API.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).parent))
from sbom import LOCK, packages

SERVICE = "https://api.osv.dev"
AT_ONCE = 500
KNOWN, UNANSWERED = 1, 3


def known(found: Sequence[tuple[str, str]], service: str) -> dict[tuple[str, str], list[str]]:
    """(name, version) -> ids of its advisories, for those that have any. Raises `requests.RequestException`,
    `ValueError`, `KeyError`."""
    wrong: dict[tuple[str, str], list[str]] = {}
    for first in range(0, len(found), AT_ONCE):
        some = found[first : first + AT_ONCE]
        asked = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in some]
        answer = requests.post(f"{service}/v1/querybatch", json={"queries": asked}, timeout=30)
        answer.raise_for_status()
        results = answer.json()["results"]
        if len(results) != len(some):
            raise ValueError(f"{len(results)} answers to {len(some)} questions")
        for package, result in zip(some, results, strict=True):
            if ids := [each["id"] for each in result.get("vulns", ())]:
                wrong[package] = sorted(ids)
    return wrong


def main(arguments: Sequence[str]) -> int:
    lock = Path(arguments[0]) if arguments else LOCK
    found = sorted(packages(lock.read_text("utf-8")))
    service = os.environ.get("OSV_URL", SERVICE)
    try:
        wrong = known(found, service)
    except (requests.RequestException, ValueError, KeyError) as problem:
        what = f"{service} does not answer ({type(problem).__name__})"
        sys.stderr.write(f"{what}: {len(found)} packages are not audited\n")
        return UNANSWERED
    for (name, version), ids in wrong.items():
        sys.stdout.write(f"{name} {version}: {', '.join(ids)}\n")
    sys.stdout.write(f"{len(found)} packages of {lock.name}, {len(wrong)} with known advisories\n")
    return KNOWN if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
