"""A chaos run under way: the product's processes, and what faults do with them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import psycopg

from tests.chaos.conftest import Practice, Product
from tests.chaos.machine import Machine, descendants, signal_all
from tests.chaos.proxy import Proxy
from tests.integration.cli import forks
from tests.integration.cli.forks import Running

PEOPLE = 40
LEASE = 5.0
ROLES = {
    "sync": ("worker", "--queues", "plan,sync", "--concurrency", "2"),
    "compute": ("worker", "--queues", "plan,compute", "--concurrency", "1"),
    "beat": ("beat",),
    "trainer": ("trainer",),
}
TEMPLATE = "chaos_template"


@dataclass(slots=True)
class Run:
    """What faults work with."""

    machine: Machine
    practice: Practice
    product: Product
    proxy: Proxy
    database: str
    diary: TextIO
    lease: float = LEASE
    processes: dict[str, Running] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)
    """What must not be found anywhere any more."""
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The product's database, past the proxy."""
        return self.machine.url(self.database)

    def note(self, what: str) -> None:
        """Into the run's own log, for whoever has to find out what happened."""
        self.diary.write(f"{datetime.now(UTC):%H:%M:%S.%f} {what}\n")
        self.diary.flush()

    def begin(self, role: str, **environment: str) -> None:
        kind, _, number = role.partition(" ")
        if number:  # another machine's
            environment["LEADGAUGE_HOME"] = f"{self.product.config['home']}-{number}"
        log = Path(self.product.config["home"]).with_name("product.log")
        self.processes[role] = forks.start(ROLES[kind], self.product.environment | environment, Path.cwd(), log)

    def end(self, role: str) -> None:
        """SIGKILL, with all that it began."""
        process = self.processes[role]
        signal_all(descendants(process.pid), signal.SIGKILL)
        process.wait()

    def restart(self, role: str, **environment: str) -> None:
        self.end(role)
        self.begin(role, **environment)

    def tend(self) -> None:
        """What a supervisor does: whoever died is started again."""
        for role, process in list(self.processes.items()):
            if process.poll() is not None:
                self.restart(role)

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, what))

    def rest(self, seconds: float) -> None:
        """Let time pass, doing what was put off until now."""
        until = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            for each in [each for each in self._later if each[0] <= now]:
                self._later.remove(each)
                each[1]()
            if now >= until:
                return
            time.sleep(min(0.05, until - now))

    def catch_up(self) -> None:
        """Do at once what was put off."""
        while self._later:
            self._later.pop(0)[1]()

    def streams(self) -> list[tuple[str, str]]:
        with suppress(psycopg.Error), self.machine.connect(self.database) as connection:
            return [(str(s), str(n)) for s, n in connection.execute("SELECT source, name FROM stream")]
        return []

    def mark(self) -> object:
        """Whatever work is done, it changes this."""
        with suppress(psycopg.Error), self.machine.connect(self.database) as connection:
            return connection.execute("""
                SELECT (SELECT sum(epoch + load_pages) FROM stream), (SELECT max(id) FROM ledger),
                       (SELECT count(*) FROM ledger WHERE state = 'verified'), (SELECT sum(revision) FROM person),
                       (SELECT count(*) FROM person WHERE dirty_at IS NULL), (SELECT max(id) FROM activity)
            """).fetchone()
        return None
