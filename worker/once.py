"""One whole pass in this process, without Celery: read everything, count what is due to be counted, score who is due,
write, and prove it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from connectors.errors import CrmError
from worker import upkeep
from worker.bootstrap import Process
from worker.lease import Next
from worker.rescoring.batch import rescore
from worker.store import ledger, readings
from worker.store.scores import ensure_partitions
from worker.store.streams import Lease
from worker.sync.pull import pull
from worker.sync.reconcile import reconcile
from worker.writeback.push import push

Report = Callable[[str, int], None]
"""Told after each step: what it was, and how many rows or people it handled."""


@dataclass(slots=True)
class Pass:
    """What a pass did. `problems`: by source, what stopped it; `unproved`: open or failed ledger rows that are left."""

    seen: int = 0
    scored: int = 0
    sent: int = 0
    verified: int = 0
    unproved: int = 0
    problems: dict[str, CrmError] = field(default_factory=dict)


def sync(process: Process, report: Report, unwell: Mapping[str, CrmError] = MappingProxyType({})) -> Pass:
    """Pull every stream to its end, score, write and verify. A source that fails does not stop the others.

    Sources that are known to be `unwell` are left alone: what they should be told waits in the ledger, and what is
    wrong stands with their streams, so that nobody waits for their first read.
    """
    result = Pass(problems=dict(unwell))
    assert process.registered
    upkeep.beat(process)
    with process.engine.begin() as connection:
        ensure_partitions(connection, process.now())
    for source, problem in unwell.items():
        _leave(process, source, problem)
    for source in process.sources:
        _pull(process, source, result, report)
        _count(process, source, result, report)
    upkeep.tidy(process)
    _rescore(process, result, report)
    for source in process.sources:
        if source not in result.problems:
            _push(process, source, result, report)
    result.unproved = unproved(process)
    return result


def unproved(process: Process) -> int:
    """How many ledger rows are open or failed, but for those that a pause or a dry run keeps from going out."""
    with process.engine.connect() as connection:
        states, held = ledger.counts(connection), process.held(connection)
    bad = {*ledger.OPEN, *ledger.FAILED}
    return sum(
        n for source, by_state in states.items() for state, n in by_state.items()
        if state in bad and not (source in held and state == ledger.State.INTENDED)
    )  # fmt: skip


def _leave(process: Process, source: str, problem: CrmError) -> None:
    def fail(_: Lease) -> Next:
        raise problem

    for stream in process.crm(source).streams:
        process.holder.work(source, stream.name, fail, force=True)


def _pull(process: Process, source: str, result: Pass, report: Report) -> None:
    crm = process.crm(source)
    for stream in crm.streams:
        drained = False
        while not drained and source not in result.problems:
            pulled = pull(process.holder, crm, stream, force=True)
            if pulled is None:  # a worker has it; what it reads is scored and written by whoever sees it first
                break
            drained = pulled.drained
            result.seen += pulled.seen
            result.verified += pulled.verified
            report(f"read {source} {stream.name}", pulled.seen)
            if pulled.problem is not None:
                result.problems[source] = pulled.problem


def _count(process: Process, source: str, result: Pass, report: Report) -> None:
    """What cursors cannot see, where a day has passed since it was last looked for, or a field has appeared."""
    while source not in result.problems:
        with process.engine.begin() as connection:
            readings.hasten(connection, [source], process.now())
        counted = reconcile(process.holder, process.crm(source))
        if counted is None:
            return
        report(f"counted {source}", counted.counted)
        if counted.problem is not None:
            result.problems[source] = counted.problem


def _rescore(process: Process, result: Pass, report: Report) -> None:
    bases, settings = process.goals.bases(), process.settings
    for partition in range(settings.partitions):
        while (
            done := rescore(
                process.engine, process.arrow, bases, partition, settings.partitions, settings.rescore_every,
                process.writable, process.now(), reach=process.reach,
            )
        ).people:  # fmt: skip
            result.scored += done.people
            report("scored people", done.people)


def _push(process: Process, source: str, result: Pass, report: Report) -> None:
    while source not in result.problems:
        brakes, alert = process.brakes(source), process.alert(source)
        pushed = push(process.holder, process.crm(source), timedelta(0), process.forget, brakes, alert)
        if pushed is None or not (pushed.sent or pushed.verified or pushed.told or pushed.under_way or pushed.problem):
            return
        result.sent += pushed.sent
        result.verified += pushed.verified
        report(f"wrote to {source}", pushed.sent)
        if pushed.problem is not None:
            result.problems[source] = pushed.problem
