"""The tasks: each calls one use case, and `worker.app` routes it. One that comes late, twice or never does no harm."""

from __future__ import annotations

from functools import partial

import structlog

from worker import upkeep
from worker.app import app
from worker.observing import catalogue
from worker.sync import plan as planning

log = structlog.get_logger(__name__)

WAKE_UP = {"ignore_result": True, "expires": 60}
FULL = 500
"""Messages in a queue after which no more are sent there: nobody takes them, or not fast enough."""


@app.task(name="leadgauge.plan", **WAKE_UP)
def plan() -> None:
    """Wake whatever is due. Scheduled by beat."""
    process = app.current()
    assert process.registered
    if upkeep.beat(process):
        log.warning("the database was restored: all is compared before anything is written", action="restored")
    with process.engine.begin() as connection:
        settings = process.settings
        due = list(
            planning.plan(
                connection, process.sources, process.goals.scales(connection), settings.partitions,
                settings.verify_after, process.now(), process.held(connection),
            )
        )  # fmt: skip
    for wake_up in due:
        wake(wake_up)


@app.task(name="leadgauge.pull", **WAKE_UP)
def pull(source: str, stream: str) -> None:
    """Read one stream of one CRM account."""
    from worker.sync.pull import pull as read

    process = app.current()
    crm = process.crm(source)
    spec = next((s for s in crm.streams if s.name == stream), None)
    if spec is None or process.crowded(source):  # left out by the configuration since the row was made; or not its turn
        return
    result = read(process.holder, crm, spec, pace=partial(process.pace, source))
    if result is None:
        return
    process.meter.count(catalogue.PULLED, result.seen, source, stream)
    process.meter.count(catalogue.VERIFIED, result.verified, source)
    log.info("pulled", action="pull", source=source, stream=stream, pages=result.pages, seen=result.seen,
             dirtied=result.dirtied, verified=result.verified, problem=_named(result.problem))  # fmt: skip
    if not result.drained and result.problem is None:
        wake(planning.Pull(source, stream))
    if result.dirtied:
        for partition in range(process.settings.partitions):
            wake(planning.Rescore(partition))


@app.task(name="leadgauge.reconcile", **WAKE_UP)
def reconcile(source: str) -> None:
    """Count what one CRM account has against what is known, and fetch the difference."""
    from worker.sync.reconcile import reconcile as count

    process = app.current()
    if process.crowded(source):
        return
    result = count(process.holder, process.crm(source))
    if result is None:
        return
    log.info("reconciled", action="reconcile", source=source, counted=result.counted, repaired=result.repaired,
             problem=_named(result.problem))  # fmt: skip
    if result.done:
        upkeep.tidy(process)
    elif result.problem is None:
        wake(planning.Reconcile(source))


@app.task(name="leadgauge.rescore", **WAKE_UP)
def rescore(partition: int) -> None:
    """Score the people of one partition who are due."""
    from worker.rescoring.batch import rescore as score

    process = app.current()
    settings = process.settings
    try:
        result = score(
            process.engine, process.arrow, process.goals.bases(), partition, settings.partitions,
            settings.rescore_every, process.writable, process.now(), reach=process.reach,
        )  # fmt: skip
    except Exception:
        process.reconnect()  # the columns' connection does not heal by itself; the next wake-up goes on
        raise
    if not result.people:
        return
    process.meter.count(catalogue.SCORED, result.people)
    process.meter.count(catalogue.INTENDED, result.intended)
    tell = log.error if result.mismatched else log.info  # whose reasons do not add up is parked: a fault of ours
    tell("scored", action="rescore", partition=partition, people=result.people, intended=result.intended,
         mismatched=result.mismatched)  # fmt: skip
    wake(planning.Rescore(partition))
    if result.intended:
        for source in process.sources:
            wake(planning.Push(source))


@app.task(name="leadgauge.push", **WAKE_UP)
def push(source: str) -> None:
    """Write what the ledger intends for one CRM account, and prove it."""
    from worker.writeback.push import push as write

    process = app.current()
    upkeep.beat(process)
    result = write(
        process.holder, process.crm(source), process.settings.verify_after, process.forget, process.brakes(source),
        process.alert(source),
    )  # fmt: skip
    if result is not None:
        process.meter.count(catalogue.SENT, result.sent, source)
        process.meter.count(catalogue.VERIFIED, result.verified, source)
        process.meter.count(catalogue.DRIFTED, result.drifted, source)
    if result is not None and (result.sent or result.verified or result.told or result.problem):
        log.info("pushed", action="push", source=source, sent=result.sent, verified=result.verified, told=result.told,
                 problem=_named(result.problem))  # fmt: skip
    if result is not None and (result.drifted or result.held or result.capped):
        log.warning("writing held back", action="push", source=source, drifted=result.drifted,
                    contested=result.contested, too_often=result.held, hour_is_full=result.capped)  # fmt: skip


def wake(wake_up: planning.WakeUp) -> None:
    """Send a wake-up on its way, unless its queue is full: what is due stays due, and the next plan wakes it."""
    queue = "compute" if isinstance(wake_up, planning.Rescore) else "sync"
    if app.current().queued(queue) >= FULL:
        return
    match wake_up:
        case planning.Pull(source, stream):
            pull.delay(source, stream)
        case planning.Push(source):
            push.delay(source)
        case planning.Reconcile(source):
            reconcile.delay(source)
        case planning.Rescore(partition):
            rescore.delay(partition)


def _named(problem: Exception | None) -> str | None:
    return type(problem).__name__ if problem else None
