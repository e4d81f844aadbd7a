"""What is known of an installation when somebody asks whether all is well. Gathered first, judged afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from connectors.examination import Examination


@dataclass(frozen=True, slots=True)
class Host:
    """This machine. `room` is what is free on the disk of `home` (bytes), `memory` what the machine has (MiB); None
    where nobody knows. `training_memory`: what a training may take (MiB)."""

    leadgauge: str = ""
    python: str = ""
    config: Path | None = None
    home: Path = Path()
    writable: bool = True
    room: int | None = None
    memory: int | None = None
    training_memory: int = 0


@dataclass(frozen=True, slots=True)
class Database:
    """PostgreSQL. `problem`: why nothing else is known. `ahead`: its clock before ours. `schema`: `current`, `none`,
    `behind`, or what keeps this version from using it. `policy`: whether scoring has one."""

    problem: str = ""
    embedded: bool = False
    version: int = 0
    ahead: timedelta = timedelta(0)
    encoding: str = "UTF8"
    fsync: bool = True
    connections_left: int = 100
    owner: bool = True
    schema: str = "current"
    policy: bool = True


@dataclass(frozen=True, slots=True)
class Redis:
    """Redis or Valkey. `eviction` is its `maxmemory-policy`, empty where it does not tell; `broker`: why Celery's
    address, where that is another, cannot be used."""

    problem: str = ""
    embedded: bool = False
    kind: str = "Redis"
    version: tuple[int, ...] = ()
    ahead: timedelta = timedelta(0)
    eviction: str = ""
    broker: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One configured CRM account. `secrets`: what keeps its secrets from being read; `open_files`: secrets that other
    users of the machine can read; `practice`: a CRM on this machine, which no customer depends on; `unusable`: why it
    could not even be opened. `examination` is None where it was not looked at."""

    name: str
    kind: str
    practice: bool = False
    secrets: str = ""
    open_files: tuple[Path, ...] = ()
    unusable: str = ""
    dry_run: bool = False
    examination: Examination | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What the database tells of the work. `empty`: (goal, bucket) that nobody was in for 30 days; `strange`: sources
    that are stored and not configured; `paused`: (source or all, since, by whom, why)."""

    empty: tuple[tuple[str, str], ...] = ()
    strange: tuple[str, ...] = ()
    paused: tuple[tuple[str, datetime, str, str], ...] = ()
    models: int = 0
    sealed: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything, at `now`."""

    now: datetime
    host: Host = Host()
    database: Database = Database()
    redis: Redis = Redis()
    sources: tuple[Source, ...] = ()
    work: Work = field(default_factory=Work)
