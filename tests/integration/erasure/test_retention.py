"""What is older than its limit goes; what still says how things stand stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from sqlalchemy import Connection, NullPool, create_engine, text

from connectors.port import Page
from connectors.records import LeadRecord, RecordRef, RecordState
from worker.store import retention
from worker.store.ledger import Answer, State, answer
from worker.store.streams import Role, ensure, fail, take
from worker.sync.apply import apply
from worker.training.pruning import prune

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        yield connection


def count(connection: Connection, table: str) -> int:
    return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def person(connection: Connection, key: str) -> int:
    """A lead, and its subject's id."""
    lead = LeadRecord(RecordRef("crm", "Lead", key), RecordState.OPEN, NOW - 2 * YEAR, NOW - YEAR, email=f"{key}@x.com")
    apply(connection, Page({}, True, leads=[lead]), NOW - YEAR)
    return int(connection.execute(text("SELECT id FROM subject WHERE key = :key"), {"key": key}).scalar_one())


ROW = """
    INSERT INTO ledger (source, subject_id, person_id, values, cause, rules_revision, policy_revision, state, due_at,
                        intended_at, sent_at, closed_at)
    VALUES ('crm', :id, :id, '{"score": 1}', 'first', 1, 1, :state, :at, :at, :at, :at)
"""


def test_old_writes_go_but_for_the_newest_of_a_record_and_for_what_is_open(connection: Connection) -> None:
    id = person(connection, "a")
    for state, days in (("verified", 500), ("superseded", 499), ("verified", 450), ("refused", 420)):
        connection.execute(text(ROW), {"id": id, "state": state, "at": NOW - timedelta(days=days)})
    assert retention.sweep(connection, {"ledger": timedelta(days=400)}, NOW) == {"ledger": 3}
    assert connection.execute(text("SELECT state FROM ledger")).scalars().all() == ["refused"]
    assert retention.sweep(connection, {"ledger": timedelta(days=1)}, NOW) == {"ledger": 0}


def test_who_was_deleted_long_ago_goes_as_a_whole_and_may_come_back(connection: Connection) -> None:
    person(connection, "a")
    person(connection, "b")
    connection.execute(
        text("UPDATE record SET deleted_at = :at WHERE email = 'a@x.com'"), {"at": NOW - timedelta(days=90)}
    )
    assert retention.sweep(connection, {"deleted": timedelta(days=60)}, NOW) == {"deleted": 1}
    assert (count(connection, "record"), count(connection, "person"), count(connection, "erasure")) == (1, 1, 0)
    person(connection, "a")
    assert count(connection, "record") == 2


def test_nothing_goes_where_no_limit_is_set(connection: Connection) -> None:
    person(connection, "a")
    assert retention.sweep(connection, {"ledger": None, "deleted": None}, NOW) == {}


def test_a_file_of_snapshots_loses_whoever_is_a_person_no_more(tmp_path: Path) -> None:
    file = tmp_path / "snapshots.parquet"
    table = pa.table({"person_id": [1, 1, 2, 3], "visits": [1, 2, 3, 4]})
    pq.write_table(table.replace_schema_metadata({"leadgauge": "{}"}), file)
    assert prune(file, lambda ids: {1, 3} & set(ids)) == 1
    kept = pq.read_table(file)
    assert kept.column("person_id").to_pylist() == [1, 1, 3]
    assert b"leadgauge" in kept.schema.metadata
    before = file.read_bytes()
    assert prune(file, set) == 0
    assert file.read_bytes() == before
    foreign = tmp_path / "other.parquet"
    pq.write_table(table, foreign)
    assert prune(foreign, lambda ids: ()) == 0


def test_what_a_vendor_says_is_kept_without_addresses(connection: Connection) -> None:
    id = person(connection, "a")
    connection.execute(text(ROW.replace(":at)", "NULL)")), {"id": id, "state": "sent", "at": NOW})
    (row,) = connection.execute(text("SELECT id FROM ledger")).scalars()
    answer(connection, [Answer(row, State.REFUSED, NOW, "CONFLICT", "ann.lee@x.com has it already")], NOW)
    ensure(connection, [("crm", "leads", Role.PULL, NOW)])
    lease = take(connection, "crm", "leads", "me", NOW, timedelta(minutes=1))
    assert lease is not None
    fail(connection, lease, "Misconfigured", "ann.lee@x.com has no access", NOW)
    said = "SELECT answer FROM ledger UNION ALL SELECT problem FROM stream"
    assert connection.execute(text(said)).scalars().all() == ["[address] has it already", "[address] has no access"]
