"""The machine that a chaos run breaks: PostgreSQL and Valkey of their own, on a small disk, that lose their power."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import redis
from psycopg import sql

from worker import embedded
from worker.embedded.place import Place
from worker.embedded.process import is_held

DISK = "640m"
_WAL_KEPT = "256MB"


def descendants(pid: int) -> list[int]:
    """A process and all that it and its children began, sessions of their own included; those that live."""
    found = [pid]
    for each in found:
        with suppress(OSError):
            for thread in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
    return [each for each in found if Path(f"/proc/{each}").exists()]


def signal_all(pids: Iterable[int], signum: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


class Machine:
    """Both servers of one home, as operators run them: `fsync` on, an append-only file. Needs root for the small disk;
    `small_disk` says whether there is one."""

    def __init__(self, home: Path) -> None:
        self._home = home
        _started(home)
        self.place = Place.of(home)
        self._data = self.place.base / "postgres"
        self._image = home / "synced"
        self._ballast = self.place.base / "ballast"
        self.small_disk = self._onto_small_disk()
        self.addresses = _started(home)
        with self.connect() as connection:
            # Everything since the image is replayed after a power loss, so none of it may be thrown away.
            connection.execute(sql.SQL("ALTER SYSTEM SET wal_keep_size = {}").format(sql.Literal(_WAL_KEPT)))
            connection.execute("SELECT pg_reload_conf()")

    def _onto_small_disk(self) -> bool:
        """Move the servers' data to a file system that can be filled without hurting anybody else."""
        if os.geteuid() != 0 or not self.place.as_root:
            return False
        embedded.stop(self._home)
        aside = self._home / "aside"
        _copy(self.place.base, aside)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0711", "leadgauge-chaos", str(self.place.base)]
        mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
        if mounted:
            _copy(aside, self.place.base)
        shutil.rmtree(aside)
        return mounted

    def connect(self, database: str = "leadgauge") -> psycopg.Connection:
        """Past the proxy, to the server itself."""
        url = self.addresses.libpq_url.replace("/leadgauge?", f"/{database}?", 1)
        return psycopg.connect(url, autocommit=True)

    def url(self, database: str) -> str:
        """As SQLAlchemy wants it."""
        return self.addresses.database_url.replace("/leadgauge?", f"/{database}?", 1)

    def new_database(self, name: str, template: str = "template1") -> None:
        with self.connect() as connection:
            names = sql.Identifier(name), sql.Identifier(template)
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(names[0]))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))

    def drop_database(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def remember(self) -> None:
        """Take the image that a power loss goes back to: all that is certainly on the disk. What is written later comes
        back from the synced part of the write-ahead log alone."""
        with self.connect() as connection:
            connection.execute("CHECKPOINT")
            shutil.rmtree(self._image, ignore_errors=True)
            _copy(self._data, self._image, without="pg_wal", whole=False)
        assert (self._image / "global" / "pg_control").exists()
        (self._image / "postmaster.pid").unlink(missing_ok=True)

    def recover(self) -> None:
        """Start whatever does not run, and wait until both answer."""
        _started(self._home)

    # -- what happens to it ------------------------------------------------------------------------------------------

    def backends(self) -> list[int]:
        """Processes of PostgreSQL that serve a connection."""
        with self.connect() as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            return [pid for (pid,) in connection.execute(query)]

    def kill_postgres(self) -> None:
        """SIGKILL, all of its processes."""
        self._kill(self.postgres_pid(), self.place.base / "postgres.lock")

    def kill_redis(self) -> None:
        self._kill(self.redis_pid(), self.place.base / "valkey.lock")

    def postgres_pid(self) -> int:
        return _pid(self._data / "postmaster.pid")

    def redis_pid(self) -> int:
        return _pid(self.place.base / "valkey" / "valkey.pid")

    def _kill(self, pid: int, lock: Path) -> None:
        deadline = time.monotonic() + 30
        while is_held(lock):  # whoever was just being forked is caught the next time
            if pid:
                signal_all(descendants(pid), signal.SIGKILL)
            signal_all(_holders(lock), signal.SIGKILL)
            assert time.monotonic() < deadline, f"{lock} is still held"
            time.sleep(0.02)

    def flush_redis(self) -> None:
        with redis.Redis.from_url(self.addresses.redis_url) as client:
            client.flushall()

    def lose_power(self, dice: random.Random) -> None:
        """Both servers end at once, and of what they wrote only what they had synced is there afterwards. Whoever could
        have been told of a commit must have been stopped before."""
        with self.connect() as connection:
            row = connection.execute(
                "SELECT w.file_name, w.file_offset FROM pg_walfile_name_offset(pg_current_wal_flush_lsn()) w"
            ).fetchone()
        assert row is not None
        self.kill_postgres()
        self.kill_redis()
        kept = self._home / "pg_wal"
        _copy(self._data / "pg_wal", kept)
        for left in list(self._data.iterdir()):
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        _copy(self._image, self._data)
        _copy(kept, self._data / "pg_wal")
        shutil.rmtree(kept)
        _cut(self._data / "pg_wal", *row)
        for log in (self.place.base / "valkey" / "appendonlydir").glob("*.incr.aof"):
            os.truncate(log, max(0, log.stat().st_size - dice.randrange(4096)))

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """No byte is left where both servers write."""
        free = os.statvfs(self.place.base)
        ballast = os.open(self._ballast, os.O_WRONLY | os.O_CREAT, 0o600)
        with suppress(OSError):
            os.posix_fallocate(ballast, 0, free.f_bavail * free.f_frsize)
        with suppress(OSError):  # what others freed meanwhile
            while os.write(ballast, b"\0" * 4096):
                pass
        os.close(ballast)
        try:
            yield
        finally:
            self._ballast.unlink()

    def remove(self) -> None:
        with suppress(embedded.EmbeddedError):
            embedded.stop(self._home)
        if self.small_disk:
            subprocess.run(["umount", "--lazy", str(self.place.base)], check=False)
        shutil.rmtree(self._home, ignore_errors=True)
        shutil.rmtree(self.place.base, ignore_errors=True)


def _started(home: Path) -> embedded.Addresses:
    """However long it takes on a machine whose owner has other plans for it."""
    for _ in range(5):
        with suppress(embedded.EmbeddedError):
            return embedded.start(home)
    return embedded.start(home)


def _pid(file: Path) -> int:
    with suppress(OSError, IndexError, ValueError):
        return int(file.read_text().splitlines()[0])
    return 0


def _holders(lock: Path) -> list[int]:
    """Who has a file open: children whose parent was killed before we could ask for them."""
    found = []
    wanted = lock.stat().st_ino
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with suppress(OSError):
            if any(_inode(held) == wanted for held in (process / "fd").iterdir()):
                found.append(int(process.name))
    return found


def _inode(descriptor: Path) -> int:
    with suppress(OSError):
        return descriptor.stat().st_ino
    return -1


def _copy(source: Path, target: Path, without: str = "", *, whole: bool = True) -> None:
    """With owners and modes; `without` one directory's content. Not `whole`: files may go while it is copied."""
    target.mkdir(exist_ok=True)
    shutil.copystat(source, target)
    os.chown(target, source.stat().st_uid, source.stat().st_gid)
    names = [str(path) for path in source.iterdir() if path.name != without and not path.is_socket()]
    if names:
        subprocess.run(
            ["cp", "--archive", "--target-directory", str(target), *names],
            check=whole,
            stderr=None if whole else subprocess.DEVNULL,
        )


def _cut(wal: Path, last: str, offset: int) -> None:
    """Forget the write-ahead log from an offset of its file `last` on."""
    for segment in wal.iterdir():
        if segment.is_file() and len(segment.name) == 24 and segment.name > last:
            segment.unlink()
    if not (wal / last).exists():  # nothing was written to it yet
        return
    with (wal / last).open("r+b") as file:
        file.seek(offset)
        left = (wal / last).stat().st_size - offset
        file.write(b"\0" * left)
