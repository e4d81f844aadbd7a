"""What is told of a running installation, to whom, and that it is true."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx2
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from starlette.applications import Starlette

from connectors.transport import Exchange
from worker import app as celery
from worker.bootstrap import Process
from worker.observing import catalogue, meter
from worker.observing.catalogue import METRICS, Kind
from worker.observing.exporter import Exporter
from worker.observing.gather import Sample
from worker.observing.web import Watched
from worker.settings import Settings

NOW = datetime.now(UTC)
Told = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def process(module_database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    monkeypatch.setenv("PORTAL_TOKEN", "pat-eu1-nothing")
    portal = {"kind": "hubspot", "name": "shop", "auth": {"type": "token", "token": {"env": "PORTAL_TOKEN"}}}
    settings = Settings.model_validate(
        {"database_url": module_database_url, "redis_url": redis_url, "sources": [portal], "clock": NOW}
    )
    process = Process(settings, "worker-sync")
    process.migrate()
    yield process
    process.close()


def told(body: bytes) -> Told:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode()) for sample in family.samples
    }  # fmt: skip


def scraped(process: Process) -> Told:
    return told(Exporter(process).answer("text/plain")[0])


def ask(
    process: Process, path: str, peer: str = "127.0.0.1", headers: dict[str, str] | None = None, method: str = "GET"
) -> httpx2.Response:
    async def asked() -> httpx2.Response:
        transport = httpx2.ASGITransport(Watched(Starlette(), process), client=(peer, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8700") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


REST = """
    INSERT INTO pause (source, reason, author, at) VALUES ('', 'a wrong rule', 'ann', :now);
    INSERT INTO completeness (source, kind, name, day, rows, missed, checked_at) VALUES
        ('shop', 'day', 'leads', CAST(:now AS date) - 3, 100, 5, :now),
        ('shop', 'day', 'leads', CAST(:now AS date) - 4, 100, 0, :now);
    INSERT INTO person (id, changed_at) VALUES (2, :now), (3, :now);
    INSERT INTO score (goal, person_id, as_of, score, status, bucket, rules_revision, policy_revision)
        VALUES ('default', 2, :now, 90, 'scored', 'hot', 1, 1), ('default', 3, :now, 80, 'scored', 'hot', 1, 1),
            ('default', 1, :now, NULL, 'mismatch', 'unscored', 1, 1);
    INSERT INTO model (goal, number, kind, state, digest, artefact, manifest, author, created_at)
        VALUES ('default', 4, 'linear', 'champion', 'd', '', '{}', 'ann', :hour);
    INSERT INTO drift (goal, number, at, level, body) VALUES ('default', 4, :now, 'alert',
        '{"why": ["score"], "score": {"psi": 0.4}, "expected": 12.5, "observed": 3, "closed": {"auc": 0.6}}');
    INSERT INTO training_request (goal, kind, cause, author, state, created_at, ended_at) VALUES
        ('default', 'train', 'cli', 'ann', 'failed', :hour, :now), ('default', 'train', 'cli', 'ann', 'waiting',
        :now, NULL);
"""
"""A pause, a day that was not read whole, people of a bucket, a model that has drifted, a training that failed."""


def _fill(process: Process) -> None:
    with process.engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO stream (source, name, role, due_at, complete_due_at, complete_at, problem_code, problem) VALUES
                ('shop', 'leads', 'pull', :late, :late, :hour, 'AuthFailed', 'ann@example.com may not'),
                ('shop', 'push', 'push', :late, :late, NULL, NULL, NULL)
            """),
            {"late": NOW - timedelta(minutes=2), "hour": NOW - timedelta(hours=1)},
        )
        connection.execute(
            text("""
            INSERT INTO subject (source, object, key) SELECT 'shop', 'lead', n::text FROM generate_series(1, 5) n
            """)
        )
        connection.execute(
            text("INSERT INTO person (id, changed_at, dirty_at) VALUES (1, :now, :waits)"),
            {"now": NOW, "waits": NOW - timedelta(seconds=90)},
        )
        connection.execute(
            text("""
            INSERT INTO ledger (source, subject_id, person_id, values, cause, rules_revision, policy_revision, state,
                                code, answer, due_at, intended_at)
            SELECT 'shop', id, 1, '{}', 'change', 1, 1,
                   CASE WHEN key <= '2' THEN 'verified' WHEN key <= '4' THEN 'refused' ELSE 'intended' END,
                   CASE WHEN key IN ('3', '4') THEN 'TOO_LONG' END, 'Ann Lee may not be written', :then, :then
            FROM subject
            """),
            {"then": NOW - timedelta(minutes=10)},
        )
        for statement in REST.split(";"):
            if statement.strip():
                connection.execute(text(statement), {"now": NOW, "hour": NOW - timedelta(hours=1)})


MODEL = {"age_seconds": 3600, "number": 4, "drift_level": 2, "score_psi": 0.4, "expected_conversions": 12.5,
         "observed_conversions": 3, "matured_auc": 0.6}  # fmt: skip


def test_the_state_is_told_as_it_is_and_names_nobody(process: Process) -> None:
    _fill(process)
    process._gate.learn("shop", 40_000, 100_000)
    body, content_type = Exporter(process).answer("text/plain")
    assert content_type.startswith("text/plain")
    found = told(body)
    of_leads = (("source", "shop"), ("stream", "leads"))
    expected: Told = {
        ("leadgauge_up", (("part", "database"),)): 1,
        ("leadgauge_up", (("part", "redis"),)): 1,
        ("leadgauge_stream_lag_seconds", of_leads): 3600,
        ("leadgauge_stream_late_seconds", of_leads): 120,
        ("leadgauge_stream_failing", (("code", "AuthFailed"), *of_leads)): 1,
        ("leadgauge_due", (("queue", "compute"),)): 1,
        ("leadgauge_due", (("queue", "sync"),)): 1,  # what is paused is no work
        ("leadgauge_people", ()): 3,
        ("leadgauge_people_waiting", ()): 1,
        ("leadgauge_bucket_people", (("bucket", "hot"), ("goal", "default"))): 2,
        ("leadgauge_people_parked", (("goal", "default"),)): 1,
        ("leadgauge_incomplete_days", (("name", "leads"), ("source", "shop"))): 1,
        ("leadgauge_people_oldest_wait_seconds", ()): 90,
        ("leadgauge_writes", (("source", "shop"), ("state", "verified"))): 2,
        ("leadgauge_writes_failed", (("code", "TOO_LONG"), ("source", "shop"), ("state", "refused"))): 2,
        ("leadgauge_write_oldest_seconds", (("source", "shop"),)): 600,
        ("leadgauge_writes_day", (("source", "shop"),)): 5,
        ("leadgauge_writes_day_verified", (("source", "shop"),)): 2,
        ("leadgauge_writing_held", (("source", "shop"), ("why", "pause"))): 1,
        ("leadgauge_writing_held", (("source", "shop"), ("why", "dry run"))): 0,
        ("leadgauge_calls_used", (("source", "shop"),)): 40_000,
        ("leadgauge_calls_limit", (("source", "shop"),)): 100_000,
        ("leadgauge_calls_own", (("source", "shop"),)): 0,
        ("leadgauge_calls_left", (("lane", "backfill"), ("source", "shop"))): 10_000,
        ("leadgauge_calls_parked_seconds", (("lane", "backfill"), ("source", "shop"))): 0,
        **{(f"leadgauge_model_{name}", (("goal", "default"), ("segment", ""))): value for name, value in MODEL.items()},
        ("leadgauge_training_requests", (("goal", "default"), ("kind", "train"), ("state", "waiting"))): 1,
        ("leadgauge_training_failed", (("goal", "default"),)): 1,
        ("leadgauge_problems", ()): 5,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert b"ann" not in body.lower()


def test_what_processes_count_is_added_up_over_all_of_them(process: Process) -> None:
    for role, seconds in (("worker-sync", 0.2), ("worker-sync", 3.0), ("worker-compute", 40.0)):
        its = meter.Meter(lambda: process.redis, role)
        its.count(catalogue.SENT, 7, "shop")
        its.count(catalogue.SENT, 5, "an account of once")
        its.time(catalogue.TASK_SECONDS, seconds, "leadgauge.push", "ok")
        its.stamp(catalogue.TASK_LAST, "leadgauge.push")
        its.flush()
    process.observe(Exchange("shop", "GET", "/leads", 429, 0.3))
    process.meter.flush()
    found = scraped(process)
    assert found["leadgauge_sent_total", (("source", "shop"),)] == 21
    assert ("leadgauge_sent_total", (("source", "an account of once"),)) not in found
    task = (("outcome", "ok"), ("task", "leadgauge.push"))
    below = {
        dict(labels)["le"]: value for (name, labels), value in found.items() if name == "leadgauge_task_seconds_bucket"
    }
    assert (below["0.1"], below["0.25"], below["5.0"], below["60.0"], below["+Inf"]) == (0, 1, 2, 3, 3)
    assert found["leadgauge_task_seconds_sum", task] == pytest.approx(43.2)
    assert found["leadgauge_task_seconds_count", task] == 3
    assert found["leadgauge_task_last_success_timestamp_seconds", (("task", "leadgauge.push"),)] > 1e9
    assert found["leadgauge_request_seconds_count", (("source", "shop"), ("status", "429"))] == 1
    # One process stands for all here, so the last to tell its role is who it is.
    assert found["leadgauge_processes", (("role", "worker-sync"),)] == 1
    assert found["leadgauge_process_memory_bytes", (("role", "worker-sync"),)] > 10_000_000


def test_a_task_is_timed_and_its_log_names_it_and_the_run(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery.app, "process", process)
    task = SimpleNamespace(name="leadgauge.pull", request=SimpleNamespace(root_id="the plan"))
    for key, state, result in (("1", "SUCCESS", None), ("2", "FAILURE", ValueError("x"))):
        celery._begin(key, task, (), {})
        assert structlog.contextvars.get_contextvars() == {"task": task.name, "task_id": key, "run": "the plan"}
        celery._end(key, task, result, state)
        assert structlog.contextvars.get_contextvars() == {}
    process.meter.flush()
    found = scraped(process)
    for outcome in ("ok", "failed"):
        assert found["leadgauge_task_seconds_count", (("outcome", outcome), ("task", "leadgauge.pull"))] == 1


def test_a_meter_without_redis_holds_what_it_counted(process: Process) -> None:
    url = "redis://127.0.0.1:1/0"
    broken = Process(Settings.model_validate({"redis_url": url, "database_url": "postgresql://localhost/none"}))
    current = [broken.redis]
    its = meter.Meter(lambda: current[0], "worker-sync")
    its.count(catalogue.SCORED, 3)
    its.flush()
    current[0] = process.redis
    its.count(catalogue.SCORED, 4)
    its.flush()
    assert scraped(process)["leadgauge_scored_total", ()] == 7


def test_servers_that_are_away_are_told_and_the_rest_is_not_made_up(redis_url: str) -> None:
    settings = Settings.model_validate({"redis_url": redis_url, "database_url": "postgresql://127.0.0.1:1/none"})
    away = Process(settings)
    found = scraped(away)
    assert found["leadgauge_up", (("part", "database"),)] == 0
    assert found["leadgauge_up", (("part", "redis"),)] == 1
    assert not any(name.startswith(("leadgauge_people", "leadgauge_due")) for name, _ in found)
    ready = ask(away, "/readyz")
    assert (ready.status_code, ready.json()) == (503, {"database": "does not answer", "redis": "ok"})
    assert ask(away, "/healthz").status_code == 200


def test_a_slow_state_keeps_no_scrape_waiting_and_is_read_by_one(process: Process) -> None:
    going, read = threading.Event(), []

    def slowly(_: Process) -> list[Sample]:
        read.append(1)
        if len(read) > 1:
            going.wait(10)
        return [Sample(catalogue.PEOPLE, (), len(read))]

    exporter = Exporter(process, slowly, patience=0.2)
    assert told(exporter.answer("")[0])["leadgauge_people", ()] == 1
    exporter._again_at = 0.0
    assert [told(exporter.answer("")[0])["leadgauge_people", ()] for _ in range(3)] == [1, 1, 1]
    assert len(read) == 2
    going.set()


TOKEN = "a token that is long enough to keep people out"


@pytest.mark.parametrize(
    ("token", "peer", "headers", "status"),
    [
        (None, "127.0.0.1", {}, 200),
        (None, "127.0.0.1", {"host": "evil.example"}, 401),  # a foreign name that was made to mean this machine
        (None, "127.0.0.1", {"x-forwarded-for": "10.1.2.3"}, 401),  # a proxy on this machine
        (None, "10.1.2.3", {}, 401),
        (TOKEN, "10.1.2.3", {"host": "10.9.9.9:8700", "authorization": f"Bearer {TOKEN}"}, 200),
        (TOKEN, "10.1.2.3", {"authorization": "Bearer something else"}, 401),
        (TOKEN, "127.0.0.1", {}, 401),
    ],
)
def test_who_may_read_metrics(
    process: Process, token: str | None, peer: str, headers: dict[str, str], status: int
) -> None:
    own = Process(process.settings.model_copy(update={"metrics_token": Settings(metrics_token=token).metrics_token}))
    assert ask(own, "/metrics", peer, headers).status_code == status
    assert ask(own, "/readyz", peer, headers).json() == {"database": "ok", "redis": "ok"}
    assert ask(own, "/metrics", peer, headers, "POST").status_code == 405
    own.close()


def test_every_metric_has_a_name_and_few_labels() -> None:
    bounded = {"source", "stream", "name", "queue", "goal", "bucket", "state", "code", "why", "lane", "segment", "kind",
               "task", "outcome", "status", "role", "part", "version"}  # fmt: skip
    for name, metric in METRICS.items():
        assert re.fullmatch(r"leadgauge_[a-z_]+", name)
        assert name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert set(metric.labels) <= bounded
        assert metric.help.endswith(".")
