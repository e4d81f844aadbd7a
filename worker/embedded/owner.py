"""The user of the servers when the caller is root, whom PostgreSQL refuses to serve."""

from __future__ import annotations

import os
import pwd
import subprocess

from worker.embedded.errors import INSTEAD, EmbeddedError

SYSTEM_USER = "leadgauge"


def system_user() -> pwd.struct_passwd:
    """The system user `leadgauge`, made with useradd if missing. Raises `EmbeddedError` where that cannot be done."""
    if (known := _look_up(SYSTEM_USER)) is not None:
        return known
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    command += ["--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        said = done.stderr.strip()
    except FileNotFoundError:
        said = "there is no useradd here"
    if (made := _look_up(SYSTEM_USER)) is None:  # another process may have made it meanwhile
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER!r} cannot be made ({said}): "
            f"run as an ordinary user, {INSTEAD}"
        )
    return made


def caller_name() -> str:
    """The name of the effective user, as PostgreSQL's peer authentication sees it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise EmbeddedError(
            f"user id {os.geteuid()} has no name here, and PostgreSQL needs one: run as a named user, {INSTEAD}"
        ) from None


def _look_up(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
