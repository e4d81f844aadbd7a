"""`python deploy/sbom.py [LOCK]`: a software bill of materials, CycloneDX 1.6 in JSON, of what a lock installs.

Everything stands in the lock: names, versions, and the hash of every file that may be installed. Licences are told by
the packages that are installed here. The same lock gives the same document.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements-prod.lock"
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def packages(lock: str) -> dict[tuple[str, str], list[str]]:
    """(name, version) -> SHA-256 of its files; some have a version for each Python. Raises `ValueError` for a line that
    pins nothing."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in lock.replace("\\\n", " ").splitlines():
        if not entry.strip() or entry.lstrip().startswith(("#", "--")):
            continue
        pinned = _REQUIREMENT.match(entry)
        if pinned is None:
            raise ValueError(f"{entry[:60]!r} names no version")
        found[pinned["name"].lower(), pinned["version"]] = _HASH.findall(entry)
    return found


def document(lock: str) -> dict[str, Any]:
    """The bill of materials of a lock's text."""
    digest = hashlib.sha256(lock.encode()).digest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "leadgauge", "bom-ref": "leadgauge"}},
        "components": [_component(*its, hashes) for its, hashes in sorted(packages(lock).items())],
    }


def _component(name: str, version: str, hashes: list[str]) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version}"
    told: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence := _licence(name):
        told["licenses"] = [{"license": {"name": licence}}]
    # A component has one hash of an algorithm; a package has a file for each platform.
    told["externalReferences"] = [
        {"type": "distribution", "url": purl, "hashes": [{"alg": "SHA-256", "content": each}]} for each in hashes
    ]
    return told


def _licence(name: str) -> str | None:
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return None
    named = told.get("License-Expression") or next(
        (line.rpartition("::")[2].strip() for line in told.get_all("Classifier") or () if line.startswith("License")),
        None,
    )
    return str(named) if named else None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(Path(*sys.argv[1:2] or [LOCK]).read_text("utf-8")), indent=1) + "\n")
