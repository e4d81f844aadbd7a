"""Five minutes of a running product in which 1,000 leads change: with 10,000 people in the CRM and database, and with
1,000,000. Twelve times over, so that the hourly complete reads of the streams without changes are counted.

Plan, pulls, scoring, writes and proofs are the product's own, at the intervals that it states; the clocks of both sides
are held and moved on tick by tick, so that only work is timed.

The fewest calls possible follow the formula of docs/connectors.md: every poll at its stated interval, the pages of the
changed rows, and the writes; each is then its own read-back.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import requests
import yaml
from sqlalchemy import text

from benchmarks.backfill import database, served, source
from benchmarks.figure import Figure, peak_mib
from worker import embedded
from worker.bootstrap import Process
from worker.settings import load
from worker.sync.plan import Pull, Push, Rescore, WakeUp, plan

SIZES = tuple(int(size) for size in os.environ.get("LEADGAUGE_BENCH_SIZES", "10000,1000000").split(","))
CHANGED, CYCLES = 1_000, 12
TICK, TICKS = timedelta(seconds=30), 10
GOAL = "at most 1.3 times the small one; calls at most 1.1 times the fewest possible"
MOST, MOST_CALLS = 1.3, 1.1


def run() -> Figure:
    """The cycle in an org of each size; `ours` is the large one, the baseline the small one."""
    home = Path(tempfile.mkdtemp(prefix="leadgauge-bench-"))
    try:
        small, large = (_measured(home, people) for people in SIZES)
    finally:
        embedded.remove(home / "servers")
        shutil.rmtree(home, ignore_errors=True)
    excess = max(found["calls"] / found["fewest"] for found in (small, large))
    return Figure(
        name="delta",
        ours=large["seconds"],
        baseline=small["seconds"],
        unit="s",
        goal=GOAL,
        met=large["seconds"] <= MOST * small["seconds"] and excess <= MOST_CALLS,
        peak_mib=large["peak_mib"],
        note=(
            f"{SIZES[1]:,} people against {SIZES[0]:,}; {CHANGED:,} changed, {large['written']:,} written and proved; "
            f"{large['calls']:.1f} calls in 5 minutes, fewest {large['fewest']:.1f} (ratio {excess:.3f})"
        ),
    )


def _measured(home: Path, people: int) -> dict[str, Any]:
    with served(home / f"org-{people}", people, 0) as told:
        name = f"delta_{people}"
        config = home / f"{name}.yaml"
        config.write_text(yaml.safe_dump({"home": str(home / "servers"), "sources": [source(told)]}))
        environment = os.environ | {
            "LEADGAUGE_CONFIG": str(config),
            "LEADGAUGE_DATABASE_URL": database(home, name),
            "LEADGAUGE_REDIS_URL": embedded.start(home / "servers").redis_url,
            "BENCH_SECRET": told["secret"],
        }
        command = [sys.executable, "-m", "benchmarks.delta", json.dumps(told)]
        said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
        return dict(json.loads(said.splitlines()[-1]))


class Stepped(Process):
    """A process whose clock moves when it is told to."""

    at = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self.at


class Practice:
    """The practice org, from its other side: its clock, its users' changes, its count of calls."""

    def __init__(self, told: dict[str, str]) -> None:
        self._url = told["url"]
        self._http = requests.Session()
        self._http.verify, self._http.trust_env = told["ca"], False
        form = {"grant_type": "client_credentials", "client_id": told["key"], "client_secret": told["secret"]}
        answer = self._http.post(f"{self._url}/services/oauth2/token", data=form, timeout=30).json()
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def hold(self, at: datetime) -> None:
        self._http.post(f"{self._url}/sandbox/clock", json={"hold": at.isoformat()}, timeout=30).raise_for_status()

    def leads(self) -> list[str]:
        """The ids of as many leads as are changed, spread over all."""
        soql = f"SELECT Id FROM Lead WHERE Title = 'Buyer' ORDER BY Id LIMIT {CHANGED}"
        answer = self._http.get(f"{self._url}/services/data/v62.0/query", params={"q": soql}, timeout=300).json()
        return [row["Id"] for row in answer["records"]]

    def change(self, leads: list[str], title: str) -> None:
        for start in range(0, len(leads), 200):
            records = [
                {"attributes": {"type": "Lead"}, "id": lead, "Title": title} for lead in leads[start : start + 200]
            ]
            body = {"allOrNone": False, "records": records}
            answer = self._http.patch(f"{self._url}/services/data/v62.0/composite/sobjects", json=body, timeout=60)
            assert all(result["success"] for result in answer.json()), "the practice org refused a change"

    def calls(self) -> int:
        """Calls that the org has counted, this one included."""
        limits = self._http.get(f"{self._url}/services/data/v62.0/limits", timeout=30).json()["DailyApiRequests"]
        return int(limits["Max"] - limits["Remaining"])


def measure(told: dict[str, str]) -> None:
    """The measured process: load, settle, then cycles."""
    process, org = Stepped(load()), Practice(told)
    org.hold(process.at)
    _settle(process)
    leads = org.leads()
    _tick(process)  # descriptions of objects are cached for half an hour, and everything is due at first
    seconds, calls, written = [], [], []
    for cycle in range(CYCLES):
        spent, before, proved = 0.0, org.calls(), _verified(process)
        for tick in range(TICKS):
            process.at += TICK
            org.hold(process.at)
            if tick == 3:
                counted = org.calls()
                org.change(leads, ("CEO", "Analyst")[cycle % 2])
                before += org.calls() - counted + 1
            began = time.perf_counter()
            _tick(process)
            spent += time.perf_counter() - began
        seconds.append(spent)
        calls.append(org.calls() - before - 1)
        written.append(_verified(process) - proved)
    assert min(written) > CHANGED / 2, f"only {written} writes were proved"
    fewest = _fewest(process, max(written))
    told_back = {"seconds": median(seconds), "calls": mean(calls), "fewest": fewest, "written": max(written)}
    sys.stdout.write(json.dumps({**told_back, "all": seconds, "peak_mib": peak_mib()}) + "\n")
    process.close()


def _settle(process: Process) -> None:
    """The state of every day: everything read, everybody scored, nothing due."""
    from worker.sync.pull import pull

    process.migrate()
    assert process.registered
    crm = process.crm("large")
    for stream in crm.streams:
        while not (pulled := pull(process.holder, crm, stream, force=True)) or not pulled.drained:
            assert pulled is None or pulled.problem is None, str(pulled and pulled.problem)
    with process.engine.begin() as connection:
        scale = process.goals.scales(connection)[0]
        connection.execute(
            text("""
            INSERT INTO score (goal, person_id, score, status, bucket, stage, stage_since, as_of, rules_revision,
                               policy_revision)
            SELECT :goal, id, 0, 'scored', 'cold', 'new', :now, :now, :rules, :policy FROM person
            """),
            {"goal": scale.goal, "rules": scale.rules, "policy": scale.policy, "now": process.now()},
        )
        due = {"due": process.now() + timedelta(days=1)}
        connection.execute(text("UPDATE person SET dirty_at = NULL, due_at = :due"), due)
    with process.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def _tick(process: Process) -> None:
    """Everything that is due, as the workers would do it, until nothing more is."""
    settings = process.settings
    while True:
        with process.engine.begin() as connection:
            due = list(
                plan(
                    connection, process.sources, process.goals.scales(connection), settings.partitions,
                    settings.verify_after, process.now(),
                )
            )  # fmt: skip
        if not due:
            return
        for wake_up in due:
            _do(process, wake_up)


def _do(process: Process, wake_up: WakeUp) -> None:
    from worker.rescoring.batch import rescore
    from worker.sync.pull import pull
    from worker.writeback.push import push

    settings = process.settings
    match wake_up:
        case Pull(name, stream):
            crm = process.crm(name)
            spec = next(s for s in crm.streams if s.name == stream)
            pulled = pull(process.holder, crm, spec, pace=partial(process.pace, name))
            assert pulled is None or pulled.problem is None, str(pulled and pulled.problem)
        case Rescore(partition):
            rescore(
                process.engine, process.arrow, process.goals.bases(), partition, settings.partitions,
                settings.rescore_every, process.writable, process.now(),
            )  # fmt: skip
        case Push(name):
            push(process.holder, process.crm(name), settings.verify_after, process.forget)
        case _:
            raise AssertionError(f"{wake_up} is not due within minutes")


def _verified(process: Process) -> int:
    with process.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM ledger WHERE state = 'verified'")).scalar_one())


def _fewest(process: Process, written: int) -> float:
    """The fewest calls of a cycle: polls, the second page of what changed, and writes."""
    cycle = TICK * TICKS
    crm = process.crm("large")
    polls = sum(cycle / stream.every for stream in crm.streams)
    return polls + math.ceil(CHANGED / 2000) - 1 + math.ceil(written / 200)


if __name__ == "__main__":
    measure(json.loads(sys.argv[1]))
