"""24 hours in which nothing happens in the CRMs: what is written because time passes, how many calls that takes, and
whether the memory of a worker grows.

The practice world is read, scored and written; then its clock and the product's leap from plan to plan for a day. Every
write of that day must be one that the pure functions predict from the facts, the policy and what was written before, at
the instants at which people were due, and every predicted one must have been made. With rules in which time plays no
part, nothing is written.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

import requests
import yaml
from sqlalchemy import text

from benchmarks._stepped import Running, Stepped
from benchmarks.backfill import database
from benchmarks.figure import Figure, peak_mib
from connectors.port import Tier
from worker import embedded
from worker.settings import load

PEOPLE = int(os.environ.get("LEADGAUGE_BENCH_PEOPLE", "2000"))
HOURS = int(os.environ.get("LEADGAUGE_BENCH_HOURS", "24"))
EVERY = timedelta(seconds=int(os.environ.get("LEADGAUGE_BENCH_PLAN", "30")))
"""Between two plans. A stream is looked at by the first plan after its interval, which is longer by a moment."""
SETTLED = timedelta(minutes=30)
"""How long the product runs before the day begins: descriptions, quotas and the first complete reads are behind it."""
GOAL = "exactly the writes that the pure function predicts; 0 without decay; calls at most 1.05 times the polls; flat"
MOST_CALLS, MOST_GROWTH = 1.05, 1.05


def run() -> Figure:
    """`ours` is the number of writes that were not predicted, or not made, of both days; the baseline is none."""
    decaying, still = (_measured(decay=decay) for decay in (True, False))
    wrong = sum(found["unpredicted"] + found["missing"] for found in (decaying, still))
    excess = max(found["calls"] / found["polls"] for found in (decaying, still))
    growth = max(found["late_mib"] / found["early_mib"] for found in (decaying, still))
    return Figure(
        name="idle",
        ours=wrong,
        baseline=0,
        unit="writes",
        goal=GOAL,
        met=(
            wrong == 0 and decaying["writes"] > 0 and still["writes"] == 0 and excess <= MOST_CALLS
            and growth <= MOST_GROWTH
        ),
        peak_mib=max(found["peak_mib"] for found in (decaying, still)),
        note=(
            f"{decaying['people']:,} people, {HOURS} h, {decaying['scorings']:,} scorings: {decaying['writes']:,}"
            f" writes as predicted, {still['writes']} without decay; {decaying['calls']:,} calls, polls alone"
            f" {decaying['polls']:,.0f} (ratio {excess:.3f}); memory {decaying['early_mib']:.0f} MiB in the first"
            f" hours, {decaying['late_mib']:.0f} in the last (ratio {growth:.3f})"
        ),
    )  # fmt: skip


def _measured(*, decay: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="leadgauge-bench-") as temporary:
        home = Path(temporary)
        try:
            with _world(home / "practice") as told:
                config: dict[str, Any] = {"home": str(home / "servers"), "sources": _sources(told)}
                if not decay:
                    (home / "rules.yaml").write_text(_timeless())
                    config["rules_file"] = str(home / "rules.yaml")
                (home / "leadgauge.yaml").write_text(yaml.safe_dump(config))
                environment = os.environ | {
                    "LEADGAUGE_CONFIG": str(home / "leadgauge.yaml"),
                    "LEADGAUGE_DATABASE_URL": database(home, "idle"),
                    "LEADGAUGE_REDIS_URL": embedded.start(home / "servers").redis_url,
                    "BENCH_SECRET": told["salesforce"]["consumer_secret"],
                    "BENCH_TOKEN": told["hubspot"]["token"],
                }
                command = [sys.executable, "-m", "benchmarks.idle", json.dumps(told)]
                said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
                return dict(json.loads(said.splitlines()[-1]))
        finally:
            embedded.remove(home / "servers")


@contextmanager
def _world(directory: Path) -> Iterator[dict[str, Any]]:
    """The practice world of the demo."""
    command = [sys.executable, "-m", "sandbox", "--directory", str(directory), "--people", str(PEOPLE), "--seed", "7"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (directory / "sandbox.json").exists():
            assert server.poll() is None, "the practice CRMs did not start"
            time.sleep(0.2)
        yield json.loads((directory / "sandbox.json").read_text())
    finally:
        server.kill()
        server.wait()


def _sources(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Without a day's limit, which would slow the polls down: what they are at their stated intervals is asked."""
    salesforce = {
        "kind": "salesforce", "name": "salesforce", "ca_bundle": told["ca"],
        "login_url": told["salesforce"]["login_url"],
        "daily_own": 1, "daily_shares": {"inbound": 1, "write": 1, "refresh": 1, "backfill": 1},
        "auth": {"type": "client_credentials", "consumer_key": told["salesforce"]["consumer_key"],
                 "consumer_secret": {"env": "BENCH_SECRET"}},
    }  # fmt: skip
    hubspot = {
        "kind": "hubspot", "name": "hubspot", "host": told["hubspot"]["url"], "ca_bundle": told["ca"],
        "daily_calls": None, "calls_per_10_seconds": 1000, "searches_per_second": 1000,
        "auth": {"type": "token", "token": {"env": "BENCH_TOKEN"}},
    }  # fmt: skip
    return [salesforce, hubspot]


def _timeless() -> str:
    """The shipped rules but for those of acts, whose worth depends on how long ago they were."""
    from worker.scoring.rules import shipped

    body = yaml.safe_load(shipped())
    body["rules"] = [rule for rule in body["rules"] if not {"each", "half_life"} & rule.keys() and not _timed(rule)]
    return yaml.safe_dump(body, allow_unicode=True, sort_keys=False)


def _timed(rule: dict[str, Any]) -> bool:
    return any(word in json.dumps(rule.get("when")) for word in ("within", "did", "last", "days", "older", "since"))


class Clock:
    """The practice CRMs' clock, and the calls that they answered, over their control routes."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._urls = {crm: told[crm]["url"] for crm in ("salesforce", "hubspot")}
        self._http = requests.Session()
        self._http.verify, self._http.trust_env = told["ca"], False

    def leap(self, by: timedelta) -> None:
        body = {"advance": by.total_seconds()}
        self._http.post(f"{self._urls['salesforce']}/sandbox/clock", json=body, timeout=60).raise_for_status()


class Counting(Stepped):
    """Counts the calls that the connectors make."""

    calls = 0

    def observe(self, exchange: Any) -> None:
        self.calls += 1


def measure(told: dict[str, Any]) -> None:
    """The measured process: settle, then the day, then the prediction."""
    process = Counting(load())
    process.migrate()
    assert process.registered
    running = Running(process, Clock(told), EVERY)
    _settle(running)
    before = _standing(process)
    began, calls, memory = process.now(), process.calls, list[float]()
    scorings: list[tuple[datetime, list[int]]] = []
    seen = began
    while process.now() < began + timedelta(hours=HOURS):
        running.leap_to_plan()
        running.turn()
        for as_of, people in _scored(process, seen):
            scorings.append((as_of, people))
            seen = as_of
        if process.now() >= began + timedelta(hours=len(memory)):
            memory.append(_resident())
    calls = process.calls - calls
    made = {(row.subject_id, row.intended_at): row.values for row in _rows(process, began)}
    predicted = _predicted(process, before, scorings)
    quarter = max(1, len(memory) // 4)
    sys.stdout.write(
        json.dumps(
            {
                "people": len(before["people"]),
                "scorings": sum(len(people) for _, people in scorings),
                "writes": len(made),
                "unpredicted": sum(made[key] != predicted.get(key) for key in made),
                "missing": len(predicted.keys() - made.keys()),
                "calls": calls,
                "polls": _polls(process),
                "early_mib": mean(memory[quarter : 2 * quarter] or memory),
                "late_mib": mean(memory[-quarter:]),
                "peak_mib": peak_mib(),
            }
        )
        + "\n"
    )
    process.close()


def _settle(running: Running) -> None:
    process = running.process
    begun: datetime | None = None
    for _ in range(5000):
        running.leap_to_plan()
        running.turn()
        if begun is None and not _left(process):
            begun = process.now()
        if begun is not None and process.now() >= begun + SETTLED:
            return
    raise AssertionError("the first load does not end")


def _left(process: Stepped) -> int:
    query = """SELECT (SELECT count(*) FROM person WHERE dirty_at IS NOT NULL OR scored_at IS NULL)
                    + (SELECT count(*) FROM ledger WHERE state IN ('intended', 'sent', 'accepted'))
                    + (SELECT count(*) FROM stream WHERE role = 'pull' AND complete_at IS NULL)"""
    with process.engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _scored(process: Stepped, since: datetime) -> list[tuple[datetime, list[int]]]:
    """Who was scored after an instant, in the order of the instants as of which they were."""
    with process.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT as_of, array_agg(person_id) FROM score WHERE as_of > :since GROUP BY as_of ORDER BY as_of"),
            {"since": since},
        )
        return [(row[0], list(row[1])) for row in rows]


def _rows(process: Stepped, began: datetime) -> list[Any]:
    with process.engine.connect() as connection:
        query = "SELECT subject_id, intended_at, values FROM ledger WHERE intended_at > :began"
        return list(connection.execute(text(query), {"began": began}))


def _standing(process: Stepped) -> dict[str, Any]:
    """Everybody's score and stage, and what each record was last meant to hold and when."""
    from worker.store import scores

    with process.engine.connect() as connection:
        people = list(connection.execute(text("SELECT id FROM person")).scalars())
        rows = connection.execute(
            text("""
            SELECT DISTINCT ON (subject_id) subject_id, values, intended_at FROM ledger WHERE state <> 'superseded'
            ORDER BY subject_id, id DESC
            """)
        )
        held = {row.subject_id: (row.values, row.intended_at) for row in rows}
        return {"people": dict(scores.load(connection, process.settings.goal, people)), "held": held}


def _predicted(
    process: Stepped, before: dict[str, Any], scorings: list[tuple[datetime, list[int]]]
) -> dict[tuple[int, datetime], dict[str, Any]]:
    """The writes of the day, from the facts, the policy, and how everything stood when it began: by record and
    instant, the values."""
    from worker.lifecycle import fields, materiality
    from worker.rescoring import decision
    from worker.rescoring.basis import judge, read
    from worker.scoring import bant
    from worker.store import facts, records

    (basis,) = process.bases()
    standing, held = dict(before["people"]), dict(before["held"])
    writes: dict[tuple[int, datetime], dict[str, Any]] = {}
    for as_of, people in scorings:
        verdicts = judge(read(process.arrow, facts.At(as_of, people), basis.features), basis).people
        with process.engine.connect() as connection:
            states = records.standings(connection, people)
            own = decision.policies(connection, basis, verdicts)
            stages = decision.decided(connection, basis, verdicts, own, standing, states, as_of)
            targets = records.open_of(connection, people, customers=basis.of_customers)
        for person, verdict in verdicts.items():
            was, position, policy = standing.get(person), stages[person].position, own[person]
            bucket = policy.bucket(verdict.score, was.bucket if was else None) if verdict.score is not None else None
            values = fields.desired(
                verdict.score, verdict.status, position, verdict.text, policy, basis.version(verdict.model), as_of,
                bucket_before=bucket.name if bucket else None, grade=verdict.grade,
                bant=None if verdict.bant is None else bant.text(verdict.bant, basis.wording),
            )  # fmt: skip
            for record in (its for its in targets if its.person_id == person):
                wanted = fields.limited(values, process.writable[record.ref.source])
                meant, written_at = held.get(record.subject_id, (record.written, None))
                if materiality.cause(wanted, meant, written_at, policy, as_of) is not None:
                    writes[record.subject_id, as_of] = wanted
                    held[record.subject_id] = wanted, as_of
            if was is not None:
                standing[person] = replace(
                    was, score=verdict.score, bucket=bucket.name if bucket else was.bucket, stage=position.stage,
                    stage_since=position.since, mql_at=position.mql_at, memory=position.memory(), as_of=as_of,
                )  # fmt: skip
    return writes


def _polls(process: Stepped) -> float:
    """The calls of a day of polling: a look at every stream by the first plan after its interval, and a complete read
    once an hour where the others only look ahead."""
    day, calls = timedelta(hours=HOURS), 0.0
    for source in process.sources:
        crm = process.crm(source)
        for stream in crm.streams:
            calls += day / ((stream.every // EVERY + 1) * EVERY)
            if Tier.FAST in stream.tiers:
                calls += day / timedelta(hours=1)
    return calls


if __name__ == "__main__":
    measure(json.loads(sys.argv[1]))
