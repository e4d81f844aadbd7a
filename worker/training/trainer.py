"""The trainer: takes one request at a time under a lease, and runs it in a process of its own.

A training may need more memory than there is, or more time than anybody has; whatever happens to its process, the
request ends with a problem that says what to do, or is taken up again. A killed trainer takes its process along, and
the request with it is another's when the lease runs out.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from worker.lease import Clock
from worker.store import training
from worker.store.training import Request, RequestLost, RequestState

LEASE = timedelta(seconds=30)
MOST_ATTEMPTS = 3
"""Deaths of a request's process after which it is given up."""
_TICK = 0.2
_PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}
"""What a training's process is told, unless somebody chose otherwise: its threads sleep while they wait. Where others
want the cores too, spinning threads made a training of 30,000 rows take ten times the CPU (observed)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a training may take: time, and resident memory in bytes (where the system tells it, as Linux does)."""

    time: timedelta = timedelta(hours=2)
    memory: int = 4 * 2**30


def own_command(request: Request) -> Sequence[str]:
    """The process that does a request's work."""
    told = ["--request", str(request.id), "--epoch", str(request.epoch)]
    return [sys.executable, "-m", "worker", "trainer", *told]


@dataclass(frozen=True, slots=True)
class Trainer:
    """`command` makes the process of a request: it ends the request in the database before it ends itself. `quiet`:
    what that writes to standard error is nobody's to read. `beat`: told as long as the trainer goes on."""

    engine: Engine
    owner: str
    clock: Clock
    limits: Limits = field(default_factory=Limits)
    command: Callable[[Request], Sequence[str]] = own_command
    quiet: bool = False
    beat: Callable[[], None] = lambda: None

    def work(self, *, only: int | None = None, stop: Callable[[], bool] = lambda: False) -> Request | None:
        """Do the oldest request (or `only` this one); returns how it ended, None when there was nothing to take.

        Asked to `stop`, it gives the request back. Safe to kill anywhere.
        """
        with self.engine.begin() as connection:
            request = training.take(connection, self.owner, self.clock(), LEASE, only=only)
        if request is None:
            return None
        try:
            if request.attempts > MOST_ATTEMPTS:  # its trainers died with it, and nobody was left to count
                self._fail(request, f"it was begun {MOST_ATTEMPTS} times and its trainer died each time; see its log")
            else:
                self._run(request, stop)
        except RequestLost:
            pass
        with self.engine.connect() as connection:
            return training.get(connection, request.id)

    def alive(self) -> None:
        """Tell that this trainer is there."""
        with self.engine.begin() as connection:
            training.seen(connection, self.owner, self.clock())
        self.beat()

    def leave(self) -> None:
        """Tell that it is not there any more."""
        with self.engine.begin() as connection:
            training.gone(connection, self.owner)

    def _run(self, request: Request, stop: Callable[[], bool]) -> None:
        # The pipe is never written to: it closes with this process, and the child with it.
        errors = subprocess.DEVNULL if self.quiet else None
        child = subprocess.Popen(
            self.command(request), stdin=subprocess.PIPE, stderr=errors, start_new_session=True,
            env={**_PATIENT, **os.environ},
        )  # fmt: skip
        try:
            problem = self._attend(request, child, stop)
        finally:
            _end(child)
        if problem is None:
            self._settle(request, child.returncode)
        elif problem:
            self._fail(request, problem)

    def _attend(self, request: Request, child: subprocess.Popen[bytes], stop: Callable[[], bool]) -> str | None:
        """Hold the lease while the process lives; returns what it must be ended for, "" when it was asked to stop."""
        deadline = time.monotonic() + self.limits.time.total_seconds()
        held = time.monotonic()
        while child.poll() is None:
            if stop():
                with self.engine.begin() as connection:
                    training.release(connection, request.id, request.epoch)
                return ""
            if time.monotonic() > deadline:
                return (
                    f"it took longer than {self.limits.time}; allow more with `training_time`, or train on fewer "
                    "people (a shorter population)"
                )
            if (resident := _resident(child.pid)) > self.limits.memory:
                return (
                    f"it needed {resident / 2**30:.1f} GiB of memory and may take {self.limits.memory / 2**30:.1f}; "
                    "allow more with `training_memory`, or train on fewer people (a shorter population)"
                )
            if time.monotonic() - held > LEASE.total_seconds() / 6:
                with self.engine.begin() as connection:
                    training.hold(connection, request.id, request.epoch, self.clock(), LEASE)
                self.alive()
                held = time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                child.wait(_TICK)
        return None

    def _settle(self, request: Request, code: int) -> None:
        """The process has ended: by itself, or was it killed?"""
        with self.engine.connect() as connection:
            now = training.get(connection, request.id)
        if now is None or now.epoch != request.epoch or now.state is not RequestState.RUNNING:
            return
        if request.attempts < MOST_ATTEMPTS:
            with self.engine.begin() as connection:
                training.release(connection, request.id, request.epoch)
            return
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        memory = "; most likely the machine ran out of memory: give it more" if code == -signal.SIGKILL else ""
        self._fail(request, f"its process {how}, {request.attempts} times{memory}; see the trainer's log")

    def _fail(self, request: Request, problem: str) -> None:
        with self.engine.begin() as connection:
            training.fail(connection, request.id, request.epoch, problem, self.clock())


def _end(child: subprocess.Popen[bytes]) -> None:
    """Nothing of it is left when this returns."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdin is not None:
        child.stdin.close()


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
