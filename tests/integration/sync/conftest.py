"""A practice org over TLS, a database of one's own, and a clock that a test moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from connectors.port import Crm, Stream
from connectors.records import RecordRef
from tests.contract.connectors.crm_contract import START
from tests.contract.connectors.practice import Host, hosted
from tests.contract.connectors.salesforce_org import SECRET, PracticeOrg
from worker.lease import Holder
from worker.store import database, ledger, streams, subjects
from worker.store.streams import Role
from worker.sync.plan import register


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("salesforce")


@pytest.fixture(scope="module")
def host(directory: Path) -> Iterator[Host]:
    with hosted(directory) as running:
        yield running


@pytest.fixture
def org(host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticeOrg]:
    monkeypatch.setenv("SF_SECRET", SECRET)
    practice = PracticeOrg(host, directory)
    yield practice
    practice.close()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = database.connect(database_url)
    yield engine
    engine.dispose()


@dataclass
class World:
    """The org, its connector, the database, and a clock that both sides of the wire follow."""

    org: PracticeOrg
    crm: Crm
    engine: Engine

    def now(self) -> datetime:
        return self.org.clock.now()

    def holder(self, name: str = "one") -> Holder:
        return Holder(self.engine, name, self.now, timedelta(seconds=60))

    def wait(self, **time: float) -> None:
        self.org.clock.advance(timedelta(**time))

    @property
    def leads(self) -> Stream:
        return next(stream for stream in self.crm.streams if stream.name == "leads")

    def number(self, query: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text(query)).scalar_one())

    def intend(self, *refs: RecordRef, score: int = 71) -> None:
        """Open a ledger row for each record."""
        with self.engine.begin() as connection:
            ids, _ = subjects.ensure(connection, refs)
            rows = [ledger.Intention(ids[ref], ids[ref], ref.source, {"score": score}, "first") for ref in refs]
            ledger.intend(connection, rows, 1, 1, self.now())

    def states(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(connection.execute(text("SELECT state FROM ledger ORDER BY id")).scalars())


@pytest.fixture
def world(org: PracticeOrg, engine: Engine) -> World:
    world = World(org, org.open(), engine)
    org.clock.hold(START)
    with engine.begin() as connection:
        register(connection, {world.crm.source: world.crm.streams}, world.now())
        streams.ensure(connection, [("acme", streams.PUSH, Role.PUSH, world.now())])
    return world
