"""The embedded PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from worker.embedded import process
from worker.embedded.owner import caller_name
from worker.embedded.place import DATABASE, ROLE, Place
from worker.embedded.programs import programs

_CONFIGURATION = """\
listen_addresses = ''
port = 5432
unix_socket_directories = '"{run}"'
unix_socket_permissions = 0700
hba_file = '{base}/postgres.hba'
ident_file = '{base}/postgres.ident'
cluster_name = 'leadgauge'
max_connections = 100
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
max_wal_size = 2GB
random_page_cost = 1.1
timezone = 'UTC'
log_timezone = 'UTC'
fsync = {durable}
synchronous_commit = {durable}
full_page_writes = {durable}
# People's data stay out of the log: no statements, no DETAIL lines with the values of a violated key.
log_min_error_statement = panic
log_error_verbosity = terse
"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """PostgreSQL on a unix socket, with one role that only the caller's operating-system user may take."""

    place: Place
    durable: bool = True

    name = "PostgreSQL"

    @property
    def data(self) -> Path:
        return self.place.base / "postgres"

    @property
    def lock(self) -> Path:
        return self.place.base / "postgres.lock"

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    def answers(self) -> bool:
        """True also while every connection is taken: busy is not dead."""
        target = f"host='{_escaped(self.place.run)}' port=5432 user={ROLE} dbname={DATABASE} connect_timeout=2"
        return psycopg.pq.PGconn.ping(os.fsencode(target)) == psycopg.pq.Ping.OK

    def spawn(self, lock: int) -> None:
        """Configure and start it, after creating the cluster on the first start."""
        bin_directory = programs(self.place).postgres
        if not self.data.exists():
            self._create_cluster(bin_directory)
        base = _escaped(self.place.base)
        run = _escaped(self.place.run).replace('"', '""')  # quoted twice: the setting is a list
        text = _CONFIGURATION.format(run=run, base=base, durable="on" if self.durable else "off")
        self.place.write("postgres.conf", text)
        self.place.write("postgres.hba", f"local all {ROLE} peer map=embedded\n")
        self.place.write("postgres.ident", f'embedded "{caller_name()}" {ROLE}\n')
        # We hold the lock, so no process of ours lives: a pid here is that of a dead server or of a stranger, and
        # PostgreSQL would believe either (a dead one while nobody has read its exit status).
        for stale in (self.data / "postmaster.pid", self.place.run / ".s.PGSQL.5432.lock"):
            stale.unlink(missing_ok=True)
        # pg_ctl pastes these into a shell's command line: relative to the working directory they are harmless.
        command = [str(bin_directory / "pg_ctl"), "-D", ".", "-l", self.log.name, "-W"]
        command += ["-o", "-c config_file=../postgres.conf", "start"]
        process.run(command, self.place, self.data, lock=lock)

    def signal_stop(self, *, hard: bool) -> None:
        """Fast shutdown; hard: immediate shutdown, which the next start recovers from."""
        with suppress(FileNotFoundError, IndexError, ValueError, ProcessLookupError):
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, signal.SIGQUIT if hard else signal.SIGINT)

    def _create_cluster(self, bin_directory: Path) -> None:
        """Make the cluster under another name first, so that it exists only when it is whole, database included."""
        fresh = self.place.base / "postgres.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        self.place.make_private(fresh)
        # Code-point order on every machine, upper and lower case by Unicode.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        quick = [] if self.durable else ["--no-sync"]
        initdb = [str(bin_directory / "initdb"), "-D", str(fresh), "-U", ROLE, "-A", "peer", *locale, *quick]
        process.run(initdb, self.place, fresh)
        single = [str(bin_directory / "postgres"), "--single", "-D", str(fresh), "template1"]
        process.run(single, self.place, fresh, script=f"CREATE DATABASE {DATABASE}\n")
        fresh.rename(self.data)


def _escaped(path: Path) -> str:
    """For a single-quoted value of postgresql.conf or of a libpq connection string."""
    return str(path).replace("\\", "\\\\").replace("'", "\\'")
