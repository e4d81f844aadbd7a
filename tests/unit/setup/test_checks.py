"""What may be wrong with an installation, row by row: each fact alone makes its problem, with its fix, and no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.examination import Examination
from connectors.port import Problem, Quota
from worker.cli.doctor import gathered
from worker.setup.checks import CHECKS, problems
from worker.setup.facts import Database, Facts, Host, Redis, Source, Work

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTES = timedelta(minutes=1)
SEEN = Examination("org 00D1", "00D1", {"Lead": 7}, Quota(1, 100), timedelta(0))
REAL = Source("sf", "salesforce", examination=SEEN)
DATABASE = Database(version=170_002)
REDIS = Redis(version=(7, 4, 1), eviction="noeviction")
HOST = Host("0.1.0", "3.11.7", home=Path("/var/lib/leadgauge"), room=1 << 34, memory=16_000, training_memory=4096)
WELL = Facts(NOW, HOST, DATABASE, REDIS, (REAL,), Work())


def database(**its: object) -> Facts:
    return replace(WELL, database=replace(DATABASE, **its))  # type: ignore[arg-type]


def redis(**its: object) -> Facts:
    return replace(WELL, redis=replace(REDIS, **its))  # type: ignore[arg-type]


def host(**its: object) -> Facts:
    return replace(WELL, host=replace(HOST, **its))  # type: ignore[arg-type]


def work(**its: object) -> Facts:
    return replace(WELL, work=Work(**its))  # type: ignore[arg-type]


def source(**its: object) -> Facts:
    return replace(WELL, sources=(replace(REAL, **its),))  # type: ignore[arg-type]


def seen(**its: object) -> Facts:
    return source(examination=replace(SEEN, **its))  # type: ignore[arg-type]


FOUND = Problem("field_missing", "sf/Lead.X__c", "X__c does not exist", "create it")
ROWS = [
    ("database", True, "does not answer", "start it", replace(WELL, database=Database(problem="It does not answer"))),
    ("database_version", True, "15 is too old", "upgrade it to 16 to 18", database(version=150_008)),
    ("database_version", False, "19 is newer", "16 to 18 are tested", database(version=190_000)),
    ("database_encoding", True, "SQL_ASCII", "ENCODING 'UTF8'", database(encoding="SQL_ASCII")),
    ("database_fsync", True, "power cut", "fsync = on", database(fsync=False)),
    ("database_connections", False, "3 more", "max_connections", database(connections_left=3)),
    ("database_rights", True, "may not make tables", "GRANT CREATE", database(owner=False)),
    ("schema", False, "no tables", "leadgauge migrate", database(schema="none")),
    ("schema", True, "older version", "leadgauge migrate", database(schema="behind")),
    ("schema", True, "does not work", "upgrade", database(schema="schema 9, which does not work with this version")),
    ("policy", True, "no policy", "leadgauge migrate", database(policy=False)),
    ("redis", True, "refused", "LEADGAUGE_REDIS_URL", redis(problem="Connection refused")),
    ("redis_version", True, "Redis 6.0.16 is too old", "6.2 or newer", redis(version=(6, 0, 16))),
    ("redis_version", True, "Valkey 7.0.1 is too old", "7.2 or newer", redis(kind="Valkey", version=(7, 0, 1))),
    ("redis_eviction", True, "allkeys-lru", "noeviction", redis(eviction="allkeys-lru")),
    ("broker", True, "Name or service not known", "LEADGAUGE_BROKER_URL", redis(broker="Name or service not known")),
    ("clock", False, "300 seconds ahead of", "NTP", database(ahead=5 * MINUTES)),
    ("clock", False, "300 seconds behind", "NTP", redis(ahead=-5 * MINUTES)),
    ("clock", False, "600 seconds ahead of", "NTP", seen(ahead=10 * MINUTES)),
    ("home", True, "cannot be written to", "`home`", host(writable=False)),
    ("disk", True, "512 MiB are left", "free space", host(room=1 << 29)),
    ("memory", False, "this machine has 2,048", "1024 or less", host(memory=2048)),
    ("no_source", True, "no CRM account", "leadgauge init", replace(WELL, sources=())),
    ("secret", True, "SF_KEY is not set", "put it there", source(secrets="SF_KEY is not set", examination=None)),
    ("secret_open", False, "/etc/key", "chmod 600 /etc/key", source(open_files=(Path("/etc/key"),))),
    ("unusable", True, "no readable PEM", "correct", source(unusable="ca.pem is no readable PEM", examination=None)),
    ("field_missing", True, "does not exist", "create it", seen(problems=(FOUND,))),
    ("same_account", True, "same account as sf", "take one", replace(WELL, sources=(REAL, replace(REAL, name="two")))),
    ("embedded", False, "PostgreSQL serves a real CRM (sf)", "LEADGAUGE_DATABASE_URL", database(embedded=True)),
    ("embedded", False, "embedded Valkey serves", "LEADGAUGE_REDIS_URL", redis(embedded=True)),
    ("source_gone", False, "not configured", "old name", work(strange=("acme",))),
    ("paused", False, "by ada: flood", "leadgauge resume --source sf", work(paused=(("sf", NOW, "ada", "flood"),))),
    ("paused", False, "by bob: night", "leadgauge resume,", work(paused=(("", NOW, "bob", "night"),))),
    ("dry_run", False, "nothing is written", "writes.dry_run", source(dry_run=True)),
    ("bucket_empty", False, "bucket hot for 30 days", "move the bucket", work(empty=(("default", "hot"),))),
    ("model_key", False, "not sealed", "openssl rand -hex 32", work(models=2, sealed=False)),
]  # fmt: skip


@pytest.mark.parametrize(("code", "fatal", "what", "fix", "facts"), ROWS, ids=[f"{row[0]}: {row[2]}" for row in ROWS])
def test_each_fact_alone_is_one_problem_with_its_fix(code: str, fatal: bool, what: str, fix: str, facts: Facts) -> None:
    (found,) = problems(facts)
    assert (found.code, found.fatal) == (code, fatal)
    assert what in found.what or what in found.fix
    assert fix in found.fix


def test_a_well_installation_has_no_problem() -> None:
    assert problems(WELL) == []
    practice = replace(REAL, practice=True)
    demo = replace(WELL, database=replace(DATABASE, embedded=True), sources=(practice,))
    assert problems(demo) == [], "embedded servers are right for practice"


def test_no_check_is_without_a_row() -> None:
    silent = [check.__name__ for check in CHECKS if not any(list(check(facts)) for *_, facts in ROWS)]
    assert silent == []


def test_what_stops_the_work_comes_first() -> None:
    facts = replace(WELL, host=replace(HOST, memory=2048), redis=replace(REDIS, eviction="volatile-lru"))
    assert [problem.fatal for problem in problems(facts)] == [True, False]


def test_the_score_fields_that_a_new_account_lacks_are_told_in_one_line() -> None:
    lacking = [Problem("field_missing", f"sf/{object}.{n}", "is not", "make it") for object in "AB" for n in "xyz"]
    other = Problem("auth", "sf", "no", "log in")
    told = [(problem.where, problem.what) for problem in gathered([*lacking, other])]
    assert told == [
        ("sf/A", "3 score fields do not exist or are hidden: x, y, z"),
        ("sf/B", "3 score fields do not exist or are hidden: x, y, z"),
        ("sf", "no"),
    ]
    assert list(gathered(lacking[:2])) == lacking[:2]
