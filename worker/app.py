"""The Celery application: a message is a wake-up, the database is the truth.

Early acknowledgement and no prefetch: a lost or repeated message costs nothing, since whoever is woken asks the
database what is due and takes a lease. No result backend, no retries, no chords.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import structlog
from celery import Celery
from celery.beat import PersistentScheduler, ScheduleEntry
from celery.signals import (
    beat_init,
    heartbeat_sent,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_process_init,
    worker_process_shutdown,
)

from worker import log
from worker.bootstrap import Process
from worker.observing.catalogue import TASK_LAST, TASK_SECONDS
from worker.observing.heartbeat import Heartbeat
from worker.observing.reporting import Reporting
from worker.settings import Settings, load

QUEUES = ("plan", "sync", "compute")
"""plan and sync: I/O with the CRMs. compute: scoring. A worker each, so that busy slots do not starve beat."""


PLAN = "leadgauge.plan"
ROUTES = {
    PLAN: "plan",
    "leadgauge.pull": "sync",
    "leadgauge.push": "sync",
    "leadgauge.reconcile": "sync",
    "leadgauge.rescore": "compute",
}


class App(Celery):
    """Celery with the one process that its tasks work in."""

    process: Process | None = None
    reporting: Reporting | None = None
    role = "command"
    heart: Heartbeat | None = None

    def current(self) -> Process:
        """What this process works with; built on first use, after the fork."""
        if self.process is None:
            self.process = Process(load(), self.role)
        return self.process

    def beat(self) -> None:
        """The loop of this worker, or of beat, goes on."""
        if self.heart is not None:
            self.heart.beat()


app = App("leadgauge", set_as_current=True)
app.conf.update(
    task_acks_late=False,
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    result_backend=None,
    task_soft_time_limit=90,
    task_time_limit=110,  # below a lease's length: whoever is killed for it no longer holds one
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 180,
        "unacked_restore_interval": 15,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 25,
    },
    worker_soft_shutdown_timeout=45.0,
    worker_enable_soft_shutdown_on_idle=False,  # nothing to hand back: messages are acknowledged early
    worker_max_tasks_per_child=200,
    worker_max_memory_per_child=600_000,
    worker_hijack_root_logger=False,
    task_serializer="json",
    accept_content=["json"],
    task_create_missing_queues=False,
    task_queues={name: {"exchange": name, "routing_key": name} for name in QUEUES},
    task_routes={name: {"queue": queue} for name, queue in ROUTES.items()},
    task_default_queue="plan",
    enable_utc=True,
    beat_scheduler="worker.app:BoundedScheduler",
    include=["worker.tasks"],
)


MOST_PLANS = 10
"""Plans in the queue after which no more are sent. One is enough; without a bound they fill Redis while all workers are
down."""


class BoundedScheduler(PersistentScheduler):
    """Celery's own scheduler, which sends no more where nobody takes what it has sent, and tells that it goes on."""

    def tick(self, *arguments: Any, **more: Any) -> float:
        app.beat()
        wait: float = super().tick(*arguments, **more)
        return min(wait, 30.0)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        if app.current().queued(ROUTES[PLAN]) < MOST_PLANS:
            super().apply_entry(entry, producer)


def configure(settings: Settings, broker: str, role: str = "command") -> None:
    """Point Celery at the broker and set the schedule; before a worker or beat starts. `role`: what metrics and
    heartbeats call it."""
    app.role, app.heart = role, Heartbeat(settings.home, role)
    every = settings.plan_every.total_seconds()
    app.conf.broker_url = broker
    app.conf.beat_schedule = {
        # Expiring before the next tick, so that a backlog heals itself.
        PLAN: {"task": PLAN, "schedule": every, "options": {"expires": every * 0.8}},
    }


@setup_logging.connect
def _own_logging(**_: Any) -> None:
    settings = load()
    log.configure(settings.log_level, as_json=settings.log_json)


@worker_process_init.connect
def _open(**_: Any) -> None:
    """Nothing opened before the fork may be used after it."""
    settings = load()
    app.process, app.reporting = Process(settings, app.role), Reporting(settings, app.role)


@worker_process_shutdown.connect
def _close(**_: Any) -> None:
    if app.process is not None and threading.current_thread() is threading.main_thread():
        app.process.close()
    if app.reporting is not None:
        app.reporting.close()


@heartbeat_sent.connect
@beat_init.connect
def _alive(**_: Any) -> None:
    app.beat()


_began: dict[str, float] = {}


@task_prerun.connect
def _begin(task_id: str, task: Any, args: Any, kwargs: Any, **_: Any) -> None:
    """Whatever is logged from here on names the task, and the run: the plan that woke it, at first hand or in turn."""
    _began[task_id] = time.monotonic()
    run = str(task.request.root_id or task_id)
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id, run=run)
    if app.reporting is not None:
        app.reporting.begin(task.name, task_id, run=run)


@task_postrun.connect
def _end(task_id: str, task: Any, retval: Any, state: str | None, **_: Any) -> None:
    structlog.contextvars.unbind_contextvars("task", "task_id", "run")
    problem = retval if isinstance(retval, BaseException) else None
    began, meter = _began.pop(task_id, None), app.current().meter
    if app.reporting is not None:
        app.reporting.end(task_id, problem)
    if began is not None:
        outcome = "ok" if state == "SUCCESS" else "failed"
        if outcome == "ok":
            meter.stamp(TASK_LAST, task.name)
        meter.time(TASK_SECONDS, time.monotonic() - began, task.name, outcome)
