"""24 hours in which nothing happens in the CRMs: what is written because time passes, how many calls that takes, and
whether the memory of a worker grows.

The practice world is read, scored and written. Then, before the day begins, everything that will be written in it is
computed from the facts, the policy, the rules and how people stand, with none of the workers' code that claims, records
and writes: whose score or stage falls due when, what it is then, and what of it is worth a write. The day is lived
through plan by plan, and the ledger must hold those writes, at those instants, with those values, and no other.

Rules and policy are the shipped ones with days made hours, so that a day shows what months do: acts fade within hours,
a qualified lead is recycled after half a day of silence, a write is old after a day. Then the same without decay: rules
in which time plays no part, the policy as it is shipped. Nothing is written then.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import Any

import yaml
from sqlalchemy import text

from benchmarks._stepped import Open, Running, Stepped, measured
from benchmarks.figure import Figure, peak_mib
from connectors.port import Tier
from connectors.quota import RedisGate
from worker.settings import load

PEOPLE = int(os.environ.get("LEADGAUGE_BENCH_PEOPLE", "1000"))
HOURS = int(os.environ.get("LEADGAUGE_BENCH_HOURS", "24"))
EVERY = timedelta(seconds=int(os.environ.get("LEADGAUGE_BENCH_PLAN", "30")))
"""Between two plans: as shipped the shortest interval of a stream."""
RESCORED = timedelta(hours=1)
SETTLED = timedelta(minutes=30)
"""How long the product runs before the day begins: descriptions, quotas and the first complete reads are behind it."""
FASTER = 8
"""By how much acts fade sooner than by the shipped rules."""
CHANGES = ("recycling.silence_days=0.5", "materiality.max_age_days=1")
KINDS = ("bucket", "stage", "score", "age")
"""What time alone must have been the cause of, each at least once."""
GOAL = "exactly the predicted writes, of every kind; 0 without decay; calls at most 1.05 times the polls; flat"
MOST_CALLS, MOST_GROWTH = 1.05, 1.05


def run() -> Figure:
    """`ours` is the number of writes that were not predicted, or not made, of both days; the baseline is none."""
    decaying, still = (_measured(decay=decay) for decay in (True, False))
    wrong = sum(found["unpredicted"] + found["missing"] for found in (decaying, still))
    excess = max(found["calls"] / found["polls"] for found in (decaying, still))
    growth = max(found["late_mib"] / found["early_mib"] for found in (decaying, still))
    causes = decaying["causes"]
    return Figure(
        name="idle",
        ours=wrong,
        baseline=0,
        unit="writes",
        goal=GOAL,
        met=(
            wrong == 0 and (HOURS < 24 or all(causes.get(kind) for kind in KINDS)) and still["writes"] == 0
            and excess <= MOST_CALLS and growth <= MOST_GROWTH
        ),
        peak_mib=max(found["peak_mib"] for found in (decaying, still)),
        note=(
            f"{decaying['people']:,} people, {HOURS} h, {decaying['scorings']:,} scorings foretell"
            f" {decaying['predicted']:,} writes, made {decaying['writes']:,} ("
            + ", ".join(f"{kind} {n:,}" for kind, n in sorted(causes.items()))
            + f"); {still['writes']} without decay; {decaying['calls']:,} calls to read, polls alone"
            f" {decaying['polls']:,.0f} (ratio {excess:.3f}), besides"
            f" {decaying['writing']:,} to write and prove and {decaying['nightly']:,} of the nightly count;"
            f" memory {decaying['first_mib']:.0f} MiB after the first hour,"
            f" {decaying['last_mib']:.0f} after the last (second quarter to last: {growth:.3f})"
        ),
    )  # fmt: skip


def _measured(*, decay: bool) -> dict[str, Any]:
    files = {"rules.yaml": _sooner() if decay else _timeless()}
    options = {"decay": decay}
    return measured("benchmarks.idle", PEOPLE, options, world="demo", files=files, shape=_unlimited)


def _unlimited(config: dict[str, Any], home: Path) -> None:
    """Without a day's limit, which would slow the polls down: what they are at their stated intervals is asked."""
    salesforce, hubspot = config["sources"]
    salesforce |= {"daily_own": 1, "daily_shares": {"inbound": 1, "write": 1, "refresh": 1, "backfill": 1}}
    hubspot |= {"daily_calls": None}
    config |= {"rules_file": str(home / "rules.yaml"), "rescore_every": RESCORED.total_seconds()}


def _sooner() -> str:
    """The shipped rules, of acts that fade sooner."""
    from worker.scoring.rules import shipped

    hours = {"h": 1, "d": 24, "w": 168}

    def shortened(found: re.Match[str]) -> str:
        return f"half_life: {max(1, int(found[1]) * hours[found[2]] // FASTER)}h"

    return re.sub(r"half_life: (\d+)([hdw])", shortened, shipped())


def _timeless() -> str:
    """The shipped rules but for those of acts, whose worth depends on how long ago they were."""
    from worker.scoring.rules import shipped

    body = yaml.safe_load(shipped())
    body["rules"] = [rule for rule in body["rules"] if not {"each", "half_life"} & rule.keys() and not _timed(rule)]
    return yaml.safe_dump(body, allow_unicode=True, sort_keys=False)


def _timed(rule: dict[str, Any]) -> bool:
    return any(word in json.dumps(rule.get("when")) for word in ("within", "did", "last", "in_next", "older", "since"))


class Idle(Stepped):
    """Work takes no time, so that what is due at a plan is done at that instant. Counts calls by what they are for."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.calls: Counter[str] = Counter()

    @cached_property
    def _gate(self) -> RedisGate:
        return Open(self.redis, {source.name: source.budget for source in self.settings.sources})

    def now(self) -> datetime:
        return self.time.now()

    def observe(self, exchange: Any) -> None:
        self.calls[type(self.doing).__name__] += 1

    def charge_queries(self) -> None:
        """Nothing is charged."""


@dataclass(slots=True)
class State:
    """How everything stands: everybody's score and stage, when each is due, and what each record is to hold and since
    when."""

    people: dict[int, Any]
    due: dict[int, datetime]
    held: dict[int, tuple[Mapping[str, Any], datetime | None]]


def measure(options: dict[str, Any]) -> None:
    """The measured process: settle, predict, then the day."""
    process = Idle(load())
    process.migrate()
    assert process.registered
    if options["decay"]:
        _publish(process)
    running = Running(process, EVERY)
    _settle(running)
    began = process.now()
    plans = [running.following + n * EVERY for n in range(int(timedelta(hours=HOURS) / EVERY))]
    predicted, scorings = _predicted(process, plans)
    process.calls.clear()
    memory: list[float] = []
    for number, _ in enumerate(plans):
        running.leap_to_plan()
        running.turn()
        if number % (timedelta(hours=1) // EVERY) == 0:
            memory.append(_resident())
    memory.append(_resident())
    rows = _rows(process, began)
    made = {(row.subject_id, row.intended_at): row.values for row in rows}
    quarter = max(1, len(memory) // 4)
    told = {
        "people": len(_state(process).people),
        "scorings": scorings,
        "predicted": len(predicted),
        "writes": len(rows),
        "causes": Counter(row.cause for row in rows),
        "unpredicted": len(rows) - len(made) + sum(made[key] != predicted.get(key) for key in made),
        "missing": len(predicted.keys() - made.keys()),
        "calls": process.calls["Pull"],
        "writing": process.calls["Push"],
        "nightly": process.calls["Reconcile"],
        "polls": _polls(process),
        "first_mib": memory[min(1, len(memory) - 1)],
        "last_mib": memory[-1],
        "early_mib": mean(memory[quarter : 2 * quarter] or memory),
        "late_mib": mean(memory[-quarter:]),
        "peak_mib": peak_mib(),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    process.close()


def _publish(process: Stepped) -> None:
    from worker.lifecycle import policy
    from worker.store import revisions

    goal = process.settings.goal
    with process.engine.begin() as connection:
        current = revisions.current(connection, "policy", goal)
        assert current is not None
        body = policy.change(policy.parse(current.body), *CHANGES).model_dump(mode="json")
        revisions.publish(
            connection, "policy", goal, body, after=current.revision, author="benchmark", comment="months in a day",
            now=process.now(),
        )  # fmt: skip


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


def _rows(process: Stepped, began: datetime) -> list[Any]:
    with process.engine.connect() as connection:
        query = "SELECT subject_id, intended_at, values, cause FROM ledger WHERE intended_at > :began"
        return list(connection.execute(text(query), {"began": began}))


def _state(process: Stepped) -> State:
    from worker.store import scores

    with process.engine.connect() as connection:
        due = {row.id: row.due_at for row in connection.execute(text("SELECT id, due_at FROM person"))}
        rows = connection.execute(
            text("""
            SELECT DISTINCT ON (subject_id) subject_id, values, intended_at FROM ledger WHERE state <> 'superseded'
            ORDER BY subject_id, id DESC
            """)
        )
        held = {row.subject_id: (row.values, row.intended_at) for row in rows}
        return State(dict(scores.load(connection, process.settings.goal, list(due))), due, held)


Write = tuple[int, datetime]


def _predicted(process: Stepped, plans: list[datetime]) -> tuple[dict[Write, dict[str, Any]], int]:
    """The writes of the day by record and instant, and how many scorings lead to them."""
    state, writes, scorings = _state(process), dict[Write, dict[str, Any]](), 0
    for at in plans:
        people = sorted(person for person, due in state.due.items() if due <= at)
        if people:
            writes |= dict(_scored(process, state, people, at))
            scorings += len(people)
    return writes, scorings


def _scored(process: Stepped, state: State, people: list[int], at: datetime) -> Iterator[tuple[Write, dict[str, Any]]]:
    """What is worth a write when these people are scored; how they stand then is put into `state`."""
    from worker.lifecycle import fields, materiality
    from worker.rescoring import decision
    from worker.rescoring.basis import judge, read
    from worker.scoring import bant
    from worker.store import activities, facts, records

    (basis,) = process.goals.bases()
    verdicts = judge(read(process.arrow, facts.At(at, people), basis.features), basis).people
    with process.engine.connect() as connection:
        states = records.standings(connection, people)
        own = decision.policies(connection, basis, verdicts)
        stages = decision.decided(connection, basis, verdicts, own, state.people, states, at)
        targets = records.open_of(connection, people, customers=basis.of_customers)
        upcoming = activities.next_after(connection, people, at)
    for person in people:
        known = (at + RESCORED, upcoming.get(person), stages[person].due_at if person in stages else None)
        state.due[person] = min(instant for instant in known if instant is not None)
    for person, verdict in verdicts.items():
        was, position, policy = state.people[person], stages[person].position, own[person]
        bucket = policy.bucket(verdict.score, was.bucket) if verdict.score is not None else None
        values = fields.desired(
            verdict.score, verdict.status, position, verdict.text, policy, basis.version(verdict.model), at,
            bucket_before=bucket.name if bucket else None, grade=verdict.grade,
            bant=None if verdict.bant is None else bant.text(verdict.bant, basis.wording),
        )  # fmt: skip
        for record in (its for its in targets if its.person_id == person):
            wanted = fields.limited(values, process.writable[record.ref.source])
            meant, written_at = state.held.get(record.subject_id, (record.written, None))
            if materiality.cause(wanted, meant, written_at, policy, at) is not None:
                yield (record.subject_id, at), wanted
                state.held[record.subject_id] = wanted, at
        state.people[person] = replace(
            was, score=verdict.score, bucket=bucket.name if bucket else was.bucket, stage=position.stage,
            stage_since=position.since, mql_at=position.mql_at, memory=position.memory(), as_of=at,
        )  # fmt: skip


def _polls(process: Stepped) -> float:
    """The fewest calls of a day of polling: one for a look at every stream by the first plan after its interval, and
    one an hour for a complete read where the others only look ahead."""
    day, calls = timedelta(hours=HOURS), 0.0
    for source in process.sources:
        for stream in process.crm(source).streams:
            calls += day / (math.ceil(stream.every / EVERY) * EVERY)
            if Tier.FAST in stream.tiers:
                calls += day / timedelta(hours=1)
    return calls


if __name__ == "__main__":
    measure(json.loads(sys.argv[1]))
