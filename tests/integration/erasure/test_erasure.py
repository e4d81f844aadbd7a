"""Who is erased in a CRM is found nowhere any more: not after a nightly pass, and not after an old backup came back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import requests
from psycopg import sql
from sqlalchemy import Connection, Engine, NullPool, create_engine, make_url, text

from tests.chaos import traces
from tests.integration.cli.product import Product, hubspot, salesforce, secrets
from tests.integration.sandbox.sandbox_process import Sandbox, running
from worker import embedded
from worker.store import exports, lineage

NIGHT = (datetime.now(UTC) + timedelta(hours=25)).isoformat()


@dataclass(frozen=True, slots=True)
class Person:
    """A record whose person has no other, and what it is known by."""

    key: str
    number: int
    words: tuple[str, ...]


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("practice"), "--people", "20", "--seed", "4") as sandbox:
        yield sandbox


@pytest.fixture
def product(practice: Sandbox, database_url: str, redis_url: str, broker_url: str, tmp_path: Path) -> Product:
    environment = {
        "LEADGAUGE_DATABASE_URL": database_url,
        "LEADGAUGE_REDIS_URL": redis_url,
        "LEADGAUGE_BROKER_URL": broker_url,
        "LEADGAUGE_LOG_LEVEL": "DEBUG",
        **secrets(practice),
    }
    sources = [salesforce(practice), hubspot(practice, salesforce="salesforce")]
    return Product(tmp_path, environment, {"sources": sources}, list(secrets(practice).values()))


@pytest.mark.timeout(400)
def test_the_erased_are_found_nowhere_even_when_an_old_backup_comes_back(
    practice: Sandbox, product: Product, database_url: str, redis_url: str, servers: embedded.Addresses
) -> None:
    said = product.run("sync", "--once").said
    engine = create_engine(database_url, poolclass=NullPool)
    contact, lead = alone(engine, "contacts"), alone(engine, "Lead")
    words = [*contact.words, *lead.words]
    assert all(any(word in found for found in traces.in_tables(engine, words)) for word in words), "known before"
    exported = snapshots(engine, product.directory / "snapshots.parquet")
    with copied(servers, database_url) as backup:
        erase(practice, contact, lead)
        # The org tells of deletions by whole minutes.
        practice.call("salesforce", "POST", "/sandbox/clock", {"advance": 180})
        said += product.run("sync", "--once", LEADGAUGE_CLOCK=NIGHT).said
        assert traces.in_tables(engine, words) == []
        assert not {contact.number, lead.number} & set(numbers(exported))
        assert len(numbers(exported)) > 10
        product.environment["LEADGAUGE_DATABASE_URL"] = backup
        restored = create_engine(backup, poolclass=NullPool)
        said += product.run("sync", "--once", LEADGAUGE_CLOCK=NIGHT).said
        assert traces.in_tables(restored, words) == []
        assert traces.in_redis(redis_url, words) == []
        assert traces.in_files([product.directory], words) == []
        assert not any(word in said for word in words)
        with restored.connect() as connection:
            copy = lineage.read(connection)
            assert copy is not None
            assert copy.restored_at is not None, "it was noticed"
            assert lineage.unproved(connection) == [], "everything was compared"
            believed = "SELECT count(*) FROM ledger WHERE state <> 'superseded' AND intended_at < :at"
            assert connection.execute(text(believed), {"at": copy.restored_at}).scalar_one() == 0


def alone(engine: Engine, object: str) -> Person:
    """With an address, a name that nobody shares, and acts."""
    with engine.connect() as connection:
        row = connection.execute(
            text("""
            SELECT s.key, s.person_id, r.email, r.name FROM subject s JOIN record r ON r.subject_id = s.id
            WHERE s.object = :object AND r.email IS NOT NULL AND length(r.name) > 6 AND r.state = 'open'
              AND EXISTS (SELECT FROM activity a WHERE a.subject_id = s.id)
              AND (SELECT count(*) FROM record o WHERE o.name = r.name OR lower(o.email) = lower(r.email)) = 1
              AND (SELECT count(*) FROM record o JOIN subject t ON t.id = o.subject_id
                   WHERE t.person_id = s.person_id) = 1
            ORDER BY s.id LIMIT 1
            """),
            {"object": object},
        ).one()
    named = row.key if object == "Lead" else f"{object},{row.key},"
    return Person(row.key, row.person_id, (row.email, row.name, named))


def snapshots(engine: Engine, file: Path) -> Path:
    """A file of snapshots of everybody, as `leadgauge snapshots export` leaves it on this machine."""
    with engine.begin() as connection:
        people = connection.execute(text("SELECT id FROM person")).scalars().all()
        exports.note(connection, socket.gethostname(), str(file), datetime.now(UTC))
    pq.write_table(pa.table({"person_id": people}).replace_schema_metadata({"leadgauge": "{}"}), file)
    return file


def numbers(file: Path) -> list[int]:
    return list(pq.read_table(file).column("person_id").to_pylist())


def erase(practice: Sandbox, contact: Person, lead: Person) -> None:
    """As the CRMs' admins do on a person's request: a GDPR deletion, and a hard delete, past the recycle bin."""
    token = practice.address["hubspot"]["token"]
    with practice.salesforce() as org:
        org.bulk2.Lead.hard_delete(records=[{"Id": lead.key}])
    answer = asked(practice, "POST", "/crm/v3/objects/contacts/gdpr-delete", {"objectId": contact.key}, token)
    assert answer.status_code == 204, answer.text


def asked(practice: Sandbox, method: str, path: str, body: Any, token: str) -> Any:
    url = practice.address["hubspot"]["url"] + path
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, url, json=body, headers=headers, verify=practice.ca, timeout=20)


@contextmanager
def copied(servers: embedded.Addresses, url: str) -> Iterator[str]:
    """The database as a backup would bring it back."""
    name = make_url(url).database
    assert name is not None
    backup = f"{name}_backup"
    with psycopg.connect(servers.libpq_url, autocommit=True) as connection:
        names = sql.Identifier(backup), sql.Identifier(name)
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
    yield url.replace(f"/{name}?", f"/{backup}?")
    with psycopg.connect(servers.libpq_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(backup)))


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STREAMS = """
    INSERT INTO stream (source, name, role, due_at, complete_due_at, complete_at)
    VALUES ('crm', 'census', 'census', :soon, :soon, :now), ('crm', 'leads', 'pull', :soon, :soon, :now)
"""


def test_a_database_that_counted_less_than_is_remembered_was_restored_and_is_compared_anew(
    connection: Connection,
) -> None:
    connection.execute(text(STREAMS), {"now": NOW, "soon": NOW + timedelta(days=1)})
    first = lineage.beat(connection, 0, NOW)
    second = lineage.beat(connection, first.beat, NOW)
    assert (first.found, second.found, second.beat) == (False, False, first.beat + 1)
    later = NOW + timedelta(hours=1)
    lost = lineage.beat(connection, second.beat + 5, later)
    assert (lost.found, lost.restored_at) == (True, later)
    assert lineage.unproved(connection) == ["crm"]
    assert connection.execute(text("SELECT max(complete_due_at) FROM stream")).scalar_one() == later
    assert not lineage.beat(connection, lost.beat, later).found, "once is enough"
    connection.execute(text("UPDATE stream SET complete_at = :at"), {"at": later + timedelta(minutes=5)})
    assert lineage.unproved(connection) == []


@pytest.mark.parametrize("elsewhere", ["00000009/1/1", ""])
def test_a_database_that_lies_elsewhere_was_restored(connection: Connection, elsewhere: str) -> None:
    lineage.beat(connection, 0, NOW)
    connection.execute(text("UPDATE lineage SET place = :place"), {"place": elsewhere})
    assert lineage.beat(connection, 0, NOW).found


def test_a_person_may_say_that_a_backup_was_read_in(connection: Connection) -> None:
    connection.execute(text(STREAMS), {"now": NOW, "soon": NOW + timedelta(days=1)})
    lineage.declare_restored(connection, NOW + timedelta(hours=1))
    assert lineage.unproved(connection) == ["crm"]
