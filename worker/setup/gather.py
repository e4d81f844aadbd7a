"""Asking an installation how it is. Whatever cannot be asked is a fact, too: nothing here raises for it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from redis.exceptions import RedisError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from connectors.catalog import SourceSettings
from connectors.errors import CrmError
from connectors.examination import Examination, Examining
from connectors.port import BUCKETS, Crm
from connectors.secret import secrets_of
from worker.bootstrap import Process
from worker.embedded import EmbeddedError
from worker.lifecycle.policy import UNSCORED, PolicyError
from worker.settings import ConfigurationError, config_file
from worker.setup.facts import Database, Facts, Host, Redis, Source, Work
from worker.store import brakes, migrate, models, server
from worker.store.database import DatabaseError
from worker.store.migrate import NotReady

MOUNTED_SECRETS = Path("/run/secrets")
"""Docker and Kubernetes put them there, readable by all of a container, which is one user."""
VACANT_FOR = timedelta(days=30)
_HERE = ("localhost", "127.0.0.1", "::1")

Told = Callable[[str], None]
"""Called with what is looked at next."""


def gather(process: Process, only: Collection[str] = (), told: Told = lambda what: None) -> Facts:
    """Everything that is known of an installation; of the CRM accounts only those named, where any are."""
    told("this machine")
    host = _host(process)
    told("the database")
    database, work, buckets = _database(process)
    told("Redis")
    redis = _redis(process)
    unreadable = process.settings.unreadable_secrets()
    sources = []
    for settings in process.settings.sources:
        its = Source(
            settings.name, settings.kind, practice=is_here(settings), secrets=unreadable.get(settings.name, ""),
            open_files=tuple(_open_files(settings)), dry_run=settings.writes.dry_run,
        )  # fmt: skip
        if not its.secrets and (not only or settings.name in only):
            told(settings.name)
            its = _examined(process, settings, its, buckets, alone=bool(redis.problem))
        sources.append(its)
    return Facts(process.now(), host, database, redis, tuple(sources), work)


def _host(process: Process) -> Host:
    home = process.settings.home.resolve()
    there = next(place for place in (home, *home.parents) if place.exists())
    room = memory = None
    with suppress(OSError):
        room = shutil.disk_usage(there).free
    with suppress(OSError, ValueError, AttributeError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return Host(
        leadgauge=metadata.version("leadgauge"),
        python=platform.python_version(),
        config=config_file(),
        home=home,
        writable=os.access(there, os.W_OK),
        room=room,
        memory=memory,
        training_memory=process.settings.training_memory,
    )


def _database(process: Process) -> tuple[Database, Work, Collection[str]]:
    """Of the database, what it tells of the work, and the buckets of its policy."""
    own = process.settings.database_url is None
    try:
        with process.engine.connect() as connection:
            its, now = server.server(connection), datetime.now(UTC)
            schema = _schema(connection)
            known = Database(
                embedded=own, version=its.version, ahead=its.now - now, encoding=its.encoding, fsync=its.fsync,
                connections_left=its.connections_left, owner=its.owner, schema=schema,
            )  # fmt: skip
            if schema != "current":
                return known, Work(), BUCKETS
            return _scoring(process, connection, known)
    except (DatabaseError, EmbeddedError, ConfigurationError, DBAPIError) as problem:
        what = " ".join(str(problem.orig if isinstance(problem, DBAPIError) else problem).split())
        return Database(problem=what, embedded=own), Work(), BUCKETS


def _schema(connection: Connection) -> str:
    try:
        return migrate.state(connection)
    except migrate.TooNew as problem:
        return str(problem)


def _scoring(process: Process, connection: Connection, known: Database) -> tuple[Database, Work, Collection[str]]:
    empty: list[tuple[str, str]] = []
    buckets: Collection[str] = BUCKETS
    ready = True
    try:
        process.goals.scales(connection)
        for goal in process.settings.goal_names:
            names = [bucket.name for bucket in process.goals.policy(connection, goal).buckets]
            if goal == process.settings.goal:
                buckets = (*names, UNSCORED)
            vacant = server.empty_buckets(connection, goal, names, process.now() - VACANT_FOR)
            empty += [(goal, name) for name in vacant]
    except (NotReady, PolicyError):
        ready = False
    work = Work(
        empty=tuple(empty),
        strange=tuple(server.strange_sources(connection, process.sources)),
        paused=tuple((its.source, its.at, its.author, its.reason) for its in brakes.pauses(connection)),
        models=sum(len(models.listing(connection, goal)) for goal in process.settings.goal_names),
        sealed=process.settings.model_key is not None,
    )
    return replace(known, policy=ready), work, buckets


def _redis(process: Process) -> Redis:
    own = process.settings.redis_url is None
    try:
        process.ping_redis()
        told = process.redis.info()
        seconds, micros = process.redis.time()
        now = datetime.now(UTC)
        broker = ""
        if process.settings.broker_url is not None:
            try:
                process.ping_broker()
            except (RedisError, ValueError) as problem:
                broker = " ".join(str(problem).split())
    except (RedisError, ConfigurationError, EmbeddedError, DatabaseError) as problem:
        return Redis(problem=" ".join(str(problem).split()), embedded=own)
    valkey = "valkey_version" in told
    at = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)
    return Redis(
        embedded=own,
        kind="Valkey" if valkey else "Redis",
        version=_numbers(str(told.get("valkey_version" if valkey else "redis_version", ""))),
        ahead=at - now,
        eviction=str(told.get("maxmemory_policy", "")),
        broker=broker,
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _examined(
    process: Process, settings: SourceSettings, its: Source, buckets: Collection[str], *, alone: bool
) -> Source:
    """`alone`: without Redis. A look costs few calls."""
    crm: Crm | None = None
    try:
        crm = process.open(settings, alone=alone)
        found = crm.examine(buckets) if isinstance(crm, Examining) else Examination(problems=crm.check(buckets))
        return replace(its, examination=found)
    except (ConfigurationError, CrmError) as problem:
        return replace(its, unusable=str(problem))
    finally:
        if crm is not None:
            crm.close()


def is_here(settings: SourceSettings) -> bool:
    """Whether an account is on this machine, by whatever its kind calls an address."""
    told = settings.model_dump(include={"login_url", "host", "hosts"})
    addresses = [told.get("login_url"), told.get("host"), *(told.get("hosts") or {}).values()]
    return any(urlsplit(address).hostname in _HERE for address in addresses if address)


def _open_files(settings: SourceSettings) -> Iterator[Path]:
    for _, ref in secrets_of(settings):
        file = ref.file
        if file is None or file.resolve().is_relative_to(MOUNTED_SECRETS):
            continue
        with suppress(OSError):
            if file.stat().st_mode & 0o004:
                yield file
