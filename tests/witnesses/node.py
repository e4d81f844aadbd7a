"""Node.js and the packages of package-lock.json: clients that others wrote, run as they are."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import pytest

HERE = Path(__file__).parent
OLDEST_NODE = 18
INSTALL_SECONDS, RUN_SECONDS = 240, 60

needs_node = pytest.mark.timeout(INSTALL_SECONDS + RUN_SECONDS)
"""For tests that call `run`: the first of them installs the packages."""


class Unavailable(Exception):
    """Why there is no Node.js, or why its packages could not be installed."""


def run(script: str, given: Any, *, ca: Path | None = None) -> Any:
    """What `script` (a file beside this one) prints as JSON, with `given` as JSON on its standard input; `ca` is an
    authority to trust. Skips the test where there is no Node.js or no registry, but fails it there under CI=true."""
    try:
        packages = _installed()
    except Unavailable as problem:
        _give_up(str(problem))
    environment = {**os.environ, "NODE_PATH": str(packages / "node_modules"), "NODE_NO_WARNINGS": "1"}
    if ca is not None:
        environment["NODE_EXTRA_CA_CERTS"] = str(ca)
    done = subprocess.run(
        ["node", str(HERE / script)],
        input=json.dumps(given),
        env=environment,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{script} failed:\n{done.stderr[-4000:]}"
    return json.loads(done.stdout)


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"witnesses must run in CI: {reason}", pytrace=False)
    pytest.skip(reason)


@cache
def _installed() -> Path:
    """The directory with the packages of the lock, made by the first process that wants it. Raises `Unavailable`."""
    _check_node()
    lock = (HERE / "package-lock.json").read_bytes()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leadgauge-witnesses"
    ready = home / sha256(lock).hexdigest()[:16]
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not ready.exists():
            draft = home / "draft"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, draft)
            _npm_ci(draft)
            draft.rename(ready)
    return ready


def _check_node() -> None:
    missing = [program for program in ("node", "npm") if shutil.which(program) is None]
    if missing:
        raise Unavailable(f"{' and '.join(missing)} not found; install Node.js {OLDEST_NODE} or newer")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"v(\d+)\.", said)
    if found is None or int(found[1]) < OLDEST_NODE:
        raise Unavailable(f"Node.js {said.strip()} is too old; install {OLDEST_NODE} or newer")


def _npm_ci(directory: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"npm ci did not finish within {INSTALL_SECONDS} seconds") from None
    if done.returncode:
        raise Unavailable(f"npm ci failed: {done.stderr.strip()[-500:]}")
