"""Metrics of state, by the same figures that `leadgauge status` tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection

from worker.app import QUEUES
from worker.bootstrap import Process
from worker.cli.status import gather as report_of
from worker.observing import catalogue as m
from worker.observing.catalogue import Metric
from worker.store import backlog, lineage, vitals
from worker.store.streams import Role
from worker.training import health


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a metric. `part`: "" but for those of histograms, see `worker.observing.meter.Counted`."""

    metric: Metric
    labels: tuple[str, ...]
    value: float
    part: str = ""


def state(process: Process) -> list[Sample]:
    """All of them. Raises what the database raises."""
    with process.engine.connect() as connection:
        report = report_of(process, connection)
        now: datetime = report["now"]
        return [
            Sample(m.BUILD, (version("leadgauge"),), 1),
            *_streams(report, now),
            *_work(connection, process, report, now),
            *_writes(connection, report, now),
            *_held(connection, process, report),
            *_calls(report, now),
            *_models(connection, process, now),
            Sample(m.PROBLEMS, (), len(report["problems"])),
        ]


def _streams(report: Mapping[str, Any], now: datetime) -> Iterator[Sample]:
    for row in report["streams"]:
        its = (row["source"], row["name"])
        if row["role"] is Role.PULL and row["lag_seconds"] is not None:
            yield Sample(m.STREAM_LAG, its, row["lag_seconds"])
        running = row["lease_until"] is not None and row["lease_until"] > now
        if row["role"] is not Role.PUSH:  # which is woken by what there is to write
            late = timedelta(0) if running else max(timedelta(0), now - row["due_at"])
            yield Sample(m.STREAM_LATE, its, late.total_seconds())
        if row["problem_code"]:
            yield Sample(m.STREAM_FAILING, (*its, row["problem_code"]), 1)
    for load in report["loads"]:
        its = (load["source"], load["name"])
        yield Sample(m.FIRST_READ_ROWS, its, load["rows"])
        if load["total"] is not None:
            yield Sample(m.FIRST_READ_EXPECTED, its, load["total"])
    failing: dict[tuple[str, str], int] = {}
    for whole in report["completeness"]:
        its = (whole["source"], whole["name"])
        failing[its] = failing.get(its, 0) + whole["failing"]
    yield from (Sample(m.INCOMPLETE_DAYS, its, days) for its, days in failing.items())


def _work(connection: Connection, process: Process, report: Mapping[str, Any], now: datetime) -> Iterator[Sample]:
    for queue in backlog.QUERIES:
        yield Sample(m.DUE, (queue,), backlog.count(connection, queue, now))
    for queue in QUEUES:
        yield Sample(m.QUEUED, (queue,), process.queued(queue))
    yield Sample(m.PEOPLE, (), report["people"]["people"])
    yield Sample(m.PEOPLE_WAITING, (), report["people"]["dirty"])
    yield Sample(m.PEOPLE_OLDEST, (), _age(vitals.oldest_dirty(connection), now))
    goals = {report["goal"]: report["buckets"], **report["further_goals"]}
    for goal, buckets in goals.items():
        yield from (Sample(m.BUCKET_PEOPLE, (goal, bucket), people) for bucket, people in buckets.items())
    yield from (Sample(m.PARKED, (goal,), people) for goal, people in report["parked"].items())
    left = {far["goal"]: far["left"] for far in report["rollouts"]}
    yield from (Sample(m.ROLLOUT, (goal,), left.get(goal, 0)) for goal in goals)


def _writes(connection: Connection, report: Mapping[str, Any], now: datetime) -> Iterator[Sample]:
    for source, states in report["ledger"].items():
        yield from (Sample(m.WRITES, (source, str(state)), rows) for state, rows in states.items())
    for its in vitals.failed(connection):
        yield Sample(m.WRITES_FAILED, (its.source, its.state, its.code), its.writes)
    for source, since in vitals.oldest_writes(connection).items():
        yield Sample(m.WRITE_OLDEST, (source,), _age(since, now))
    day: dict[str, list[int]] = {}
    for row in report["proof"]:
        added = day.setdefault(row["source"], [0, 0])
        added[0] += row["intended"] - row["dismissed"] - row["unprovable"]
        added[1] += row["verified"]
    for source, (wanted, verified) in day.items():
        yield Sample(m.WRITES_DAY, (source,), wanted)
        yield Sample(m.WRITES_DAY_VERIFIED, (source,), verified)


def _held(connection: Connection, process: Process, report: Mapping[str, Any]) -> Iterator[Sample]:
    paused = {pause["source"] for pause in report["pauses"]}
    unproved = lineage.unproved(connection)
    for source in process.sources:
        yield Sample(m.HELD, (source, "pause"), bool(paused & {source, ""}))
        yield Sample(m.HELD, (source, "dry run"), source in report["dry_runs"])
        yield Sample(m.HELD, (source, "restored"), source in unproved)


def _calls(report: Mapping[str, Any], now: datetime) -> Iterator[Sample]:
    for source, told in report["quota"].items():
        if told is None:  # nobody has told yet, or it counts none
            continue
        yield Sample(m.CALLS_USED, (source,), told["used"])
        yield Sample(m.CALLS_LIMIT, (source,), told["limit"])
        yield Sample(m.CALLS_OWN, (source,), told["own"])
        yield Sample(m.CALLS_OWN_LIMIT, (source,), told["own_limit"])
        for lane in told["lanes"]:
            until = lane["parked_until"]
            parked = max(0.0, (until - now).total_seconds()) if until else 0.0
            yield Sample(m.CALLS_LEFT, (source, str(lane["lane"])), lane["left"])
            yield Sample(m.CALLS_PARKED, (source, str(lane["lane"])), parked)


def _models(connection: Connection, process: Process, now: datetime) -> Iterator[Sample]:
    goals = set(process.settings.goal_names)
    levels = {
        (goal, model.number): model.value
        for goal in goals for model in health.summary(connection, goal, now).models
    }  # fmt: skip
    for model in vitals.champions(connection):
        its = (model.goal, model.segment)
        if model.goal not in goals:
            continue
        yield Sample(m.MODEL_AGE, its, _age(model.created_at, now))
        yield Sample(m.MODEL_NUMBER, its, model.number)
        yield Sample(m.MODEL_DRIFT, its, levels.get((model.goal, model.number), -1))
        yield from _check(its, model.check or {})
    for goal, kind, how, requests in vitals.trainings(connection):
        yield Sample(m.TRAININGS, (goal, kind, how), requests)
    for goal, failed in vitals.trainings_failed(connection).items():
        yield Sample(m.TRAINING_FAILED, (goal,), failed)
    if seen := vitals.trainer_seen(connection):
        yield Sample(m.TRAINER_SEEN, (), _age(seen, now))


def _check(its: tuple[str, str], check: Mapping[str, Any]) -> Iterable[Sample]:
    told = {
        m.MODEL_PSI: (check.get("score") or {}).get("psi"),
        m.MODEL_EXPECTED: check.get("expected"),
        m.MODEL_OBSERVED: check.get("observed"),
        m.MODEL_AUC: (check.get("closed") or {}).get("auc"),
    }
    return [Sample(metric, its, value) for metric, value in told.items() if value is not None]


def _age(then: datetime | None, now: datetime) -> float:
    return max(0.0, (now - then).total_seconds()) if then else 0.0
