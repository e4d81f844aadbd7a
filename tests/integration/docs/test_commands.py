"""Every command of the documentation that needs no account, Docker or root is run, page by page.

The world is made by the steps of docs/setup.md, typed as they stand there: practice CRMs without score fields, a
configuration, fields, a first read, a first pass. Each page begins with a copy of what came of them. What is not run
says why in a comment on the line before its block (`grep -rn "not run:" README.md docs deploy sandbox`).
"""

from __future__ import annotations

import csv
import random
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
import yaml
from psycopg import sql
from sqlalchemy import make_url, text

from tests.integration.models.conftest import by_hand
from tests.integration.sandbox.sandbox_process import running
from tests.unit.docs.pages import PAGES, ROOT, blocks
from worker import embedded
from worker.bootstrap import Process
from worker.cli.main import app
from worker.scoring.rules import shipped
from worker.settings import load
from worker.store import models, reports
from worker.training.artefact import pack
from worker.training.promotion import Figures

Run = Callable[[str], int]

SETUP = ROOT / "docs/setup.md"
TYPED = {
    page: [(str(block), command) for block in blocks(page) for command in block.commands if not block.unrun(command)]
    for page in PAGES
}
NOT_WELL = ("doctor", "status", "ledger list", "healthy")
"""They end with 1 where a person is needed, as is so here; all others end with 0."""
COSTLY = ("evaluate", "model replay", "rules replay", "snapshots export")
"""They take a second and more, so the same one on another page is not run again."""


@dataclass(frozen=True, slots=True)
class World:
    """Where the steps of the set-up were taken, and under which variables. `otherwise`: what has another name here."""

    place: Path
    variables: Mapping[str, str]
    otherwise: Mapping[str, str]
    done: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, module_database_url: str, servers: embedded.Addresses
) -> Iterator[World]:
    """The steps of the set-up, taken; and what pages name beside."""
    place = tmp_path_factory.mktemp("docs")
    variables = {
        "LEADGAUGE_DATABASE_URL": module_database_url,
        "LEADGAUGE_REDIS_URL": servers.redis_url.replace("db=0", "db=15"),
        "LEADGAUGE_BROKER_URL": servers.broker_url.replace("virtual_host=0", "virtual_host=15"),
        "LEADGAUGE_VERIFY_AFTER": "0.5",
        "COLUMNS": "100",
    }
    with running(place / "practice", "--people", "30", "--seed", "7", "--bare"), pytest.MonkeyPatch.context() as patch:
        run = typing(patch, place, variables)
        for where, command in TYPED[SETUP]:
            assert well(command, run(command)), f"{where}: {command}"
            if command.startswith("leadgauge init"):
                unhurried(place / "leadgauge.yaml")
        yield World(place, variables, furnish(place))


def typing(patch: pytest.MonkeyPatch, place: Path, variables: Mapping[str, str]) -> Run:
    """Types commands in a directory; gives back how each ended. What a command opens is closed with it."""
    opened: list[Process] = []
    begin = Process.__init__

    def noted(its: Process, *arguments: Any, **more: Any) -> None:
        opened.append(its)
        begin(its, *arguments, **more)

    patch.setattr(Process, "__init__", noted)
    patch.chdir(place)
    for name, value in variables.items():
        patch.setenv(name, value)

    def run(command: str) -> int:
        _, *words = shlex.split(command)
        try:
            ended = app(words, standalone_mode=False)
        except typer.Exit as told:
            ended = told.exit_code
        finally:
            while opened:
                opened.pop().close()
        return int(ended or 0)

    return run


def well(command: str, ended: int) -> bool:
    """Whether a command ended as the page lets one expect."""
    return ended == 0 or (ended == 1 and command.partition("leadgauge ")[2].startswith(NOT_WELL))


def unhurried(file: Path) -> None:
    """The practice CRMs need not be spared, and show all at once."""
    body = yaml.safe_load(file.read_text("utf-8"))
    salesforce, hubspot = body["sources"]
    salesforce |= {"settle": 0, "calls_per_second": 200}
    hubspot |= {"timings": {"settle": 0}, "calls_per_10_seconds": 2000, "searches_per_second": 100}
    file.write_text(yaml.safe_dump(body), "utf-8")


def furnish(place: Path) -> Mapping[str, str]:
    """What pages take for given: a table of leads, a rule file, a model with its report, a write that was refused.
    Returns what is called otherwise here."""
    (place / "rules.yaml").write_text(shipped().replace("points: 20", "points: 15", 1), "utf-8")
    chance = random.Random(7)
    with (place / "leads.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("created_at", "employees", "country", "converted"))
        for n in range(300):
            size = chance.choice((5, 50, 500))
            won = chance.random() < (0.5 if size == 500 else 0.15)
            day = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=n)
            rows.writerow((day.date(), size, chance.choice(("DE", "US")), "yes" if won else "no"))
    process = Process(load())
    now, goal = process.now(), process.settings.goal
    measured = Figures(500, 100, 0.8, 0.75, 0.85, 0.4, 0.5, 0.02)
    figures = {
        "model": {name: getattr(measured, name) for name in Figures.__slots__},
        "champion": None,
        "champion_number": None,
    }
    model = by_hand({feature.name: feature for feature in process.vocabulary.features})
    artefact, manifest = pack(model, {"goal": goal, "figures": figures}, None)
    with process.engine.begin() as connection:
        number = models.register(connection, goal, "", model.kind, artefact, manifest, None, "ann", "", now)
        assert number == 1
        connection.execute(text("UPDATE model SET report = :page"), {"page": reports.packed("<main>a report</main>")})
        refused = connection.execute(
            text("""
            UPDATE ledger SET state = 'refused', code = 'FIELD_CUSTOM_VALIDATION_EXCEPTION', answer = 'No budget'
            WHERE id = (SELECT min(id) FROM ledger WHERE source = 'salesforce') RETURNING id
            """)
        ).scalar_one()
        contact = connection.execute(
            text("""
            SELECT key FROM ledger JOIN subject ON subject.id = subject_id
            WHERE subject.source = 'hubspot' AND state = 'verified' LIMIT 1
            """)
        ).scalar_one()
    process.close()
    return {" 4711": f" {refused}", "hubspot/contacts/9014": f"hubspot/contacts/{contact}"}


@pytest.fixture
def run(world: World, servers: embedded.Addresses, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A command on a copy of the world's database."""
    url = world.variables["LEADGAUGE_DATABASE_URL"]
    held = make_url(url).database or ""
    copied = f"{held}_page"
    names = sql.Identifier(copied), sql.Identifier(held)
    with psycopg.connect(servers.libpq_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
    url = url.replace(f"/{held}?", f"/{copied}?")
    with psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:")) as connection:
        connection.execute("DELETE FROM lineage")  # else it is noticed that this is a copy, and nothing is written
    yield typing(monkeypatch, world.place, {**world.variables, "LEADGAUGE_DATABASE_URL": url})
    with psycopg.connect(servers.libpq_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(names[0]))


@pytest.mark.timeout(300)  # the first one waits for the world
@pytest.mark.parametrize(
    "page", [page for page in PAGES if TYPED[page] and page != SETUP], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_command_of_a_page_works(page: Path, run: Run, world: World) -> None:
    for where, command in TYPED[page]:
        asked = command.partition("leadgauge ")[2]
        if asked in world.done:
            continue
        for name, here in world.otherwise.items():
            command = command.replace(name, here)
        assert well(command, run(command)), f"{where}: {command}"
        if asked.startswith(COSTLY):
            world.done.add(asked)
