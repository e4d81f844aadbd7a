"""Backups: the whole database in one file, by PostgreSQL's own programs, whose place and version differ everywhere."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from worker.log import redact


class DumpError(Exception):
    """There is no backup, or nothing was restored. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Tools:
    """pg_dump and pg_restore of one version: as new as the server, or newer."""

    directory: Path
    major: int


def find(engine: Engine, places: Iterable[Path]) -> Tools:
    """Those of these directories that fit the server, the oldest of them. Raises `DumpError`."""
    with engine.connect() as connection:
        server = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
    known = {directory: major for directory in dict.fromkeys(places) if (major := _major(directory))}
    fitting = [Tools(directory, major) for directory, major in known.items() if major >= server]
    if not fitting:
        seen = f"; there is {max(known.values())}" if known else ""
        raise DumpError(
            f"pg_dump and pg_restore of PostgreSQL {server} or newer are needed{seen}: install "
            f"postgresql-client-{server}, or run them where the server is (docs/operations.md)"
        )
    return min(fitting, key=lambda tools: tools.major)


def _major(directory: Path) -> int | None:
    with suppress(OSError):
        if (directory / "pg_restore").exists():
            done = subprocess.run([directory / "pg_dump", "--version"], capture_output=True, text=True, check=False)
            if found := re.search(r" (\d+)[.\w]*", done.stdout):
                return int(found.group(1))
    return None


def save(engine: Engine, tools: Tools, file: Path) -> None:
    """Write all of it, of one instant, while everything goes on; readable by nobody else. Raises `DumpError`."""
    part = file.with_name(f"{file.name}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        _run(engine, tools.directory / "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", part)
        _listed(tools, part)
        part.replace(file)
    except OSError as problem:
        raise DumpError(f"{file} cannot be written: {problem.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def load(engine: Engine, tools: Tools, file: Path, *, replace: bool) -> None:
    """Read a backup into an empty database, or in place of what is there. Whatever goes wrong after that, the database
    is empty, not half full. Raises `DumpError`."""
    _listed(tools, file)
    with engine.begin() as connection:
        others = connection.execute(
            text("""
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
              AND application_name = 'leadgauge'
            """)
        ).scalar_one()
        if others:
            raise DumpError(
                f"{others} connections of Leadgauge are open: stop workers, beat, trainer and console first"
            )
        tables = connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).scalar_one()
        if tables and not replace:
            raise DumpError("the database is not empty: --replace deletes what it holds, or restore into another")
        if tables:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    how = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    _run(engine, tools.directory / "pg_restore", *how, file)


def folder(directory: Path) -> None:
    """Make the directory for backups, for its owner alone, if it is not there. Raises `DumpError`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise DumpError(f"{directory} cannot be the directory of backups: {problem.strerror}") from None


def prune(directory: Path, keep: int) -> Sequence[Path]:
    """Delete all but the newest backups that were made here; returns those deleted."""
    gone = sorted(directory.glob("leadgauge-*.dump"))[:-keep]
    for file in gone:
        file.unlink()
    return gone


def _listed(tools: Tools, file: Path) -> None:
    """Raises `DumpError` where it is no whole backup."""
    if not file.is_file():
        raise DumpError(f"{file} is no file")
    done = subprocess.run([tools.directory / "pg_restore", "--list", file], capture_output=True, text=True, check=False)
    if done.returncode or " TABLE DATA public ledger" not in done.stdout:
        raise DumpError(f"{file} is no backup of Leadgauge: {_said(done) or 'it holds other tables'}")


def _run(engine: Engine, program: Path, *arguments: str | Path) -> None:
    """With the address on the command line, which all users of a machine may read, and the password beside it."""
    secret = engine.url.password or engine.url.query.get("password")
    bare = engine.url._replace(drivername="postgresql", password=None).difference_update_query(["password"])
    address, password = bare.render_as_string(), {"PGPASSWORD": str(secret)} if secret else {}
    done = subprocess.run(
        [program, "--dbname", address, *arguments], env={**os.environ, **password}, capture_output=True, text=True,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise DumpError(f"{program.name} failed: {_said(done)}")


def _said(done: subprocess.CompletedProcess[str]) -> str:
    """The first thing that was wrong; no row is told."""
    line = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip().partition("\n")[0])
    return redact(line.partition("error: ")[2] or line)[:300]
