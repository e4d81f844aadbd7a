"""A backup holds everything, comes back whole or not at all, and is the way back from a migration."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine, text

from tests.integration.cli.product import Product
from worker.embedded import programs
from worker.store import dump, migrate
from worker.store.dump import DumpError, Tools

DATA = """
    INSERT INTO subject (source, object, key) SELECT 'shop', 'lead', n::text FROM generate_series(1, 500) n;
    INSERT INTO person (id, changed_at) SELECT id, '2026-01-02' FROM subject;
    INSERT INTO record (subject_id, kind, email, attributes, created_at, modified_at, observed_at, since)
        SELECT id, 'person', 'p' || id || '@example.com', jsonb_build_object('country', 'Österreich', 'n', id),
               '2026-01-01', '2026-01-02', '2026-01-03', '2026-01-03' FROM subject;
    INSERT INTO score_history (goal, person_id, as_of, score, status, bucket, rules_revision, policy_revision)
        SELECT 'default', id, '2026-01-04', id % 100, 'scored', 'warm', 1, 1 FROM person;
    INSERT INTO ledger (source, subject_id, person_id, values, cause, rules_revision, policy_revision, state, due_at,
                        intended_at)
        SELECT 'shop', id, id, '{"score": 7}', 'change', 1, 1, 'verified', '2026-01-04', '2026-01-04' FROM subject;
    INSERT INTO model (goal, number, kind, state, digest, artefact, manifest, author, created_at)
        VALUES ('default', 1, 'linear', 'champion', 'd', '\\x00ff00', '{}', 'ann', '2026-01-05');
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(DATA))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def tools() -> Tools:
    own = programs.clients()
    assert own is not None
    return Tools(own, 18)


def contents(engine: Engine) -> Mapping[str, str]:
    """By table, a digest of its rows; what the next number of each sequence is, too."""
    with engine.connect() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        found = {}
        for table in tables:
            rows = connection.execute(text(f"SELECT t::text FROM {table} t ORDER BY 1")).scalars().all()
            found[table] = f"{len(rows)} {hashlib.sha256('|'.join(rows).encode()).hexdigest()}"
        last = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"
        return found | {row.sequencename: str(row.last_value) for row in connection.execute(text(last))}


def test_what_went_back_a_schema_comes_back_by_its_backup(engine: Engine, tools: Tools, tmp_path: Path) -> None:
    before, file = contents(engine), tmp_path / "all.dump"
    assert before["record"].startswith("500 ")
    dump.save(engine, tools, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(tmp_path.glob("*.part"))
    with pytest.raises(DumpError, match="not empty: --replace"):
        dump.load(engine, tools, file, replace=False)
    migrate.downgrade(engine, "base")
    left = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alembic%'"
    with engine.connect() as connection:
        assert connection.execute(text(left)).all() == []
    migrate.upgrade(engine)  # and forward again: nothing that the way back left stands in the way
    assert contents(engine).keys() == before.keys()
    dump.load(engine, tools, file, replace=True)
    assert contents(engine) == before
    migrate.upgrade(engine)
    assert contents(engine) == before


def test_what_is_no_backup_touches_nothing(engine: Engine, tools: Tools, tmp_path: Path) -> None:
    before, file = contents(engine), tmp_path / "all.dump"
    dump.save(engine, tools, file)
    whole = file.read_bytes()
    for broken in (b"", b"PGDMP", whole[:200], b"SELECT 1;"):
        file.write_bytes(broken)
        with pytest.raises(DumpError, match="is no backup of Leadgauge"):
            dump.load(engine, tools, file, replace=True)
    with pytest.raises(DumpError, match="is no file"):
        dump.load(engine, tools, tmp_path / "none", replace=True)
    assert contents(engine) == before


def test_nothing_is_restored_under_running_workers(
    engine: Engine, database_url: str, tools: Tools, tmp_path: Path
) -> None:
    file = tmp_path / "all.dump"
    dump.save(engine, tools, file)
    worker = create_engine(database_url, poolclass=NullPool, connect_args={"application_name": "leadgauge"})
    with worker.connect() as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(DumpError, match="1 connections of Leadgauge are open: stop"):
            dump.load(engine, tools, file, replace=True)
    worker.dispose()


def test_a_failure_leaves_no_file_and_tells_no_password(engine: Engine, tmp_path: Path) -> None:
    own = _program(
        tmp_path / "own", 18, 'echo "$@" >"$0.args"; echo "pg_dump: error: password=$PGPASSWORD" >&2; exit 1'
    )
    for url in ("postgresql+psycopg://ann:hunter2@127.0.0.1:1/none", "postgresql+psycopg:///none?password=hunter2"):
        with pytest.raises(DumpError) as failed:
            dump.save(create_engine(url), Tools(own, 18), tmp_path / "all.dump")
        assert str(failed.value) == "pg_dump failed: password=[secret]"
        assert "hunter2" not in (own / "pg_dump.args").read_text()
    assert not list(tmp_path.glob("all.dump*"))


def test_the_oldest_programs_that_fit_the_server_are_taken(engine: Engine, tmp_path: Path) -> None:
    places = [_program(tmp_path / str(major), major, "exit 0") for major in (15, 99, 98)]
    assert dump.find(engine, [tmp_path / "nowhere", *places]) == Tools(places[2], 98)
    with pytest.raises(DumpError, match=r"PostgreSQL \d+ or newer are needed; there is 15: install"):
        dump.find(engine, places[:1])


def _program(directory: Path, major: int, does: str) -> Path:
    directory.mkdir()
    for name in ("pg_dump", "pg_restore"):
        file = directory / name
        script = (
            f'#!/bin/sh\n[ "$1" = --version ] && {{ echo "{name} (PostgreSQL) {major}.3 (Debian)"; exit; }}\n{does}\n'
        )
        file.write_text(script)
        file.chmod(0o755)
    return directory


def test_the_commands(engine: Engine, database_url: str, redis_url: str, broker_url: str, tmp_path: Path) -> None:
    environment = {
        "LEADGAUGE_DATABASE_URL": database_url, "LEADGAUGE_REDIS_URL": redis_url, "LEADGAUGE_BROKER_URL": broker_url,
    }  # fmt: skip
    product, backups = Product(tmp_path, environment, {"sources": []}, []), tmp_path / "backups"
    backups.mkdir()
    for name in ("leadgauge-20250101T000000Z.dump", "leadgauge-20250102T000000Z.dump", "other.dump"):
        (backups / name).touch()
    before = contents(engine)
    said = product.run("backup", str(backups), "--keep", "2").said
    made = sorted(file.name for file in backups.iterdir())
    assert made[0] == "leadgauge-20250102T000000Z.dump"
    assert made[2] == "other.dump"
    assert f"wrote {backups / made[1]}" in said.replace("\n", "")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM ledger"))
    product.run("restore", str(backups / made[1]), "--replace")
    after = contents(engine)
    assert after["record"] == before["record"]
    assert after["lineage"] != before["lineage"], "everything is compared before anything is written"
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT state, code, count(*) FROM ledger GROUP BY 1, 2")).all()
    assert [tuple(row) for row in rows] == [("superseded", "RESTORED", 500)]
