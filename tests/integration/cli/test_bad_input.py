"""What people type and write wrongly: a line says what, where and what is allowed; no row changes anything."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.product import Product
from worker import embedded


@pytest.fixture(scope="module")
def migrated_database(
    module_database_url: str, servers: embedded.Addresses, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A database with the shipped policy and rules."""
    environment = {"LEADGAUGE_DATABASE_URL": module_database_url, "LEADGAUGE_REDIS_URL": servers.redis_url}
    assert Product(tmp_path_factory.mktemp("migrate"), environment).run("migrate").code == 0
    return module_database_url


@pytest.fixture
def product(migrated_database: str, redis_url: str, broker_url: str, tmp_path: Path) -> Product:
    environment = {
        "LEADGAUGE_DATABASE_URL": migrated_database,
        "LEADGAUGE_REDIS_URL": redis_url,
        "LEADGAUGE_BROKER_URL": broker_url,
    }
    return Product(tmp_path, environment, hidden=["geheim"])


@dataclass(frozen=True)
class Row:
    """A command line, or an environment, or a configuration that is wrong; how it ends and what must be said."""

    command: str
    code: int
    says: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] | bytes = field(default_factory=dict)


PORTAL = {"kind": "hubspot", "name": "crm", "auth": {"type": "token", "token": {"env": "TOKEN"}}}
DATABASE, REDIS, BROKER = "LEADGAUGE_DATABASE_URL", "LEADGAUGE_REDIS_URL", "LEADGAUGE_BROKER_URL"
ROWS = [
    # The configuration: every mistake at once.
    Row("status", 2, (
        "configured.yaml:6: `partition` is no setting; did you mean `partitions`?",
        "`plan_every` is no length of time; write seconds, or ISO 8601 as in PT30S",
        "`lease` should be greater than 0 seconds",
        "`log_level` should match",
        "`attributes.region.type` should be 'number', 'text', 'flag' or 'date'",
        "`sources.0` has 'kind' 'pipedrive', which is none of 'salesforce', 'hubspot'",
        "`sources.1.auth.token` must be a mapping",
        "`sources.2.fields.scor` should be 'score'",
        "`sources.2.auth` is missing",
        "LEADGAUGE_VERIFY_AFTER: `verify_after` is no length of time",
    ), {"LEADGAUGE_VERIFY_AFTER": "later"}, {
        "partition": 3, "plan_every": "soon", "lease": -1, "log_level": "LOUD", "attributes": {"region": {"type": "x"}},
        "sources": [
            {"kind": "pipedrive"},
            PORTAL | {"auth": {"type": "token", "token": "geheim"}},
            {"kind": "hubspot", "name": "b", "fields": {"scor": "x"}},
        ],
    }),
    Row("status", 2, ("`sources` two sources are named 'crm'",), config={"sources": [PORTAL, PORTAL]}),
    Row("status", 2, ("configured.yaml is not valid YAML: line 2, column 1",), config=b"home: [geheim,\n"),
    Row("status", 2, ("configured.yaml must be a mapping of settings",), config=b"- home\n"),
    Row("status", 2, ("configured.yaml is not UTF-8 text: byte 6",), config=b"home: \xff\n"),
    Row("status", 2, ("LEADGAUGE_CONFIG names /no.yaml, which is not a file",), {"LEADGAUGE_CONFIG": "/no.yaml"}),
    Row("migrate", 2, ("`rules_file` names /nothere.yaml, which cannot be read: No such file",),
        config={"rules_file": "/nothere.yaml"}),
    # The servers' addresses.
    Row("status", 2, ("LEADGAUGE_DATABASE_URL is no address", "postgresql://"), {DATABASE: "geheim"}),
    Row("status", 2, ("LEADGAUGE_DATABASE_URL names mysql; only postgresql://",), {DATABASE: "mysql://u:geheim@h/d"}),
    Row("status", 2, ("LEADGAUGE_DATABASE_URL is no address",), {DATABASE: "postgresql://u:geheim@localhost:port/d"}),
    Row("status", 2, ("has two @", "%40"), {DATABASE: "postgresql://u:a@geheim@localhost/d"}),
    Row("status", 2, ("unset what is empty",), {DATABASE: ""}),
    Row("status", 3, ("PostgreSQL (host localhost, port 1, database d, user u) does not answer", "Start it, or"),
        {DATABASE: "postgresql://u:geheim@localhost:1/d"}),
    Row("worker", 2, ("LEADGAUGE_REDIS_URL is not understood", "redis://HOST"), {REDIS: "http://:geheim@localhost/0"}),
    Row("worker", 3, ("Redis: does not answer", "localhost:1", "correct LEADGAUGE_REDIS_URL"),
        {REDIS: "redis://:geheim@localhost:1/0"}),
    Row("worker", 2, ("LEADGAUGE_BROKER_URL: `broker_url` must start with redis://",), {BROKER: "amqp://u:geheim@h"}),
    # What is typed.
    Row("nothing", 2, ("No such command 'nothing'",)),
    Row("sync", 2, ("say --once", "leadgauge up")),
    Row("sync --once", 2, ("no CRM is configured", "`sources`")),
    Row("worker --queues sync,nope", 2, ("no queue is named 'nope'", "plan, sync, compute")),
    Row("explain nobody", 2, ("no record is known as 'nobody'", "SOURCE/OBJECT/ID")),
    Row("explain ann@example.com", 2, ("no record is known as",)),
    Row("policy set mql.enter=101", 2, ("mql.enter", "less than or equal to 100", "got 101")),
    Row("policy set mql.enter=-1", 2, ("mql.enter", "greater than or equal to 0", "got -1")),
    Row("policy set mql.entr=70", 2, ("mql.entr: no such setting; there are mql.enter, mql.leave",)),
    Row("policy set mql.leave=90", 2, ("mql.leave (90) must not be above mql.enter (70)",)),
    Row("policy revert 99", 2, ("there is no policy 99; the newest is 1",)),
    Row("rules check binary.yaml", 2, ("binary.yaml is not UTF-8 text: byte 0",)),
    Row("rules check broken.yaml", 2, ("broken.yaml:2:1: ",)),
    Row("rules publish unknown.yaml", 2, ("unknown.yaml:9:12: ", "employes", "employees")),
]  # fmt: skip

RULES = """\
version: 1
base: 50
groups:
  fit: {label: Fit, max: 25, min: -25}
rules:
  - id: big
    group: fit
    points: 20
    when: {employes: {at_least: 1000}}
    say: "Big"
"""


@pytest.mark.parametrize("row", ROWS, ids=[f"{n} {row.command}" for n, row in enumerate(ROWS)])
def test_what_is_wrong_is_said_and_nothing_is_changed(row: Row, product: Product) -> None:
    for name, content in (("binary", b"\xff"), ("broken", b"rules: [\n"), ("unknown", RULES.encode())):
        (product.directory / f"{name}.yaml").write_bytes(content)
    before = product.state()
    ended = product.run(*row.command.split(), config=row.config, **row.environment)
    said = " ".join(ended.err.replace("│", " ").split())
    assert ended.code == row.code, ended.said
    assert [part for part in row.says if part not in said] == [], ended.err
    assert ended.out == ""
    assert product.state() == before


def test_a_database_that_lets_nobody_in_or_is_older(product: Product, empty_database_url: str) -> None:
    stranger = empty_database_url.replace("//leadgauge@", "//nobody:geheim@", 1)
    refused = product.run("status", LEADGAUGE_DATABASE_URL=stranger)
    assert refused.code == 3
    assert "user nobody) does not answer" in refused.err
    older = product.run("status", LEADGAUGE_DATABASE_URL=empty_database_url)
    assert older.code == 2
    assert "run `leadgauge migrate`" in older.err


def test_the_demo_says_in_one_line_why_its_practice_crms_do_not_start(tmp_path: Path) -> None:
    place = tmp_path / ".leadgauge/demo/practice"
    place.mkdir(parents=True)
    with (place / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = Product(tmp_path, {}).run("demo", "--once", "--people", "10")
    assert ended.code == 3
    (line,) = ended.err.splitlines()
    assert line.startswith("error: the practice CRMs did not start: sandbox: another sandbox is running")
