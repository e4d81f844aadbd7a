"""The faults of a chaos run, by name: what breaks, and what an operator's supervisor does about it afterwards."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from tests.chaos.machine import descendants, signal_all
from worker.app import ROUTES
from worker.store.migrate import LOCK

if TYPE_CHECKING:
    from tests.chaos.running import Run

Break = Callable[["Run", random.Random], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """`often`: how many times a run has it at least. `needs_disk`: only where the servers have a disk of their own."""

    does: Break
    means: str
    often: int = 1
    needs_disk: bool = False


def _kill_child(run: Run, dice: random.Random) -> None:
    parent = run.processes[dice.choice(("sync", "compute"))].pid
    children = [pid for pid in descendants(parent) if pid != parent]
    if not children:
        run.restart(dice.choice(("sync", "compute")))
        return
    signal_all([dice.choice(children)], signal.SIGKILL)


def _kill_worker(run: Run, dice: random.Random) -> None:
    run.restart(dice.choice(("sync", "compute")))


def _kill_beat(run: Run, dice: random.Random) -> None:
    run.restart("beat")


def _kill_trainer(run: Run, dice: random.Random) -> None:
    run.restart("trainer")


def _kill_backend(run: Run, dice: random.Random) -> None:
    """The whole server goes through crash recovery for it."""
    if backends := run.machine.backends():
        signal_all([dice.choice(backends)], signal.SIGKILL)
    run.machine.recover()


def _kill_postgres(run: Run, dice: random.Random) -> None:
    run.machine.kill_postgres()
    run.rest(dice.uniform(0.1, 1.0))
    run.machine.recover()


def _kill_redis(run: Run, dice: random.Random) -> None:
    run.machine.kill_redis()
    run.rest(dice.uniform(0.1, 1.0))
    run.machine.recover()


def _flush_redis(run: Run, dice: random.Random) -> None:
    run.machine.flush_redis()


def _pause_worker(run: Run, dice: random.Random) -> None:
    """Longer than its leases: others take over what it believes to hold."""
    pids = descendants(run.processes[dice.choice(("sync", "compute"))].pid)
    signal_all(pids, signal.SIGSTOP)
    run.later(dice.uniform(0.5, 1.5 * run.lease), lambda: signal_all(pids, signal.SIGCONT))


def _pause_server(run: Run, dice: random.Random) -> None:
    machine = run.machine
    pids = descendants(dice.choice((machine.postgres_pid(), machine.redis_pid())))
    signal_all(pids, signal.SIGSTOP)
    run.rest(dice.uniform(0.5, 2.0))
    signal_all(pids, signal.SIGCONT)


def _reset_connections(run: Run, dice: random.Random) -> None:
    run.proxy.reset()


def _lose_power(run: Run, dice: random.Random) -> None:
    for process in run.processes.values():
        signal_all(descendants(process.pid), signal.SIGSTOP)
    run.machine.lose_power(dice)
    for role in run.processes:
        run.end(role)
    run.machine.recover()
    for role in run.processes:
        run.begin(role)


def _fill_disk(run: Run, dice: random.Random) -> None:
    with run.machine.full_disk():
        run.rest(dice.uniform(0.5, 2.0))
    run.machine.recover()


def _repeat_messages(run: Run, dice: random.Random) -> None:
    """Whatever waits in a queue waits twice, in another order."""
    with redis.Redis.from_url(run.machine.addresses.redis_url) as client:
        for queue in sorted(set(ROUTES.values())):
            waiting = client.lrange(queue, 0, -1)
            dice.shuffle(waiting)
            if waiting:
                client.lpush(queue, *waiting)
    _send(run, dice, 2)


def _forge_messages(run: Run, dice: random.Random) -> None:
    """Every message there is, three times, in any order, for things that are not due and for some that are not."""
    _send(run, dice, 3, [("leadgauge.pull", ("salesforce", "gone")), ("leadgauge.rescore", (97,))])


def _send(run: Run, dice: random.Random, times: int, more: list[tuple[str, tuple[object, ...]]] | None = None) -> None:
    messages: list[tuple[str, tuple[object, ...]]] = [("leadgauge.plan", ()), *(more or [])]
    messages += [("leadgauge.rescore", (partition,)) for partition in range(4)]
    for source in ("salesforce", "hubspot"):
        messages += [("leadgauge.push", (source,)), ("leadgauge.reconcile", (source,))]
    messages += [("leadgauge.pull", stream) for stream in run.streams()]
    messages *= times
    dice.shuffle(messages)
    broker = run.machine.addresses.broker_url
    with Celery("chaos", broker=broker, set_as_current=False) as sender, suppress(OperationalError):
        for name, arguments in messages[:60]:
            sender.send_task(name, arguments, queue=ROUTES[name], ignore_result=True, retry=False)


def _second_scheduler(run: Run, dice: random.Random) -> None:
    """For the rest of the run, with a schedule of its own."""
    run.begin(f"beat {len(run.processes)}")


def _jump_clock(run: Run, dice: random.Random) -> None:
    """A worker's clock stands still, up to two minutes off; then it is right again."""
    role = dice.choice(("sync", "compute"))
    at = datetime.now(UTC) + timedelta(seconds=dice.uniform(20, 120) * dice.choice((-1, 1)))
    run.end(role)
    run.begin(role, LEADGAUGE_CLOCK=at.isoformat())
    run.later(dice.uniform(4, 8), lambda: run.restart(role))


def _other_zone(run: Run, dice: random.Random) -> None:
    run.restart(dice.choice(("sync", "compute", "beat")), TZ=dice.choice(("Pacific/Kiritimati", "America/St_Johns")))


_NEXT_RELEASE = """
    SELECT pg_advisory_xact_lock({lock});
    ALTER TABLE ledger ADD COLUMN IF NOT EXISTS next_release text;
    ALTER TABLE stream ADD COLUMN IF NOT EXISTS next_release int NOT NULL DEFAULT 0;
    ALTER TABLE person ADD COLUMN IF NOT EXISTS next_release timestamptz;
    CREATE TABLE IF NOT EXISTS next_release (id bigint PRIMARY KEY);
    CREATE INDEX IF NOT EXISTS activity_next_release ON activity (kind);
    UPDATE alembic_version SET version_num = '9999';
"""


def _migrate(run: Run, dice: random.Random) -> None:
    """What a next release's migration may do, while this release's workers run; they go on with it to the end."""
    for _ in range(40):
        with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            with run.machine.connect(run.database) as connection, connection.transaction():
                connection.execute("SET LOCAL lock_timeout = '500ms'")
                connection.execute(_NEXT_RELEASE.format(lock=LOCK))
            return
        time.sleep(0.1)
    raise AssertionError("a migration found no moment without locks in 20 s")


FAULTS: Mapping[str, Fault] = {
    "child killed": Fault(_kill_child, "SIGKILL of a child of a worker, in mid-task", 3),
    "worker killed": Fault(_kill_worker, "SIGKILL of a worker with its children", 2),
    "scheduler killed": Fault(_kill_beat, "SIGKILL of beat"),
    "trainer killed": Fault(_kill_trainer, "SIGKILL of the trainer and of the training that runs"),
    "backend killed": Fault(_kill_backend, "SIGKILL of one process of PostgreSQL: crash recovery"),
    "PostgreSQL killed": Fault(_kill_postgres, "SIGKILL of all of PostgreSQL"),
    "Redis killed": Fault(_kill_redis, "SIGKILL of Redis; its log loses up to a second"),
    "Redis flushed": Fault(_flush_redis, "queues, counters of calls and tokens are gone"),
    "power lost": Fault(
        _lose_power, "everything ends at once; PostgreSQL keeps what it had synced, not a byte more", needs_disk=True
    ),
    "disk full": Fault(_fill_disk, "neither PostgreSQL nor Redis can write for up to two seconds", needs_disk=True),
    "worker paused": Fault(_pause_worker, "SIGSTOP, longer than a lease may be", 2),
    "server paused": Fault(_pause_server, "PostgreSQL or Redis answers nobody for up to two seconds"),
    "connections reset": Fault(_reset_connections, "every connection to both servers is torn in mid-sentence", 2),
    "messages repeated": Fault(_repeat_messages, "what waits in the queues comes twice and in another order"),
    "messages forged": Fault(_forge_messages, "every message three times, for what is not due and what is not there"),
    "two schedulers": Fault(_second_scheduler, "a second beat for the rest of the run"),
    "clock jumped": Fault(_jump_clock, "a worker's clock is up to two minutes off, and stands still"),
    "zone changed": Fault(_other_zone, "a process is started again in another time zone"),
    "schema migrated": Fault(_migrate, "a next release's migration runs while this one's workers do"),
}
