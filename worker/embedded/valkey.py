"""The embedded Valkey."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.embedded import process
from worker.embedded.place import Place
from worker.embedded.programs import programs

_CONFIGURATION = """\
port 0
unixsocket "{run}/valkey.sock"
unixsocketperm 700
daemonize yes
pidfile "{base}/valkey/valkey.pid"
logfile "{base}/valkey/server.log"
loglevel warning
dir "{base}/valkey"
databases 64
save ""
appendonly yes
appendfsync everysec
# A broker that evicts deletes work.
maxmemory-policy noeviction
"""


@dataclass(frozen=True, slots=True)
class Valkey:
    """Valkey on a unix socket in a private directory, with an append-only file."""

    place: Place

    name = "Valkey"

    @property
    def data(self) -> Path:
        return self.place.base / "valkey"

    @property
    def lock(self) -> Path:
        return self.place.base / "valkey.lock"

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    def answers(self) -> bool:
        """False while it still loads its append-only file."""
        socket, once = str(self.place.run / "valkey.sock"), Retry(NoBackoff(), 0)
        try:
            with redis.Redis(unix_socket_path=socket, socket_timeout=2, retry=once) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def spawn(self, lock: int) -> None:
        """Configure and start it; it detaches by itself."""
        text = _CONFIGURATION.format(run=_escaped(self.place.run), base=_escaped(self.place.base))
        configuration = self.place.write("valkey.conf", text)
        (self.data / "valkey.pid").unlink(missing_ok=True)
        process.run([str(programs(self.place).valkey), str(configuration)], self.place, self.data, lock=lock)

    def signal_stop(self, *, hard: bool) -> None:
        """SIGTERM writes and syncs the append-only file before the end; SIGKILL loses at most its last second."""
        with suppress(FileNotFoundError, ValueError, ProcessLookupError):
            os.kill(int((self.data / "valkey.pid").read_text()), signal.SIGKILL if hard else signal.SIGTERM)


def _escaped(path: Path) -> str:
    """For a double-quoted value of valkey.conf."""
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
