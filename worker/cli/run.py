"""Keep it running: `up` and its parts, `down`, and `migrate`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from worker import embedded
from worker.bootstrap import Process
from worker.cli.screen import Exit, err, error, out
from worker.settings import ConfigurationError, load, told

Roles = dict[str, list[str]]

ROLES: Roles = {
    "sync worker": ["worker", "--queues", "plan,sync", "--concurrency", "3"],
    "compute worker": ["worker", "--queues", "compute", "--concurrency", "1"],
    "beat": ["beat"],
    "trainer": ["trainer"],
}
LONGEST_PAUSE = 60.0
"""Seconds before a role that keeps dying is started again, at most."""
STOP_WITHIN = 60.0
"""Longer than a worker's soft shutdown."""


def add_to(app: typer.Typer) -> None:
    for command in (up, down, worker, beat, migrate):
        app.command()(command)


def up() -> None:
    """Run all roles in one process group: two workers, beat and a trainer. Ctrl-C stops them."""
    process = Process(load())
    prepare(process)
    agree(process)
    process.close()
    with Group(ROLES) as group:
        out.print("Leadgauge is up: " + ", ".join(ROLES) + ". Ctrl-C stops it; `leadgauge status` tells how it goes.")
        group.wait()


def prepare(process: Process) -> None:
    """Secrets can be read, servers answer, the schema is this version's, and every configured stream has its row.

    A source whose secrets cannot be read is told, and stops no other. Raises `ConfigurationError` where that is every
    one, `DatabaseError`, `RedisError`.
    """
    unreadable = process.settings.unreadable_secrets()
    if unreadable and unreadable.keys() == set(process.sources):
        raise ConfigurationError("\n".join(f"{source}, {what}" for source, what in unreadable.items()))
    for source, what in unreadable.items():
        error(f"{source}, {what}")
    process.ping_redis()
    process.migrate()
    assert process.registered


def agree(process: Process) -> None:
    """Options by which a CRM's own fields follow the stage name values that the CRM has and that the policy reads
    as they are meant. A CRM that cannot be asked now is told, and refuses what it does not take later.

    Raises `ConfigurationError` with source, option, value, what there is, and what to do.
    """
    with process.engine.connect() as connection:
        policy = process.goals.policy(connection)
    wrong = [told(*each) for each in process.reach.disagreements(policy)]
    unreadable = process.settings.unreadable_secrets()
    for source in process.reach.followers.keys() - unreadable.keys():
        for problem in process.crm(source).check(policy.bucket_names):
            said = f"{problem.where}: {problem.what}; {problem.fix}"
            if problem.code.startswith("stage_"):
                option, _, what = problem.what.partition(": ")
                said = told(source, option, f"{what}; {problem.fix}")
            if problem.fatal and problem.code.startswith("stage_"):
                wrong.append(said)
            elif problem.fatal or problem.code.startswith("stage_"):
                error(said)
    if wrong:
        raise ConfigurationError("\n".join(wrong))


def down() -> None:
    """Stop the embedded servers. Their data stay."""
    stopped = embedded.stop(load().home)
    out.print("stopped the embedded servers; their data stay" if stopped else "no embedded servers were running")


def migrate() -> None:
    """Bring the database to this version, and publish the shipped policy and rules where there are none."""
    process = Process(load())
    process.migrate()
    out.print("the database is at this version's schema")
    process.close()


def worker(
    queues: Annotated[str, typer.Option(help="Which queues to serve: plan, sync, compute.")] = "plan,sync,compute",
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Child processes.")] = 2,
) -> None:
    """Run one worker."""
    from worker.app import QUEUES

    if unknown := [name for name in queues.split(",") if name not in QUEUES]:
        raise typer.BadParameter(f"no queue is named {unknown[0]!r}; there are {', '.join(QUEUES)}")
    name = f"{queues.replace(',', '-')}-{os.getpid()}@%h"
    arguments = ["worker", "-Q", queues, "-c", str(concurrency), "-n", name, "--without-gossip", "--without-mingle"]
    _celery(f"worker-{queues.replace(',', '-')}", arguments)


def beat() -> None:
    """Run the scheduler. A second one does no harm: what it wakes finds nothing due."""
    home = load().home
    home.mkdir(parents=True, exist_ok=True)
    _celery("beat", ["beat", "-s", str(home / "beat.schedule")])


def _celery(role: str, arguments: Sequence[str]) -> None:
    from worker.app import app, configure

    settings = load()
    process = Process(settings)
    process.ping_redis()
    process.check_schema()
    configure(settings, process.addresses.broker, role)
    process.close()  # nothing that is open now may be used after the fork
    # TERM drains for a bounded time instead of waiting for every task to end.
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    # A parent that used OpenMP and then forked leaves children that hang.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        app.start([*arguments, "--loglevel", settings.log_level])
    finally:
        if app.heart is not None:  # an orderly end, or one that says why: whoever looks for a beat need not
            app.heart.stop()


class Group:
    """The roles as children: started together, restarted when one dies, stopped together."""

    def __init__(self, roles: Roles, log: Path | None = None, environment: dict[str, str] | None = None) -> None:
        self._roles = roles
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._deaths: dict[str, list[float]] = {}
        self._again: dict[str, float] = {}
        self._stopping = False

    def __enter__(self) -> Group:
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._stop)
        for role in self._roles:
            self._start(role)
        return self

    def _start(self, role: str) -> None:
        command = [sys.executable, "-m", "worker", *self._roles[role]]
        with self._log.open("ab") if self._log else nullcontext() as output:
            # A session of its own: Ctrl-C reaches this process alone, which stops the children in order.
            self._children[role] = subprocess.Popen(
                command, stdout=output, stderr=output, env=self._environment, start_new_session=True
            )

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self._stopping = True

    @property
    def stopped(self) -> bool:
        """A signal has asked for the end."""
        return self._stopping

    def wait(self, tick: Callable[[], bool] = lambda: True) -> None:
        """Watch the children until a signal comes or `tick` (called twice a second) says False."""
        while not self._stopping and tick():
            for role, child in list(self._children.items()):
                if child.poll() is not None:
                    self._restart(role, child.returncode)
            time.sleep(0.5)

    def _restart(self, role: str, code: int) -> None:
        """At once; one that keeps dying waits longer each time, and for ever: a server may be away for hours."""
        if code == Exit.WRONG:
            error(f"the {role} ended with {code} and cannot be kept running")
            raise typer.Exit(code)
        now = time.monotonic()
        if role not in self._again:
            deaths = self._deaths[role] = [then for then in self._deaths.get(role, []) if now - then < 600] + [now]
            pause = 0.0 if len(deaths) == 1 else min(LONGEST_PAUSE, 2.0 ** (len(deaths) - 1))
            self._again[role] = now + pause
            err.print(f"the {role} ended with {code}; starting it again" + (f" in {pause:.0f} s" if pause else ""))
        if now >= self._again[role]:
            del self._again[role]
            self._start(role)

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_WITHIN
        for role, child in self._children.items():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                err.print(f"the {role} did not stop in time and was killed; what it held is done again later")
                os.killpg(child.pid, signal.SIGKILL)
