"""Every page of the console over a million people with a month of history, and the slider's what-if.

`CONSOLE_PEOPLE` makes the world smaller, for a try.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from urllib.request import urlopen

import numpy as np
from sqlalchemy import text

from benchmarks.figure import Figure, peak_mib
from worker import embedded
from worker.bootstrap import Process
from worker.scoring.model import Model
from worker.scoring.model_parts import Axis, Shape, Tables
from worker.settings import Settings
from worker.store import models
from worker.training.artefact import pack

PEOPLE = int(os.environ.get("CONSOLE_PEOPLE", "1000000"))
DAYS, LOOKS = 30, 40
PAGE_MS, WHAT_IF_MS = 200.0, 300.0
GOAL = f"{PEOPLE:,} people, {DAYS} days: each page in {PAGE_MS:g} ms, what-if in {WHAT_IF_MS:g} ms (p95)"
_STARTED_WITHIN, _WARM_WITHIN = 300.0, 1800.0

# A tenth is near the line; each person's score moved three times in the month, and two of these were written.
_LOAD = """
CREATE FUNCTION pg_temp.pick(seed bigint, salt int) RETURNS double precision LANGUAGE sql IMMUTABLE AS
    $$ SELECT (hashint8(seed * 64 + salt) & 2147483647) / 2147483648.0 $$;
INSERT INTO subject (source, object, key) SELECT 'org', 'Account', 'A' || n FROM generate_series(1, {accounts}) n;
INSERT INTO record (subject_id, kind, name, created_at, modified_at, observed_at, since)
    SELECT id, 'account', 'Company ' || md5(id::text), now(), now(), now(), now() FROM subject;
INSERT INTO subject (source, object, key, person_id, since)
    SELECT CASE n % 2 WHEN 0 THEN 'org' ELSE 'portal' END, 'Lead', 'L' || n, {accounts} + n, now() - interval '60 d'
    FROM generate_series(1, {people}) n;
INSERT INTO record (subject_id, kind, name, email, account_id, attributes, written, created_at, modified_at,
                    observed_at, since)
    SELECT id, 'person', initcap(substr(md5(id::text), 1, 6)) || ' ' || initcap(substr(md5('x' || id % 40000), 1, 8)),
           'p' || id || '@example.com', 1 + id % {accounts},
           jsonb_build_object('owner', 'rep ' || id % 40, 'lead_source', 'Web'), '{{"score": 50, "bucket": "nurture"}}',
           now() - interval '60 days', now(), now() - interval '60 days', now() - interval '60 days'
    FROM subject WHERE person_id IS NOT NULL;
INSERT INTO person (id, changed_at, scored_at, due_at)
    SELECT person_id, now(), now() - make_interval(secs => id % 86400), now() + interval '1 day'
    FROM subject WHERE person_id IS NOT NULL;
CREATE TEMP TABLE moved AS
    SELECT {accounts} + p AS person_id, now() - make_interval(secs => {days} * 86400.0
           * (1 - (n + pg_temp.pick(p * 10 + n, 1)) / 3)) AS at,
           round(70 * pg_temp.pick(p, 2) ^ 2 + 30 * pg_temp.pick(p * 10 + n, 3))::int AS score
    FROM generate_series(1, {people}) p, generate_series(0, 2) n;
INSERT INTO score_history (goal, person_id, as_of, score, status, bucket, stage, rules_revision, policy_revision)
    SELECT 'default', person_id, at, score, 'scored',
           CASE WHEN score >= 90 THEN 'hot' WHEN score >= 70 THEN 'warm' WHEN score >= 50 THEN 'nurture'
                ELSE 'cold' END,
           CASE WHEN score >= 70 THEN 'mql' ELSE 'nurturing' END, 1, 1 FROM moved;
INSERT INTO score (goal, person_id, score, status, bucket, stage, stage_since, as_of, rules_revision, policy_revision)
    SELECT DISTINCT ON (person_id) goal, person_id, score, status, bucket,
           CASE person_id % 97 WHEN 0 THEN 'customer' WHEN 1 THEN 'opportunity' ELSE stage END, as_of, as_of, 1, 1
    FROM score_history ORDER BY person_id, as_of DESC;
INSERT INTO transition (goal, person_id, at, from_stage, to_stage, cause, score, policy_revision)
    SELECT 'default', person_id, at, 'nurturing', 'mql', 'the score reached 70', score, 1 FROM moved WHERE score >= 70;
INSERT INTO ledger (source, subject_id, person_id, values, cause, rules_revision, policy_revision, state, attempts,
                    due_at, code, answer, intended_at, sent_at, accepted_at, closed_at)
    SELECT s.source, s.id, s.person_id,
           jsonb_build_object('score', m.score, 'reasons', repeat('+5 Visited the site; ', 9)), 'score', 1, 1,
           CASE WHEN s.id % 997 = 0 AND m.at > now() - interval '5 days' THEN 'refused' ELSE 'verified' END,
           1, m.at, CASE WHEN s.id % 997 = 0 THEN 'FIELD_CUSTOM_VALIDATION_EXCEPTION' END, NULL, m.at, m.at, m.at, m.at
    FROM moved m JOIN subject s ON s.person_id = m.person_id WHERE m.at > now() - interval '20 days' ORDER BY m.at;
INSERT INTO outcome (source, object, key, status, stage, amount, created_at, modified_at, closed_at, known_at)
    SELECT 'org', 'Opportunity', person_id, CASE WHEN person_id % 3 = 0 THEN 'won' ELSE 'lost' END, 'Closed', 5000,
           now() - interval '20 days', now() - interval '9 days', now() - interval '9 days', now() - interval '9 days'
    FROM score WHERE score > 60 AND person_id % 11 = 0;
INSERT INTO outcome_person SELECT o.id, s.id FROM outcome o JOIN subject s ON s.person_id = o.key::bigint;
INSERT INTO live VALUES (now() - interval '{days} days');
UPDATE policy SET created_at = now() - interval '40 days';
INSERT INTO stream (source, name, role, due_at, complete_due_at, complete_at, succeeded_at)
    SELECT source, name, 'pull', now() + interval '1 day', now() + interval '1 day', now(), now()
    FROM unnest(ARRAY['org', 'portal']) source, unnest(ARRAY['leads', 'contacts', 'tasks', 'events', 'deals']) name;
INSERT INTO shadow_score (goal, number, person_id, log_odds, score, as_of)
    SELECT 'default', 1, person_id, (score - 50) / 15.0, least(100, score + 2), now() FROM score ORDER BY person_id
    LIMIT 100000;
"""


@dataclass(frozen=True, slots=True)
class Page:
    """A page with what it is asked for, another thing each time."""

    name: str
    paths: tuple[str, ...]
    limit: float = PAGE_MS


def run() -> Figure:
    """Load a database of its own, start the console on it, and ask for every page."""
    home = Path(tempfile.mkdtemp(prefix="leadgauge-bench-"))
    try:
        addresses = embedded.start(home, durable=False)
        people = _fill(addresses)
        with _console(home, addresses) as base:
            took = _measure(base, people)
    finally:
        embedded.remove(home)
        shutil.rmtree(home, ignore_errors=True)
    slowest = max(took, key=lambda page: took[page] / page.limit)
    told = sorted(((took[page] / page.limit, page.name, took[page]) for page in took), reverse=True)
    return Figure(
        name="console",
        ours=took[slowest],
        baseline=slowest.limit,
        unit="ms",
        goal=GOAL,
        met=all(took[page] <= page.limit for page in took),
        peak_mib=peak_mib(),
        note=f"slowest of {len(took)}: " + ", ".join(f"{name} {ms:.0f} ms" for _, name, ms in told[:4]),
    )


def _fill(addresses: embedded.Addresses) -> range:
    """Returns the numbers of the people."""
    accounts = max(1, PEOPLE // 20)
    process = Process(
        Settings.model_validate({"database_url": addresses.database_url, "redis_url": addresses.redis_url})
    )
    process.migrate()
    _challenger(process)
    statements = _LOAD.format(people=PEOPLE, accounts=accounts, days=DAYS)
    with process.engine.begin() as connection:
        for statement in statements.split(";\n"):
            if statement.strip():
                connection.execute(text(statement.replace(":", r"\:")))
    with process.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))
    process.close()
    return range(accounts + 1, accounts + PEOPLE + 1)


def _challenger(process: Process) -> None:
    features = {feature.name: feature for feature in process.vocabulary.features}
    shape = Shape(0, np.array([-0.4, 0.6, 1.8, 0.0]))
    model = Model(
        features=(features["pricing_views_30d"],), kind="additive", base_rate=0.05, signal=True,
        axes=(Axis(np.array([0.0, 2.0])),), parts=(Tables(-3.0, (shape,)),),
    )  # fmt: skip
    artefact, manifest = pack(model, {"goal": "default"}, None)
    with process.engine.begin() as connection:
        models.register(connection, "default", "", model.kind, artefact, manifest, None, "bench", "", datetime.now(UTC))


@contextmanager
def _console(home: Path, addresses: embedded.Addresses) -> Iterator[str]:
    """The console as people start it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ, "LEADGAUGE_HOME": str(home), "LEADGAUGE_DATABASE_URL": addresses.database_url,
        "LEADGAUGE_REDIS_URL": addresses.redis_url,
    }  # fmt: skip
    command = [sys.executable, "-m", "worker", "console", "--port", str(port)]
    running = subprocess.Popen(command, env=environment, cwd=home, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(30)


def _measure(base: str, people: range) -> dict[Page, float]:
    """By page, the 95th percentile in milliseconds, once what is made behind the pages has been made once."""
    chance = random.Random(1)
    whom = [str(chance.choice(people)) for _ in range(LOOKS)]
    lines = tuple(f"/threshold/what-if?enter={chance.randrange(101)}&reps=12&each=15" for _ in range(LOOKS))
    words = [f"{chance.randrange(16**4):04x}" for _ in range(LOOKS)]
    pages = [
        Page("overview", ("/", "/overview/live")),
        Page("threshold", ("/threshold", "/threshold/spread?enter=55")),
        Page("what-if", lines, WHAT_IF_MS),
        Page("who flips", tuple(f"/threshold/people?enter={chance.randrange(101)}" for _ in range(LOOKS))),
        Page("results", ("/results", "/results?days=14")),
        Page("leads", ("/leads", "/leads?bucket=hot", "/leads?bucket=cold", "/leads?bucket=unscored",
                       "/leads?stage=mql", "/leads?stage=customer", "/leads?stage=disqualified",
                       "/leads/list?after=55:500000")),
        Page("search", tuple(f"/leads/list?q={word}" for word in words)),
        Page("lead", tuple(f"/leads/{person}" for person in whom)),
        Page("reasons", tuple(f"/leads/{person}/reasons" for person in whom)),
        Page("model", ("/model", "/model/live", "/model/1", "/model/1/compare")),
        Page("rules", ("/rules",)),
        Page("writes", ("/writes", "/writes?state=verified", "/writes?state=refused", "/writes?source=org",
                        "/writes?record=L77", "/writes/figures", "/writes/list?after=1000000")),
        Page("audit", ("/audit", "/access")),
    ]  # fmt: skip
    for page in pages:
        for path in page.paths[:8]:
            _until_made(base + path)
    took: dict[Page, float] = {}
    for page in pages:
        times = []
        for look in range(LOOKS):
            began = time.perf_counter()
            _get(base + page.paths[look % len(page.paths)])
            times.append(1000 * (time.perf_counter() - began))
        took[page] = quantiles(times, n=20)[-1]
        print(f"{page.name}: {took[page]:.0f} ms (p95 of {LOOKS}), at most {page.limit:.0f}", flush=True)
    return took


def _until_made(address: str) -> None:
    until = time.monotonic() + _WARM_WITHIN
    while b'class="loading" hx-' in _get(address):
        if time.monotonic() > until:
            raise TimeoutError(f"{address} was not made within {timedelta(seconds=_WARM_WITHIN)}")
        time.sleep(0.5)


def _get(address: str) -> bytes:
    until = time.monotonic() + _STARTED_WITHIN
    while True:
        try:
            with urlopen(address, timeout=60) as answer:  # noqa: S310 - our own console
                body: bytes = answer.read()
                return body
        except OSError as problem:
            refused = isinstance(getattr(problem, "reason", problem), ConnectionError)
            if not refused or time.monotonic() > until:
                raise
        time.sleep(0.2)
