"""A running product in one process, on a clock that only moves by what is charged to it and leaps while it waits.

Charged are: a fixed time for each call of a CRM, the waits that its limits ask for, and the processor time of this
process and of its database. The practice CRMs share that clock and keep their vendors' limits by it, so an hour takes
as long as its work does and what is found does not depend on what else the machine does. One process does everything,
one thing after the other; in production several share the work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
import yaml
from sqlalchemy import text

from benchmarks._time import Shared
from benchmarks.backfill import database
from connectors.catalog import SourceSettings, open_crm
from connectors.errors import CrmError, Transient
from connectors.port import Crm
from connectors.quota import ROOM, Budget, Lane, RedisGate, Window
from worker import embedded
from worker.bootstrap import Process
from worker.sync.plan import Pull, Push, Reconcile, Rescore, WakeUp, plan

if TYPE_CHECKING:
    from redis import Redis

CRMS = ("salesforce", "hubspot")
READING, WRITING = timedelta(seconds=0.3), timedelta(seconds=1)
"""What a call is charged: about what either vendor takes."""


class Open(RedisGate):
    """The product's gate without the short windows; the day is counted as ever."""

    def __init__(self, redis: Redis, budgets: Mapping[str, Budget]) -> None:
        wide = {name: dict.fromkeys(its.windows, Window(10**9)) for name, its in budgets.items()}
        super().__init__(redis, {name: replace(its, windows=wide[name]) for name, its in budgets.items()})

    def narrow(self, source: str, bucket: str, limit: int) -> None:
        """Nothing to narrow."""


class Windows(Open):
    """The product's gate with the short windows kept in stepped time."""

    def __init__(self, redis: Redis, budgets: Mapping[str, Budget], clock: Shared) -> None:
        super().__init__(redis, budgets)
        self._limits = {
            (name, bucket): window for name, its in budgets.items() for bucket, window in its.windows.items()
        }
        self._clock = clock
        self._made: dict[tuple[str, str], deque[datetime]] = defaultdict(deque)

    def enter(self, source: str, bucket: str, lane: Lane, cost: int = 1) -> None:
        window, made = self._limits[source, bucket], self._made[source, bucket]
        most = max(1, int(window.limit * ROOM[lane]))
        while made and made[0] <= self._clock.now() - window.per:
            made.popleft()
        if len(made) >= most:
            self._clock.advance(made[-most] + window.per - self._clock.now())
        made.append(self._clock.now())
        super().enter(source, bucket, lane, cost)

    def narrow(self, source: str, bucket: str, limit: int) -> None:
        window = self._limits[source, bucket]
        self._limits[source, bucket] = replace(window, limit=min(window.limit, limit))


class Stepped(Process):
    """A process that lives in the time of the file that BENCH_TIME names."""

    doing: WakeUp | None = None
    _worked = 0.0

    @cached_property
    def time(self) -> Shared:
        return Shared(Path(os.environ["BENCH_TIME"]))

    @cached_property
    def _gate(self) -> RedisGate:
        return Windows(self.redis, {source.name: source.budget for source in self.settings.sources}, self.time)

    def now(self) -> datetime:
        """The time, what this process has worked since the last look included."""
        worked = time.process_time()
        self.time.advance(timedelta(seconds=worked - self._worked) if self._worked else timedelta(0))
        self._worked = worked
        return self.time.now()

    def open(self, settings: SourceSettings, *, alone: bool = False) -> Crm:
        def sleep(seconds: float) -> None:
            self.time.advance(timedelta(seconds=seconds))

        return open_crm(
            settings, gate=self._gate, tokens=self._tokens, observer=self.observe, sleep=sleep, clock=self.now
        )

    def observe(self, exchange: Any) -> None:
        writes = exchange.method == "PATCH" or exchange.endpoint.endswith("batch/update")
        self.time.advance(WRITING if writes else READING)

    def wait(self, until: datetime) -> None:
        """Leap there; nowhere if it is past."""
        self.time.advance(until - self.now())

    @cached_property
    def _queries(self) -> Callable[[], float]:
        """Seconds that the database has worked for this process by now; 0 where it is on another machine."""
        with self.engine.connect() as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            pids = list(connection.execute(text(query)).scalars())
        stats = [path for pid in pids if (path := Path(f"/proc/{pid}/schedstat")).exists()]
        return lambda: sum(int(path.read_text().split()[0]) for path in stats if path.exists()) / 1e9

    _queried: float | None = None

    def charge_queries(self) -> None:
        """Charge what the database has worked since the last time."""
        queried = self._queries()
        self.time.advance(timedelta(seconds=queried - (queried if self._queried is None else self._queried)))
        self._queried = queried


class Practice:
    """Both practice CRMs, from their other side: planned edits, the calls they counted."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self._http = requests.Session()
        self._http.verify, self._http.trust_env = told["ca"], False
        form = {"grant_type": "client_credentials", "client_id": told["key"], "client_secret": told["secret"]}
        url = f"{told['urls']['salesforce']}/services/oauth2/token"
        token = self._http.post(url, data=form, timeout=30).json()["access_token"]
        self._bearer = {"Authorization": f"Bearer {token}"}

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


def sources(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The two CRMs as the configuration names them, with the product's own limits."""
    salesforce = {
        "kind": "salesforce", "name": "salesforce", "login_url": told["urls"]["salesforce"], "ca_bundle": told["ca"],
        "auth": {"type": "client_credentials", "consumer_key": told["key"], "consumer_secret": {"env": "BENCH_SECRET"}},
    }  # fmt: skip
    hubspot = {
        "kind": "hubspot", "name": "hubspot", "host": told["urls"]["hubspot"], "ca_bundle": told["ca"],
        "auth": {"type": "token", "token": {"env": "BENCH_TOKEN"}},
    }  # fmt: skip
    return [salesforce, hubspot]


@contextmanager
def served(directory: Path, people: int, clock: Path, world: str) -> Iterator[dict[str, Any]]:
    """Practice CRMs with that many people each, in a process of their own; see `_both` for the worlds there are."""
    directory.mkdir()
    command = [sys.executable, "-m", "benchmarks._both", str(directory), str(people), str(clock), world]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not (directory / "both.json").exists():
            assert server.poll() is None, "the practice CRMs did not start"
            time.sleep(0.2)
        yield json.loads((directory / "both.json").read_text())
    finally:
        server.kill()
        server.wait()


def measured(
    module: str, people: int, options: dict[str, Any], *, world: str = "even", files: Mapping[str, str] | None = None,
    shape: Callable[[dict[str, Any], Path], None] = lambda config, home: None,
) -> dict[str, Any]:  # fmt: skip
    """What `python -m MODULE` prints last when it is run beside fresh practice CRMs, a database and a Redis of its own,
    in their common time. `files` are put into its home by their names; `shape` changes its configuration."""
    with tempfile.TemporaryDirectory(prefix="leadgauge-bench-") as temporary:
        home, clock = Path(temporary), Path(temporary) / "time"
        Shared(clock)
        try:
            with served(home / "crms", people, clock, world) as told:
                for name, content in (files or {}).items():
                    (home / name).write_text(content)
                body: dict[str, Any] = {"home": str(home / "servers"), "sources": sources(told)}
                shape(body, home)
                (home / "leadgauge.yaml").write_text(yaml.safe_dump(body))
                environment = os.environ | {
                    "LEADGAUGE_CONFIG": str(home / "leadgauge.yaml"),
                    "LEADGAUGE_DATABASE_URL": database(home, "bench"),
                    "LEADGAUGE_REDIS_URL": embedded.start(home / "servers").redis_url,
                    "BENCH_SECRET": told["secret"],
                    "BENCH_TOKEN": told["token"],
                    "BENCH_TIME": str(clock),
                }
                command = [sys.executable, "-m", module, json.dumps({"told": told, **options})]
                done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
                return dict(json.loads(done.stdout.splitlines()[-1]))
        finally:
            embedded.remove(home / "servers")


class Running:
    """The product as its workers run it, one wake-up after the other. `looks`: how often each stream was read."""

    def __init__(self, process: Stepped, every: timedelta) -> None:
        self.process, self.every = process, every
        self.following = process.now()
        self.looks: Counter[tuple[str, str]] = Counter()

    def leap_to_plan(self) -> None:
        """Wait for the next plan, which no time passes for that somebody works in."""
        self.process.wait(self.following)
        self.following = max(self.following, self.process.now()) + self.every

    def turn(self) -> int:
        """All that a plan wakes, and what that wakes in turn; returns how many wake-ups there were."""
        process, settings = self.process, self.process.settings
        with process.engine.begin() as connection:
            due = deque(
                plan(
                    connection, process.sources, process.goals.scales(connection), settings.partitions,
                    settings.verify_after, process.now(), process.held(connection),
                )
            )  # fmt: skip
        done = 0
        while due:
            wake_up, done = due.popleft(), done + 1
            process.doing = wake_up
            due.extend(more for more in self._do(wake_up) if more not in due)
            process.charge_queries()
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
                self.looks[name, stream] += 1
                more: list[WakeUp] = [] if pulled.drained else [wake_up]
                return more + [Rescore(n) for n in range(settings.partitions)] if pulled.dirtied else more
            case Rescore(partition):
                scored = rescore(
                    process.engine, process.arrow, process.goals.bases(), partition, settings.partitions,
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
