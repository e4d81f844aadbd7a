"""Shared fixtures: one embedded PostgreSQL and Valkey for the whole run, a database of its own for every test."""

from __future__ import annotations

import gc
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import redis
from hypothesis import settings
from psycopg import sql
from sqlalchemy import NullPool, create_engine

from worker import embedded

# Forked children hang in scikit-learn's OpenMP runtime when the parent has used it with several threads.
os.environ["OMP_NUM_THREADS"] = "1"
# How long an example takes depends on what else the machine does. Fifty and not a hundred keep the suite short.
settings.register_profile("leadgauge", settings(), deadline=None, max_examples=50)
settings.load_profile("leadgauge")
_RUN_HOME = "LEADGAUGE_TEST_RUN_HOME"  # set by the controlling process, inherited by the xdist workers
_PREFIX = "leadgauge-tests-"
_TEMPLATE = "leadgauge_template"
_TEMPLATE_LOCK = 5_432_001  # advisory: the first xdist worker migrates the template, the others wait


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    config.option.loadscopereorder = False  # xdist begins with the file of most tests and would end with the longest
    for home in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_abandoned(home)
    os.environ[_RUN_HOME] = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests and all that they import stay to the end: no collection of garbage has to look at them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and (home := os.environ.pop(_RUN_HOME, None)):
        _remove(Path(home))


def _remove_abandoned(home: Path) -> None:
    """What a run left behind that was killed: its servers would stay for ever."""
    found = re.match(rf"{_PREFIX}(\d+)-", home.name)
    with suppress(FileNotFoundError, embedded.EmbeddedError):  # another run that begins now removes it, too
        if found is None or home.stat().st_uid != os.geteuid():
            return
        try:
            os.kill(int(found.group(1)), 0)
        except ProcessLookupError:
            _remove(home)


def _remove(home: Path) -> None:
    embedded.remove(home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches a test."""
    for name in [name for name in os.environ if name.startswith("LEADGAUGE_") and name != _RUN_HOME]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def servers() -> embedded.Addresses:
    """The servers of this run, shared by all xdist workers: use `database_url` and `redis_url` for what is yours."""
    return embedded.start(Path(os.environ[_RUN_HOME]), durable=False)


@pytest.fixture(scope="session")
def database_template(servers: embedded.Addresses) -> str:
    """The name of an empty database at the newest schema."""
    from worker.store.migrate import upgrade

    with psycopg.connect(servers.libpq_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_TEMPLATE_LOCK,))
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_TEMPLATE,)).fetchone()
        if known is None:
            fresh = f"{_TEMPLATE}_fresh"  # renamed when whole, so that a failed migration is not taken for the template
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(fresh)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(fresh)))
            engine = create_engine(_named(servers.database_url, fresh), poolclass=NullPool)
            upgrade(engine)
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(fresh), sql.Identifier(_TEMPLATE)))
    return _TEMPLATE


@pytest.fixture
def empty_database_url(servers: embedded.Addresses) -> Iterator[str]:
    """A database without any table, for one test: for the migrations themselves."""
    yield from _database(servers, "template1")


@pytest.fixture
def database_url(servers: embedded.Addresses, database_template: str) -> Iterator[str]:
    """A database at the newest schema, without rows, for one test (SQLAlchemy address)."""
    yield from _database(servers, database_template)


@pytest.fixture(scope="module")
def module_database_url(servers: embedded.Addresses, database_template: str) -> Iterator[str]:
    """Like `database_url`, shared by the tests of a module."""
    yield from _database(servers, database_template)


def _database(servers: embedded.Addresses, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    # Without durable servers copied files cost a third of what the default does, a log of every page.
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
        sql.Identifier(name), sql.Identifier(template)
    )
    with psycopg.connect(servers.libpq_url, autocommit=True) as connection:
        connection.execute(create)
    yield _named(servers.database_url, name)
    with psycopg.connect(servers.libpq_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _named(url: str, database: str) -> str:
    return url.replace("/leadgauge?", f"/{database}?", 1)


@pytest.fixture
def redis_url(servers: embedded.Addresses, worker_id: str) -> str:
    """An empty Redis database of this xdist worker (redis-py address). FLUSHDB is allowed, FLUSHALL is not."""
    url = servers.redis_url.replace("db=0", f"db={_redis_database(worker_id)}")
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def broker_url(servers: embedded.Addresses, redis_url: str, worker_id: str) -> str:
    """The same database as `redis_url`, as Celery spells it."""
    return servers.broker_url.replace("virtual_host=0", f"virtual_host={_redis_database(worker_id)}")


def _redis_database(worker_id: str) -> int:
    return 1 if worker_id == "master" else 2 + int(worker_id.removeprefix("gw"))
