"""A running product in one process, on a clock that runs while it works and leaps while it waits.

So every second of work is charged, every limit of the CRMs is met at its real rate, and an hour takes as long as its
work does. The practice CRMs follow the same clock.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import requests
import yaml

from benchmarks.backfill import database
from connectors.errors import CrmError, Transient
from worker import embedded
from worker.bootstrap import Process
from worker.sync.plan import Pull, Push, Reconcile, Rescore, WakeUp, plan

CRMS = ("salesforce", "hubspot")


class Stepped(Process):
    """A process whose clock is the wall's and the leaps that were made."""

    leapt = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.leapt


class Practice:
    """Both practice CRMs, from their other side: the clock, planned edits, the calls they counted."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self._http = requests.Session()
        self._http.verify, self._http.trust_env = told["ca"], False
        form = {"grant_type": "client_credentials", "client_id": told["key"], "client_secret": told["secret"]}
        url = f"{told['urls']['salesforce']}/services/oauth2/token"
        token = self._http.post(url, data=form, timeout=30).json()["access_token"]
        self._bearer = {"Authorization": f"Bearer {token}"}

    def leap(self, by: timedelta) -> None:
        """Both share one clock."""
        body = {"advance": by.total_seconds()}
        self._http.post(f"{self.told['urls']['salesforce']}/sandbox/clock", json=body, timeout=60).raise_for_status()

    def change(self, begin: datetime, seconds: float, changes: int) -> list[tuple[str, str, datetime]]:
        """Plan edits; whose and when they will be."""
        body = {"begin": begin.isoformat(), "seconds": seconds, "changes": changes}
        answer = self._http.post(f"{self.told['urls']['salesforce']}/bench/changes", json=body, timeout=60)
        return [(crm, id, datetime.fromisoformat(at)) for crm, id, at in answer.json()]

    def calls(self) -> dict[str, int]:
        """Calls that each has counted so far, but for those of this class; and `refused`, those answered with 429."""
        url = f"{self.told['urls']['salesforce']}/services/data/v62.0/limits"
        limits = self._http.get(url, headers=self._bearer, timeout=60).json()["DailyApiRequests"]
        self.own += 1
        usage = self._http.get(f"{self.told['urls']['hubspot']}/sandbox/usage", timeout=60).json()
        used = int(limits["Max"] - limits["Remaining"]) - self.own
        return {"salesforce": used, "hubspot": usage["today"], "refused": usage["refused"]}

    own = 0


def sources(told: dict[str, Any], **settings: Any) -> list[dict[str, Any]]:
    """The two CRMs as the configuration names them, with the product's own limits."""
    salesforce = {
        "kind": "salesforce", "name": "salesforce", "login_url": told["urls"]["salesforce"], "ca_bundle": told["ca"],
        "auth": {"type": "client_credentials", "consumer_key": told["key"], "consumer_secret": {"env": "BENCH_SECRET"}},
    }  # fmt: skip
    hubspot = {
        "kind": "hubspot", "name": "hubspot", "host": told["urls"]["hubspot"], "ca_bundle": told["ca"],
        "auth": {"type": "token", "token": {"env": "BENCH_TOKEN"}},
    }  # fmt: skip
    return [{**source, **settings} for source in (salesforce, hubspot)]


@contextmanager
def served(directory: Path, people: int) -> Iterator[dict[str, Any]]:
    """Practice CRMs with that many people each, in a process of their own."""
    directory.mkdir()
    command = [sys.executable, "-m", "benchmarks._both", str(directory), str(people)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not (directory / "both.json").exists():
            assert server.poll() is None, "the practice CRMs did not start"
            time.sleep(0.2)
        yield json.loads((directory / "both.json").read_text())
    finally:
        server.kill()
        server.wait()


def measured(module: str, people: int, options: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """What `python -m MODULE` prints last when it is run beside fresh practice CRMs, a database and a Redis of its own.
    `settings` are those of both sources."""
    with tempfile.TemporaryDirectory(prefix="leadgauge-bench-") as temporary:
        home = Path(temporary)
        try:
            with served(home / "crms", people) as told:
                config = home / "leadgauge.yaml"
                config.write_text(yaml.safe_dump({"home": str(home / "servers"), "sources": sources(told, **settings)}))
                environment = os.environ | {
                    "LEADGAUGE_CONFIG": str(config),
                    "LEADGAUGE_DATABASE_URL": database(home, "bench"),
                    "LEADGAUGE_REDIS_URL": embedded.start(home / "servers").redis_url,
                    "BENCH_SECRET": told["secret"],
                    "BENCH_TOKEN": told["token"],
                }
                command = [sys.executable, "-m", module, json.dumps({"told": told, **options})]
                done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
                return dict(json.loads(done.stdout.splitlines()[-1]))
        finally:
            embedded.remove(home / "servers")


class Leaping(Protocol):
    """A clock of practice CRMs."""

    def leap(self, by: timedelta) -> None:
        """Go on by so much at once."""


class Running:
    """The product as its workers run it, one wake-up after the other."""

    def __init__(self, process: Stepped, practice: Leaping, every: timedelta) -> None:
        self.process, self.practice, self.every = process, practice, every
        self._next = process.now()

    def leap_to_plan(self) -> None:
        """Wait for the next plan, which no time passes for that somebody works in."""
        by = self._next - self.process.now()
        if by > timedelta(0):
            self.practice.leap(by)
            self.process.leapt += by
        self._next = max(self._next, self.process.now()) + self.every

    def turn(self) -> int:
        """All that a plan wakes, and what that wakes in turn; returns how many wake-ups there were."""
        process, settings = self.process, self.process.settings
        with process.engine.begin() as connection:
            due = deque(
                plan(
                    connection, process.sources, process.scales(connection), settings.partitions,
                    settings.verify_after, process.now(), process.held(connection),
                )
            )  # fmt: skip
        done = 0
        while due:
            wake_up, done = due.popleft(), done + 1
            due.extend(more for more in self._do(wake_up) if more not in due)
        return done

    def _do(self, wake_up: WakeUp) -> list[WakeUp]:
        from worker.rescoring.batch import rescore
        from worker.sync.pull import pull
        from worker.sync.reconcile import reconcile
        from worker.writeback.push import push

        process, settings = self.process, self.process.settings
        match wake_up:
            case Pull(name, stream):
                crm = process.crm(name)
                spec = next(s for s in crm.streams if s.name == stream)
                pulled = pull(process.holder, crm, spec, pace=partial(process.pace, name))
                _passing(pulled.problem if pulled is not None else None)
                if pulled is None:
                    return []
                more: list[WakeUp] = [] if pulled.drained else [wake_up]
                return more + [Rescore(n) for n in range(settings.partitions)] if pulled.dirtied else more
            case Rescore(partition):
                scored = rescore(
                    process.engine, process.arrow, process.bases(), partition, settings.partitions,
                    settings.rescore_every, process.writable, process.now(),
                )  # fmt: skip
                more = [wake_up] if scored.people else []
                return more + [Push(name) for name in process.sources] if scored.intended else more
            case Push(name):
                pushed = push(
                    process.holder, process.crm(name), settings.verify_after, process.forget, process.brakes(name)
                )
                _passing(pushed.problem if pushed is not None else None)
            case Reconcile(name):
                counted = reconcile(process.holder, process.crm(name))
                _passing(counted.problem if counted is not None else None)
                return [] if counted is None or counted.done else [wake_up]
        return []


def _passing(problem: CrmError | None) -> None:
    """Whoever stops the practice CRMs for a while stops nothing for good."""
    assert problem is None or isinstance(problem, Transient), str(problem)
