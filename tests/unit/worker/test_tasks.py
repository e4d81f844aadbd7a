"""What Celery is told: names that survive a move, a queue and an expiry each, and nothing heavy before the fork."""

from __future__ import annotations

import subprocess
import sys

from worker.app import QUEUES, ROUTES, app
from worker.settings import Settings


def test_every_task_is_named_and_queued() -> None:
    import worker.tasks  # noqa: F401 - registers them

    ours = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    assert ours.keys() == ROUTES.keys()
    assert set(ROUTES.values()) == set(QUEUES)
    for task in ours.values():
        assert task.ignore_result
        assert task.expires
        assert task.max_retries is not None
        assert not getattr(task, "autoretry_for", ())


def test_a_message_is_acknowledged_early_and_never_prefetched() -> None:
    assert not app.conf.task_acks_late
    assert app.conf.worker_disable_prefetch
    assert app.conf.result_backend is None
    assert app.conf.accept_content == ["json"]


def test_a_killed_task_holds_no_lease() -> None:
    lease = Settings.model_fields["lease"].default
    assert app.conf.task_soft_time_limit < app.conf.task_time_limit < lease.total_seconds()
    assert lease.total_seconds() <= app.conf.broker_transport_options["visibility_timeout"]


def test_the_parent_of_a_worker_loads_nothing_that_does_not_survive_a_fork() -> None:
    code = (
        "import sys, worker.cli.main, worker.app, worker.tasks, worker.bootstrap\n"
        "heavy = {'polars', 'sklearn', 'pyarrow', 'simple_salesforce', 'hubspot', 'adbc_driver_postgresql'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
