"""Starting and ending a detached server that holds its own lock."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from worker.embedded.errors import EmbeddedError
from worker.embedded.place import Place

_START_SECONDS = 60.0  # crash recovery of a large WAL or append-only file is part of a start
_STOP_SECONDS = 30.0
_LOCK_SECONDS = 240.0  # longer than start and stop of both servers together
# Nothing of the caller's environment reaches the servers: PGPORT, PGDATA or a locale would change them.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Server(Protocol):
    """What `ensure` and `halt` need to know of a server."""

    @property
    def name(self) -> str: ...
    @property
    def lock(self) -> Path: ...
    @property
    def log(self) -> Path: ...

    def answers(self) -> bool:
        """Whether it accepts work now."""

    def spawn(self, lock: int) -> None:
        """Start it detached, inheriting the descriptor `lock`; returns before it answers."""

    def signal_stop(self, *, hard: bool) -> None:
        """Tell it once to end, without waiting. `hard` drops work in progress, never what was committed."""


def ensure(server: Server) -> None:
    """Return once `server` answers, having started it if no process of it lives. Raises `EmbeddedError`."""
    spawned, deadline = False, time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        lock = _try_lock(server.lock)
        if lock is None:  # it lives: ready, recovering, or the last children of one that was killed
            if server.answers():
                return
        else:
            try:
                if spawned:
                    raise EmbeddedError(f"embedded {server.name} ended while starting; {_last_words(server.log)}")
                if server.answers():
                    raise EmbeddedError(f"a server that is not ours listens where {server.lock} belongs: end it first")
                server.spawn(lock)
                spawned = True
            finally:
                os.close(lock)  # the server's inherited copy keeps it locked
        time.sleep(0.02)
    raise EmbeddedError(f"embedded {server.name} lives but does not answer; {_last_words(server.log)}")


def halt(server: Server) -> bool:
    """End `server` and wait for the last of its children. False if none lived. Raises `EmbeddedError`."""
    if not server.lock.exists() or not is_held(server.lock):
        return False
    for hard in (False, True):
        server.signal_stop(hard=hard)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if not is_held(server.lock):
                return True
            time.sleep(0.02)
    raise EmbeddedError(f"embedded {server.name} does not end; {_last_words(server.log)}; end its processes with kill")


def run(command: list[str], place: Place, cwd: Path, *, lock: int | None = None, script: str = "") -> None:
    """Run a short command as the user of the servers, `script` on its standard input. Raises `EmbeddedError`."""
    owner, program = place.owner, Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=_ENVIRONMENT,
            input=script,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
            timeout=_START_SECONDS,
            pass_fds=() if lock is None else (lock,),
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )
    except subprocess.TimeoutExpired:
        raise EmbeddedError(
            f"{program} has not ended within {_START_SECONDS:.0f} s: is the disk full or slow?"
        ) from None
    if done.returncode != 0:
        said = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise EmbeddedError(f"{program} ended with status {done.returncode}: {said or 'no message'}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file lock `path`, waiting for whoever has it. Raises `EmbeddedError` if that never ends."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while (descriptor := _try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{path} has been held for {_LOCK_SECONDS:.0f} s by a start or stop that hangs: end it")
        time.sleep(0.05)
    try:
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether any process holds the lock `path`."""
    descriptor = _try_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def _try_lock(path: Path) -> int | None:
    """The descriptor of the locked file, or None while somebody else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def _last_words(log: Path) -> str:
    with suppress(OSError):
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return f"{log} ends with: " + " | ".join(lines[-3:])
    return f"it wrote no log at {log}"
