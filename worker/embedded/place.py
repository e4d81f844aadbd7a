"""Where the embedded servers of one home keep their data and listen."""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from worker.embedded.errors import INSTEAD, EmbeddedError
from worker.embedded.owner import system_user

DATABASE = ROLE = "leadgauge"
SYSTEM_HOME = Path("/var/lib/leadgauge")
_SOCKET_PATH_BYTES = 103  # macOS; Linux allows 107
_OURS = [
    *("postgres", "postgres.new", "postgres.conf", "postgres.hba", "postgres.ident", "postgres.lock"),
    *("valkey", "valkey.conf", "valkey.lock", "run"),
]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers listen: the same for every process that names the same home."""

    database_url: str  # SQLAlchemy, driver psycopg
    redis_url: str  # redis-py
    broker_url: str  # kombu and Celery, which spell a unix socket in their own way

    @property
    def libpq_url(self) -> str:
        """The database as libpq wants it (psycopg, ADBC)."""
        return self.database_url.replace("+psycopg", "", 1)


@dataclass(frozen=True, slots=True)
class Place:
    """The directories of one home: for root `base` lies below /var/lib/leadgauge, for others it is the home itself."""

    home: Path
    base: Path
    run: Path
    as_root: bool

    @classmethod
    def of(cls, home: Path) -> Place:
        """Pure arithmetic on the path: nothing is created."""
        home = home.expanduser().resolve()
        as_root = os.geteuid() == 0
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
        base = SYSTEM_HOME / digest if as_root else home
        run = base / "run"
        if len(os.fsencode(run / ".s.PGSQL.5432.lock")) > _SOCKET_PATH_BYTES:
            run = Path("/tmp") / f"leadgauge-{os.geteuid()}-{digest}"  # noqa: S108 - private, refused if not ours
        return cls(home, base, run, as_root)

    @property
    def owner(self) -> pwd.struct_passwd | None:
        """The user whom the servers run as, made if missing; None where that is the caller."""
        return system_user() if self.as_root else None

    @property
    def addresses(self) -> Addresses:
        directory, socket = quote(str(self.run)), quote(str(self.run / "valkey.sock"))
        return Addresses(
            database_url=f"postgresql+psycopg://{ROLE}@/{DATABASE}?host={directory}&port=5432",
            redis_url=f"unix://{socket}?db=0",
            broker_url=f"redis+socket://{socket}?virtual_host=0",
        )

    def is_whole(self) -> bool:
        """Whether data beside the home belong to this very home, not to a deleted one of the same path."""
        if not self.as_root or not self.base.exists():
            return True
        ours, theirs = self.home / "instance", self.base / "instance"
        return ours.exists() and theirs.exists() and ours.read_text() == theirs.read_text()

    def prepare(self) -> None:
        """Make the directories, private to the user of the servers. Raises `EmbeddedError` for another user's."""
        if self.as_root and not self.base.exists():
            if not SYSTEM_HOME.exists():
                SYSTEM_HOME.mkdir(exist_ok=True)
                SYSTEM_HOME.chmod(0o755)  # mkdir alone would heed a strict umask, and shut the servers' user out
            self.base.mkdir()
            self.base.chmod(0o711)
            token = secrets.token_hex(16)
            (self.base / "instance").write_text(token)
            (self.home / "instance").write_text(token)
        for directory in (self.base / "valkey", self.run):
            self.make_private(directory)

    def make_private(self, directory: Path) -> None:
        """Make `directory` if missing, open to the user of the servers alone."""
        owner = self.owner
        uid, gid = (owner.pw_uid, owner.pw_gid) if owner else (os.geteuid(), os.getegid())
        if not directory.is_symlink() and not directory.exists():
            directory.mkdir(mode=0o700)
            os.chown(directory, uid, gid)
        if directory.is_symlink() or directory.stat().st_uid != uid:
            raise EmbeddedError(
                f"{directory} belongs to another user: run as that user, or choose another LEADGAUGE_HOME, {INSTEAD}"
            )
        directory.chmod(0o700)

    def write(self, name: str, text: str) -> Path:
        """Write a configuration file that the servers' user can read, whatever our umask."""
        path = self.base / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    def erase(self) -> None:
        """Delete what the servers keep, and nothing else. No server may be running."""
        for path in [*(self.base / name for name in _OURS), self.run]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        if self.as_root and self.base.exists():
            shutil.rmtree(self.base)
