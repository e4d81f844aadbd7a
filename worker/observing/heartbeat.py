"""Files that tell that a process goes on: each role touches its own as long as its loop turns.

Light to import, and a command of its own (`python -m worker.observing.heartbeat HOME`): a container's health check runs
it twice a minute, and should not cost more than what it watches. A worker's loop stands still while the broker is away
(observed: 25 seconds for an outage of 25), so what is called ill is far above what an outage lasts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ILL = 300.0
"""Seconds without a beat after which a process is not well."""
_EVERY = 5.0
_FOLDER = "alive"


class Heartbeat:
    """Of one role on one machine. Never raises: a disk that is full is not what this is for."""

    def __init__(self, home: Path, role: str) -> None:
        self._file = home / _FOLDER / role
        self._last = float("-inf")

    def beat(self) -> None:
        """Call it as often as you like."""
        now = time.monotonic()
        if now - self._last < _EVERY:
            return
        self._last = now
        with suppress(OSError):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file.touch()

    def stop(self) -> None:
        """An orderly end: nobody needs to look for it any more."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)


def ages(home: Path) -> Mapping[str, float]:
    """Seconds since the last beat of each role that began here and did not end in order."""
    found = {}
    with suppress(OSError):
        for file in sorted((home / _FOLDER).iterdir()):
            with suppress(OSError):
                found[file.name] = max(0.0, time.time() - file.stat().st_mtime)
    return found


def ill(home: Path, roles: Sequence[str] = (), older: float = ILL) -> Sequence[str]:
    """A sentence for each of these roles (all that have begun, where none is named) that is not well."""
    seen = ages(home)
    if not seen and not roles:
        return [f"nothing has begun in {home}"]
    wanted = roles or list(seen)
    return [
        f"{role}: no beat for {seen[role]:.0f} s" if role in seen else f"{role}: has not begun"
        for role in wanted if seen.get(role, float("inf")) > older
    ]  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """HOME [ROLE...]. 0 where all is well."""
    if not arguments:
        sys.stderr.write("say where: the directory that `home` names\n")
        return 2
    wrong = ill(Path(arguments[0]), arguments[1:])
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
